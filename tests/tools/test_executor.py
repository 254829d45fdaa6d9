"""Where jobs run, and that they end when they should: real threads, real signals, real event loops."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from claude_magic.tools import executor
from claude_magic.tools.executor import Job, JobThreads, run_async, run_sync
from tests.processes import run_python

ENOUGH = 20.0
"""Seconds after which a test is given up; nothing that works takes as long."""


@contextmanager
def ctrl_c(when: Callable[[], object]) -> Iterator[None]:
    """A real SIGINT as soon as something holds."""
    over = threading.Event()

    def press() -> None:
        while not when():
            if over.wait(0.002):
                return
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def ran(function: Callable[..., Any], timeout: float | None = None) -> Job:
    """A job, after it has run in this thread."""
    job = Job(function, timeout)
    run_sync(job)
    return job


def spin(until: Callable[[], object] = lambda: False) -> None:
    """Python steps, until something holds."""
    deadline = time.monotonic() + ENOUGH
    while not until():
        assert time.monotonic() < deadline


def timer() -> tuple[Any, bool]:
    return signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0


@pytest.fixture(autouse=True)
def _no_other_timer() -> Iterator[None]:
    """pytest-timeout has a timer of its own, which some of these tests want to be without."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    handler, ticking = timer()
    assert (type(getattr(handler, "__self__", None)) is executor._Alarm, ticking) == (False, False)
    signal.setitimer(signal.ITIMER_REAL, left)


def test_a_plain_function_runs_in_this_thread_and_may_fail() -> None:
    good, bad, leaving = ran(threading.current_thread), ran(lambda: 1 / 0), ran(sys.exit)
    assert good.value is threading.main_thread()
    assert isinstance(bad.exception, ZeroDivisionError)
    assert bad.exception.__traceback__ is not None
    assert isinstance(leaving.exception, SystemExit)


def test_a_plain_function_is_stopped_at_its_timeout() -> None:
    ended = []

    def slow() -> None:
        try:
            spin()
        except Exception:  # what a careless tool does must not keep it running
            ended.append("swallowed")
        finally:
            ended.append("tidied")

    job = ran(slow, 0.1)
    assert (job.timed_out, job.abandoned, job.exception) == (True, False, None)
    assert ended == ["tidied"]


def test_a_timeout_ends_a_wait() -> None:
    assert ran(threading.Event().wait, 0.1).timed_out


def test_a_timeout_that_is_not_reached_changes_nothing() -> None:
    job = ran(lambda: 5, 60)
    assert (job.value, job.timed_out) == (5, False)


def test_a_timer_of_the_user_still_rings_on_time() -> None:
    rang: list[int] = []
    former = signal.signal(signal.SIGALRM, lambda *_: rang.append(len(rang)))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        job = ran(lambda: spin(lambda: rang), 60)
        assert (job.exception, rang) == (None, [0])
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.05)  # again and again
        job = ran(spin, 0.1)
        assert (job.timed_out, rang) == (True, [0])
        spin(lambda: len(rang) > 3)
        assert ran(lambda: spin(lambda: len(rang) > 6), 60).exception is None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize(("outer", "inner", "which"), [(0.1, 60, "outer"), (60, 0.1, "inner")])
def test_timeouts_may_be_nested(outer: float, inner: float, which: str) -> None:
    within = Job(spin, inner)

    def around() -> str:
        run_sync(within)
        return "went on"

    job = ran(around, outer)
    assert job.timed_out is (which == "outer")
    assert within.timed_out is (which == "inner")
    assert job.value == (None if which == "outer" else "went on")


def test_after_a_nested_timeout_the_outer_one_still_holds() -> None:
    within = Job(spin, 0.05)

    def around() -> None:
        run_sync(within)
        spin()

    job = ran(around, 0.2)
    assert (within.timed_out, job.timed_out) == (True, True)


def test_a_timeout_can_ring_at_any_moment() -> None:
    """Also while it is being taken down: afterwards the system is as before."""
    former = signal.getsignal(signal.SIGALRM)
    outcomes = set()
    end = 0.0

    def busy() -> None:
        spin(lambda: time.monotonic() > end)

    for number in range(3000):
        end = time.monotonic() + 2e-4 + number % 80 * 1e-6
        outcomes.add(ran(busy, 2e-4).timed_out)
        assert timer() == (former, False)
    assert outcomes == {True, False}


