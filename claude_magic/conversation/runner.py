"""The questions of a conversation: how each is carried out, here or in the background."""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from claude_magic.content.values import Named
from claude_magic.messages.text import pluralize
from claude_magic.engine import caching
from claude_magic.engine.background import Answer, confirmed_at_home, ending_unsent, said, wait_for
from claude_magic.engine.queue import QuestionQueue, Ticket
from claude_magic.engine.bill import Spending
from claude_magic.engine.budget import Allowance
from claude_magic.conversation.cell_turns import CellTurns
from claude_magic.conversation.registry import Conversations
from claude_magic.engine.interrupts import OneInterrupt
from claude_magic.engine.notice import Notice
from claude_magic.conversation.journal import Journal
from claude_magic.conversation.state import State
from claude_magic.engine.options import Options
from claude_magic.engine.question import Question, taken
from claude_magic.engine.rendering import Ending, GuardedRenderer, Renderer
from claude_magic.conversation.toolbox import Tools
from claude_magic.engine.environment import Place
from claude_magic.conversation.turns import Turn, seen
from claude_magic.messages import limits
from claude_magic.messages.errors import BadInput, ClaudeError, Interrupted

if TYPE_CHECKING:
    from claude_magic.engine.run import Run
    from claude_magic.messages.reply import Reply

_STOPPING = 5.0
"""Seconds until it is no longer waited for that an answer that was stopped ends."""
_answering: contextvars.ContextVar[Mapping[Questions, int]] = contextvars.ContextVar(
    "_answering", default=MappingProxyType({})
)
"""The conversations that are answering where this code runs, which may be a tool, each with its thread."""


