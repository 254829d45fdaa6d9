"""Where work runs, and that it ends when it should: real threads, real signals, real loops."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from claude_magic.tools import executor
from claude_magic.tools.executor import Threads, Work, here, on_loop

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


def spin(until: Callable[[], object] = lambda: False) -> None:
    """Python steps, until something holds."""
    deadline = time.monotonic() + ENOUGH
    while not until():
        assert time.monotonic() < deadline


def timer() -> tuple[Any, bool]:
    return signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0


@pytest.fixture(autouse=True)
def _no_timer_of_others() -> Iterator[None]:
    """pytest-timeout has a timer of its own, which some of these tests want to be without."""
    left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    handler, ticking = timer()
    assert (type(getattr(handler, "__self__", None)) is executor._Alarm, ticking) == (False, False)
    signal.setitimer(signal.ITIMER_REAL, left)


def test_a_plain_function_runs_in_this_thread_and_may_fail() -> None:
    good, bad, leaving = Work(threading.current_thread), Work(lambda: 1 / 0), Work(sys.exit)
    for work in (good, bad, leaving):
        here(work)
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

    work = Work(slow, 0.1)
    here(work)
    assert (work.timed_out, work.left_behind, work.exception) == (True, False, None)
    assert ended == ["tidied"]


def test_a_timeout_ends_a_wait() -> None:
    work = Work(threading.Event().wait, 0.1)
    here(work)
    assert work.timed_out


def test_a_timeout_that_is_not_reached_changes_nothing() -> None:
    work = Work(lambda: 5, 60)
    here(work)
    assert (work.value, work.timed_out) == (5, False)


def test_a_timer_of_the_user_rings_at_its_own_time() -> None:
    rang: list[int] = []
    former = signal.signal(signal.SIGALRM, lambda *_: rang.append(len(rang)))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        work = Work(lambda: spin(lambda: rang), 60)
        here(work)
        assert (work.exception, rang) == (None, [0])
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.05)  # again and again
        work = Work(spin, 0.1)
        here(work)
        assert (work.timed_out, rang) == (True, [0])
        spin(lambda: len(rang) > 3)
        work = Work(lambda: spin(lambda: len(rang) > 6), 60)
        here(work)
        assert work.exception is None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize(("outer", "inner", "which"), [(0.1, 60, "outer"), (60, 0.1, "inner")])
def test_timeouts_may_be_nested(outer: float, inner: float, which: str) -> None:
    within = Work(spin, inner)

    def around() -> str:
        here(within)
        return "went on"

    work = Work(around, outer)
    here(work)
    assert work.timed_out is (which == "outer")
    assert within.timed_out is (which == "inner")
    assert work.value == (None if which == "outer" else "went on")


def test_after_a_nested_timeout_the_outer_one_still_holds() -> None:
    within = Work(spin, 0.05)

    def around() -> None:
        here(within)
        spin()

    work = Work(around, 0.2)
    here(work)
    assert (within.timed_out, work.timed_out) == (True, True)


def test_a_timeout_can_ring_at_any_moment() -> None:
    """Also while it is being taken down: afterwards the system is as before."""
    former = signal.getsignal(signal.SIGALRM)
    outcomes = set()
    end = 0.0

    def busy() -> None:
        spin(lambda: time.monotonic() > end)

    for number in range(3000):
        work = Work(busy, 2e-4)
        end = time.monotonic() + 2e-4 + number % 80 * 1e-6
        here(work)
        outcomes.add(work.timed_out)
        assert timer() == (former, False)
    assert outcomes == {True, False}


def test_ctrl_c_goes_through_a_plain_function() -> None:
    began = []
    work = Work(lambda: (began.append(1), spin()), 60)
    with ctrl_c(lambda: began), pytest.raises(KeyboardInterrupt):
        here(work)
    assert not work.timed_out
    assert work.seconds > 0


def test_threads_run_at_the_same_time_and_see_the_context() -> None:
    name: ContextVar[str] = ContextVar("name")
    name.set("of the cell")
    together = threading.Barrier(3)

    def meet() -> tuple[str, bool]:
        together.wait(ENOUGH)
        return name.get(), threading.current_thread().daemon

    works = [Work(meet), Work(meet), Work(meet), Work(lambda: 1 / 0), Work(sys.exit)]
    with Threads(works) as threads:
        assert set(threads) == set(works)
    assert [work.value for work in works] == [("of the cell", True)] * 3 + [None, None]
    assert [type(work.exception) for work in works[3:]] == [ZeroDivisionError, SystemExit]


def test_a_thread_is_given_up_at_its_timeout_and_can_change_nothing_more() -> None:
    go, gone = threading.Event(), threading.Event()

    def slow() -> str:
        go.wait(ENOUGH)
        threading.Timer(0.1, gone.set).start()
        return "too late"

    work, other, last = Work(slow, 0.05), Work(lambda: "in time", 60), Work(lambda: gone.wait(ENOUGH))
    seen = []
    with Threads([work, other, last]) as threads:
        for each in threads:
            seen.append(each)
            if each is work:
                go.set()
    assert seen == [other, work, last]
    assert (work.timed_out, work.left_behind, work.value, work.ended) == (True, True, None, False)
    assert (other.timed_out, other.value) == (False, "in time")


def test_ctrl_c_ends_the_wait_for_threads_and_says_which_are_left() -> None:
    go = threading.Event()
    quick, slow = Work(lambda: 5), Work(lambda: go.wait(ENOUGH))

    def wait() -> None:
        with Threads([quick, slow]) as threads:
            seen.extend(threads)

    seen: list[Work] = []
    with ctrl_c(lambda: seen), pytest.raises(KeyboardInterrupt):
        wait()
    go.set()
    assert seen == [quick]
    assert (quick.left_behind, slow.left_behind) == (False, True)


def test_a_thread_left_behind_does_not_keep_python_from_ending() -> None:
    program = (
        "from claude_magic.tools.executor import *\nimport time\n"
        "with Threads([Work(lambda: time.sleep(600), 0.05)]) as t: print([w.left_behind for w in t])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "[True]\n"


def test_coroutines_run_at_the_same_time_on_one_loop_that_stays() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    first, again = Work(loop), Work(loop)
    on_loop([first])
    on_loop([again])
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

    works = [Work(wait, 60), Work(fail, 60), Work(leave), Work(cancel), Work(come)]
    on_loop(works)
    assert [work.value for work in works] == ["met", None, None, None, "came"]
    assert [work.timed_out for work in works] == [False] * 5
    assert [type(work.exception).__name__ for work in works[1:4]] == ["TimeoutError", "SystemExit", "CancelledError"]


def test_a_coroutine_is_cancelled_at_its_timeout() -> None:
    ended = []

    async def slow() -> None:
        try:
            await asyncio.sleep(ENOUGH)
        finally:
            await asyncio.sleep(0.01)
            ended.append("tidied")

    work, other = Work(slow, 0.05), Work(lambda: asyncio.sleep(0.2, "in time"), 60)
    on_loop([work, other])
    assert (work.timed_out, work.left_behind, ended) == (True, False, ["tidied"])
    assert other.value == "in time"


async def stubborn(log: list[int], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            log.append(1)


def test_a_coroutine_that_does_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "GRACE", 0.1)
    log: list[int] = []
    stop = threading.Event()
    work = Work(lambda: stubborn(log, stop), 0.05)
    on_loop([work])
    assert (work.timed_out, work.left_behind, log) == (True, True, [1])
    stop.set()
    on_loop([Work(lambda: asyncio.sleep(0.1))])


@pytest.mark.parametrize("where", ["while it waits", "while it computes"])
def test_after_ctrl_c_nothing_of_a_coroutine_goes_on(where: str, caplog: pytest.LogCaptureFixture) -> None:
    steps: list[int] = []

    async def endless() -> None:
        while True:
            steps.append(1)
            await asyncio.sleep(0.001)
            if where == "while it computes":
                spin(lambda: len(steps) == 0)

    quick = Work(lambda: asyncio.sleep(0, "done"))
    work, beside = Work(endless, 60), Work(lambda: asyncio.sleep(ENOUGH))
    with ctrl_c(lambda: steps), pytest.raises(KeyboardInterrupt):
        on_loop([quick, work, beside])
    before = len(steps)
    on_loop([Work(lambda: asyncio.sleep(0.1))])
    assert len(steps) == before > 0
    assert (quick.ended, quick.value, work.ended, work.left_behind) == (True, "done", False, False)
    gc.collect()
    assert caplog.messages == []  # no exception that "was never retrieved"


def test_a_running_loop_is_entered_once_more() -> None:
    steps: list[int] = []

    async def endless() -> None:
        while True:
            steps.append(1)
            await asyncio.sleep(0.001)

    async def loop() -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0.01)
        return asyncio.get_running_loop()

    async def cell() -> None:
        work = Work(loop)
        on_loop([work])
        assert work.value is asyncio.get_running_loop()
        work = Work(endless, 0.05)
        on_loop([work])
        assert work.timed_out
        steps.clear()
        with ctrl_c(lambda: steps), pytest.raises(KeyboardInterrupt):
            on_loop([Work(endless)])
        before = len(steps)
        await asyncio.sleep(0.1)
        assert len(steps) == before > 0

    kernel = asyncio.new_event_loop()  # asyncio.run() would take Ctrl-C for itself
    kernel.run_until_complete(cell())
    kernel.close()


@pytest.mark.parametrize("first", ["nest_asyncio", "nothing"])
def test_a_nest_asyncio_of_the_user_changes_nothing(first: str) -> None:
    program = f"""
