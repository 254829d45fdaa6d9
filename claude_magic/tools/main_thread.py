"""The main-thread queue: tasks that background workers hand to the notebook's own thread.

What has to run where the notebook's objects live is queued here. The notebook's thread runs it while it
waits for something else, or between cells when it is idle.
"""

from __future__ import annotations

import collections
import contextlib
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from claude_magic.messages.errors import Interrupted

_CHECK_INTERVAL = 0.5
"""Seconds after which a wait checks again by itself: on Windows, Ctrl-C does not interrupt it."""


class MainThreadTask:
    """A function that one thread has another thread run.

    Parameters
    ----------
    function : callable
        Takes no arguments.
    threads : set of int
        Identifiers of the threads that may run it.
    when_idle : bool
        Whether it may also run between cells, while no cell is waiting.

    Attributes
    ----------
    error : BaseException or None
        What the function raised.
    started, done : bool
    """

    def __init__(self, function: Callable[[], None], threads: set[int], *, when_idle: bool) -> None:
        self._function = function
        self.threads = threads
        self.when_idle = when_idle
        self.error: BaseException | None = None
        self.started = self.done = self._returned = False

    def run(self) -> None:
        """Call the function, and keep what it raises for the thread that waits.

        Raises
        ------
        Interrupted
            If Ctrl-C interrupted it; the thread that waits for it gets the same error.
        """
        try:
            self._function()
            self._returned = True
        except KeyboardInterrupt:
            raise Interrupted("Stopped the tool that Claude had called, and the answer with it.") from None
        except BaseException as error:  # noqa: BLE001 - re-raised in the thread that waits for it
            self.error = error

    def finish(self) -> None:
        """Mark it as done, either because it ran or because Ctrl-C came first."""
        if not self._returned and self.error is None:
            self.error = Interrupted("Stopped.")
        self.done = True


class MainThreadQueue:
    """Tasks waiting for the main thread, in the order in which they were submitted.

    Attributes
    ----------
    lock : threading.RLock
        Held while anything changes that a thread may be waiting for. An interrupt cannot leave it locked.
    changed : threading.Condition
        On this lock; notified of every such change.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self._pending: collections.deque[MainThreadTask] = collections.deque()

    def submit(self, task: MainThreadTask) -> None:
        """Append a task."""
        with self.lock:
            self._pending.append(task)
            self.changed.notify_all()

    def cancel(self, task: MainThreadTask) -> None:
        """Remove a task, unless it has started."""
        with self.lock, contextlib.suppress(ValueError):
            self._pending.remove(task)

    def wake(self) -> None:
        """Make every waiting thread check its condition again."""
        with self.lock:
            self.changed.notify_all()

    def wait_until(self, condition: Callable[[], object], timeout: float | None = None) -> bool:
        """Wait for a condition, and meanwhile run the tasks of this thread.

        Parameters
        ----------
        condition : callable
            Evaluated whenever something has changed.
        timeout : float or None
            Seconds.

        Returns
        -------
        bool
            False if the timeout passed first.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            wait = _CHECK_INTERVAL
            if deadline is not None:
                wait = min(max(deadline - time.monotonic(), 0.0), wait)
            with self.lock:
                self.changed.wait_for(lambda: condition() or self._next_task(), wait)
                if condition():
                    return True
            if not self._run_next() and deadline is not None and time.monotonic() >= deadline:
                return False

    def run_pending(self) -> None:
        """Run the tasks that may run while this thread is idle. Ctrl-C ends the running one, and nothing else."""
        with contextlib.suppress(KeyboardInterrupt), _Interruptible():
            while self._run_next(idle=True):
                pass

    def _next_task(self, *, idle: bool = False) -> MainThreadTask | None:
        this_thread = threading.get_ident()
        tasks = (task for task in self._pending if this_thread in task.threads and (task.when_idle or not idle))
        return next(tasks, None)

    def _finish(self, task: MainThreadTask | None) -> None:
        if task is not None and task.started:
            with self.lock:
                task.finish()
                self.changed.notify_all()

    def _run_next(self, *, idle: bool = False) -> bool:
        """Run the first task for this thread; False if there is none."""
        task = None
        try:
            with self.lock:
                if (task := self._next_task(idle=idle)) is None:
                    return False
                task.started = True
                self._pending.remove(task)
            task.run()
            return True
        finally:
            try:
                self._finish(task)
            finally:
                self._finish(task)  # Ctrl-C can come once: on the way into the first of these calls, or inside it


class _Interruptible:
    """A kernel ignores Ctrl-C between cells; inside this context the first one counts."""

    def __init__(self) -> None:
        self._armed = False
        self._previous: Any = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            self._previous = signal.signal(signal.SIGINT, self._interrupt)
            self._armed = True

    def __exit__(self, *error: object) -> None:
        self._armed = False
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            raise KeyboardInterrupt