class Questions:
    """Asks the questions of one conversation, one after the other, each as one transaction.

    Parameters
    ----------
    name : str
        Of the conversation.
    home : Conversations
    journal : Journal
        What the conversation remembers; an answer that is kept is one step in it.
    cells : CellTurns
    tools : Tools

    Attributes
    ----------
    last : Reply or None
        The latest answer, whether it was kept or not.
    precedent : Precedent or None
        The latest request, on which the next one can build.
    largest_side : int
        Pixels of a picture's side that the server is known to take at most.
    """

    def __init__(self, name: str, home: Conversations, journal: Journal, cells: CellTurns, tools: Tools) -> None:
        self._name = name
        self._home = home
        self._journal = journal
        self._cells = cells
        self._tools = tools
        self._line = QuestionQueue(home.errands)
        self._background: list[Answer] = []
        self._diagnosing = self._diagnosed = False
        self._billed: Reply | None = None
        self.last: Reply | None = None
        self.precedent: caching.Precedent | None = None
        self.largest_side = limits.MAX_IMAGE_SIDE

    @property
    def _model(self) -> str:
        return self._home.model_of(self._journal.state)

    def prepare(self, question: Question) -> Run:
        """See :meth:`Conversation.prepare`."""
        return self._asking(question.prompt, question.options, question.change(), self._home.host.peek(self._name))

    def ask(self, question: Question, renderer: Renderer | None = None) -> Reply:
        """See :meth:`Conversation.ask`."""
        home, options = self._home, question.options
        asking_from = _answering.get().get(self, threading.get_ident())
        if asking_from != threading.get_ident():
            raise BadInput(f"A tool that runs in parallel cannot ask {self._name!r}, which waits for it. Use fork().")
        place = home.host.place(self._name)
        change = question.change()

        def answered() -> tuple[Turn, BaseException | None]:
            home.client.require_credentials()
            with home.budget.question(yes=options.yes) as allowance:
                asking = self._asking(question.prompt, options, change, place, allowance)
                drawn = GuardedRenderer(renderer or home.host.renderer())
                return self._carry_out(asking, change, drawn, home.host.notices, interrupts)

        with OneInterrupt() as interrupts:
            turn, error = self._line.answer(Ticket(), answered)  # questions of several threads wait for each other
        if error is not None:
            raise error from None
        return turn.reply

    def ask_aside(self, question: Question, renderer: Renderer | None = None) -> Answer:
        """See :meth:`Conversation.ask_aside`."""
        home = self._home
        home.client.require_credentials()
        place = home.host.place(self._name)
        change = question.change()
        options = dataclasses.replace(question.options, model=question.options.model or self._model)
        make = functools.partial(self._asking, taken(question.prompt), options, change, place)
        first = make()
        drawn = GuardedRenderer(renderer or home.host.renderer(background=True))
        notices = home.host.notices()
        answer = Answer(first.words, home.errands, first.place, home.host.here())
        ticket = Ticket()

        def answered() -> tuple[Turn, BaseException | None]:
            with home.budget.question(yes=options.yes) as allowance:
                asking = make(allowance)
                return self._carry_out(asking, change, drawn, lambda: notices, OneInterrupt(), answer)

        def work() -> Reply:
            try:
                turn, error = self._line.answer(ticket, answered)
            except (ClaudeError, Interrupted) as unsent:
                drawn.finish(ending_unsent(unsent))
                raise
            if error is not None:
                raise error from None
            return turn.reply

        self._background = [one for one in self._background if not one.done or one.error is not None]
        self._background.append(answer)
        try:
            self._line.join(ticket)
            answer.start(work)
        except BaseException:
            self._line.leave(ticket)
            raise
        return answer

    def wait(self, timeout: float | None = None) -> Reply | None:
        """See :meth:`Conversation.wait`."""
        if self in _answering.get():
            raise BadInput(f"A tool cannot wait for {self._name!r}, which waits for it.")
        answers = [*self._background]
        wait_for(answers, self._home.errands, timeout)
        self._background = [one for one in self._background if one not in answers]
        for failed in (answer.error for answer in answers if answer.error is not None):
            raise failed
        return answers[-1].reply if answers else self.last

    def stop(self) -> Notice:
        """See :meth:`Conversation.stop`."""
        under_way = [answer for answer in self._background if not answer.done]
        for answer in reversed(under_way):  # so that none begins because the one before it ends
            answer.stop()
        if self not in _answering.get():
            self._home.errands.until(lambda: all(answer.done for answer in under_way), _STOPPING)
        return Notice(f"Stopped {pluralize(len(under_way), 'answer')}." if under_way else "There was nothing to stop.")

    @property
    def under_way(self) -> int:
        """How many answers in the background have not ended."""
        return sum(not answer.done for answer in self._background)

    def of_another_history(self, largest_side: int) -> None:
        """The turns are others now, which no request of this kernel has sent."""
        self.largest_side = largest_side
        self.precedent, self._diagnosed = None, False

    def drop(self, cells: set[str]) -> None:
        """Stop the answers that these cells still get: nobody sees them any more."""
        for answer in [*self._background]:
            place = answer.place
            if not answer.done and place is not None and place.number is not None and place.cell in cells:
                self._background.remove(answer)
                answer.dropped = True
                answer.stop()

    def why_no_cache(self) -> caching.Explanation:
        """See :meth:`Conversation.why_no_cache`."""
        client, model = self._home.client, limits.lookup(self._model, self._home.learned)
        possible = ""
        if self._home.settings.cache == "off":
            possible = 'The cache is off: %config ClaudeMagics.cache = "auto" switches it on.'
        elif not client.is_anthropic:
            possible = f"Only Anthropic's own servers are asked for caching, not {client.where}."
        self._diagnosing = self._diagnosing or not possible
        return caching.explained(self._billed, asked=self._diagnosed, possible=possible, minimum=model.cache_minimum)

    def _asking(
        self,
        prompt: Sequence[str | Named],
        options: Options,
        change: Callable[[State], State],
        place: Place | None,
        allowance: Allowance | None = None,
    ) -> Run:
        from claude_magic.engine.run import Run

        home = self._home
        return Run(
            change(self._journal.state),
            prompt,
            options,
            limits.lookup(limits.resolve(options.model or self._model), home.learned),
            home.settings,
            home.client,
            place,
            self._tools,
            confirmed_at_home(home.host.confirm),
            self.largest_side,
            allowance=allowance,
            precedent=self.precedent,
            diagnosing=self._diagnosing,
        )

    def _carry_out(
        self,
        asking: Run,
        change: Callable[[State], State],
        drawn: GuardedRenderer,
        notices: Callable[[], list[str]],
        interrupts: OneInterrupt,
        aside: Answer | None = None,
    ) -> tuple[Turn, BaseException | None]:
        """Ask, commit, draw the end; what is to be raised comes back with the turn."""
        from claude_magic.tools import captured_output

        inside = _answering.set({**_answering.get(), self: threading.get_ident()})
        try:
            with captured_output.into(None):  # it may be a function that asks, whose own words go to its caller
                error = asking.run(drawn, aside.stop if aside is not None else None)
        finally:
            _answering.reset(inside)
        interrupts.closing()
        turn, result = asking.close(error)
        news = notices()
        told = [*([] if self._journal.state.turns else news), *self._cells.news()]  # it may have been loaded
        if aside is None or not aside.dropped:
            self.last = turn.reply
        self.largest_side = asking.largest_side
        self._diagnosed = self._diagnosing and not asking.once and self.precedent is not None
        if not asking.once:
            self.precedent = asking.precedent
        if asking.kept and not (aside is not None and aside.dropped):

            def commit(state: State) -> tuple[str, State]:
                # Another thread, or a function that Claude called, may have changed the conversation meanwhile.
                after, step, consequences = asking.after(turn, change(state))
                told.extend(consequences)
                return step, after

            self._journal.change(commit)
        if aside is not None and aside.dropped:
            nothing = Interrupted("Stopped: its cell ran again, or was deleted. Nothing is kept.")
            result = dataclasses.replace(result, error=nothing)
        if aside is not None and result.error is not None:  # the cell has succeeded long ago
            result = dataclasses.replace(result, notice=said(result.error))
        ending = self._ending(turn, [*told, *asking.notices(result)])
        with captured_output.into(None):
            drawn.finish(ending)
        if aside is None:
            self._home.host.answered(ending)
        if (failure := drawn.failure) is not None:
            what = f"{type(failure).__name__}: {failure}"
            print(f"The answer could not be drawn as it came ({what}). claude.last holds it.", file=sys.stderr)
        return turn, result.error

    def _ending(self, turn: Turn, notices: list[str]) -> Ending:
        reply, cost = turn.reply, None
        if reply.begun or reply.ended or reply.usage.total_input:
            price = reply.cost
            cost = float(price) if price is not None else None
            self._billed = reply
            label = turn.place.label if turn.place else ""
            self._home.spendings.append(Spending(self._name, reply.model, reply.usage, cost, reply.simulated, label))
        visible = seen(self._journal.state.turns)
        return Ending(
            reply=reply,
            notices=notices,
            turn=visible.index(turn) + 1 if turn in visible else 0,
            turns=len(visible),
            cost=cost,
            spent=self._home.cost(simulated=reply.simulated),
            turn_id=turn.id,
            asked=turn,
            conversation=self._name,
        )