import asyncio, warnings
warnings.simplefilter("error")
from claude_magic.tools.executor import *

async def tool():
    await asyncio.sleep(0.01)
    return asyncio.get_running_loop()

def plain():
    inner = Work(tool)
    on_loop([inner])
    return inner.value

async def outer_tool():
    work = Work(plain)
    here(work)  # a tool that asks Claude, whose tool is a coroutine again
    return work.value

async def cell():
    if {first!r} == "nest_asyncio":
        import nest_asyncio
        nest_asyncio.apply()
    other = asyncio.ensure_future(asyncio.sleep(0.01, "went on"))
    work, slow = Work(outer_tool), Work(lambda: asyncio.sleep(20), 0.05)
    on_loop([work, slow])
    print(work.value is asyncio.get_running_loop(), work.exception, slow.timed_out, other.result())

loop = asyncio.new_event_loop()
loop.run_until_complete(cell())
loop.close()
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (run.stdout, run.stderr) == ("True None True went on\n", "")


def test_in_another_thread_a_coroutine_has_a_loop_of_its_own() -> None:
    work, plain = Work(lambda: asyncio.sleep(0.01, "done")), Work(lambda: time.sleep(0.1) or "done", 0.01)

    def ask() -> None:
        on_loop([work])
        here(plain)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(ENOUGH)
    assert work.value == "done"
    assert (plain.value, plain.timed_out) == ("done", False)  # no signal reaches it there


def test_asyncio_run_stays_what_it_was() -> None:
    before = asyncio.run

    async def cell() -> None:
        work = Work(lambda: asyncio.sleep(0, "done"))
        on_loop([work])
        assert work.value == "done"

    asyncio.run(cell())
    assert asyncio.run is before
