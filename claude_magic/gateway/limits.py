"""How much a user may ask for, and the door that lets only so many through at once."""

from __future__ import annotations

import collections
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from claude_magic.gateway.refusal import Refusal
from claude_magic.messages import limits as models
from claude_magic.messages.usage import money

_MINUTE = 60.0
_SOON = 5
"""Seconds until another try, where nobody knows when an answer will have ended."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one user may do; 0, or no model at all, is no limit.

    Attributes
    ----------
    dollars_per_day : float
    tokens_per_day : int
        Input, cached or not, and output.
    models : tuple of str
        Ids or aliases of those that may be asked.
    requests_per_minute : int
    streams : int
        Answers at once.
    """

    dollars_per_day: float = 0.0
    tokens_per_day: int = 0
    models: Sequence[str] = ()
    requests_per_minute: int = 0
    streams: int = 0

    def allows(self, model: str) -> bool:
        """Whether a model may be asked."""
        return not self.models or _id(model) in map(_id, self.models)

    @property
    def default_model(self) -> str:
        """What a kernel is to ask where nobody names a model; empty if the usual one may be asked."""
        return "" if self.allows(models.DEFAULT_MODEL) else self.models[0]

    def check_model(self, model: str) -> None:
        """Refuse a model that may not be asked.

        Raises
        ------
        Refusal
        """
        if not self.allows(model):
            raise Refusal(
                403, "permission_error", f"This server does not pass on to {model}. Choose {', '.join(self.models)}."
            )

    def check_spent(self, spent: Spent) -> None:
        """Refuse once the day's budget is spent, or promised to answers that are on their way.

        One answer may end above the budget: how long it gets is known only when it has ended.

        Raises
        ------
        Refusal
        """
        if 0 < self.tokens_per_day <= spent.tokens:
            raise _used_up(f"{self.tokens_per_day:,} tokens", f"{spent.tokens:,}")
        if 0 < self.dollars_per_day <= spent.dollars:
            raise _used_up(money(self.dollars_per_day), money(spent.dollars))
        tokens = 0 < self.tokens_per_day <= spent.tokens + spent.promised_tokens
        if tokens or 0 < self.dollars_per_day <= spent.dollars + spent.promised_dollars:
            raise Refusal(
                429,
                "rate_limit_error",
                "What is left of your budget for today may be needed by your answers that are on their way. "
                "Wait for them, then run the cell again.",
                retry_after=_SOON,
            )


@dataclasses.dataclass(frozen=True)
class Spent:
    """What a user has spent on a day, and what open answers may still cost."""

    tokens: int = 0
    dollars: float = 0.0
    promised_tokens: int = 0
    promised_dollars: float = 0.0


class Door:
    """Counts requests a minute and answers at once, by user, as long as the server runs.

    Parameters
    ----------
    clock : callable
        Seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent: dict[str, collections.deque[float]] = collections.defaultdict(collections.deque)
        self._open: collections.Counter[str] = collections.Counter()

    def knock(self, user: str, limits: Limits) -> None:
        """Count a request.

        Raises
        ------
        Refusal
            If it is one too many in this minute.
        """
        if not limits.requests_per_minute:
            return
        now, recent = self._clock(), self._recent[user]
        while recent and now - recent[0] >= _MINUTE:
            recent.popleft()
        if len(recent) >= limits.requests_per_minute:
            wait = max(math.ceil(_MINUTE - (now - recent[0])), 1)
            raise Refusal(
                429,
                "rate_limit_error",
                f"This server passes on {limits.requests_per_minute} requests a minute for each user. "
                f"Run the cell again in {wait} s.",
                retry_after=wait,
            )
        recent.append(now)

    @contextmanager
    def inside(self, user: str, limits: Limits) -> Iterator[None]:
        """Be one of the answers at once.

        Raises
        ------
        Refusal
            If there are as many as may be.
        """
        if 0 < limits.streams <= self._open[user]:
            raise Refusal(
                429,
                "rate_limit_error",
                f"This server passes on {limits.streams} answers at once for each user. Wait for the others to end.",
                retry_after=_SOON,
            )
        self._open[user] += 1
        try:
            yield
        finally:
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]


def _id(name: str) -> str:
    return models.lookup(models.resolve(name)).id


def _used_up(budget: str, spent: str) -> Refusal:
    return Refusal(
        429,
        "rate_limit_error",
        f"Your budget of {budget} a day on this server is spent ({spent} so far); a new one begins at midnight",
    )
