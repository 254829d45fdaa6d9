"""When to try again, and how long to wait before it."""

from __future__ import annotations

import email.utils
import math
import random
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

from claude_magic.messages.errors import APIError, ClaudeError, ConnectionFailed, TimedOut

LONGEST_WAIT = 60.0
"""Seconds; a server that asks for more gets no second try, and the user is told."""

_STATUSES = frozenset({408, 409, 429})


class Wait(NamedTuple):
    """A wait before another try.

    Attributes
    ----------
    reason : str
        In a word or two, for example ``overloaded``.
    seconds : float
    attempt : int
        The number of the coming try; the first request was number 1.
    """

    reason: str
    seconds: float
    attempt: int

    def __str__(self) -> str:
        return f"{self.reason}, again in {self.seconds:.0f} s" if self.seconds >= 1 else f"{self.reason}, trying again"


def wait_before(error: ClaudeError, attempt: int) -> Wait | None:
    """How long to wait after a failed try.

    Parameters
    ----------
    error : ClaudeError
        Why it failed.
    attempt : int
        The number of the try that failed, from 1.

    Returns
    -------
    Wait or None
        None if another try would not help, or the server asks for more than a minute. Without a
        word from the server: half a second, doubled at each try up to 8, less up to a quarter by
        chance, as the official SDK does it.
    """
    asked = None
    if isinstance(error, APIError):
        should = error.should_retry
        if should is False or (should is None and error.status not in _STATUSES and error.status < 500):
            return None
        asked = error.retry_after
        reason = {429: "rate limit", 529: "overloaded"}.get(error.status, f"server error {error.status}")
    elif isinstance(error, ConnectionFailed):
        reason = "no answer" if isinstance(error, TimedOut) else "no connection"
    else:
        return None
    if asked is not None and asked > LONGEST_WAIT:
        return None
    if asked is not None and asked > 0:
        seconds = asked
    else:
        seconds = min(0.5 * 2 ** (attempt - 1), 8.0) * (1 - 0.25 * random.random())  # noqa: S311
    return Wait(reason, seconds, attempt + 1)


def pause(seconds: float, stopped: threading.Event) -> None:
    """Wait before another try, or until somebody stops it."""
    end = time.monotonic() + seconds
    while not stopped.is_set() and (left := end - time.monotonic()) > 0:
        # In slices: a Ctrl-C that falls just before a wait (on Windows, into it) is seen after it only.
        stopped.wait(min(left, 0.2))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: ``retry-after-ms``, else ``retry-after`` (seconds or a date)."""
    if (milliseconds := _number(headers.get("retry-after-ms", ""))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        return max(email.utils.parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """The server's own word on whether to try again, if it gives one."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())
