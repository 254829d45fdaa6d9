"""How much each user may ask for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from claude_magic.gateway.rejection import Rejection
from claude_magic.messages import limits as models
from claude_magic.messages.usage import format_cost

RETRY_SOON = 5
"""Seconds to wait before a retry if nobody knows when an answer in progress will end."""


@dataclasses.dataclass(frozen=True)
class Quota:
    """The limits of one user; 0, or an empty list of models, means no limit. The gateway's options explain each."""

    dollars_per_day: float = 0.0
    tokens_per_day: int = 0
    models: Sequence[str] = ()
    requests_per_minute: int = 0
    streams: int = 0

    def allows(self, model: str) -> bool:
        """Whether the user may use this model."""
        return not self.models or _id(model) in map(_id, self.models)

    @property
    def default_model(self) -> str:
        """The model of a kernel whose user names none; empty if the usual default is allowed."""
        return "" if self.allows(models.DEFAULT_MODEL) else self.models[0]

    def check_model(self, model: str) -> None:
        """Reject a model that is not allowed.

        Raises
        ------
        Rejection
        """
        if not self.allows(model):
            raise Rejection(403, f"This server does not allow {model}. Choose {' or '.join(self.models)}.")

    def check_budget(self, today: DailyUsage) -> None:
        """Reject if today's budget is used up, or reserved for answers in progress.

        One answer may exceed the budget: its length is known only when it has ended.

        Raises
        ------
        Rejection
        """
        if 0 < self.tokens_per_day <= today.tokens:
            raise _budget_spent(f"{self.tokens_per_day:,} tokens", f"{today.tokens:,}")
        if 0 < self.dollars_per_day <= today.dollars:
            raise _budget_spent(format_cost(self.dollars_per_day), format_cost(today.dollars))
        tokens = 0 < self.tokens_per_day <= today.tokens + today.reserved_tokens
        if tokens or 0 < self.dollars_per_day <= today.dollars + today.reserved_dollars:
            raise Rejection(
                429,
                "Your answers in progress may use up the rest of today's budget. "
                "Wait for them to finish, then run the cell again.",
                retry_after=RETRY_SOON,
            )


@dataclasses.dataclass(frozen=True)
class DailyUsage:
    """What a user has spent on one day, and what is reserved for answers in progress."""

    tokens: int = 0
    dollars: float = 0.0
    reserved_tokens: int = 0
    reserved_dollars: float = 0.0


def _id(name: str) -> str:
    return models.lookup(models.resolve(name)).id


def _budget_spent(budget: str, spent: str) -> Rejection:
    return Rejection(
        429,
        f"Your budget of {budget} a day on this server is spent ({spent} so far); a new one begins at midnight",
    )
