"""The questions of a conversation: each runs as one transaction, here or in the background."""

from __future__ import annotations

import contextvars
import dataclasses
import sys
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from claude_magic.conversation.cell_turns import CellTurns, asked_within, insert, slot
from claude_magic.conversation.journal import Journal
from claude_magic.conversation.state import State
from claude_magic.conversation.toolbox import Tools
from claude_magic.conversation.turns import Turn, seen
from claude_magic.engine.background import Answer, QuestionQueue, Ticket, error_line, unsent_ending, wait_for
from claude_magic.engine.bill import Spending
from claude_magic.engine.caching import RequestHistory, explain_cache
from claude_magic.engine.environment import Place
from claude_magic.engine.interrupts import OneInterrupt
from claude_magic.engine.notice import Notice
from claude_magic.engine.question import Question
from claude_magic.engine.rendering import Asked, Ending, GuardedRenderer
from claude_magic.engine.session import Session
from claude_magic.messages import limits
from claude_magic.messages.errors import BadInput, ClaudeError, Explained, Interrupted, OverBudget
from claude_magic.messages.text import pluralize
from claude_magic.tools.toolset import read_tools

if TYPE_CHECKING:
    from claude_magic.engine.budget import Allowance
    from claude_magic.engine.prepare import Prepared
    from claude_magic.messages.reply import Reply
    from claude_magic.tools.toolset import AnyTool

_STOPPING = 5.0
"""Seconds to wait for an answer that was stopped."""
_answering: contextvars.ContextVar[Mapping[Runner, int]] = contextvars.ContextVar(
    "_answering", default=MappingProxyType({})
)
"""The conversations that are answering where this code runs, which may be a tool, each with its thread."""


@dataclasses.dataclass(frozen=True)
class _Asking:
    """A question with what was settled when it was asked."""

    question: Question
    tools: tuple[AnyTool, ...]
    place: Place | None

    def change(self, state: State) -> State:
        return state.with_options(self.question.options, self.tools)


