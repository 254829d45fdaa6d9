"""Report usage and spending as a web page or CSV."""

from __future__ import annotations

import base64
import csv
import dataclasses
import datetime
import functools
import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tornado.template import Loader

from claude_magic.gateway.ledger import DOLLAR, Ledger, UsageRow
from claude_magic.gateway.quotas import Quota
from claude_magic.messages.usage import format_usd

DEFAULT_DAYS = 30
SPANS = ((7, "7 days"), (DEFAULT_DAYS, "30 days"), (365, "a year"), (0, "everything"))
"""The offered periods, in days; 0 means since the beginning."""
_WIDTH, _TOP, _BOTTOM = 720, 20, 135
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet evaluates a cell that begins with one of these."""


class Total(NamedTuple):
    """Today's usage of one user, formatted."""

    user: str
    simulated: bool
    answers: str
    tokens: str
    cost: str
    budget: str


class Bar(NamedTuple):
    """One day of the plot."""

    x: float
    y: float
    height: float
    text: str


class Plot(NamedTuple):
    """A bar chart of the dollars per day, or of the tokens if nothing had a price."""

    title: str
    text: str
    most: str
    first: str
    width: float
    bars: list[Bar]


@dataclasses.dataclass(frozen=True)
class UsageReport:
    """The usage that one viewer may see: their own, or everybody's.

    ``since`` and ``today`` are the first and the last day, ``YYYY-MM-DD``. For the usage since the beginning,
    ``since`` is empty and ``days`` is 0.
    """

    user: str
    everybody: bool
    today: str
    since: str
    days: int
    rows: list[UsageRow]
    quota_of: Callable[[str], Quota]
    spans = SPANS

    @classmethod
    def read(
        cls, ledger: Ledger, quota_of: Callable[[str], Quota], user: str, *, everybody: bool, days: int
    ) -> UsageReport:
        """Read the last days from the ledger, including today."""
        today = ledger.today()
        since = _days_before(today, days - 1) if days else ""
        rows = ledger.usage(since, None if everybody else user)
        return cls(user, everybody, today, since, days, rows, quota_of)

    @property
    def totals(self) -> list[Total]:
        """Today's usage by user."""
        found: dict[tuple[str, bool], list[UsageRow]] = {}
        for row in self.rows:
            if row.day == self.today:
                found.setdefault((row.user, row.simulated), []).append(row)
        return [self._total(*key, rows) for key, rows in found.items()]

    @property
    def plot(self) -> Plot:
        """The days from the first row to today."""
        priced = any(row.cost for row in self.rows)
        days: dict[str, float] = {}
        for row in self.rows:
            amount = row.cost / DOLLAR if priced else row.input_tokens + row.output_tokens
            days[row.day] = days.get(row.day, 0) + amount
        say = format_usd if priced else "{:,} tokens".format
        title = f"{'Cost' if priced else 'Tokens'} by day"
        first = self.since or min(days)
        step = _WIDTH / (_days_between(first, self.today) + 1)
        most = max(days.values()) or 1
        bars = []
        for day, amount in sorted(days.items()):
            height = round((_BOTTOM - _TOP) * amount / most, 1)
            bars.append(
                Bar(round(_days_between(first, day) * step, 2), _BOTTOM - height, height, f"{day}: {say(amount)}")
            )
        highest = max(days, key=lambda day: days[day])
        text = (
            f"{say(sum(days.values()))} from {first} to {self.today}; the highest, {say(days[highest])}, on {highest}. "
            "The table below lists every number."
        )
        return Plot(title, text, say(days[highest]), first, round(min(step * 0.8, 24), 2), bars)

    def html(self) -> str:
        """Render the page; all values are escaped."""
        page = _templates().load("usage.html")
        return page.generate(report=self, style=_style(), usd=format_usd, dollar=DOLLAR, at_least=_at_least).decode()

    def csv(self) -> str:
        """Render the rows for a spreadsheet: plain numbers, and no text that it would evaluate as a formula."""
        out = io.StringIO()
        writer = csv.writer(out)
        names = [name for name in UsageRow._fields if name != "cost"]
        writer.writerow([*names, "usd"])
        for row in self.rows:
            values = row._asdict()
            writer.writerow([*(_cell(values[name]) for name in names), f"{row.cost / DOLLAR:.9f}"])
        return out.getvalue()

    def _total(self, user: str, simulated: bool, rows: Sequence[UsageRow]) -> Total:
        mark = "≥ " if any(row.at_least for row in rows) else ""
        quota = self.quota_of(user)
        budgets = [format_usd(quota.dollars_per_day)] if quota.dollars_per_day else []
        budgets += [f"{quota.tokens_per_day:,} tokens"] if quota.tokens_per_day else []
        return Total(
            user,
            simulated,
            f"{sum(row.answers for row in rows):,}",
            f"{mark}{sum(row.input_tokens + row.output_tokens for row in rows):,}",
            mark + format_usd(sum(row.cost for row in rows) / DOLLAR),
            " and ".join(budgets) or "none",
        )


def content_security_policy() -> str:
    """Allow the page's own style sheet and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    rest = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    return f"{rest}; style-src 'sha256-{digest}'"


@functools.cache
def _templates() -> Loader:
    return Loader(str(Path(__file__).parent), autoescape="xhtml_escape")


@functools.cache
def _style() -> str:
    return Path(__file__).with_name("usage.css").read_text("utf-8")


def _at_least(row: UsageRow) -> str:
    return "≥ " if row.at_least else ""


def _days_before(day: str, days: int) -> str:
    return (datetime.date.fromisoformat(day) - datetime.timedelta(days)).isoformat()


def _days_between(first: str, last: str) -> int:
    return (datetime.date.fromisoformat(last) - datetime.date.fromisoformat(first)).days


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
