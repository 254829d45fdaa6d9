"""Work beside the notebook: how it is stopped, and what it leaves to the notebook's own thread.

A thread that answers in the background cannot be interrupted from outside. It says how it is woken
wherever it waits, and is stopped there. What has to run where the notebook's objects live is an
errand: the notebook's thread runs it while it waits for something of ours, or when it is free.
"""

from __future__ import annotations

import collections
import contextlib
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from claude_magic.messages.errors import Interrupted

if TYPE_CHECKING:
    pass

_LOOK = 0.5
"""Seconds after which a wait looks up: on Windows, Ctrl-C does not end it."""


class MainThreadTask:
    """Something that one thread has another one do.

    Parameters
    ----------
    function : callable
        Takes nothing.
    threads : set of int
        Those that may run it.
    when_free : bool
        Whether it may run without anybody waiting for it.

    Attributes
    ----------
    error : BaseException or None
        What it raised.
    begun, done : bool
    """

    def __init__(self, function: Callable[[], None], threads: set[int], *, when_free: bool) -> None:
        self._function = function
        self.threads = threads
        self.when_free = when_free
        self.error: BaseException | None = None
        self.begun = self.done = self._ran = False

    def run(self) -> None:
        """Do it.

        Raises
        ------
        Interrupted
            If a Ctrl-C hit it; whoever waits for it gets that, too.
        """
        try:
            self._function()
            self._ran = True
        except KeyboardInterrupt:
            raise Interrupted("Stopped what Claude had called, and the answer with it.") from None
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self.error = error

    def end(self) -> None:
        """It was done, or a Ctrl-C came before that."""
        if not self._ran and self.error is None:
            self.error = Interrupted("Stopped.")
        self.done = True


class MainThreadQueue:
    """What is to be done for others.

    Attributes
    ----------
    lock : threading.RLock
        Held while something changes that somebody may wait for here. An interrupt cannot leave it held.
    changed : threading.Condition
        Of this lock, notified of it.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self._open: collections.deque[MainThreadTask] = collections.deque()

    def add(self, errand: MainThreadTask) -> None:
        """Leave something to be done."""
        with self.lock:
            self._open.append(errand)
            self.changed.notify_all()

    def drop(self, errand: MainThreadTask) -> None:
        """It need not be done any more, unless it has begun."""
        with self.lock, contextlib.suppress(ValueError):
            self._open.remove(errand)

    def wake(self) -> None:
        """Let all who wait look whether they still have to."""
        with self.lock:
            self.changed.notify_all()

    def until(self, condition: Callable[[], object], timeout: float | None = None) -> bool:
        """Wait for something, and do meanwhile what this thread has to do.

        Parameters
        ----------
        condition : callable
            Looked at whenever something has changed.
        timeout : float or None
            Seconds.

        Returns
        -------
        bool
            False if the time was up before.
        """
        due = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _LOOK if due is None else min(max(due - time.monotonic(), 0.0), _LOOK)
            with self.lock:
                self.changed.wait_for(lambda: condition() or self._mine(), left)
                if condition():
                    return True
            if not self._do_one() and due is not None and time.monotonic() >= due:
                return False

    def run_free(self) -> None:
        """Do, while this thread is free, it may do unasked. Ctrl-C ends what runs, and nothing else."""
        with contextlib.suppress(KeyboardInterrupt), _Interruptible():
            while self._do_one(when_free=True):
                pass

    def _mine(self, *, when_free: bool = False) -> MainThreadTask | None:
        me = threading.get_ident()
        fit = (errand for errand in self._open if me in errand.threads and (errand.when_free or not when_free))
        return next(fit, None)

    def _end(self, errand: MainThreadTask | None) -> None:
        if errand is not None and errand.begun:
            with self.lock:
                errand.end()
                self.changed.notify_all()

    def _do_one(self, *, when_free: bool = False) -> bool:
        """Do what comes first; False if there is nothing for this thread."""
        errand = None
        try:
            with self.lock:
                if (errand := self._mine(when_free=when_free)) is None:
                    return False
                errand.begun = True
                self._open.remove(errand)
            errand.run()
            return True
        finally:
            try:
                self._end(errand)
            finally:
                self._end(errand)  # a Ctrl-C may come, once, on the way into the first of these or in it


class _Interruptible:
    """Between cells a kernel is deaf to Ctrl-C; in here the first one counts."""

    def __init__(self) -> None:
        self._armed = False
        self._former: Any = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            self._former = signal.signal(signal.SIGINT, self._interrupted)
            self._armed = True

    def __exit__(self, *error: object) -> None:
        self._armed = False
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            raise KeyboardInterrupt
