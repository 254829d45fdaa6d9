"""The background worker: how its thread is stopped, and how it runs something on the main thread.

A thread cannot be interrupted from outside. A worker therefore registers how to wake it wherever it
waits, and :meth:`BackgroundWorker.stop` wakes it there.
"""

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
    """An answer on a thread of its own, while the notebook goes on.

    Parameters
    ----------
    queue : MainThreadQueue
        Takes the tasks for the main thread, or for the thread that creates this.
    output_context : callable
        Makes the context in which those tasks run; output inside it goes to the cell that started the worker.

    Attributes
    ----------
    stopped : bool
        Whether it has been told to end.
    """

    def __init__(self, queue: MainThreadQueue, output_context: OutputContext = contextlib.nullcontext) -> None:
        import asyncio

        self._queue = queue
        self._output_context = output_context
        self._owners = {threading.main_thread().ident or 0, threading.get_ident()}
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None  # a terminal, or plain Python: no loop tells when this thread is idle
        self._lock = threading.Lock()
        self._wakers: list[Callable[[], object]] = []
        self.stopped = False

    @property
    def in_background(self) -> bool:
        """Whether the current thread must leave work on the notebook's objects to another one."""
        return threading.get_ident() not in self._owners

    def stop(self) -> None:
        """End it, wherever it waits. May be called from any thread."""
        with self._lock:
            self.stopped = True
            for wake in self._wakers:
                wake()

    @contextlib.contextmanager
    def wakeable(self, wake: Callable[[], object]) -> Iterator[None]:
        """Wait inside this context; :meth:`stop` calls ``wake``, which must not block.

        Raises
        ------
        Interrupted
            If the worker has been stopped already.
        """
        with self._lock:
            if self.stopped:
                raise Interrupted("Stopped.")
            self._wakers.append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wakers.remove(wake)

    def run_on_main_thread(self, function: Callable[[], None], *, when_idle: bool = True) -> None:
        """Have the notebook's thread call a function, and wait until it has.

        Parameters
        ----------
        function : callable
        when_idle : bool
            Whether it may run between cells, and then for the cell that started this worker; otherwise it
            runs only while a cell waits, and belongs to that one.

        Raises
        ------
        Interrupted
            If the worker was stopped meanwhile. Otherwise whatever the function raises.
        """
        call = self._for_our_cell(function) if when_idle else function
        task = MainThreadTask(call, self._owners, when_idle=when_idle)
        try:
            with self.wakeable(self._queue.wake):
                self._queue.submit(task)
                if when_idle and self._loop is not None:
                    with contextlib.suppress(RuntimeError):  # the loop is closed
                        # In an empty context: ours says that our cell is running.
                        self._loop.call_soon_threadsafe(self._queue.run_pending, context=contextvars.Context())
                with self._queue.lock:
                    self._queue.changed.wait_for(lambda: task.done or (self.stopped and not task.started))
        finally:
            self._queue.cancel(task)
        if task.error is not None:
            raise task.error
        if self.stopped:
            raise Interrupted("Stopped.")

    def _for_our_cell(self, function: Callable[[], None]) -> Callable[[], None]:
        """The function with this thread's context variables, and its output in our cell."""
        context = contextvars.copy_context()

        def run() -> None:
            with self._output_context():
                context.run(function)

        return run


_current: contextvars.ContextVar[BackgroundWorker | None] = contextvars.ContextVar("_current", default=None)


@contextlib.contextmanager
def working_as(worker: BackgroundWorker) -> Iterator[None]:
    """Make this the current worker here, and in the threads and tasks that are started inside."""
    token = _current.set(worker)
    try:
        yield
    finally:
        _current.reset(token)


def is_current_worker(worker: BackgroundWorker) -> bool:
    """Whether the running code belongs to this worker."""
    return _current.get() is worker


def current_worker() -> BackgroundWorker | None:
    """The worker whose background thread this is; None on a thread that may do everything itself."""
    worker = _current.get()
    return worker if worker is not None and worker.in_background else None


@contextlib.contextmanager
def wakeable(wake: Callable[[], object]) -> Iterator[None]:
    """Wait inside this context; on a worker's thread, stopping that worker calls ``wake``."""
    worker = current_worker()
    with contextlib.nullcontext() if worker is None else worker.wakeable(wake):
        yield
