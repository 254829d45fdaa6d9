"""Answers that are given in the background, and the line in which the questions of a conversation stand."""

from __future__ import annotations

import collections
import contextlib
import contextvars
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from claude_magic.content.words import counted, one_line
from claude_magic.conversation.interrupts import OneInterrupt
from claude_magic.conversation.rendering import Ending
from claude_magic.conversation.turns import Place
from claude_magic.messages.errors import BadInput, Explained, Interrupted, StillAnswering
from claude_magic.tools.aside import Aside, Errands, Surroundings, away, beside, is_beside, waking

if TYPE_CHECKING:
    from claude_magic.messages.reply import Reply
    from claude_magic.tools.calls import Call

T = TypeVar("T")


class Answer:
    """An answer that is given in the background; ``claude(…, background=True)`` returns it.

    Parameters
    ----------
    question : str
        Its words.
    errands : Errands
    place : Place or None
        Where it was asked.
    inside : callable
        Makes a context in which what its tools show goes to its cell.

    Attributes
    ----------
    reply : Reply or None
        Once it is there; of a broken answer what had arrived.
    error : BaseException or None
        What ended it early.
    dropped : bool
        Nobody wants it any more: its cell ran again, or was deleted. It leaves nothing behind.
    """

    def __init__(self, question: str, errands: Errands, place: Place | None, inside: Surroundings) -> None:
        self._question = question
        self._errands = errands
        self._aside = Aside(errands, inside)
        self._done = False
        self._then: list[Callable[[], None]] = []
        self.place = place
        self.reply: Reply | None = None
        self.error: BaseException | None = None
        self.dropped = False

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._done

    def wait(self, timeout: float | None = None) -> Reply:
        """Wait for it; tools that need this thread run meanwhile.

        Parameters
        ----------
        timeout : float, optional
            Seconds.

        Raises
        ------
        ClaudeError, Interrupted
            What ended it early.
        StillAnswering
            If it is not there in time; a ``TimeoutError``.
        """
        if is_beside(self._aside):
            raise BadInput("A tool cannot wait for the answer that waits for it.")
        wait_for([self], self._errands, timeout)
        if self.error is not None:
            raise self.error
        return cast("Reply", self.reply)

    def stop(self) -> None:
        """End it; what has arrived is kept, as when a cell is stopped."""
        self._aside.stop()

    def when_done(self, then: Callable[[], None]) -> None:
        """Call a function before anybody learns that it has ended; at once if it has."""
        with self._errands.lock:
            if not self._done:
                self._then.append(then)
                return
        then()

    def start(self, work: Callable[[], Reply]) -> None:
        """Begin, in a thread that carries the context of this one, and with it the cell."""
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._run, work), name="claude answer", daemon=True).start()

    def _run(self, work: Callable[[], Reply]) -> None:
        try:
            with beside(self._aside):
                self.reply = work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            self.error = error
            self.reply = getattr(error, "reply", None)
        while True:
            with self._errands.lock:
                if not self._then:
                    self._done = True
                    self._errands.changed.notify_all()
                    return
                then = self._then.pop(0)
            then()

    def __repr__(self) -> str:
        if not self._done:
            state = "under way; claude.wait() waits for it, claude.stop() stops it"
        elif self.error is None:
            state = "complete; .reply is the answer"
        else:
            state = said(self.error)
        return f"<Answer to {one_line(self._question, 40)!r}: {state}>"


class Ticket:
    """A place in the line.

    Attributes
    ----------
    thread : int or None
        The one that answers, once it is its turn.
    """

    thread: int | None = None


class Line:
    """The questions of one conversation, answered one after the other.

    Parameters
    ----------
    errands : Errands
    """

    def __init__(self, errands: Errands) -> None:
        self._errands = errands
        self._tickets: collections.deque[Ticket] = collections.deque()

    def join(self, ticket: Ticket) -> None:
        """Stand at the end of it."""
        with self._errands.lock:
            self._tickets.append(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Let the next one on."""
        with self._errands.lock, contextlib.suppress(ValueError):
            self._tickets.remove(ticket)
            self._errands.changed.notify_all()

    def answer(self, ticket: Ticket, work: Callable[[], T]) -> T:
        """Do something when it is the ticket's turn, and until then what this thread has to do for the others.

        What a function asks that Claude called, in the same thread, comes in between.

        Parameters
        ----------
        ticket : Ticket
            Joins the line here if it has not yet.
        work : callable

        Raises
        ------
        Interrupted
            If it was stopped before its turn.
        """
        try:
            self._wait_for_turn(ticket)
            return work()
        finally:
            try:
                self.leave(ticket)
            finally:
                self.leave(ticket)  # a Ctrl-C may come, once, on the way into the first of these or in it

    def _wait_for_turn(self, ticket: Ticket) -> None:
        with self._errands.lock:
            if self._tickets and self._tickets[0].thread == threading.get_ident():
                return
            if ticket not in self._tickets:
                self.join(ticket)
        aside = away()
        try:
            with waking(self._errands.wake):
                self._errands.until(lambda: self._tickets[0] is ticket or (aside is not None and aside.stopped))
        except Interrupted as error:
            raise error if aside is None else Interrupted("Stopped before it was sent.") from None
        except KeyboardInterrupt:
            raise Interrupted("Stopped before it was sent; the answer before it goes on.") from None
        if aside is not None and aside.stopped:
            raise Interrupted("Stopped before it was sent.")
        ticket.thread = threading.get_ident()


def wait_for(answers: list[Answer], errands: Errands, timeout: float | None) -> None:
    """Wait until answers have ended.

    Raises
    ------
    BadInput
        If the time is no number of seconds.
    Interrupted
        If the wait was stopped; the answers go on.
    StillAnswering
        If they have not ended in time.
    """
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool) and not math.isnan(timeout)
    if timeout is not None and not is_number:
        raise BadInput(f"wait takes a number of seconds, not {timeout!r:.80}.")
    try:
        with OneInterrupt():
            ended = errands.until(lambda: all(answer.done for answer in answers), timeout)
    except Interrupted:
        raise
    except KeyboardInterrupt:
        raise Interrupted("Stopped waiting. The answer goes on; claude.stop() stops it.") from None
    if not ended:
        count = sum(not answer.done for answer in answers)
        raise StillAnswering(f"{counted(count, 'answer')} not there after {timeout:g} s; Claude goes on. Wait again.")


def confirmed_at_home(confirm: Callable[[Call], str]) -> Callable[[Call], str]:
    """Ask the user from the notebook's thread, while a cell waits there: only then somebody looks."""

    def ask(call: Call) -> str:
        aside = away()
        if aside is None:
            return confirm(call)
        answers: list[str] = []
        aside.send(lambda: answers.append(confirm(call)), when_free=False)
        return answers[0]

    return ask


def ending_unsent(error: BaseException) -> Ending:
    """How a question ended that was not sent after all."""
    from claude_magic.messages.reply import Reply

    return Ending(Reply(), [said(error)], turn=0, turns=0, cost=None, spent=None, turn_id="")


def said(error: BaseException) -> str:
    """An error in one line."""
    return one_line(error.line if isinstance(error, Explained) else f"{type(error).__name__}: {error}", 400)
