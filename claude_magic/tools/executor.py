"""Where tools run, and how they are stopped.

======================  =========================================  ====================================
a tool                  runs                                       its timeout
======================  =========================================  ====================================
plain function          in the thread that asks, where the         a timer's signal, in the main thread
                        notebook's objects live                    of a system that has them
``parallel=True``       in a thread of its own, beside the others  is given up and left behind
``async def``           on the kernel's own loop, so that a        is cancelled; left behind if it does
                        connection opened there can be used        not end within two seconds
======================  =========================================  ====================================

For an answer beside the notebook a plain function runs in the main thread, once that is free or waits;
a coroutine on a loop of its own, because the kernel's stands still while a cell runs.

A signal is seen between two steps of Python: code in C that does not look for signals runs to its end
first. No thread can be stopped from outside. A coroutine can only be stopped where it awaits.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import queue
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType
from typing import Any

from claude_magic.messages.errors import Interrupted
from claude_magic.tools.captured_output import Printed, into, routed
from claude_magic.tools.worker import current_worker, wakeable

GRACE = 2.0
"""Seconds that a cancelled coroutine has for tidying up."""
_LOOK = 0.5
"""Seconds after which a wait for threads looks up: on Windows, Ctrl-C does not end it."""


class Work:
    """One function to run, and how that went.

    Parameters
    ----------
    function : callable
        Takes nothing.
    timeout : float or None
        Seconds.

    Attributes
    ----------
    value : object
        What it returned, or what its coroutine did.
    exception : BaseException or None
        What it raised; never a Ctrl-C, which goes through.
    ended : bool
        It came to its own end.
    read : bool
        What it returned has been looked at, or was being looked at when all was stopped.
    timed_out : bool
        It was stopped, or given up.
    left_behind : bool
        It was given up and may still be running.
    seconds : float
    printed : Printed
    """

    def __init__(self, function: Callable[[], Any], timeout: float | None = None) -> None:
        self.function = function
        self.timeout = timeout
        self.value: Any = None
        self.exception: BaseException | None = None
        self.ended = False
        self.read = False
        self.timed_out = False
        self.left_behind = False
        self.seconds = 0.0
        self.printed = Printed()


class TimeUp(KeyboardInterrupt):
    """Raised in a tool whose time is up; as Ctrl-C does, it gets through ``except Exception`` and event loops."""


class _Alarm:
    """Rings in the main thread after some seconds. Alarms may be nested: each rings at its own time."""

    def __init__(self, seconds: float) -> None:
        self.rang = False
        self._stopped = False
        self._due = time.monotonic() + seconds
        self._former: Any = signal.getsignal(signal.SIGALRM)
        left, self._interval = signal.getitimer(signal.ITIMER_REAL)
        self._former_due = time.monotonic() + left if left else math.inf

    def start(self) -> None:
        """Wind it up."""
        signal.signal(signal.SIGALRM, self._ring)
        self._wind(min(self._due, self._former_due))

    def stop(self) -> None:
        """Put back what was there before; once more if it rang meanwhile."""
        if not self._stopped:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._former)
            self._wind(self._former_due, self._interval)
            self._stopped = True

    def _wind(self, due: float, interval: float = 0.0) -> None:
        if due < math.inf:
            signal.setitimer(signal.ITIMER_REAL, max(due - time.monotonic(), 1e-4), interval)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now >= self._former_due:
            self._former_due = now + self._interval if self._interval else math.inf
            self._wind(min(self._due, self._former_due))
            if callable(self._former):
                self._former(number, frame)
        elif now >= self._due:
            self._due = math.inf
            self._wind(self._former_due)
            self.rang = True
            raise TimeUp
        else:
            self._wind(min(self._due, self._former_due))


def can_be_timed() -> bool:
    """Whether a plain function can be stopped in this thread."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def at_home(work: Work, begin: Callable[[], None]) -> None:
    """Run a plain function where the notebook's objects live: here, or for an answer beside it in the main thread.

    Parameters
    ----------
    work : Work
    begin : callable
        Called just before, in that thread.

    Raises
    ------
    KeyboardInterrupt
        If the user pressed Ctrl-C, or the answer beside the notebook was stopped.
    """

    def run() -> None:
        begin()
        with routed():
            here(work)

    if (aside := current_worker()) is None:
        begin()
        here(work)
    else:
        aside.send(run)


def here(work: Work) -> None:
    """Run a plain function in this thread.

    Raises
    ------
    KeyboardInterrupt
        If the user pressed Ctrl-C.
    """
    began = time.monotonic()
    try:
        with into(work.printed):
            if work.timeout is None or not can_be_timed():
                work.value = work.function()
            else:
                _until_it_rings(work, work.timeout)
        work.ended = not work.timed_out
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a tool raises goes back to Claude
        work.exception, work.ended = error, True
    finally:
        work.seconds = time.monotonic() - began


def _until_it_rings(work: Work, seconds: float) -> None:
    alarm = _Alarm(seconds)
    try:
        try:
            try:
                alarm.start()
                work.value = work.function()
            finally:
                alarm.stop()
        finally:
            alarm.stop()  # it may ring, once, on the way into the first of these or in it
    except KeyboardInterrupt:
        if not alarm.rang:
            raise
        work.timed_out = True


