"""Work on a background thread: how it is stopped, and what it hands to the main thread."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from claude_magic.messages.errors import Interrupted
from claude_magic.tools.main_thread import MainThreadQueue, MainThreadTask

if TYPE_CHECKING:
    import asyncio

OutputContext = Callable[[], contextlib.AbstractContextManager[None]]


class BackgroundWorker:
    """Something that is done beside the notebook, in a thread of its own.

    Parameters
    ----------
    errands : MainThreadQueue
        Where it leaves what the thread that begins it, or the main one, has to do.
    inside : callable
        Makes a context for what is done there; in it, what is shown goes to the cell that began this.

    Attributes
    ----------
    stopped : bool
        It is to end.
    """

    def __init__(self, errands: MainThreadQueue, inside: OutputContext = contextlib.nullcontext) -> None:
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
    def wakeable(self, wake: Callable[[], object]) -> Iterator[None]:
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
        errand = MainThreadTask(
            self._for_our_cell(function) if when_free else function, self._home, when_free=when_free
        )
        try:
            with self.wakeable(self._errands.wake):
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


_beside: contextvars.ContextVar[BackgroundWorker | None] = contextvars.ContextVar("_beside", default=None)


@contextlib.contextmanager
def working_as(aside: BackgroundWorker) -> Iterator[None]:
    """What runs in here, and in the threads and tasks that it begins, is done beside the notebook."""
    token = _beside.set(aside)
    try:
        yield
    finally:
        _beside.reset(token)


def is_current_worker(aside: BackgroundWorker) -> bool:
    """Whether what runs here is done for this."""
    return _beside.get() is aside


def current_worker() -> BackgroundWorker | None:
    """What this thread does beside the notebook; None where it may do everything itself."""
    aside = _beside.get()
    return aside if aside is not None and aside.is_away else None


@contextlib.contextmanager
def wakeable(wake: Callable[[], object]) -> Iterator[None]:
    """In here this thread waits; if it works beside the notebook, to stop it calls ``wake``."""
    aside = current_worker()
    with contextlib.nullcontext() if aside is None else aside.wakeable(wake):
        yield
