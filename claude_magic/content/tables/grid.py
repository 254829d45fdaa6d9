"""The rows and columns of a table that there is room for, as Markdown."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

from claude_magic.content.tables.cell_text import escaped, text_of
from claude_magic.content.tables.source import Source
from claude_magic.content.tables.table_limits import AROUND, BUDGET
from claude_magic.messages.text import truncate

_SHOWN = 10
"""Rows of a table that is too large to be sent whole."""
_FEWEST = 20
"""Rows of those asked for that are kept before columns are left out."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """What is shown: columns by position, headings, the texts of the first and last rows, the longest cell."""

    columns: list[int]
    header: list[str]
    head: list[list[str]]
    tail: list[list[str]]
    limit: int

    @property
    def rows(self) -> list[list[str]]:
        """The texts of all rows."""
        return self.head + self.tail

    @functools.cached_property
    def lines(self) -> list[list[str]]:
        """The cells as they are written."""
        body = [[escaped(truncate(cell, self.limit)) for cell in row] for row in self.rows]
        if self.tail:
            body.insert(len(self.head), ["…"] * len(self.header))
        return [self.header, ["---"] * len(self.header), *body]

    @functools.cached_property
    def text(self) -> str:
        """The table in Markdown."""
        return "\n".join(f"| {' | '.join(line)} |" for line in self.lines) if self.header else ""

    @property
    def least(self) -> int:
        """Characters, before anything is escaped: a quick look at whether there may be room."""
        return sum(min(len(cell), self.limit) for row in self.rows for cell in row)

    @property
    def shortened(self) -> int:
        """How many cells are not whole."""
        return sum(len(cell) > self.limit for row in self.rows for cell in row)

    def narrowed(self, budget: int, labels: int) -> Grid:
        """With as many of the first columns as there is room for, but at least one beside the index."""
        room = budget - 2 * len(self.lines)
        count = 0
        for cells in zip(*self.lines, strict=True):
            room -= sum(len(cell) + len(" | ") for cell in cells)
            if room < 0 and count > labels:
                break
            count += 1
        head, tail = ([row[:count] for row in rows] for rows in (self.head, self.tail))
        return Grid(self.columns[: count - labels], self.header[:count], head, tail, self.limit)


def fitted(source: Source, columns: list[int], asked: int | None, budget: int) -> Grid:
    """As much of a table as there is room for: fewer rows come before shorter cells, and those before fewer columns."""
    columns = columns[: budget // len("| n (t) | --- ")]
    header = [*map(escaped, source.labels), *map(source.heading, columns)]
    room = budget // (3 * len(header) + 2)  # rows, were all cells empty
    tries = _tries(source.rows, room, asked)
    most = max(count for count, _ in tries)
    at_end = _at_end(source, most)
    rows = _texts(source, 0, most - at_end, columns) + _texts(source, source.rows - at_end, source.rows, columns)

    def cut(count: int, limit: int) -> Grid:
        at_end = _at_end(source, count)
        return Grid(columns, header, rows[: count - at_end], rows[len(rows) - at_end :], limit)

    for count, limit in tries:
        grid = cut(count, limit)
        # Who names columns wants all of these, but no more rows than otherwise.
        most = min(budget, BUDGET - AROUND) if asked is None and count > _SHOWN else budget
        if grid.least <= most and len(grid.text) <= most:
            return grid
    while count > _FEWEST and len(grid.text) > budget:
        count = max(_FEWEST, count * budget // len(grid.text))
        grid = cut(count, limit)
    return grid if len(grid.text) <= budget else grid.narrowed(budget, len(source.labels))


def _tries(rows: int, room: int, asked: int | None) -> list[tuple[int, int]]:
    """How many rows, and how long their cells may be, best first."""
    if asked is None:
        few = [min(count, rows) for count in (_SHOWN, 6, 4)]
        whole = [(rows, 300)] if rows <= room else []
        return whole + [(count, 300) for count in few] + [(count, 80) for count in few]
    count = min(asked, rows, max(room, _FEWEST))
    return [(count, 2_000), (count, 300), (count, 80)]


def _at_end(source: Source, count: int) -> int:
    return count // 2 if source.has_end and count < source.rows else 0


def _texts(source: Source, start: int, stop: int, columns: Sequence[int]) -> list[list[str]]:
    if start >= stop:
        return []
    read = source.read(start, stop, columns)
    return [[text_of(value) for value in row] for row in zip(*read, strict=True)]
