"""The bill: one line for each answer, whether it was kept or not.

Real and simulated answers share a table and are never added together.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

from claude_magic.messages.text import one_line, pluralize
from claude_magic.messages.usage import Usage, format_cost

_SHOWN = 20
"""Answers that the table lists one by one; earlier ones share a line."""
_ODD = re.compile(r"[^\w.:/@ \-]")
_HEAD = ("", "cell", "model", "tokens in", "cached", "out", "cost")


@dataclasses.dataclass(frozen=True)
class Spending:
    """One answer on the bill.

    Attributes
    ----------
    conversation, model : str
    usage : Usage
    cost : float or None
        US dollars; None if no price is known.
    simulated : bool
    label : str
        The cell that asked, for example ``In [5]``.
    """

    conversation: str
    model: str
    usage: Usage
    cost: float | None
    simulated: bool
    label: str = ""


def total_usage(spendings: Iterable[Spending]) -> Usage:
    """The tokens of these answers together."""
    return sum((spending.usage for spending in spendings), start=Usage())


def total_cost(spendings: Iterable[Spending]) -> float | None:
    """US dollars of these answers together; None if one price is not known."""
    total = 0.0
    for spending in spendings:
        if spending.cost is None:
            return None
        total += spending.cost
    return total


class Bill:
    """What a conversation used, answer by answer, and what its kernel did.

    Parameters
    ----------
    name : str
        Of the conversation.
    spendings : sequence of Spending
        Of all conversations of the kernel.
    """

    def __init__(self, name: str, spendings: Sequence[Spending]) -> None:
        self.spendings = [spending for spending in spendings if spending.conversation == name]
        self._kernel = list(spendings)

    def of_one_kind(self, *, simulated: bool | None = None) -> list[Spending]:
        """The real answers; while there are only simulated ones, those."""
        if simulated is None:
            simulated = all(spending.simulated for spending in self.spendings)
        return [spending for spending in self.spendings if spending.simulated == simulated]

    def rows(self) -> list[tuple[str, ...]]:
        """The table: header, answers, totals."""
        earlier, shown = self.spendings[:-_SHOWN], self.spendings[-_SHOWN:]
        rows: list[tuple[str, ...]] = [_HEAD]
        for simulated in (False, True):
            if hidden := [spending for spending in earlier if spending.simulated == simulated]:
                rows.append(_row("…", "", f"{pluralize(len(hidden), 'earlier answer')}", hidden))
        for number, spending in enumerate(shown, len(earlier) + 1):
            rows.append(_row(str(number), spending.label, spending.model, [spending]))
        for simulated in (False, True):
            if found := self.of_one_kind(simulated=simulated):
                rows.append(_row("sum", "", pluralize(len(found), "answer"), found))
        return rows

    def notes(self) -> list[str]:
        """What the table itself cannot show."""
        notes = []
        unknown = sorted({spending.model for spending in self.spendings if spending.cost is None})
        if unknown:
            names = ", ".join(one_line(_plain(model), 60) for model in unknown)
            notes.append(f"No price is known for {names}: tokens only.")
        if any(spending.simulated for spending in self.spendings):
            notes.append("SIMULATED answers are not billed; what they would have cost is in brackets.")
        if len(self._kernel) > len(self.spendings):
            real = [spending for spending in self._kernel if not spending.simulated]
            spent = total_cost(real)
            notes.append(f"All conversations of this kernel: {format_cost(spent) if spent is not None else 'unknown'}.")
        return notes

    def markdown(self) -> str:
        """The table for a notebook."""
        head, *rows = self.rows()
        lines = [head, ("---",) * 3 + ("---:",) * 4, *rows]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return "\n\n".join([table.replace("_", r"\_"), *self.notes()])

    def text(self) -> str:
        """The table for a terminal."""
        rows = self.rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            cells = (
                cell.ljust(width) if place < 3 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join(cells).rstrip())
        return "\n".join([*lines, *self.notes()])


def _plain(model: str) -> str:
    """A model's name without Markdown markup, because a server chose it."""
    return _ODD.sub("", model).replace("://", ":")


def _row(number: str, label: str, what: str, spendings: Sequence[Spending]) -> tuple[str, ...]:
    total, dollars, simulated = total_usage(spendings), total_cost(spendings), spendings[0].simulated
    least = "at least " if total.at_least else ""
    paid = f"{least}{format_cost(dollars)}" if dollars is not None else "unknown"
    share = f" ({total.cache_read_input_tokens / total.total_input:.0%})" if total.total_input else ""
    return (
        number,
        label,
        ("SIMULATED " if simulated else "") + one_line(_plain(what), 60),
        f"{total.total_input:,}",
        f"{total.cache_read_input_tokens:,}{share}",
        f"{least}{total.output_tokens:,}",
        f"({paid})" if simulated else paid,
    )


class _Shown:
    """Shows the bill that it comes from; otherwise it is just its value."""

    _bill: Bill

    def _repr_markdown_(self) -> str:
        return self._bill.markdown()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self._bill.text())


class BilledUsage(_Shown, Usage):
    """Tokens that show as a table of answers; their sums are plain."""

    @classmethod
    def of(cls, bill: Bill) -> BilledUsage:
        """The tokens of a conversation."""
        total = total_usage(bill.of_one_kind())
        found = cls(**{field.name: getattr(total, field.name) for field in dataclasses.fields(total)})
        object.__setattr__(found, "_bill", bill)
        return found


class Cost(_Shown, float):
    """US dollars that show as a table of answers; their sums are plain numbers."""

    @classmethod
    def of(cls, bill: Bill) -> Cost | None:
        """What a conversation cost, without simulated answers."""
        dollars = total_cost(bill.of_one_kind(simulated=False))
        if dollars is None:
            return None
        found = cls(dollars)
        found._bill = bill
        return found
