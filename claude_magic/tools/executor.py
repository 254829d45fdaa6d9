"""The executor: where tools run, and how they are stopped.

======================  =========================================  ====================================
Tool                    Runs                                       At its timeout
======================  =========================================  ====================================
plain function          on the thread that asks, where the         is interrupted by a timer signal, on
                        notebook's objects live                    the main thread of a POSIX system
``parallel=True``       on a thread of its own, at the same time   is abandoned; the thread runs on
                        as others
``async def``           on the kernel's event loop, so that        is cancelled; is abandoned if it has
                        connections opened there can be used       not ended two seconds later
======================  =========================================  ====================================

For an answer in the background, a plain function runs on the main thread as soon as that is idle or waits,
and a coroutine on a loop of its own, because the kernel's loop stands still while a cell runs.

A signal takes effect between two Python instructions: C code that does not check for signals first runs to
its end. No thread can be stopped from outside. A coroutine can only be stopped where it awaits.
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
from claude_magic.tools.captured_output import CapturedOutput, capture_to, route_output
from claude_magic.tools.worker import current_worker, wakeable

GRACE = 2.0
"""Seconds that a cancelled coroutine has to clean up."""
_CHECK_INTERVAL = 0.5
"""Seconds after which a wait for threads checks again by itself: on Windows, Ctrl-C does not interrupt it."""


class Job:
    """One function to run, and its outcome.

    Parameters
    ----------
    function : callable
        Takes no arguments.
    timeout : float or None
        Seconds.

    Attributes
    ----------
    value : object
        What the function returned, or what its coroutine did.
    exception : BaseException or None
        What it raised. Never a Ctrl-C, which propagates.
    finished : bool
        Whether it ran to its own end.
    collected : bool
        Whether the outcome has been taken, or was being taken when everything was stopped.
    timed_out : bool
        Whether it was stopped or abandoned at its timeout.
    abandoned : bool
        Whether it may still be running.
    seconds : float
    output : CapturedOutput
    """

    def __init__(self, function: Callable[[], Any], timeout: float | None = None) -> None:
        self.function = function
        self.timeout = timeout
        self.value: Any = None
        self.exception: BaseException | None = None
        self.finished = False
        self.collected = False
        self.timed_out = False
        self.abandoned = False
        self.seconds = 0.0
        self.output = CapturedOutput()


class ToolTimeout(KeyboardInterrupt):
    """Raised in a tool at its timeout; like Ctrl-C, it passes through ``except Exception`` and event loops."""


class _Alarm:
    """A timer signal on the main thread. Alarms can be nested: each one rings at its own time."""

    def __init__(self, seconds: float) -> None:
        self.rang = False
        self._stopped = False
        self._due = time.monotonic() + seconds
        self._previous: Any = signal.getsignal(signal.SIGALRM)
        left, self._interval = signal.getitimer(signal.ITIMER_REAL)
        self._previous_due = time.monotonic() + left if left else math.inf

    def start(self) -> None:
        """Set the timer."""
        signal.signal(signal.SIGALRM, self._ring)
        self._set_timer(min(self._due, self._previous_due))

    def stop(self) -> None:
        """Restore the previous timer; does nothing the second time, unless the first was cut short by a signal."""
        if not self._stopped:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._previous)
            self._set_timer(self._previous_due, self._interval)
            self._stopped = True

    def _set_timer(self, due: float, interval: float = 0.0) -> None:
        if due < math.inf:
            signal.setitimer(signal.ITIMER_REAL, max(due - time.monotonic(), 1e-4), interval)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now >= self._previous_due:
            self._previous_due = now + self._interval if self._interval else math.inf
            self._set_timer(min(self._due, self._previous_due))
            if callable(self._previous):
                self._previous(number, frame)
        elif now >= self._due:
            self._due = math.inf
            self._set_timer(self._previous_due)
            self.rang = True
            raise ToolTimeout
        else:
            self._set_timer(min(self._due, self._previous_due))


def can_interrupt() -> bool:
    """Whether a plain function on this thread can be stopped at its timeout."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def run_with_notebook(job: Job, on_start: Callable[[], None]) -> None:
    """Run a plain function where the notebook's objects live: on this thread, or a worker's on the main thread.

    Parameters
    ----------
    job : Job
    on_start : callable
        Called on that thread, just before the function.

    Raises
    ------
    KeyboardInterrupt
        If the user pressed Ctrl-C, or the background worker was stopped.
    """

    def run() -> None:
        on_start()
        with route_output():
            run_sync(job)

    if (worker := current_worker()) is None:
        on_start()
        run_sync(job)
    else:
        worker.run_on_main_thread(run)


def run_sync(job: Job) -> None:
    """Run a plain function on this thread.

    Raises
    ------
    KeyboardInterrupt
        If the user pressed Ctrl-C.
    """
    began = time.monotonic()
    try:
        with capture_to(job.output):
            if job.timeout is None or not can_interrupt():
                job.value = job.function()
            else:
                _run_with_alarm(job, job.timeout)
        job.finished = not job.timed_out
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - Claude is told whatever a tool raises
        job.exception, job.finished = error, True
    finally:
        job.seconds = time.monotonic() - began


def _run_with_alarm(job: Job, seconds: float) -> None:
    alarm = _Alarm(seconds)
    try:
        try:
            try:
                alarm.start()
                job.value = job.function()
            finally:
                alarm.stop()
        finally:
            alarm.stop()  # the alarm can ring once: on the way into the first of these calls, or inside it
    except KeyboardInterrupt:
        if not alarm.rang:
            raise
        job.timed_out = True


