"""Time, processor time and memory of a piece of work, of this process or of another."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from benchmarks.cases import CPU, PEAK, TIME, Turn

_LINUX = Path("/proc/self/clear_refs").exists()
_FORGET_PEAK = "5"  # see proc(5), clear_refs


class Meter:
    """Measures what happens inside ``with``, whole process: all threads, none of its children.

    Attributes
    ----------
    seconds, cpu : float
    peak : int
        Bytes by which memory was at some time larger than before.
    """

    seconds = cpu = 0.0
    peak = 0
    _before, _cpu, _begun = 0, 0.0, 0.0

    def __enter__(self) -> Self:
        gc.collect()
        self._before = memory_to_begin_with()
        self._cpu = time.process_time()
        self._begun = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._begun
        self.cpu = time.process_time() - self._cpu
        self.peak = max(peak() - self._before, 0)

    @property
    def figures(self) -> dict[str, float]:
        """Milliseconds and megabytes."""
        return {TIME: 1e3 * self.seconds, CPU: 1e3 * self.cpu, PEAK: self.peak / 1e6}


def metered(call: Callable[[], Any], more: Callable[[Any], dict[str, float]] = lambda made: {}) -> Turn:
    """A turn that does something and measures it.

    Parameters
    ----------
    call : callable
    more : callable
        Further figures, from what the call returned.
    """

    def turn() -> dict[str, float]:
        with Meter() as meter:
            made = call()
        return {**meter.figures, **more(made)}

    return turn


def memory_to_begin_with() -> int:
    """Bytes that this process has now, what it no longer uses given back and its peak forgotten where that goes."""
    if not _LINUX:
        return peak()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text(_FORGET_PEAK)
    return _status("VmRSS")


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    if _LINUX:
        return _status("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))
