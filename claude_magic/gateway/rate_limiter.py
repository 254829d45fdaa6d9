"""Limit requests per minute and concurrent answers, in memory."""

from __future__ import annotations

import collections
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from claude_magic.gateway.quotas import RETRY_SOON, Quota
from claude_magic.gateway.rejection import Rejection

_MINUTE = 60.0


class RateLimiter:
    """Counts the requests and the concurrent answers of each user.

    Parameters
    ----------
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent: dict[str, collections.deque[float]] = collections.defaultdict(collections.deque)
        self._streams: collections.Counter[str] = collections.Counter()

    def count_request(self, user: str, quota: Quota) -> None:
        """Count a request.

        Raises
        ------
        Rejection
            If the user has made too many within a minute.
        """
        if not quota.requests_per_minute:
            return
        now, recent = self._clock(), self._recent[user]
        while recent and now - recent[0] >= _MINUTE:
            recent.popleft()
        if len(recent) >= quota.requests_per_minute:
            wait = max(math.ceil(_MINUTE - (now - recent[0])), 1)
            raise Rejection(
                429,
                f"This server allows each user {quota.requests_per_minute} requests a minute. "
                f"Run the cell again in {wait} s.",
                retry_after=wait,
            )
        recent.append(now)

    @contextmanager
    def stream(self, user: str, quota: Quota) -> Iterator[None]:
        """Count an answer as in progress.

        Raises
        ------
        Rejection
            If the user has too many in progress.
        """
        if 0 < quota.streams <= self._streams[user]:
            answers = "1 answer" if quota.streams == 1 else f"{quota.streams} answers"
            raise Rejection(
                429,
                f"This server allows each user {answers} at a time. Wait for the others to finish.",
                retry_after=RETRY_SOON,
            )
        self._streams[user] += 1
        try:
            yield
        finally:
            self._streams[user] -= 1
            if not self._streams[user]:
                del self._streams[user]
