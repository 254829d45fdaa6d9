"""``Table``: tables of all libraries and arrays as text, shortened if they are long, with a note of what is left out.

Nothing is imported here that the user has not imported. A table is wrapped in a
:class:`~claude_magic.content.tables.table_source.TableSource`; a grid of it is chosen that fits into the
budget, and notes report what the grid does not show.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from claude_magic.content.class_lookup import find_by_class
from claude_magic.content.parts import Part
from claude_magic.content.tables.array_text import describe_array
from claude_magic.content.tables.arrow_source import Arrow
from claude_magic.content.tables.column_source import Columns
from claude_magic.content.tables.frame_sources import Pandas, Polars
from claude_magic.content.tables.grid import fit_grid
from claude_magic.content.tables.relation_source import DuckDBRelation
from claude_magic.content.tables.table_limits import BUDGET, NOTES_BUDGET, REQUESTED_BUDGET
from claude_magic.content.tables.table_notes import left_out, missing_values, statistics
from claude_magic.content.tables.table_source import TableSource
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import count_of, one_line, pluralize, replace_surrogates


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """A table, and how much of it is sent.

    Parameters
    ----------
    value : object
        A pandas or Polars DataFrame or Series, a PyArrow Table, a DuckDB relation, or a dict of
        columns of equal length.
    rows : int, optional
        The number of rows, half from the beginning and half from the end (of a DuckDB relation only
        from the beginning); 0 for names, types and counts only. By default all rows of a small table
        and ten of a larger one.
    columns : sequence, optional
        The names of the columns to send, in this order; of columns with several levels the top one is enough.
    stats : bool, optional
        Whether to add statistics of each column, computed over all rows.

    Raises
    ------
    BadInput
        If the value is not a table, or rows or columns have the wrong type.
    """

    value: object
    _: dataclasses.KW_ONLY
    rows: int | None = None
    columns: Sequence[object] | None = None
    stats: bool = False

    def __post_init__(self) -> None:
        _source_class(self.value)
        if self.rows is not None and (type(self.rows) is bool or not isinstance(self.rows, int) or self.rows < 0):
            raise BadInput(f"Table(rows={self.rows!r}): rows has to be a whole number, 0 or more.")
        if self.columns is not None and (isinstance(self.columns, str) or not isinstance(self.columns, Iterable)):
            raise BadInput(f"Table(columns={self.columns!r}): columns has to be a list of names.")


def from_table(value: object, name: str) -> list[Part]:
    """Convert a :class:`Table`, or anything that one can be made of, to Markdown.

    Raises
    ------
    BadInput
        If there is no such column, or DuckDB cannot run the query.
    """
    table = value if isinstance(value, Table) else Table(value)
    source = _source_class(table.value)(table.value)
    chosen = list(range(len(source.names))) if table.columns is None else source.positions(table.columns)
    requested = table.rows is not None or table.columns is not None
    grid = fit_grid(source, chosen, table.rows, (REQUESTED_BUDGET if requested else BUDGET) - NOTES_BUDGET)
    size = f"{pluralize(source.rows, 'row')}, {pluralize(len(source.names), 'column')}"
    lines = [f"Table {one_line(name)}: {source.kind}, {size}", *missing_values(source, chosen), *left_out(source, grid)]
    if grid.header:
        lines += ["", grid.text]
    if table.stats and grid.columns:
        lines += ["", *statistics(source, grid.columns)]
    rows, columns = len(grid.rows), count_of(len(grid.columns), len(source.names), "column")
    about = count_of(rows, source.rows, "row") if rows or not source.rows else f"no rows of {source.rows:,}"
    return [Part({"type": "text", "text": replace_surrogates("\n".join(lines))}, f"{about}, {columns}")]


def from_array(value: Any, name: str) -> list[Part]:
    """Describe a NumPy array: shape, type, range, and values; one with named fields becomes a table."""
    if value.dtype.names and value.ndim == 1:
        return from_table(Table({field: value[field] for field in value.dtype.names}), name)
    return [describe_array(value, name)]


_SOURCES: dict[str, Callable[[Any], TableSource]] = {
    "pandas.DataFrame": Pandas,
    "pandas.Series": Pandas,
    "polars.DataFrame": Polars,
    "polars.Series": Polars,
    "pyarrow.Table": Arrow,
    "duckdb.DuckDBPyRelation": DuckDBRelation,
}


def _source_class(value: object) -> Callable[[Any], TableSource]:
    if (source := find_by_class(type(value), _SOURCES)) is not None:
        return source
    if isinstance(value, Mapping) and all(
        hasattr(v, "__len__") and not isinstance(v, str | Mapping) for v in value.values()
    ):
        return Columns
    raise BadInput(
        f"Table takes a pandas or Polars DataFrame or Series, a PyArrow Table, a DuckDB relation or a dict of columns, "
        f"not this {type(value).__name__}."
    )
