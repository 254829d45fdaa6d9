"""Who used what: a page, and the same as CSV."""

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

from claude_magic.gateway.ledger import DOLLAR, Ledger, Line
from claude_magic.gateway.limits import Limits
from claude_magic.messages.usage import usd

DAYS = 30
SPANS = ((7, "7 days"), (DAYS, "30 days"), (365, "a year"), (0, "everything"))
"""How far back one may look; 0 is to the beginning."""
_WIDTH, _TOP, _BOTTOM = 720, 20, 135
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet take a cell for a program."""


class Total(NamedTuple):
    """What one user had today, in words."""

    user: str
    simulated: bool
    answers: str
    tokens: str
    cost: str
    budget: str


class Bar(NamedTuple):
    """A day in the plot."""

    x: float
    y: float
    height: float
    text: str


class Plot(NamedTuple):
    """Dollars by day, or tokens if nothing cost anything."""

    title: str
    text: str
    most: str
    first: str
    width: float
    bars: list[Bar]


@dataclasses.dataclass(frozen=True)
class View:
    """What somebody may see of the ledger.

    Attributes
    ----------
    user : str
        Who looks.
    everybody : bool
        Whether they see the others' lines, too.
    today, since : str
        Days; ``since`` is empty for everything.
    days : int
    lines : list of Line
    limits_of : callable
    """

    user: str
    everybody: bool
    today: str
    since: str
    days: int
    lines: list[Line]
    limits_of: Callable[[str], Limits]
    spans = SPANS

    @classmethod
    def of(cls, ledger: Ledger, limits_of: Callable[[str], Limits], user: str, *, everybody: bool, days: int) -> View:
        """Look some days back, today among them.

        Parameters
        ----------
        ledger : Ledger
        limits_of : callable
            The limits of a user.
        user : str
        everybody : bool
        days : int
            0 for everything.
        """
        today = ledger.today()
        since = _back(today, days - 1) if days else ""
        lines = ledger.lines(since, None if everybody else user)
        return cls(user, everybody, today, since, days, lines, limits_of)

    @property
    def now(self) -> list[Total]:
        """Today, by user."""
        found: dict[tuple[str, bool], list[Line]] = {}
        for line in self.lines:
            if line.day == self.today:
                found.setdefault((line.user, line.simulated), []).append(line)
        return [self._total(*key, lines) for key, lines in found.items()]

    @property
    def plot(self) -> Plot:
        """The days of the lines up to today."""
        priced = any(line.cost for line in self.lines)
        days: dict[str, float] = {}
        for line in self.lines:
            amount = line.cost / DOLLAR if priced else line.input_tokens + line.output_tokens
            days[line.day] = days.get(line.day, 0) + amount
        say = usd if priced else "{:,} tokens".format
        title = f"{'Cost' if priced else 'Tokens'} by day"
        first = self.since or min(days)
        step = _WIDTH / (_count(first, self.today) + 1)
        most = max(days.values()) or 1
        bars = []
        for day, amount in sorted(days.items()):
            height = round((_BOTTOM - _TOP) * amount / most, 1)
            bars.append(Bar(round(_count(first, day) * step, 2), _BOTTOM - height, height, f"{day}: {say(amount)}"))
        highest = max(days, key=lambda day: days[day])
        text = (
            f"{say(sum(days.values()))} from {first} to {self.today}; the most, {say(days[highest])}, on {highest}. "
            "The table below has every number."
        )
        return Plot(title, text, say(days[highest]), first, round(min(step * 0.8, 24), 2), bars)

    def html(self) -> str:
        """The page; whatever it shows is escaped."""
        page = _templates().load("usage.html")
        return page.generate(view=self, style=_style(), usd=usd, dollar=DOLLAR, at_least=_at_least).decode()

    def csv(self) -> str:
        """The lines for a spreadsheet: numbers without words, and no text that it takes for a formula."""
        out = io.StringIO()
        writer = csv.writer(out)
        names = [name for name in Line._fields if name != "cost"]
        writer.writerow([*names, "usd"])
        for line in self.lines:
            values = line._asdict()
            writer.writerow([*(_cell(values[name]) for name in names), f"{line.cost / DOLLAR:.9f}"])
        return out.getvalue()

    def _total(self, user: str, simulated: bool, lines: Sequence[Line]) -> Total:
        mark = "≥ " if any(line.at_least for line in lines) else ""
        limits = self.limits_of(user)
        budgets = [usd(limits.dollars_per_day)] if limits.dollars_per_day else []
        budgets += [f"{limits.tokens_per_day:,} tokens"] if limits.tokens_per_day else []
        return Total(
            user,
            simulated,
            f"{sum(line.answers for line in lines):,}",
            f"{mark}{sum(line.input_tokens + line.output_tokens for line in lines):,}",
            mark + usd(sum(line.cost for line in lines) / DOLLAR),
            " and ".join(budgets) or "none",
        )


def policy() -> str:
    """The Content-Security-Policy of the page: its own style, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    rest = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    return f"{rest}; style-src 'sha256-{digest}'"


@functools.cache
def _templates() -> Loader:
    return Loader(str(Path(__file__).parent), autoescape="xhtml_escape")


@functools.cache
def _style() -> str:
    return Path(__file__).with_name("usage.css").read_text("utf-8")


def _at_least(line: Line) -> str:
    return "≥ " if line.at_least else ""


def _back(day: str, days: int) -> str:
    return (datetime.date.fromisoformat(day) - datetime.timedelta(days)).isoformat()


def _count(first: str, last: str) -> int:
    return (datetime.date.fromisoformat(last) - datetime.date.fromisoformat(first)).days


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
