"""The queue of a conversation: its questions are answered one after the other."""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from claude_magic.messages.errors import Interrupted
from claude_magic.tools.main_thread import MainThreadQueue
from claude_magic.tools.worker import current_worker, wakeable

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
                self._main_thread.until(lambda: self._tickets[0] is ticket or (worker is not None and worker.stopped))
        except Interrupted as error:
            raise error if worker is None else Interrupted("Stopped before it was sent.") from None
        except KeyboardInterrupt:
            raise Interrupted("Stopped before it was sent; the answer before it continues.") from None
        if worker is not None and worker.stopped:
            raise Interrupted("Stopped before it was sent.")
        ticket.thread = threading.get_ident()
