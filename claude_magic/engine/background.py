"""The queue of a conversation's questions, and answers that are given in the background."""

from __future__ import annotations

import collections
import contextlib
import contextvars
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from claude_magic.engine.environment import Place
from claude_magic.engine.interrupts import OneInterrupt
from claude_magic.engine.rendering import Ending
from claude_magic.messages.errors import BadInput, Explained, Interrupted, StillAnswering
from claude_magic.messages.reply import Reply
from claude_magic.messages.text import one_line, pluralize
from claude_magic.tools.main_thread import MainThreadQueue
from claude_magic.tools.worker import (
    BackgroundWorker,
    OutputContext,
    current_worker,
    is_current_worker,
    wakeable,
    working_as,
)

if TYPE_CHECKING:
    from claude_magic.tools.calls import Call


T = TypeVar("T")


class Ticket:
    """A question's place in the queue.

    Attributes
    ----------
    thread : int or None
        The thread that answers, once it is its turn.
    """

    thread: int | None = None


class QuestionQueue:
    """The questions of one conversation, first in, first out.

    Parameters
    ----------
    main_thread : MainThreadQueue
        Served while a question waits, so that the tools of the answer before it can run.
    """

    def __init__(self, main_thread: MainThreadQueue) -> None:
        self._main_thread = main_thread
        self._tickets: collections.deque[Ticket] = collections.deque()

    def join(self, ticket: Ticket) -> None:
        """Add a ticket at the end."""
        with self._main_thread.lock:
            self._tickets.append(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Take a ticket out, so that the next question can go on."""
        with self._main_thread.lock, contextlib.suppress(ValueError):
            self._tickets.remove(ticket)
            self._main_thread.changed.notify_all()

    def run(self, ticket: Ticket, work: Callable[[], T]) -> T:
        """Do something when it is the ticket's turn; meanwhile this thread serves the main-thread queue.

        A question asked by a tool, in the thread that answers, does not wait: its answer is part of that one.

        Parameters
        ----------
        ticket : Ticket
            Joins the queue here if it has not yet.
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
                self.leave(ticket)  # a Ctrl-C may strike once, on the way into the first call or within it

    def _wait_for_turn(self, ticket: Ticket) -> None:
        with self._main_thread.lock:
            if self._tickets and self._tickets[0].thread == threading.get_ident():
                return
            if ticket not in self._tickets:
                self.join(ticket)
        worker = current_worker()
        try:
            with wakeable(self._main_thread.wake):
                self._main_thread.wait_until(
                    lambda: self._tickets[0] is ticket or (worker is not None and worker.stopped)
                )
        except Interrupted as error:
            raise error if worker is None else Interrupted("Stopped before it was sent.") from None
        except KeyboardInterrupt:
            raise Interrupted("Stopped before it was sent; the answer before it continues.") from None
        if worker is not None and worker.stopped:
            raise Interrupted("Stopped before it was sent.")
        ticket.thread = threading.get_ident()


class Answer:
    """An answer that is given in the background, as ``claude(…, background=True)`` returns it.

    Parameters
    ----------
    question : str
        Its text.
    main_thread : MainThreadQueue
    place : Place or None
        Where it was asked.
    output_context : callable
        Makes contexts in which the output of its tools goes to its cell.

    Attributes
    ----------
    reply : Reply or None
        The reply once there is one; of an answer that broke off, what had arrived.
    error : BaseException or None
        What ended it early.
    dropped : bool
        Whether nobody wants it any more, because its cell ran again or was deleted. Nothing of it is kept.
    """

    def __init__(
        self, question: str, main_thread: MainThreadQueue, place: Place | None, output_context: OutputContext
    ) -> None:
        self._question = question
        self._main_thread = main_thread
        self._worker = BackgroundWorker(main_thread, output_context)
        self._done = False
        self._callbacks: list[Callable[[], None]] = []
        self.place = place
        self.reply: Reply | None = None
        self.error: BaseException | None = None
        self.dropped = False

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._done

    def wait(self, timeout: float | None = None) -> Reply:
        """Wait for it; tools that need this thread run in the meantime.

        Parameters
        ----------
        timeout : float, optional
            Seconds.

        Raises
        ------
        ClaudeError, Interrupted
            What ended it early.
        StillAnswering
            If it has not ended in time; a ``TimeoutError``.
        """
        if is_current_worker(self._worker):
            raise BadInput("A tool cannot wait for the answer that called it.")
        wait_for([self], self._main_thread, timeout)
        if self.error is not None:
            raise self.error
        return cast("Reply", self.reply)

    def stop(self) -> None:
        """End it; what has arrived is kept, as when a cell is stopped."""
        self._worker.stop()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call a function before anybody learns that it has ended; at once if it has."""
        with self._main_thread.lock:
            if not self._done:
                self._callbacks.append(callback)
                return
        callback()

    def start(self, work: Callable[[], Reply]) -> None:
        """Begin, in a thread that carries the context of this one, and with it the cell."""
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._run, work), name="claude answer", daemon=True).start()

    def _run(self, work: Callable[[], Reply]) -> None:
        try:
            with working_as(self._worker):
                self.reply = work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
            self.error = error
            self.reply = getattr(error, "reply", None)
        while True:
            with self._main_thread.lock:
                if not self._callbacks:
                    self._done = True
                    self._main_thread.changed.notify_all()
                    return
                callback = self._callbacks.pop(0)
            callback()

    def __repr__(self) -> str:
        if not self._done:
            state = "under way; claude.wait() waits for it, claude.stop() stops it"
        elif self.error is None:
            state = "complete; .reply is the answer"
        else:
            state = error_line(self.error)
        return f"<Answer to {one_line(self._question, 40)!r}: {state}>"


def wait_for(answers: list[Answer], main_thread: MainThreadQueue, timeout: float | None) -> None:
    """Wait until answers have ended.

    Raises
    ------
    BadInput
        If the timeout is not a number of seconds.
    Interrupted
        If the wait was stopped; the answers continue.
    StillAnswering
        If they have not ended in time.
    """
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool) and not math.isnan(timeout)
    if timeout is not None and not is_number:
        raise BadInput(f"wait takes a number of seconds, not {timeout!r:.80}.")
    try:
        with OneInterrupt():
            ended = main_thread.wait_until(lambda: all(answer.done for answer in answers), timeout)
    except Interrupted:
        raise
    except KeyboardInterrupt:
        raise Interrupted("Stopped waiting. The answer continues; claude.stop() stops it.") from None
    if not ended:
        count = sum(not answer.done for answer in answers)
        raise StillAnswering(
            f"{pluralize(count, 'answer')} not complete after {timeout:g} s; Claude continues. Wait again."
        )


def confirm_on_main_thread(confirm: Callable[[Call], str]) -> Callable[[Call], str]:
    """Ask the user from the main thread, while a cell waits there: only then is somebody looking."""

    def ask(call: Call) -> str:
        worker = current_worker()
        if worker is None:
            return confirm(call)
        answers: list[str] = []
        worker.run_on_main_thread(lambda: answers.append(confirm(call)), when_idle=False)
        return answers[0]

    return ask


def unsent_ending(error: BaseException) -> Ending:
    """The ending of a question that was not sent after all."""
    return Ending(Reply(), [error_line(error)], turn=0, turns=0, cost=None, spent=None, turn_id="")


def error_line(error: BaseException) -> str:
    """An error in one line."""
    return one_line(error.line if isinstance(error, Explained) else f"{type(error).__name__}: {error}", 400)
