"""The calls of one answer: confirmed, run, and every one of them answered, whatever happens.

::

    asked ──> confirming ──> running ──> done
      │            │            ├──────> failed    it raised, its time was up, or its value cannot be shown
      │            │            └──────> stopped   by Ctrl-C
      │            ├───────────────────> refused   the user said no, or nobody was there
      │            └───────────────────> stopped
      ├────────────────────────────────> failed    no such tool, wrong arguments
      └────────────────────────────────> stopped   its turn never came

Beside the notebook a plain function is ``waiting`` for the main thread before it is ``running``.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from claude_magic.content.parts import Part, text_part
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import join_names, truncate
from claude_magic.tools import captured_output, results
from claude_magic.tools.definition import WrongArguments
from claude_magic.tools.executor import Threads, TimeUp, Work, at_home, on_loop
from claude_magic.tools.worker import current_worker

if TYPE_CHECKING:
    from claude_magic.tools.definition import Tool

ANSWERED = frozenset({"done", "failed", "refused", "stopped"})
"""States after which nothing more happens."""


@dataclasses.dataclass(eq=False, repr=False)
class Call:
    """One call that Claude asked for.

    Attributes
    ----------
    id, name : str
    input : dict
        The arguments, as they came.
    invalid : str or None
        The raw arguments, if they were no JSON object.
    tool : Tool or None
        None if there is no such tool.
    state : str
        ``asked``, ``confirming``, ``waiting``, ``running``; in the end ``done``, ``failed``, ``refused`` or
        ``stopped``.
    value : object
        What the tool returned.
    parts : tuple of Part
        What Claude is told.
    is_error : bool
    exception : BaseException or None
        What the tool raised, with its traceback, for the user.
    seconds : float
        How long it ran.
    printed : str
        What it printed, as far as there was room.
    notes : tuple of str
        For the user: what was cut, what was left behind.
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
        """The arguments in a line, shortened, for people."""
        if self.invalid is not None:
            return truncate(results.clean(repr(self.invalid)), 60)
        return join_names(
            [f"{name}={truncate(results.clean(repr(value)), 60)}" for name, value in self.input.items()], 200
        )

    def result(self) -> Part:
        """The block that answers it."""
        return results.result(self.id, self.name, self.parts, is_error=self.is_error)

    def __repr__(self) -> str:
        ran = f", {self.seconds:.1f} s" if self.seconds else ""
        return f"<Call {self.name}({self.arguments()}): {self.state}{ran}>"

    def close(self, state: str, *told: str) -> None:
        """End it without a value: what Claude is told instead."""
        self.state, self.is_error = state, True
        self.parts = tuple(text_part(results.clean(text)) for text in told if text.strip())


def run(
    calls: Sequence[Call],
    *,
    changed: Callable[[Call], None],
    confirm: Callable[[Call], str],
    names: Sequence[str] = (),
    confirm_all: bool = False,
    always: list[Callable[..., Any]] | None = None,
) -> None:
    """Run the calls of one answer, and answer each.

    Plain functions run one after the other in this thread, ``async`` ones on its loop, and those that
    are ``parallel`` at the same time. What they print is told to Claude and not shown in the cell, but
    for what threads of their own print; what they ``display`` is shown. A tool may ask Claude itself.

    Parameters
    ----------
    calls : sequence of Call
    changed : callable
        Told, in this thread, of each change of a call's state.
    confirm : callable
        Asked about each call of a tool that wants it, before anything runs. Answers ``yes``, ``no`` or
        ``always``; raises if nobody can be asked.
    names : sequence of str
        Of the tools that there are, for calls of others.
    confirm_all : bool
        Ask about every call, whatever its tool wants.
    always : list of callable, optional
        The functions that were answered ``always``: they are asked about no more. Another function
        of the same name is.

    Raises
    ------
    KeyboardInterrupt
        If the user pressed Ctrl-C. Every call has been answered nevertheless.
    """
    works: dict[Work, Call] = {}
    try:
        for call in calls:
            if (work := _prepared(call, names)) is not None:
                works[work] = call
            else:
                changed(call)
        wanted = {w: c for w, c in works.items() if confirm_all or (c.tool is not None and c.tool.confirm)}
        for work in _refused(wanted, changed, confirm, [] if always is None else always):
            del works[work]
        with captured_output.routed():
            _run(works, changed)
    except BaseException as error:
        left = {call: work for work, call in works.items() if call.state == "running"}
        unanswered = [call for call in calls if call.state not in ANSWERED]
        for call in unanswered:
            stopped = left.get(call)
            if stopped is None:
                call.close("stopped", f"Not run: stopped {_who(error)} before its turn.")
            elif stopped.ended and stopped.read:
                call.close("stopped", f"It ran to its end. What it returned was not read: stopped {_who(error)}.")
                _besides(call, stopped, [])
            else:
                _stopped(call, stopped, error)
        for call in unanswered:
            stopped = left.get(call)
            if stopped is not None and stopped.ended and not stopped.read:  # beside the one that was stopped
                _answer(call, stopped)
            changed(call)
        raise


def ask_in_cell(call: Call) -> str:
    """Ask the user of a notebook or terminal, and show all that would run.

    Returns
    -------
    str
        ``yes``, ``no`` or ``always``.

    Raises
    ------
    BadInput
        If nobody can answer, as in a notebook that is executed from the command line.
    """
    with captured_output.into(None):  # a tool that asks Claude itself must not swallow the question
        print(f"Claude wants to run {call.name}:")
        for name, value in call.input.items():
            print(f"  {name} = {results.clean(_in_full(value))}")
    while True:
        try:
            answer = input(f"Run {call.name}? [y]es / [n]o / [a]lways: ").strip().lower()
        except (EOFError, OSError, RuntimeError):  # IPython's StdinNotImplementedError is a RuntimeError
            raise BadInput(f"{call.name} waits for a yes, and nobody is there to be asked.") from None
        for word in ("yes", "no", "always"):
            if answer and word.startswith(answer):
                return word