def test_ctrl_c_goes_through_a_plain_function() -> None:
    began: list[int] = []
    job = Job(lambda: spin(lambda: began.append(1)), 60)
    with ctrl_c(lambda: began), pytest.raises(KeyboardInterrupt):
        run_sync(job)
    assert not job.timed_out
    assert job.seconds > 0


def test_threads_run_at_the_same_time_and_see_the_context() -> None:
    name: ContextVar[str] = ContextVar("name")
    name.set("of the cell")
    together = threading.Barrier(3)

    def meet() -> tuple[str, bool]:
        together.wait(ENOUGH)
        return name.get(), threading.current_thread().daemon

    jobs = [Job(meet), Job(meet), Job(meet), Job(lambda: 1 / 0), Job(sys.exit)]
    with JobThreads(jobs) as threads:
        assert set(threads) == set(jobs)
    assert [job.value for job in jobs] == [("of the cell", True)] * 3 + [None, None]
    assert [type(job.exception) for job in jobs[3:]] == [ZeroDivisionError, SystemExit]


def test_a_thread_is_abandoned_at_its_timeout_and_can_change_nothing_more() -> None:
    go, gone = threading.Event(), threading.Event()

    def slow() -> str:
        go.wait(ENOUGH)
        threading.Timer(0.1, gone.set).start()
        return "too late"

    job, other, last = Job(slow, 0.05), Job(lambda: "in time", 60), Job(lambda: gone.wait(ENOUGH))
    seen = []
    with JobThreads([job, other, last]) as threads:
        for each in threads:
            seen.append(each)
            if each is job:
                go.set()
    assert seen == [other, job, last]
    assert (job.timed_out, job.abandoned, job.value, job.finished) == (True, True, None, False)
    assert (other.timed_out, other.value) == (False, "in time")


def test_ctrl_c_ends_the_wait_for_threads_and_marks_the_abandoned() -> None:
    go = threading.Event()
    quick, slow = Job(lambda: 5), Job(lambda: go.wait(ENOUGH))

    def wait() -> None:
        with JobThreads([quick, slow]) as threads:
            seen.extend(threads)

    seen: list[Job] = []
    with ctrl_c(lambda: seen), pytest.raises(KeyboardInterrupt):
        wait()
    go.set()
    assert seen == [quick]
    assert (quick.abandoned, slow.abandoned) == (False, True)


def test_a_thread_left_behind_does_not_keep_python_from_ending() -> None:
    program = (
        "from claude_magic.tools.executor import *\nimport time\n"
        "with JobThreads([Job(lambda: time.sleep(600), 0.05)]) as t: print([j.abandoned for j in t])"
    )
    assert run_python(program) == "[True]\n"


def test_coroutines_run_at_the_same_time_on_one_loop_that_stays() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    first, again = Job(loop), Job(loop)
    run_async([first])
    run_async([again])
    assert first.value is again.value  # so a connection that a tool opened is of use to the next call

    meeting = asyncio.Event()

    async def wait() -> str:
        await meeting.wait()
        return "met"

    async def come() -> str:
        meeting.set()
        return "came"

    async def fail() -> None:
        raise TimeoutError("its own")

    async def leave() -> None:
        raise SystemExit

    async def cancel() -> None:
        raise asyncio.CancelledError

    jobs = [Job(wait, 60), Job(fail, 60), Job(leave), Job(cancel), Job(come)]
    run_async(jobs)
    assert [job.value for job in jobs] == ["met", None, None, None, "came"]
    assert [job.timed_out for job in jobs] == [False] * 5
    assert [type(job.exception).__name__ for job in jobs[1:4]] == ["TimeoutError", "SystemExit", "CancelledError"]


def test_a_coroutine_is_cancelled_at_its_timeout() -> None:
    ended = []

    async def slow() -> None:
        try:
            await asyncio.sleep(ENOUGH)
        finally:
            await asyncio.sleep(0.01)
            ended.append("tidied")

    job, other = Job(slow, 0.05), Job(lambda: asyncio.sleep(0.2, "in time"), 60)
    run_async([job, other])
    assert (job.timed_out, job.abandoned, ended) == (True, False, ["tidied"])
    assert other.value == "in time"