class Threads:
    """Functions in threads of their own, which do not keep Python from ending.

    Parameters
    ----------
    works : iterable of Work
        Begun at once, each with the context variables of this thread.
    """

    def __init__(self, works: Iterable[Work]) -> None:
        self._finished: queue.SimpleQueue[tuple[Work, Any, BaseException | None, float] | None] = queue.SimpleQueue()
        self._stopped = False
        self._due: dict[Work, float] = {}
        for work in works:
            self._due[work] = time.monotonic() + (math.inf if work.timeout is None else work.timeout)
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(self._run, work), name="claude_magic tool", daemon=True).start()

    def _run(self, work: Work) -> None:
        """Run one; what came of it is written into it by the other thread, which may have given it up."""
        began = time.monotonic()
        value = raised = None
        try:
            with into(work.printed):
                value = work.function()
        except BaseException as error:  # noqa: BLE001 - whatever a tool raises goes back to Claude
            raised = error
        finally:
            self._finished.put((work, value, raised, time.monotonic() - began))

    def __iter__(self) -> Iterator[Work]:
        """Each work as soon as it has ended or its time is up."""
        while self._due:
            wait = min(_LOOK, min(self._due.values()) - time.monotonic())
            with wakeable(lambda: self._finished.put(None)):
                ended = [*self._ended(max(0.0, wait))]
            yield from ended
            if self._stopped:
                raise Interrupted("Stopped.")
            for work in [work for work, due in self._due.items() if due <= time.monotonic()]:
                work.timed_out = work.left_behind = True
                work.seconds = work.timeout or 0.0
                del self._due[work]
                yield work

    def _ended(self, wait: float) -> Iterator[Work]:
        """What has ended, at most one."""
        with contextlib.suppress(queue.Empty):
            if (found := self._finished.get(timeout=wait)) is None:
                self._stopped = True
                return
            work, value, raised, seconds = found
            if self._due.pop(work, None) is not None:
                work.value, work.exception, work.seconds, work.ended = value, raised, seconds, True
                yield work

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *error: object) -> None:
        """Whatever has happened meanwhile: what has ended by now has ended, the rest is left behind."""
        while not self._finished.empty():
            list(self._ended(0.0))
        for work in self._due:
            work.left_behind = True


def on_loop(works: Sequence[Work]) -> None:
    """Run coroutine functions, all at the same time, on the loop of this thread.

    That is the running one, which is entered once more; else the loop on which IPython awaits in a
    terminal; in another thread than the main one a loop only for this.

    Raises
    ------
    KeyboardInterrupt
        If the user pressed Ctrl-C; all have been cancelled.
    """
    loop = _loop()
    if loop is None:
        with asyncio.Runner() as runner:
            _run_on(runner.get_loop(), works)
        return
    if loop.is_running():
        _open(loop)
    everything = loop.create_task(_all(works))
    try:
        loop.run_until_complete(everything)
    except BaseException:
        everything.cancel()  # else it would go on, unseen
        loop.run_until_complete(asyncio.wait({everything}, timeout=GRACE + 1))
        raise


def _run_on(loop: asyncio.AbstractEventLoop, works: Sequence[Work]) -> None:
    """Run them on a loop that is there only for this."""
    everything = loop.create_task(_all(works))
    with wakeable(lambda: loop.call_soon_threadsafe(everything.cancel)):
        try:
            loop.run_until_complete(everything)
        except asyncio.CancelledError:
            raise Interrupted("Stopped.") from None


def _open(loop: asyncio.AbstractEventLoop) -> None:
    """Let a running loop be entered once more."""
    import nest_asyncio2  # type: ignore[import-untyped]

    if not hasattr(loop, "_nest_asyncio2"):
        if "_nest_patched" in vars(type(loop)):
            # The user's nest_asyncio, its predecessor, would lose the cells that are sent meanwhile.
            del type(loop)._nest_patched  # type: ignore[attr-defined]
        run = asyncio.run
        with warnings.catch_warnings(action="ignore"):  # of that predecessor
            nest_asyncio2.apply(loop)
        asyncio.run = run  # theirs, for the whole process, would leave its loops open


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        if threading.current_thread() is not threading.main_thread():
            return None
    from IPython.core.async_helpers import get_asyncio_loop

    loop: asyncio.AbstractEventLoop = get_asyncio_loop()
    return loop


async def _all(works: Sequence[Work]) -> None:
    await asyncio.gather(*map(_watched, works))


async def _watched(work: Work) -> None:
    began = time.monotonic()
    task = asyncio.ensure_future(_called(work))
    try:
        await asyncio.wait({task}, timeout=work.timeout)
        work.timed_out = not task.done()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
            work.left_behind = not task.done()
        work.seconds = time.monotonic() - began
        if task.done() and not task.cancelled():
            task.exception()  # a Ctrl-C that hit it has been raised already; asyncio need not report it
    work.ended = not work.timed_out
    if task.cancelled() and work.ended:
        work.exception = asyncio.CancelledError()


async def _called(work: Work) -> None:
    with into(work.printed):
        try:
            work.value = await work.function()
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a tool raises goes back to Claude
            work.exception = error
