"""When to try a request again, and how long to wait before the next attempt."""

from __future__ import annotations

import email.utils
import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from claude_magic.messages.errors import APIError, ClaudeError, ConnectionFailed, Interrupted, TimedOut

MAX_WAIT = 60.0
"""Seconds. If a server asks for a longer wait, the request is not retried and the user is told."""

_RETRIED_STATUSES = frozenset({408, 409, 429})


class Wait(NamedTuple):
    """A wait before another attempt.

    Attributes
    ----------
    reason : str
        In a word or two, for example ``overloaded``.
    seconds : float
    attempt : int
        The number of the next attempt; the first request is number 1.
    """

    reason: str
    seconds: float
    attempt: int

    def __str__(self) -> str:
        return f"{self.reason}, again in {self.seconds:.0f} s" if self.seconds >= 1 else f"{self.reason}, trying again"


Listener = Callable[[Wait], None]
"""Called with each wait before it begins."""


class Retries:
    """The attempts at one request: at most ``limit`` after the first. Setting ``aborted`` ends a wait early."""

    def __init__(self, limit: int, on_wait: Listener | None = None, aborted: threading.Event | None = None) -> None:
        self._limit = limit
        self._on_wait = on_wait
        self._aborted = aborted or threading.Event()
        self._attempt = 1

    def after(self, error: ClaudeError) -> Wait | None:
        """The wait before the next attempt; None if there is none."""
        if self._attempt <= self._limit and (wait := backoff(error, self._attempt)) is not None:
            return wait
        if isinstance(error, APIError) and error.retry_after is not None and error.retry_after > MAX_WAIT:
            minutes = round(error.retry_after / 60)
            error.advice = f"The server asks to wait {minutes} min." if minutes > 1 else "Wait a minute or two."
        return None

    def wait(self, wait: Wait) -> None:
        """Announce a wait and sleep; Ctrl-C raises :class:`Interrupted`."""
        try:
            if self._on_wait is not None:
                self._on_wait(wait)
            self._sleep(wait.seconds)
        except KeyboardInterrupt:
            raise Interrupted("Stopped.") from None
        self._attempt = wait.attempt

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._aborted.is_set() and (left := end - time.monotonic()) > 0:
            # In slices, because a Ctrl-C just before a wait (on Windows, during it) is noticed only after it.
            self._aborted.wait(min(left, 0.2))


def backoff(error: ClaudeError, attempt: int) -> Wait | None:
    """How long to wait after a failed attempt; the first is number 1.

    Returns
    -------
    Wait or None
        None if another attempt would not help, or the server asks for more than a minute. If the
        server does not say: half a second, doubled with each attempt up to 8 s, minus up to a
        quarter at random, as in the official SDK.
    """
    asked = None
    if isinstance(error, APIError):
        should = error.should_retry
        if should is False or (should is None and error.status not in _RETRIED_STATUSES and error.status < 500):
            return None
        asked = error.retry_after
        reason = {429: "rate limit", 529: "overloaded"}.get(error.status, f"server error {error.status}")
    elif isinstance(error, ConnectionFailed):
        reason = "no answer" if isinstance(error, TimedOut) else "no connection"
    else:
        return None
    if asked is not None and asked > MAX_WAIT:
        return None
    if asked is not None and asked > 0:
        seconds = asked
    else:
        seconds = min(0.5 * 2 ** (attempt - 1), 8.0) * (1 - 0.25 * random.random())  # noqa: S311
    return Wait(reason, seconds, attempt + 1)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a server asks to wait: ``retry-after-ms``, else ``retry-after`` (seconds or a date)."""
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
    """Whether the server says that another attempt makes sense; None if it does not say."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())