async def stubborn(log: list[int], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            log.append(1)


def test_a_coroutine_that_ignores_cancellation_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "GRACE", 0.1)
    log: list[int] = []
    stop = threading.Event()
    job = Job(lambda: stubborn(log, stop), 0.05)
    run_async([job])
    assert (job.timed_out, job.abandoned, log) == (True, True, [1])
    stop.set()
    run_async([Job(lambda: asyncio.sleep(0.1))])


@pytest.mark.parametrize("where", ["while it waits", "while it computes"])
def test_after_ctrl_c_no_coroutine_runs_on(where: str, caplog: pytest.LogCaptureFixture) -> None:
    steps: list[int] = []

    async def endless() -> None:
        while True:
            steps.append(1)
            await asyncio.sleep(0.001)
            if where == "while it computes":
                spin(lambda: len(steps) == 0)

    quick = Job(lambda: asyncio.sleep(0, "done"))
    job, beside = Job(endless, 60), Job(lambda: asyncio.sleep(ENOUGH))
    with ctrl_c(lambda: steps), pytest.raises(KeyboardInterrupt):
        run_async([quick, job, beside])
    before = len(steps)
    run_async([Job(lambda: asyncio.sleep(0.1))])
    assert len(steps) == before > 0
    assert (quick.finished, quick.value, job.finished, job.abandoned) == (True, "done", False, False)
    gc.collect()
    assert caplog.messages == []  # no exception that "was never retrieved"


def test_a_running_loop_is_reentered() -> None:
    steps: list[int] = []

    async def endless() -> None:
        while True:
            steps.append(1)
            await asyncio.sleep(0.001)

    async def loop() -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0.01)
        return asyncio.get_running_loop()

    async def cell() -> None:
        job = Job(loop)
        run_async([job])
        assert job.value is asyncio.get_running_loop()
        job = Job(endless, 0.05)
        run_async([job])
        assert job.timed_out
        steps.clear()
        with ctrl_c(lambda: steps), pytest.raises(KeyboardInterrupt):
            run_async([Job(endless)])
        before = len(steps)
        await asyncio.sleep(0.1)
        assert len(steps) == before > 0

    kernel = asyncio.new_event_loop()  # asyncio.run() would take Ctrl-C for itself
    kernel.run_until_complete(cell())
    kernel.close()


@pytest.mark.parametrize("first", ["nest_asyncio", "nothing"])
def test_a_nest_asyncio_of_the_user_does_not_interfere(first: str) -> None:
    program = f"""
import asyncio, warnings
warnings.simplefilter("error")
from claude_magic.tools.executor import *

async def tool():
    await asyncio.sleep(0.01)
    return asyncio.get_running_loop()

def plain():
    inner = Job(tool)
    run_async([inner])
    return inner.value

async def outer_tool():
    job = Job(plain)
    run_sync(job)  # a tool that asks Claude, whose tool is a coroutine again
    return job.value

async def cell():
    if {first!r} == "nest_asyncio":
        import nest_asyncio
        nest_asyncio.apply()
    other = asyncio.ensure_future(asyncio.sleep(0.01, "went on"))
    job, slow = Job(outer_tool), Job(lambda: asyncio.sleep(20), 0.05)
    run_async([job, slow])
    print(job.value is asyncio.get_running_loop(), job.exception, slow.timed_out, other.result())

loop = asyncio.new_event_loop()
loop.run_until_complete(cell())
loop.close()
"""
    assert run_python(program) == "True None True went on\n"


def test_on_another_thread_a_coroutine_gets_its_own_loop() -> None:
    job, plain = Job(lambda: asyncio.sleep(0.01, "done")), Job(lambda: threading.Event().wait(0.1), 0.01)

    def ask() -> None:
        run_async([job])
        run_sync(plain)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(ENOUGH)
    assert job.value == "done"
    assert (plain.value, plain.timed_out) == (False, False)  # no signal reaches it there


def test_asyncio_run_is_not_replaced() -> None:
    before = asyncio.run

    async def cell() -> None:
        job = Job(lambda: asyncio.sleep(0, "done"))
        run_async([job])
        assert job.value == "done"

    asyncio.run(cell())
    assert asyncio.run is before
