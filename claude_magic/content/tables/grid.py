"""The rows and columns of a table that fit into a budget, as Markdown."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

from claude_magic.content.tables.cell_text import escape_cell, text_of
from claude_magic.content.tables.table_limits import BUDGET, NOTES_BUDGET
from claude_magic.content.tables.table_source import TableSource
from claude_magic.messages.text import truncate

_SHOWN = 10
"""Rows of a table that is too large to be sent completely."""
_MIN_ROWS = 20
"""Rows that are kept, if the user asked for them, before columns are left out."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """What is shown: positions of columns, headings, cells of the first and last rows, most characters of a cell."""

    columns: list[int]
    header: list[str]
    head: list[list[str]]
    tail: list[list[str]]
    limit: int

    @property
    def rows(self) -> list[list[str]]:
        """The cells of all rows."""
        return self.head + self.tail

    @functools.cached_property
    def lines(self) -> list[list[str]]:
        """The cells of the Markdown table, escaped and truncated."""
        body = [[escape_cell(truncate(cell, self.limit)) for cell in row] for row in self.rows]
        if self.tail:
            body.insert(len(self.head), ["…"] * len(self.header))
        return [self.header, ["---"] * len(self.header), *body]

    @functools.cached_property
    def text(self) -> str:
        """The table as Markdown."""
        return "\n".join(f"| {' | '.join(line)} |" for line in self.lines) if self.header else ""

    @property
    def min_size(self) -> int:
        """A lower bound of the number of characters, computed faster than the text."""
        return sum(min(len(cell), self.limit) for row in self.rows for cell in row)

    @property
    def shortened(self) -> int:
        """The number of truncated cells."""
        return sum(len(cell) > self.limit for row in self.rows for cell in row)

    def narrowed(self, budget: int, labels: int) -> Grid:
        """The same rows with as many columns as fit, but at least one beside the index."""
        room = budget - 2 * len(self.lines)
        count = 0
        for cells in zip(*self.lines, strict=True):
            room -= sum(len(cell) + len(" | ") for cell in cells)
            if room < 0 and count > labels:
                break
            count += 1
        head, tail = ([row[:count] for row in rows] for rows in (self.head, self.tail))
        return Grid(self.columns[: count - labels], self.header[:count], head, tail, self.limit)


def fit_grid(source: TableSource, columns: list[int], asked: int | None, budget: int) -> Grid:
    """Choose what to show of a table: to save space, first drop rows, then shorten cells, then drop columns."""
    columns = columns[: budget // len("| n (t) | --- ")]
    header = [*map(escape_cell, source.labels), *map(source.heading, columns)]
    room = budget // (3 * len(header) + 2)  # the number of rows if all cells were empty
    tries = _tries(source.rows, room, asked)
    most = max(count for count, _ in tries)
    at_end = _at_end(source, most)
    rows = _texts(source, 0, most - at_end, columns) + _texts(source, source.rows - at_end, source.rows, columns)

    def cut(count: int, limit: int) -> Grid:
        at_end = _at_end(source, count)
        return Grid(columns, header, rows[: count - at_end], rows[len(rows) - at_end :], limit)

    for count, limit in tries:
        grid = cut(count, limit)
        # Choosing columns raises the budget for columns, not for rows.
        most = min(budget, BUDGET - NOTES_BUDGET) if asked is None and count > _SHOWN else budget
        if grid.min_size <= most and len(grid.text) <= most:
            return grid
    while count > _MIN_ROWS and len(grid.text) > budget:
        count = max(_MIN_ROWS, count * budget // len(grid.text))
        grid = cut(count, limit)
    return grid if len(grid.text) <= budget else grid.narrowed(budget, len(source.labels))


def _tries(rows: int, room: int, asked: int | None) -> list[tuple[int, int]]:
    """Numbers of rows, each with a limit for the length of cells; the best choice comes first."""
    if asked is None:
        few = [min(count, rows) for count in (_SHOWN, 6, 4)]
        whole = [(rows, 300)] if rows <= room else []
        return whole + [(count, 300) for count in few] + [(count, 80) for count in few]
    count = min(asked, rows, max(room, _MIN_ROWS))
    return [(count, 2_000), (count, 300), (count, 80)]


def _at_end(source: TableSource, count: int) -> int:
    return count // 2 if source.has_end and count < source.rows else 0


def _texts(source: TableSource, start: int, stop: int, columns: Sequence[int]) -> list[list[str]]:
    if start >= stop:
        return []
    read = source.read(start, stop, columns)
    return [[text_of(value) for value in row] for row in zip(*read, strict=True)]
