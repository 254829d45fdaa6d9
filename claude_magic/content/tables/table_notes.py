"""Notes around a table: missing values, what was left out, and statistics."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from claude_magic.content.tables.cell_text import MAX_NAME, escape_cell, text_of
from claude_magic.content.tables.grid import Grid
from claude_magic.content.tables.table_limits import BUDGET, MAX_COUNTED_CELLS
from claude_magic.content.tables.table_source import STATISTICS, TableSource
from claude_magic.messages.text import join_names, one_line, pluralize, truncate


def missing_values(source: TableSource, columns: Iterable[int]) -> list[str]:
    """Report the missing values of each column, as far as they can be counted quickly."""
    work = MAX_COUNTED_CELLS
    found, unknown = [], []
    for column in columns:
        name = one_line(source.name(column))
        price = source.rows * source.cost(column)
        count = source.missing(column) if price <= work else None
        if count is None:
            unknown.append(name)
        else:
            work -= price
            found += [f"{name} {count:,}"] if count else []
    lines = [f"Missing values (empty cells): {join_names(found)}."] if found else []
    if unknown:
        lines.append(f"Missing values (empty cells) were not counted in: {join_names(unknown)}.")
    return lines


def left_out(source: TableSource, grid: Grid) -> list[str]:
    """Report rows and columns that are not shown, and cells that are shortened or escaped."""
    notes = []
    first, last = len(grid.head) + 1, source.rows - len(grid.tail)
    if first == 1 and last:
        notes.append(f"all {pluralize(last, 'row')} left out")
    elif first <= last:
        span = f"row {first:,}" if first == last else f"rows {first:,} to {last:,}"
        notes.append(f"{span} of {source.rows:,} left out")
    total = len(source.names)
    if len(grid.columns) < total:
        shown = set(grid.columns)
        others = [one_line(source.name(position)) for position in range(total) if position not in shown]
        notes.append(f"{len(shown):,} of {total:,} columns shown, not {join_names(others)}")
    if any(max(len(source.name(column)), len(source.types[column])) > MAX_NAME for column in grid.columns):
        notes.append("long names and types shortened with … at the end")
    if grid.shortened:
        notes.append(f"{pluralize(grid.shortened, 'cell')} shortened to {grid.limit:,} characters with … at the end")
    lines = [f"In part: {'; '.join(notes)}."] if notes else []
    if "\\" in grid.text:
        lines.append(r"In cells, \| is a pipe, \n a line break, \\ a backslash.")
    return lines


def statistics(source: TableSource, columns: Sequence[int]) -> list[str]:
    """A table of statistics, for as many columns as fit into the budget."""
    found = source.describe(columns)
    keys = [key for key in STATISTICS if any(key in described for described in found)]
    lines = [["column", *keys], ["---"] * (len(keys) + 1)]
    lines += [
        [source.heading(column), *(escape_cell(truncate(text_of(described.get(key)), 80)) for key in keys)]
        for column, described in zip(columns, found, strict=True)
    ]
    table = [f"| {' | '.join(line)} |" for line in lines]
    room = list(itertools.takewhile(lambda size: size <= BUDGET, itertools.accumulate(len(line) + 1 for line in table)))
    part = "" if len(room) == len(table) else f", {len(room) - 2:,} of {pluralize(len(columns), 'column')}"
    return [f"Statistics over all rows{part}:", "", *table[: len(room)]]
