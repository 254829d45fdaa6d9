"""The tool calls of one reply: confirmed, run, and each of them answered, whatever happens.

::

    asked ──> confirming ──> running ──> done
      │            │            ├──────> failed    it raised, timed out, or its value cannot be shown
      │            │            └──────> stopped   by Ctrl-C
      │            ├───────────────────> refused   the user said no, or there was nobody to ask
      │            └───────────────────> stopped
      ├────────────────────────────────> failed    no such tool, invalid arguments
      └────────────────────────────────> stopped   before its turn

In the background, a plain function is ``waiting`` for the main thread before it is ``running``.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from claude_magic.content.parts import Part, text_part
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import join_names, truncate
from claude_magic.tools.captured_output import capture_to, route_output
from claude_magic.tools.definition import WrongArguments
from claude_magic.tools.executor import Job, JobThreads, ToolTimeout, run_async, run_with_notebook
from claude_magic.tools.results import LONGEST_ERROR, clean, describe_error, tool_result, value_parts
from claude_magic.tools.worker import current_worker

if TYPE_CHECKING:
    from claude_magic.tools.definition import Tool

ANSWERED = frozenset({"done", "failed", "refused", "stopped"})
"""The final states."""


@dataclasses.dataclass(eq=False, repr=False)
class Call:
    """A tool call that Claude made, and its outcome; ``reply.tool_calls`` lists those of a reply.

    Attributes
    ----------
    id, name : str
    input : dict
        The arguments, as Claude wrote them.
    invalid : str or None
        The raw arguments, if they are not a JSON object.
    tool : Tool or None
        None if there is no such tool.
    state : str
        ``asked``, ``confirming``, ``waiting``, ``running``; finally ``done``, ``failed``, ``refused`` or
        ``stopped``.
    value : object
        What the tool returned.
    parts : tuple of Part
        What Claude is told.
    is_error : bool
        Whether Claude is told that the call failed.
    exception : BaseException or None
        What the tool raised, with its traceback.
    seconds : float
        How long the tool ran.
    printed : str
        What it printed; only the beginning if that was long.
    notes : tuple of str
        Remarks for the user: what was cut, and whether the tool may still be running.
    """

    id: str
    name: str
    input: dict[str, Any]
    invalid: str | None = None
    tool: Tool[..., Any] | None = None
    state: str = "asked"
    value: Any = None
    parts: tuple[Part, ...] = ()
    is_error: bool = False
    exception: BaseException | None = None
    seconds: float = 0.0
    printed: str = ""
    notes: tuple[str, ...] = ()

    def arguments(self) -> str:
        """The arguments on one line, truncated, for display."""
        if self.invalid is not None:
            return truncate(clean(repr(self.invalid)), 60)
        return join_names([f"{name}={truncate(clean(repr(value)), 60)}" for name, value in self.input.items()], 200)

    def result(self) -> Part:
        """The ``tool_result`` block that answers the call."""
        return tool_result(self.id, self.name, self.parts, is_error=self.is_error)

    def __repr__(self) -> str:
        ran = f", {self.seconds:.1f} s" if self.seconds else ""
        return f"<Call {self.name}({self.arguments()}): {self.state}{ran}>"

    def close(self, state: str, *told: str) -> None:
        """Put it into a final state without a value, and tell Claude these texts instead."""
        self.state, self.is_error = state, True
        self.parts = tuple(text_part(clean(text)) for text in told if text.strip())


def run(
    calls: Sequence[Call],
    *,
    changed: Callable[[Call], None],
    confirm: Callable[[Call], str],
    names: Sequence[str] = (),
    confirm_all: bool = False,
    always: list[Callable[..., Any]] | None = None,
) -> None:
    """Run the calls of one reply, and answer each of them.

    Plain functions run one after the other on this thread, ``async`` ones on its event loop, and those
    with ``parallel=True`` concurrently. What they print goes to Claude instead of the cell, except from threads
    that they start themselves; what they ``display`` is shown. A tool may ask Claude itself.

    Parameters
    ----------
    calls : sequence of Call
    changed : callable
        Called, on this thread, whenever the state of a call has changed.
    confirm : callable
        Called for each call whose tool needs confirmation, before anything runs. Returns ``yes``, ``no`` or
        ``always``; raises if there is nobody to ask.
    names : sequence of str
        Names of the available tools, told to Claude when it calls another.
    confirm_all : bool
        Ask about every call, whatever its tool says.
    always : list of callable, optional
        Functions for which the answer was ``always`` and which need no further confirmation. Another
        function of the same name does.

    Raises
    ------
    KeyboardInterrupt
        If the user pressed Ctrl-C. Every call has been answered all the same.
    """
    jobs: dict[Job, Call] = {}
    try:
        for call in calls:
            if (job := _prepare(call, names)) is not None:
                jobs[job] = call
            else:
                changed(call)
        to_confirm = {j: c for j, c in jobs.items() if confirm_all or (c.tool is not None and c.tool.confirm)}
        for job in _refused(to_confirm, changed, confirm, [] if always is None else always):
            del jobs[job]
        with route_output():
            _run(jobs, changed)
    except BaseException as error:
        running = {call: job for job, call in jobs.items() if call.state == "running"}
        unanswered = [call for call in calls if call.state not in ANSWERED]
        for call in unanswered:
            stopped = running.get(call)
            if stopped is None:
                call.close("stopped", f"Not run: stopped {_by_whom(error)} before its turn.")
            elif stopped.finished and stopped.collected:
                reason = f"stopped {_by_whom(error)}"
                call.close("stopped", f"It ran to completion, but its result was not read: {reason}.")
                _add_details(call, stopped, [])
            else:
                still_running = " It may still be running." if stopped.abandoned else ""
                call.close("stopped", f"Stopped {_by_whom(error)}.{still_running}")
                _add_details(call, stopped, [])
        for call in unanswered:
            stopped = running.get(call)
            if stopped is not None and stopped.finished and not stopped.collected:  # parallel to the stopped one
                _collect(call, stopped)
            changed(call)
        raise


def ask_in_cell(call: Call) -> str:
    """Ask the user of a notebook or terminal, and show everything that would run.

    Returns
    -------
    str
        ``yes``, ``no`` or ``always``.

    Raises
    ------
    BadInput
        If nobody can answer, for example in a notebook that is executed from the command line.
    """
    with capture_to(None):  # a tool that asks Claude itself must not swallow the question
        print(f"Claude wants to run {call.name}:")
        for name, value in call.input.items():
            print(f"  {name} = {clean(_in_full(value))}")
    while True:
        try:
            answer = input(f"Run {call.name}? [y]es / [n]o / [a]lways: ").strip().lower()
        except (EOFError, OSError, RuntimeError):  # IPython's StdinNotImplementedError is a RuntimeError
            raise BadInput(
                f"{call.name} has to be confirmed, and there is nobody to ask. Run this where you can answer."
            ) from None
        for word in ("yes", "no", "always"):
            if answer and word.startswith(answer):
                return word


def _in_full(value: object) -> str:
    """A value with its line breaks, and with every character visible that a terminal would hide."""
    if not isinstance(value, str) or "\n" not in value:
        return repr(value)
    shown = (char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in value)
    return "\n    " + "".join(shown).replace("\n", "\n    ")


def _prepare(call: Call, names: Sequence[str]) -> Job | None:
    """The job for a call; None if the call cannot be run and has been answered."""
    if call.tool is None:
        available = f"The tools are: {', '.join(names)}." if names else "There are no tools."
        call.close("failed", f"There is no tool named {call.name!r}. {available}")
    elif call.invalid is not None:
        call.close("failed", f"The arguments are not a JSON object: {truncate(call.invalid, 500)}")
    else:
        try:
            args, kwargs = call.tool.bind(call.input)
            return Job(functools.partial(call.tool, *args, **kwargs), call.tool.timeout)
        except WrongArguments as error:
            call.exception = error
            call.close("failed", truncate(str(error), LONGEST_ERROR))
        except Exception as error:  # noqa: BLE001 - a validator of the user's may raise anything
            call.exception = error
            call.close("failed", describe_error(error))
    return None


def _refused(
    jobs: dict[Job, Call],
    changed: Callable[[Call], None],
    confirm: Callable[[Call], str],
    always: list[Callable[..., Any]],
) -> list[Job]:
    """Ask about each call, and return the jobs that may not run."""
    refused = []
    for job, call in jobs.items():
        if call.tool is None or call.tool.function in always:
            continue
        call.state = "confirming"
        changed(call)
        try:
            answer = confirm(call)
            reason = "The user was asked and said no."
        except Exception as error:  # noqa: BLE001 - without an answer nothing may run
            call.exception = error
            answer, reason = "no", "There is nobody to ask."
        if answer == "always":
            always.append(call.tool.function)
        elif answer != "yes":
            refused.append(job)
            call.close("refused", f"Not run: {call.name} has to be confirmed. {reason}")
            changed(call)
    return refused


def _run(jobs: dict[Job, Call], changed: Callable[[Call], None]) -> None:
    def set_state(state: str, *which: Job) -> None:
        for job in which:
            jobs[job].state = state
            changed(jobs[job])

    def collect(*finished: Job) -> None:
        for job in finished:
            _collect(jobs[job], job)
            changed(jobs[job])

    def select(*, parallel: bool, is_async: bool) -> list[Job]:
        return [
            job
            for job, call in jobs.items()
            if call.tool is not None and (call.tool.parallel, call.tool.is_async) == (parallel, is_async)
        ]

    threaded, concurrent = select(parallel=True, is_async=False), select(parallel=True, is_async=True)
    awaited = select(parallel=False, is_async=True)
    set_state("running", *threaded)
    with JobThreads(threaded) as threads:
        for job in jobs:
            if job in threaded or job in concurrent:
                continue
            if job in awaited:
                set_state("running", job)
                run_async([job])
            else:
                if current_worker() is not None:
                    set_state("waiting", job)
                run_with_notebook(job, functools.partial(set_state, "running", job))
            collect(job)
        if concurrent:
            set_state("running", *concurrent)
            run_async(concurrent)
            collect(*concurrent)
        for job in threads:
            collect(job)


def _collect(call: Call, job: Job) -> None:
    """Take the outcome of a job over into its call, for Claude and for the user."""
    job.collected = True
    call.is_error, call.exception = False, job.exception
    notes: list[str] = []
    if job.timed_out and job.abandoned:
        call.close("failed", f"Abandoned after {job.timeout:g} s (its timeout). It may still be running.")
    elif job.timed_out:
        call.close("failed", f"Stopped after {job.timeout:g} s (its timeout).")
    elif job.exception is not None:
        call.close("failed", describe_error(job.exception))
    else:
        call.value = job.value
        try:
            call.parts, cut = value_parts(job.value, call.name)
        except Exception as error:  # noqa: BLE001 - showing a value may call the user's code
            call.exception = error
            why = str(error) if isinstance(error, BadInput) else describe_error(error)
            call.close("failed", f"{call.name} ran, but its result cannot be shown. {why}")
        else:
            call.state = "done"
            notes += cut
    _add_details(call, job, notes)


def _add_details(call: Call, job: Job, notes: list[str]) -> None:
    """Add what the tool printed, how long it ran, and the notes for the user."""
    call.seconds, call.printed = job.seconds, job.output.text
    if call.printed.strip():
        call.parts = (*call.parts, text_part(clean(f"Printed:\n{call.printed}")))
    if job.output.cut:
        notes.append(f"{job.output.cut:,} printed characters cut")
        call.parts = (*call.parts, text_part(f"… {notes[-1]}"))
    if job.abandoned:
        notes.append("abandoned: it may still be running")
    elif job.timeout is not None and job.seconds > job.timeout + 1 and not job.timed_out:
        notes.append(f"it could not be stopped at its timeout of {job.timeout:g} s")
    call.notes = tuple(notes)


def _by_whom(error: BaseException) -> str:
    if isinstance(error, ToolTimeout):
        return "together with the tool that had asked for it"
    return "by the user" if isinstance(error, KeyboardInterrupt) else "by an error elsewhere"
