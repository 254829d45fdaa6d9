"""Answers that are given in the background, and the line in which the questions of a conversation stand."""

from __future__ import annotations

import collections
import contextlib
import contextvars
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from claude_magic.messages.text import pluralize, one_line
from claude_magic.engine.interrupts import OneInterrupt
from claude_magic.engine.rendering import Ending
from claude_magic.engine.environment import Place
from claude_magic.messages.errors import BadInput, Explained, Interrupted, StillAnswering
from claude_magic.tools.worker import (
    BackgroundWorker,
    OutputContext,
    current_worker,
    working_as,
    is_current_worker,
    wakeable,
)
from claude_magic.tools.main_thread import MainThreadQueue

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
    errands : MainThreadQueue
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

    def __init__(self, question: str, errands: MainThreadQueue, place: Place | None, inside: OutputContext) -> None:
        self._question = question
        self._errands = errands
        self._aside = BackgroundWorker(errands, inside)
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
        if is_current_worker(self._aside):
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
            with working_as(self._aside):
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


def wait_for(answers: list[Answer], errands: MainThreadQueue, timeout: float | None) -> None:
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
        raise StillAnswering(f"{pluralize(count, 'answer')} not there after {timeout:g} s; Claude goes on. Wait again.")


def confirmed_at_home(confirm: Callable[[Call], str]) -> Callable[[Call], str]:
    """Ask the user from the notebook's thread, while a cell waits there: only then somebody looks."""

    def ask(call: Call) -> str:
        aside = current_worker()
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