def _in_full(value: object) -> str:
    """A value with its line breaks, and with nothing in it that a terminal would hide."""
    if not isinstance(value, str) or "\n" not in value:
        return repr(value)
    shown = (char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in value)
    return "\n    " + "".join(shown).replace("\n", "\n    ")


def _prepared(call: Call, names: Sequence[str]) -> Work | None:
    """What is to be run; None if the call is answered by that."""
    if call.tool is None:
        there = f"The tools are: {', '.join(names)}." if names else "There are no tools."
        call.close("failed", f"There is no tool named {call.name!r}. {there}")
    elif call.invalid is not None:
        call.close("failed", f"The arguments are no JSON object: {truncate(call.invalid, 500)}")
    else:
        try:
            args, kwargs = call.tool.bind(call.input)
        except WrongArguments as error:
            call.exception = error
            call.close("failed", truncate(str(error), results.LONGEST_ERROR))
        except Exception as error:  # noqa: BLE001 - a check of the user's may raise anything
            call.exception = error
            call.close("failed", results.of_error(error))
        else:
            return Work(functools.partial(call.tool, *args, **kwargs), call.tool.timeout)
    return None


def _refused(
    works: dict[Work, Call],
    changed: Callable[[Call], None],
    confirm: Callable[[Call], str],
    always: list[Callable[..., Any]],
) -> list[Work]:
    """Ask about each call; those that may not run."""
    refused = []
    for work, call in works.items():
        if call.tool is None or call.tool.function in always:
            continue
        call.state = "confirming"
        changed(call)
        try:
            answer = confirm(call)
            reason = "The user was asked and said no."
        except Exception as error:  # noqa: BLE001 - without an answer nothing may run
            call.exception = error
            answer, reason = "no", "Nobody is there to be asked."
        if answer == "always":
            always.append(call.tool.function)
        elif answer != "yes":
            refused.append(work)
            call.close("refused", f"Not run: {call.name} has to be confirmed. {reason}")
            changed(call)
    return refused


def _run(works: dict[Work, Call], changed: Callable[[Call], None]) -> None:
    def begin(*begun: Work) -> None:
        for work in begun:
            works[work].state = "running"
            changed(works[work])

    def wait(work: Work) -> None:
        if current_worker() is not None:
            works[work].state = "waiting"
            changed(works[work])

    def end(*ended: Work) -> None:
        for work in ended:
            _answer(works[work], work)
            changed(works[work])

    def chosen(*, parallel: bool, is_async: bool) -> list[Work]:
        return [
            work
            for work, call in works.items()
            if call.tool is not None and (call.tool.parallel, call.tool.is_async) == (parallel, is_async)
        ]

    beside, together = chosen(parallel=True, is_async=False), chosen(parallel=True, is_async=True)
    awaited = chosen(parallel=False, is_async=True)
    begin(*beside)
    with Threads(beside) as threads:
        for work in works:
            if work in beside or work in together:
                continue
            if work in awaited:
                begin(work)
                on_loop([work])
            else:
                wait(work)
                at_home(work, functools.partial(begin, work))
            end(work)
        if together:
            begin(*together)
            on_loop(together)
            end(*together)
        for work in threads:
            end(work)


def _answer(call: Call, work: Work) -> None:
    """What came of it, for Claude and for the user."""
    work.read = True
    call.is_error, call.exception = False, work.exception
    notes: list[str] = []
    if work.timed_out and work.left_behind:
        call.close("failed", f"Given up after {work.timeout:g} s (its timeout). It may still be running.")
    elif work.timed_out:
        call.close("failed", f"Stopped after {work.timeout:g} s (its timeout).")
    elif work.exception is not None:
        call.close("failed", results.of_error(work.exception))
    else:
        call.value = work.value
        try:
            call.parts, cut = results.of_value(work.value, call.name)
        except Exception as error:  # noqa: BLE001 - what shows a value may be the user's code
            call.exception = error
            why = str(error) if isinstance(error, BadInput) else results.of_error(error)
            call.close("failed", f"{call.name} ran, but what it returned cannot be shown. {why}")
        else:
            call.state = "done"
            notes += cut
    _besides(call, work, notes)


def _stopped(call: Call, work: Work, error: BaseException) -> None:
    """Answer a call that was under way when all was stopped."""
    call.close("stopped", f"Stopped {_who(error)}." + (" It may still be running." if work.left_behind else ""))
    _besides(call, work, [])


def _besides(call: Call, work: Work, notes: list[str]) -> None:
    """What it printed, how long it took, and what is to be known about it."""
    call.seconds, call.printed = work.seconds, work.printed.text
    if call.printed.strip():
        call.parts = (*call.parts, text_part(results.clean(f"Printed:\n{call.printed}")))
    if work.printed.cut:
        notes.append(f"{work.printed.cut:,} printed characters cut")
        call.parts = (*call.parts, text_part(f"… {notes[-1]}"))
    if work.left_behind:
        notes.append("left behind: it may still be running")
    elif work.timeout is not None and work.seconds > work.timeout + 1 and not work.timed_out:
        notes.append(f"its timeout of {work.timeout:g} s could not be kept")
    call.notes = tuple(notes)


def _who(error: BaseException) -> str:
    if isinstance(error, TimeUp):
        return "with the tool that had asked for it"
    return "by the user" if isinstance(error, KeyboardInterrupt) else "by an error elsewhere"