class Runner:
    """Runs the questions of one conversation, one after the other, each as one transaction.

    Parameters
    ----------
    name : str
        Of the conversation.
    session : Session
    journal : Journal
        An answer that is kept is one step in it.
    cells : CellTurns
    tools : Tools

    Attributes
    ----------
    last : Reply or None
        The latest answer, whether it was kept or not.
    history : RequestHistory
    """

    def __init__(self, name: str, session: Session, journal: Journal, cells: CellTurns, tools: Tools) -> None:
        self._name = name
        self._session = session
        self._journal = journal
        self._cells = cells
        self._tools = tools
        self._queue = QuestionQueue(session.main_thread)
        self._background: list[Answer] = []
        self._billed: Reply | None = None
        self.last: Reply | None = None
        self.history = RequestHistory()

    def prepare(self, question: Question) -> Prepared:
        """A question as it would be asked now, to look at or count; nothing changes."""
        return self._prepare(self._asking(question, self._session.environment.peek(self._name)))

    def run(self, question: Question) -> Reply:
        """Ask, and wait for the answer; see :meth:`Conversation.run`."""
        thread = _answering.get().get(self, threading.get_ident())
        if thread != threading.get_ident():
            raise BadInput(f"A tool that runs in parallel cannot ask {self._name!r}, which waits for it. Use fork().")
        session, environment = self._session, self._session.environment
        asking = self._asking(question, environment.place(self._name))

        def answer() -> tuple[Turn, BaseException | None]:
            session.client.require_credentials()
            with session.budget.question(yes=question.options.get("yes", False)) as allowance:
                prepared = self._prepare(asking, allowance)
                renderer = GuardedRenderer(question.renderer or environment.renderer())
                return self._carry_out(asking, prepared, renderer, environment.notices, interrupts)

        with OneInterrupt() as interrupts:
            turn, error = self._queue.run(Ticket(), answer)  # questions of several threads wait for each other
        if error is not None:
            raise error from None
        return turn.reply

    def start(self, question: Question) -> Answer:
        """Ask in the background; see :meth:`Conversation.start`."""
        session, environment = self._session, self._session.environment
        session.client.require_credentials()
        asking = self._asking(question, environment.place(self._name))
        model = question.options.get("model") or session.model_id(self._journal.state.model)
        question = dataclasses.replace(question.converted(), options={**question.options, "model": model})
        asking = dataclasses.replace(asking, question=question)
        self._prepare(asking)  # what is wrong with it is raised here
        renderer = GuardedRenderer(question.renderer or environment.renderer(background=True))
        notices = environment.notices()
        answer = Answer(question.text, session.main_thread, asking.place, environment.output_context())
        ticket = Ticket()

        def carry_out() -> tuple[Turn, BaseException | None]:
            with session.budget.question(yes=question.options.get("yes", False)) as allowance:
                prepared = self._prepare(asking, allowance)
                return self._carry_out(asking, prepared, renderer, lambda: notices, OneInterrupt(), answer)

        def work() -> Reply:
            try:
                turn, error = self._queue.run(ticket, carry_out)
            except (ClaudeError, Interrupted) as unsent:
                renderer.finish(unsent_ending(unsent))
                raise
            if error is not None:
                raise error from None
            return turn.reply

        self._background = [one for one in self._background if not one.done or one.error is not None]
        self._background.append(answer)
        try:
            self._queue.join(ticket)
            answer.start(work)
        except BaseException:
            self._queue.leave(ticket)
            self._background.remove(answer)
            raise
        return answer

    def wait(self, timeout: float | None = None) -> Reply | None:
        """Wait for the answers in the background; see :meth:`Conversation.wait`."""
        if self in _answering.get():
            raise BadInput(f"A tool cannot wait for {self._name!r}, which waits for it.")
        answers = [*self._background]
        wait_for(answers, self._session.main_thread, timeout)
        self._background = [one for one in self._background if one not in answers]
        for failed in (answer.error for answer in answers if answer.error is not None):
            raise failed
        return answers[-1].reply if answers else self.last

    def stop(self) -> Notice:
        """Stop the answers in the background; see :meth:`Conversation.stop`."""
        running = [answer for answer in self._background if not answer.done]
        for answer in reversed(running):  # so that none begins because the one before it ends
            answer.stop()
        if self not in _answering.get():
            self._session.main_thread.wait_until(lambda: all(answer.done for answer in running), _STOPPING)
        return Notice(f"Stopped {pluralize(len(running), 'answer')}." if running else "There was nothing to stop.")

    @property
    def running(self) -> int:
        """How many answers in the background have not ended."""
        return sum(not answer.done for answer in self._background)

    def drop(self, cells: set[str]) -> None:
        """Stop the answers that are still on their way to these cells, where nobody sees them any more."""
        for answer in [*self._background]:
            place = answer.place
            if not answer.done and place is not None and place.number is not None and place.cell in cells:
                self._background.remove(answer)
                answer.dropped = True
                answer.stop()

    def why_no_cache(self) -> Notice:
        """Why the last answer missed the cache; see :meth:`Conversation.why_no_cache`."""
        client = self._session.client
        model = limits.lookup(self._session.model_id(self._journal.state.model), self._session.learned)
        impossible = ""
        if self._session.settings.cache == "off":
            impossible = 'The cache is off: %config ClaudeMagics.cache = "auto" switches it on.'
        elif not client.is_anthropic:
            impossible = f"Only Anthropic's own servers are asked to cache, not {client.base_url}."
        self.history.diagnosing = self.history.diagnosing or not impossible
        return explain_cache(
            self._billed, asked=self.history.diagnosed, impossible=impossible, minimum=model.cache_minimum
        )

    def _asking(self, question: Question, place: Place | None) -> _Asking:
        append = question.options.get("append") or self._session.settings.rerun == "append"
        if place is not None and append:
            place = dataclasses.replace(place, number=None)
        return _Asking(question, read_tools(question.options.get("tools", ())), place)

    def _prepare(self, asking: _Asking, allowance: Allowance | None = None) -> Prepared:
        from claude_magic.engine.prepare import Context, prepare

        state, options = asking.change(self._journal.state), asking.question.options
        index, former = (0, None) if options.get("once") else slot(state.turns, asking.place)
        before = () if options.get("once") or options.get("new") else seen(state.turns[:index])
        before = tuple(turn for turn in before if not asked_within(turn, asking.place))
        replies = (reply for turn in before for reply in turn.reply.messages)
        context = Context(
            model=self._session.model_id(state.model),
            system=state.system,
            tools=state.tools,
            tool_limits=self._tools.limits,
            messages=tuple(message for turn in before for message in turn.messages),
            turns=len(before),
            longest=max((reply.counted.output_tokens for reply in replies), default=0),
            history=self.history,
        )
        try:
            return prepare(asking.question, context, self._session, allowance)
        except OverBudget as error:
            _note(error, former)
            raise

    def _carry_out(
        self,
        asking: _Asking,
        prepared: Prepared,
        renderer: GuardedRenderer,
        notices: Callable[[], list[str]],
        interrupts: OneInterrupt,
        answer: Answer | None = None,
    ) -> tuple[Turn, BaseException | None]:
        """Run, commit, draw the ending; an error to be raised comes back with the turn."""
        from claude_magic.engine import run
        from claude_magic.tools import captured_output

        token = _answering.set({**_answering.get(), self: threading.get_ident()})
        try:
            with captured_output.capture_to(None):  # a tool may be asking, whose own output goes to its caller
                result = run.run(prepared, renderer, answer.stop if answer is not None else None)
        finally:
            _answering.reset(token)
        interrupts.closing()
        once = asking.question.options.get("once", False)
        former = None if once else slot(self._journal.state.turns, asking.place)[1]
        if result.answer is None and isinstance(result.error, Explained):
            _note(result.error, former)
        turn = Turn.of(prepared, result, asking.place)
        dropped = answer is not None and answer.dropped
        news = notices()
        reported = [*([] if self._journal.state.turns else news), *self._cells.news()]  # it may have been loaded
        if not dropped:
            self.last = turn.reply
        self._learn(prepared.request.history, once=once)
        if result.answer is not None and not once and not dropped:

            def commit(state: State) -> tuple[str, State]:
                # Another thread, or a tool of this answer, may have changed the conversation in the meantime.
                new = asking.question.options.get("new", False)
                after, step, consequences = insert(turn, asking.change(state), prepared.context.tools, new=new)
                reported.extend(consequences)
                return step, after

            self._journal.change(commit)
        if dropped:
            stopped = Interrupted("Stopped: its cell ran again or was deleted. Nothing is kept.")
            result = dataclasses.replace(result, error=stopped)
        if answer is not None and result.error is not None:  # the cell itself succeeded long ago
            result = dataclasses.replace(result, notice=error_line(result.error))
        ending = self._ending(turn, [*reported, *run.notices(prepared, result)])
        with captured_output.capture_to(None):
            renderer.finish(ending)
        if answer is None:
            self._session.environment.finished(ending)
        if (failure := renderer.failure) is not None:
            what = f"{type(failure).__name__}: {failure}"
            print(f"The answer could not be drawn as it arrived ({what}). claude.last has it.", file=sys.stderr)
        return turn, result.error

    def _learn(self, after: RequestHistory, *, once: bool) -> None:
        """Take over what the requests of a question have shown."""
        self.history.largest_side = after.largest_side
        self.history.diagnosed = self.history.diagnosing and not once and self.history.previous is not None
        if not once:
            self.history.previous = after.previous

    def _ending(self, turn: Turn, notices: list[str]) -> Ending:
        reply, cost = turn.reply, None
        if reply.begun or reply.ended or reply.usage.total_input:
            price = reply.cost
            cost = float(price) if price is not None else None
            self._billed = reply
            label = turn.place.label if turn.place else ""
            self._session.spendings.append(Spending(self._name, reply.model, reply.usage, cost, reply.simulated, label))
        visible = seen(self._journal.state.turns)
        return Ending(
            reply=reply,
            notices=notices,
            turn=visible.index(turn) + 1 if turn in visible else 0,
            turns=len(visible),
            cost=cost,
            spent=self._session.cost(simulated=reply.simulated),
            turn_id=turn.id,
            asked=Asked(turn.prompt, turn.asked, turn.place.number if turn.place else None, turn.place is not None),
            conversation=self._name,
        )


def _note(error: Explained, former: Turn | None) -> None:
    """Add that the answer stays which this question was meant to replace."""
    if former is not None:
        error.add_note("The earlier answer still counts.")