class JobThreads:
    """Runs each job on a daemon thread of its own, which does not keep Python from exiting.

    Parameters
    ----------
    jobs : iterable of Job
        Started at once, each with a copy of this thread's context variables.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._outcomes: queue.SimpleQueue[tuple[Job, Any, BaseException | None, float] | None] = queue.SimpleQueue()
        self._stopped = False
        self._deadlines: dict[Job, float] = {}
        for job in jobs:
            self._deadlines[job] = time.monotonic() + (math.inf if job.timeout is None else job.timeout)
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(self._run, job), name="claude_magic tool", daemon=True).start()

    def _run(self, job: Job) -> None:
        """Run a job. The waiting thread writes the outcome into it, unless it has abandoned the job by then."""
        began = time.monotonic()
        value = raised = None
        try:
            with capture_to(job.output):
                value = job.function()
        except BaseException as error:  # noqa: BLE001 - Claude is told whatever a tool raises
            raised = error
        finally:
            self._outcomes.put((job, value, raised, time.monotonic() - began))

    def __iter__(self) -> Iterator[Job]:
        """Yield each job as soon as it has finished or its timeout has passed."""
        while self._deadlines:
            wait = min(_CHECK_INTERVAL, min(self._deadlines.values()) - time.monotonic())
            with wakeable(lambda: self._outcomes.put(None)):
                finished = [*self._finished(max(0.0, wait))]
            yield from finished
            if self._stopped:
                raise Interrupted("Stopped.")
            for job in [job for job, deadline in self._deadlines.items() if deadline <= time.monotonic()]:
                job.timed_out = job.abandoned = True
                job.seconds = job.timeout or 0.0
                del self._deadlines[job]
                yield job

    def _finished(self, wait: float) -> Iterator[Job]:
        """Yield the next job that finishes within ``wait`` seconds, if any."""
        with contextlib.suppress(queue.Empty):
            if (outcome := self._outcomes.get(timeout=wait)) is None:
                self._stopped = True
                return
            job, value, raised, seconds = outcome
            if self._deadlines.pop(job, None) is not None:
                job.value, job.exception, job.seconds, job.finished = value, raised, seconds, True
                yield job

    def __enter__(self) -> JobThreads:
        return self

    def __exit__(self, *error: object) -> None:
        """Take the outcomes that are there by now, even after an error, and abandon the other jobs."""
        while not self._outcomes.empty():
            list(self._finished(0.0))
        for job in self._deadlines:
            job.abandoned = True


def run_async(jobs: Sequence[Job]) -> None:
    """Run coroutine functions concurrently on the event loop of this thread.

    That is the running loop, which is re-entered; without one, the loop on which IPython awaits in a
    terminal; on any other thread than the main one, a new loop for these jobs only.

    Raises
    ------
    KeyboardInterrupt
        If the user pressed Ctrl-C; all coroutines have been cancelled.
    """
    loop = _event_loop()
    if loop is None:
        with asyncio.Runner() as runner:
            _run_on_own_loop(runner.get_loop(), jobs)
        return
    if loop.is_running():
        _allow_reentry(loop)
    everything = loop.create_task(_gather(jobs))
    try:
        loop.run_until_complete(everything)
    except BaseException:
        everything.cancel()  # or it would run on unseen
        loop.run_until_complete(asyncio.wait({everything}, timeout=GRACE + 1))
        raise


def _run_on_own_loop(loop: asyncio.AbstractEventLoop, jobs: Sequence[Job]) -> None:
    everything = loop.create_task(_gather(jobs))
    with wakeable(lambda: loop.call_soon_threadsafe(everything.cancel)):
        try:
            loop.run_until_complete(everything)
        except asyncio.CancelledError:
            raise Interrupted("Stopped.") from None


def _allow_reentry(loop: asyncio.AbstractEventLoop) -> None:
    """Let ``run_until_complete`` be called on a loop that is running."""
    import nest_asyncio2  # type: ignore[import-untyped]

    if not hasattr(loop, "_nest_asyncio2"):
        if "_nest_patched" in vars(type(loop)):
            # The user's nest_asyncio, its predecessor, would lose the cells that are sent meanwhile.
            del type(loop)._nest_patched  # type: ignore[attr-defined]
        run = asyncio.run
        with warnings.catch_warnings(action="ignore"):  # about that predecessor
            nest_asyncio2.apply(loop)
        asyncio.run = run  # theirs would replace it in the whole process, and leaves its loops open


def _event_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        if threading.current_thread() is not threading.main_thread():
            return None
    from IPython.core.async_helpers import get_asyncio_loop

    loop: asyncio.AbstractEventLoop = get_asyncio_loop()
    return loop


async def _gather(jobs: Sequence[Job]) -> None:
    await asyncio.gather(*map(_run_with_timeout, jobs))


async def _run_with_timeout(job: Job) -> None:
    began = time.monotonic()
    task = asyncio.ensure_future(_await(job))
    try:
        await asyncio.wait({task}, timeout=job.timeout)
        job.timed_out = not task.done()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE)
            job.abandoned = not task.done()
        job.seconds = time.monotonic() - began
        if task.done() and not task.cancelled():
            task.exception()  # a Ctrl-C that hit the task has been raised already; asyncio need not report it
    job.finished = not job.timed_out
    if task.cancelled() and job.finished:
        job.exception = asyncio.CancelledError()


async def _await(job: Job) -> None:
    with capture_to(job.output):
        try:
            job.value = await job.function()
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - Claude is told whatever a tool raises
            job.exception = error
