"""Ctrl-C while a question is under way: pressed twice in a row, it is still one interrupt."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

_TOGETHER = 1.0
"""Seconds within which a second Ctrl-C counts as the same one."""


class OneInterrupt:
    """Lets the first Ctrl-C through, and keeps the next one out of the clean-up.

    One within a second of the one before, or of the start of the clean-up, is ignored: it would
    hit the few milliseconds in which the conversation is put in order. A later one counts again,
    so the kernel can always be interrupted. Outside the main thread it does nothing.
    """

    def __init__(self) -> None:
        self._former: Any = None
        self._last = float("-inf")
        self._stopped = float("-inf")

    def closing(self) -> None:
        """Start of the clean-up: as if Ctrl-C had just been pressed."""
        self._last = time.monotonic()

    def __enter__(self) -> OneInterrupt:
        if threading.current_thread() is threading.main_thread():
            former: Any = signal.getsignal(signal.SIGINT)
            earlier = getattr(former, "__self__", None)
            if isinstance(earlier, OneInterrupt) and former == earlier._afterwards:
                former = earlier._former  # that question is over; one that still runs gets its handler back
            if callable(former):
                self._former = former
                signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._former is not None:
            # A second press may still be on its way, and would hit the shell while it shows our error.
            handler = self._afterwards if time.monotonic() - self._stopped < _TOGETHER else self._former
            signal.signal(signal.SIGINT, handler)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last < _TOGETHER:
            return
        self._last = self._stopped = now
        if str(getattr(self._former, "__module__", "")).startswith("ipykernel"):
            raise KeyboardInterrupt  # that handler would only ask the cell to stop at its next `await`
        self._former(number, frame)

    def _afterwards(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self._stopped >= _TOGETHER:
            signal.signal(signal.SIGINT, self._former)
            self._former(number, frame)
