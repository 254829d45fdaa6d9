"""Work beside the notebook: how it is stopped, and what it leaves to the notebook's own thread.

A thread that answers in the background cannot be interrupted from outside. It says how it is woken
wherever it waits, and is stopped there. What has to run where the notebook's objects live is an
errand: the notebook's thread runs it while it waits for something of ours, or when it is free.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from claude_magic.messages.errors import Interrupted

if TYPE_CHECKING:
    import asyncio

_LOOK = 0.5
"""Seconds after which a wait looks up: on Windows, Ctrl-C does not end it."""
Surroundings = Callable[[], contextlib.AbstractContextManager[None]]


class Errand:
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


class Errands:
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
        self._open: collections.deque[Errand] = collections.deque()

    def add(self, errand: Errand) -> None:
        """Leave something to be done."""
        with self.lock:
            self._open.append(errand)
            self.changed.notify_all()

    def drop(self, errand: Errand) -> None:
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

    def _mine(self, *, when_free: bool = False) -> Errand | None:
        me = threading.get_ident()
        fit = (errand for errand in self._open if me in errand.threads and (errand.when_free or not when_free))
        return next(fit, None)

    def _end(self, errand: Errand | None) -> None:
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


class Aside:
    """Something that is done beside the notebook, in a thread of its own.

    Parameters
    ----------
    errands : Errands
        Where it leaves what the thread that begins it, or the main one, has to do.
    inside : callable
        Makes a context for what is done there; in it, what is shown goes to the cell that began this.

    Attributes
    ----------
    stopped : bool
        It is to end.
    """

    def __init__(self, errands: Errands, inside: Surroundings = contextlib.nullcontext) -> None:
        import asyncio

        self._inside = inside
        self._errands = errands
        self._home = {threading.main_thread().ident or 0, threading.get_ident()}
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None  # a terminal, or plain Python: nobody calls when this thread is free
        self._lock = threading.Lock()
        self._wakes: list[Callable[[], object]] = []
        self.stopped = False

    @property
    def is_away(self) -> bool:
        """Whether this is another thread than those where it may do everything itself."""
        return threading.get_ident() not in self._home

    def stop(self) -> None:
        """End it, wherever it waits; from any thread."""
        with self._lock:
            self.stopped = True
            for wake in self._wakes:
                wake()

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        """In here it waits; :meth:`stop` calls ``wake``, which must not wait itself.

        Raises
        ------
        Interrupted
            If it was stopped before.
        """
        with self._lock:
            if self.stopped:
                raise Interrupted("Stopped.")
            self._wakes.append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wakes.remove(wake)

    def send(self, function: Callable[[], None], *, when_free: bool = True) -> None:
        """Have something done by the notebook's thread, and wait until it is.

        Parameters
        ----------
        function : callable
        when_free : bool
            Whether it may be done between cells; else only while a cell waits, and then it belongs to that.

        Raises
        ------
        Interrupted
            If this was stopped meanwhile. Else whatever the function raises.
        """
        errand = Errand(self._for_our_cell(function) if when_free else function, self._home, when_free=when_free)
        try:
            with self.waking(self._errands.wake):
                self._errands.add(errand)
                if when_free and self._loop is not None:
                    with contextlib.suppress(RuntimeError):  # it is closed
                        # In a context of its own: ours says that our cell runs.
                        self._loop.call_soon_threadsafe(self._errands.run_free, context=contextvars.Context())
                with self._errands.lock:
                    self._errands.changed.wait_for(lambda: errand.done or (self.stopped and not errand.begun))
        finally:
            self._errands.drop(errand)
        if errand.error is not None:
            raise errand.error
        if self.stopped:
            raise Interrupted("Stopped.")

    def _for_our_cell(self, function: Callable[[], None]) -> Callable[[], None]:
        """The same, with our context variables, and what it shows in our cell."""
        context = contextvars.copy_context()

        def run() -> None:
            with self._inside():
                context.run(function)

        return run


_beside: contextvars.ContextVar[Aside | None] = contextvars.ContextVar("_beside", default=None)


@contextlib.contextmanager
def beside(aside: Aside) -> Iterator[None]:
    """What runs in here, and in the threads and tasks that it begins, is done beside the notebook."""
    token = _beside.set(aside)
    try:
        yield
    finally:
        _beside.reset(token)


def is_beside(aside: Aside) -> bool:
    """Whether what runs here is done for this."""
    return _beside.get() is aside


def away() -> Aside | None:
    """What this thread does beside the notebook; None where it may do everything itself."""
    aside = _beside.get()
    return aside if aside is not None and aside.is_away else None


@contextlib.contextmanager
def waking(wake: Callable[[], object]) -> Iterator[None]:
    """In here this thread waits; if it works beside the notebook, to stop it calls ``wake``."""
    aside = away()
    with contextlib.nullcontext() if aside is None else aside.waking(wake):
        yield


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
