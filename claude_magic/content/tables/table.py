"""Tables, arrays and records as text, cut where a reader would cut them, and never silently.

Nothing is imported here that the user has not imported: every value is asked through its own methods.
A table becomes a :class:`~claude_magic.content.tables.source.Source`, of which a grid shows what there
is room for, and notes say what it does not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from claude_magic.content.parts import Part
from claude_magic.content.tables.array_text import corners
from claude_magic.content.tables.arrow import Arrow
from claude_magic.content.tables.columns import Columns
from claude_magic.content.tables.frame_sources import Pandas, Polars
from claude_magic.content.tables.grid import fitted
from claude_magic.content.tables.notes import left_out, missing_values, statistics
from claude_magic.content.tables.records import from_record
from claude_magic.content.tables.relation_source import DuckDBRelation
from claude_magic.content.tables.source import Source
from claude_magic.content.tables.table_limits import AROUND, ASKED_BUDGET, BUDGET
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import count_of, one_line, pluralize, replace_surrogates

__all__ = ["Table", "from_array", "from_frame", "from_record", "from_table"]


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """A table, and how much of it is sent.

    Parameters
    ----------
    value : object
        A pandas or polars DataFrame or Series, a pyarrow Table, a DuckDBRelation relation, or a dict of
        columns of equal length.
    rows : int, optional
        How many rows, half from the beginning and half from the end (of a DuckDBRelation relation only from
        the beginning); 0 for the names, types and counts only. If left out, all of a small table
        and ten rows of another.
    columns : sequence, optional
        Which columns, by name and in this order; of columns with several levels the top one is enough.
    stats : bool, optional
        Whether to add numbers that describe each column, computed over all rows.

    Raises
    ------
    BadInput
        If this is no table, or rows or columns are not what they should be.
    """

    value: Any
    _: dataclasses.KW_ONLY
    rows: int | None = None
    columns: Sequence[object] | None = None
    stats: bool = False

    def __post_init__(self) -> None:
        _adapter(self.value)
        if self.rows is not None and (type(self.rows) is bool or not isinstance(self.rows, int) or self.rows < 0):
            raise BadInput(f"Table(rows={self.rows!r}): rows has to be a whole number, 0 or more.")
        if self.columns is not None and (isinstance(self.columns, str) or not isinstance(self.columns, Iterable)):
            raise BadInput(f"Table(columns={self.columns!r}): columns has to be a list of names.")


def from_frame(value: Any, name: str) -> list[Part]:
    """A frame, series, Arrow table or DuckDBRelation relation, as :class:`Table` shows it by default.

    Parameters
    ----------
    value : object
        Whatever a :class:`Table` can be made of.
    name : str
        How the user called it.
    """
    return from_table(Table(value), name)


def from_table(value: Table, name: str) -> list[Part]:
    """A table as Markdown, with its shape, types, and missing values.

    Parameters
    ----------
    value : Table
    name : str
        How the user called it.

    Raises
    ------
    BadInput
        If a column is unknown, or DuckDBRelation cannot run the query.
    """
    source = _adapter(value.value)(value.value)
    chosen = list(range(len(source.names))) if value.columns is None else source.positions(value.columns)
    asked = value.rows is not None or value.columns is not None
    grid = fitted(source, chosen, value.rows, (ASKED_BUDGET if asked else BUDGET) - AROUND)
    size = f"{pluralize(source.rows, 'row')}, {pluralize(len(source.names), 'column')}"
    lines = [f"Table {one_line(name)}: {source.kind}, {size}", *missing_values(source, chosen), *left_out(source, grid)]
    if grid.header:
        lines += ["", grid.text]
    if value.stats and grid.columns:
        lines += ["", *statistics(source, grid.columns)]
    rows, columns = len(grid.rows), count_of(len(grid.columns), len(source.names), "column")
    about = count_of(rows, source.rows, "row") if rows or not source.rows else f"no rows of {source.rows:,}"
    return [Part({"type": "text", "text": replace_surrogates("\n".join(lines))}, f"{about}, {columns}")]


def from_array(value: Any, name: str) -> list[Part]:
    """A NumPy array: shape, type, range, and the values at its corners.

    Parameters
    ----------
    value : numpy.ndarray
        A small one is sent whole; one with named fields as a table.
    name : str
        How the user called it.
    """
    if value.dtype.names and value.ndim == 1:
        return from_table(Table({field: value[field] for field in value.dtype.names}), name)
    return [corners(value, name)]


_ADAPTERS: dict[tuple[str, str], Callable[[Any], Source]] = {
    ("pandas", "DataFrame"): Pandas,
    ("pandas", "Series"): Pandas,
    ("polars", "DataFrame"): Polars,
    ("polars", "Series"): Polars,
    ("pyarrow", "Table"): Arrow,
    ("duckdb", "DuckDBPyRelation"): DuckDBRelation,
}


def _adapter(value: object) -> Callable[[Any], Source]:
    for base in type(value).__mro__:
        # Where a class is defined differs between versions (duckdb._relation, _duckdb), but not the package.
        package = base.__module__.partition(".")[0].lstrip("_")
        if (package, base.__name__) in _ADAPTERS:
            return _ADAPTERS[package, base.__name__]
    if isinstance(value, Mapping) and all(
        hasattr(v, "__len__") and not isinstance(v, str | Mapping) for v in value.values()
    ):
        return Columns
    raise BadInput(
        f"Table takes a pandas or polars frame or series, a pyarrow table, a DuckDB relation or a dict of columns, "
        f"not this {type(value).__name__}."
    )
