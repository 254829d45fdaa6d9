"""Tables, arrays and records as text, cut where a reader would cut them, and never silently.

Nothing is imported here that the user has not imported: every value is asked through its own methods.
"""

from __future__ import annotations

import abc
import collections
import dataclasses
import datetime
import decimal
import difflib
import enum
import functools
import importlib
import itertools
import json
import numbers
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from claude_magic.content.part import Part
from claude_magic.messages.errors import BadInput

__all__ = ["Table", "from_array", "from_frame", "from_record", "from_table"]

BUDGET = 6_000
"""Characters that a value may take up unless the user asks for more of it."""
ASKED_BUDGET = 100_000
"""Characters of a table of which the user has named the rows or columns."""
SHOWN_ROWS = 10
"""Rows of a table that is too large to be sent whole."""
MOST_COUNTED = 25_000_000
"""Cells, of a type that is quick to check, up to which missing values are counted."""
_PROSE = 1_500
"""Characters of the budget that are for what stands around a table."""
_FEWEST = 20
"""Rows of those asked for that are kept before columns are left out."""
_LONGEST_NAME = 80
_OBJECT_COST = 15
"""How much longer pandas takes to check a column of Python objects."""


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """A table, and how much of it is sent.

    Parameters
    ----------
    value : object
        A pandas or polars DataFrame or Series, a pyarrow Table, a DuckDB relation, or a dict of
        columns of equal length.
    rows : int, optional
        How many rows, half from the beginning and half from the end (of a DuckDB relation only from
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
    """A frame, series, Arrow table or DuckDB relation, as :class:`Table` shows it by default.

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
        If a column is unknown, or DuckDB cannot run the query.
    """
    source = _adapter(value.value)(value.value)
    chosen = range(len(source.names)) if value.columns is None else _positions(source, value.columns)
    asked = value.rows is not None or value.columns is not None
    grid = _fitted(source, list(chosen), value.rows, (ASKED_BUDGET if asked else BUDGET) - _PROSE)
    size = f"{_count(source.rows, 'row')}, {_count(len(source.names), 'column')}"
    lines = [f"Table {_one_line(name)}: {source.kind}, {size}"]
    if missing := _missing(source, chosen):
        lines.append(missing)
    if notes := _notes(source, grid):
        lines.append(notes)
    if grid.header:
        lines += ["", grid.text]
    if value.stats and grid.columns:
        lines += ["", *_statistics(source, grid.columns)]
    shown = len(grid.head) + len(grid.tail)
    rows = "no rows" if not shown and source.rows else _part_of(shown, source.rows, "row")
    return [
        Part(
            {"type": "text", "text": _escaped_surrogates("\n".join(lines))},
            f"{rows}{f' of {source.rows:,}' if rows == 'no rows' else ''}, "
            f"{_part_of(len(grid.columns), len(source.names), 'column')}",
        )
    ]


# What the rendering needs to know of a table, library by library.


class _Source(abc.ABC):
    kind: str
    rows: int
    names: Sequence[object]
    types: Sequence[str]
    labels: Sequence[str] = ()  # headings of the index
    has_end = True  # whether the last rows can be had without running through all of them

    @abc.abstractmethod
    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        """The values of some rows, index first, column by column."""

    @abc.abstractmethod
    def missing(self, column: int) -> int | None:
        """How many values are missing; None if that would take a query."""

    @abc.abstractmethod
    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        """Numbers that describe columns, under the names in _STATISTICS."""

    def heading(self, column: int) -> tuple[str, str]:
        """Name and type."""
        name = self.names[column]
        return " / ".join(map(str, name)) if isinstance(name, tuple) else str(name), self.types[column]

    def cost(self, column: int) -> int:
        """How many times longer than usual it takes to count what is missing."""
        return 1


_STATISTICS = ("count", "mean", "std", "min", "25%", "50%", "75%", "max", "unique", "top", "freq")
_QUARTILES = (0.25, 0.5, 0.75)


class _Pandas(_Source):
    def __init__(self, value: Any) -> None:
        self._frame = value.to_frame() if value.ndim == 1 else value
        self.kind = f"pandas {type(value).__name__}"
        self.rows = len(self._frame)
        self.names = ["(values)"] if value.ndim == 1 and value.name is None else list(self._frame.columns)
        self.types = [str(kind) for kind in self._frame.dtypes]
        index = self._frame.index
        kinds = index.dtypes if index.nlevels > 1 else [index.dtype]
        self.labels = [
            f"{'' if label is None else _heading(label)} (index, {_shortened(str(kind), _LONGEST_NAME)})".lstrip()
            for label, kind in zip(index.names, kinds, strict=True)
        ]

    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        part = self._frame.iloc[start:stop]  # rows first: that is a view, while columns of all rows are copied
        index = [part.index.get_level_values(level).tolist() for level in range(part.index.nlevels)]
        return [*index, *(part.iloc[:, column].tolist() for column in columns)]

    def missing(self, column: int) -> int:
        return int(self._frame.iloc[:, column].isna().sum())

    def cost(self, column: int) -> int:
        return _OBJECT_COST if self.types[column] == "object" else 1

    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        return [self._described(self._frame.iloc[:, column]) for column in columns]

    @staticmethod
    def _described(column: Any) -> dict[str, object]:
        try:
            return dict(column.describe())
        except (TypeError, ValueError):  # lists and dicts cannot be compared
            return {"count": int(column.count())}


class _Polars(_Source):
    def __init__(self, value: Any) -> None:
        self.kind = f"polars {type(value).__name__}"
        self._columns = value.get_columns() if hasattr(value, "get_columns") else [value]
        self.rows = len(value)
        self.names = [column.name or "(values)" for column in self._columns]
        self.types = [str(column.dtype) for column in self._columns]

    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        return [self._columns[column].slice(start, stop - start).to_list() for column in columns]

    def missing(self, column: int) -> int:
        series = self._columns[column]
        return int(series.null_count() + ((series.is_nan().sum() or 0) if series.dtype.is_float() else 0))

    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        return [self._described(self._columns[column].drop_nulls()) for column in columns]

    @staticmethod
    def _described(series: Any) -> dict[str, object]:
        kind = series.dtype
        if kind.is_float():
            series = series.drop_nans()
        found: dict[str, object] = {"count": len(series)}
        if kind.is_numeric():
            found |= {name: getattr(series, name)() for name in ("mean", "std", "min", "max")}
            found |= {f"{part:.0%}": series.quantile(part, interpolation="linear") for part in _QUARTILES}
        elif len(series) and not kind.is_nested() and not kind.is_object():
            top = series.value_counts(sort=True).row(0)
            found |= {"unique": series.n_unique(), "top": top[0], "freq": top[1]}
        return found


class _Arrow(_Source):
    def __init__(self, value: Any) -> None:
        self.kind = f"pyarrow {type(value).__name__}"
        self._table = value
        self.rows = value.num_rows
        self.names = value.schema.names
        self.types = [str(kind) for kind in value.schema.types]

    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        part = self._table.slice(start, stop - start)
        return [self._values(part.column(column)) for column in columns]

    @staticmethod
    def _values(column: Any) -> list[object]:
        if str(column.type).startswith("timestamp[ns"):  # Python's datetime ends at microseconds
            column = column.cast("string")
            return [text and text.replace(" ", "T", 1) for text in column.to_pylist()]
        if str(column.type) == "duration[ns]":
            column = column.cast("int64")
            return [value if value is None else f"{value} ns" for value in column.to_pylist()]
        values: list[object] = column.to_pylist()
        return values

    def missing(self, column: int) -> int:
        values = self._table.column(column)
        return int(values.null_count + (self._compute.sum(self._is_nan(values)).as_py() or 0))

    @property
    def _compute(self) -> Any:
        return importlib.import_module("pyarrow.compute")  # a part of what the user has imported

    def _is_nan(self, values: Any) -> Any:
        floating = str(values.type) in ("halffloat", "float", "double")
        return self._compute.is_nan(values) if floating else values.is_null(nan_is_null=False).slice(0, 0)

    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        return [self._described(self._table.column(column).drop_null()) for column in columns]

    def _described(self, values: Any) -> dict[str, object]:
        compute = self._compute
        if len(nan := self._is_nan(values)):
            values = values.filter(compute.invert(nan))
        found: dict[str, object] = {"count": len(values)}
        kind = re.match(r"[a-z_]+", str(values.type))
        try:
            if kind and kind[0] in ("int", "uint", "halffloat", "float", "double", "decimal"):
                quartiles = compute.quantile(values, q=list(_QUARTILES)).to_pylist()
                found |= {f"{part:.0%}": value for part, value in zip(_QUARTILES, quartiles, strict=True)}
                found |= {"mean": compute.mean(values).as_py(), "std": compute.stddev(values, ddof=1).as_py()}
                found |= compute.min_max(values).as_py()
            elif len(values):
                counted = compute.value_counts(values)
                top = counted[compute.index(counted.field(1), compute.max(counted.field(1))).as_py()].as_py()
                found |= {"unique": len(counted), "top": top["values"], "freq": top["counts"]}
        except NotImplementedError:  # nested types
            pass
        return found


class _DuckDB(_Source):
    """A query that has not run: only its rows are counted, and its first ones read."""

    kind = "DuckDB relation"
    has_end = False

    def __init__(self, value: Any) -> None:
        self._relation = value
        self.names = self._run(lambda: value.columns)
        self.types = [str(kind) for kind in self._run(lambda: value.types)]
        self.rows = self._run(lambda: value.count("*").fetchall())[0][0]

    @staticmethod
    def _run(query: Callable[[], Any]) -> Any:
        try:
            return query()
        except sys.modules["duckdb"].Error as error:
            raise BadInput(f"DuckDB could not run this relation: {_one_line(str(error), 300)}") from error

    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        part = self._relation.limit(stop - start, start)
        if len(set(self.names)) == len(self.names) and columns:
            part = part.project(", ".join(map(self._expression, columns)))
            columns = range(len(columns))
        rows = self._run(part.fetchall)
        return [[row[column] for row in rows] for column in columns]

    def _expression(self, column: int) -> str:
        name = self._quoted(column)
        # Times with a zone as values would need a package that may not be there.
        return f"CAST({name} AS VARCHAR)" if "TIME ZONE" in self.types[column] else name

    def _quoted(self, column: int) -> str:
        return '"' + str(self.names[column]).replace('"', '""') + '"'

    def missing(self, column: int) -> None:
        return None

    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        keys: list[list[str]] = []
        wanted: list[str] = []
        for column in columns:
            name = self._quoted(column)
            found = {"count": f"count({name})"}
            if re.match(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|FLOAT|DOUBLE|DECIMAL", self.types[column]):
                found |= {"mean": f"avg({name})", "std": f"stddev_samp({name})"}
                found |= {"min": f"min({name})", "max": f"max({name})"}
                found |= {f"{part:.0%}": f"quantile_cont({name}, {part})" for part in _QUARTILES}
            else:
                found |= {"unique": f"count(DISTINCT {name})", "top": f"CAST(mode({name}) AS VARCHAR)"}
            keys.append(list(found))
            wanted += found.values()
        values = iter(self._run(lambda: self._relation.aggregate(", ".join(wanted)).fetchall())[0] if wanted else ())
        return [{key: next(values) for key in group} for group in keys]


class _Columns(_Source):
    kind = "dict of columns"

    def __init__(self, value: Mapping[object, Any]) -> None:
        lengths = {name: len(column) for name, column in value.items()}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{_one_line(str(name), 30)!r} {length:,}" for name, length in lengths.items())
            raise BadInput(f"The columns of a Table need to be equally long; these are not: {said[:300]}.")
        self._columns = list(value.values())
        self.rows = max(lengths.values(), default=0)
        self.names = list(lengths)
        self.types = [self._type(column) for column in self._columns]

    @staticmethod
    def _type(column: Any) -> str:
        if hasattr(column, "dtype"):
            return str(column.dtype)
        kinds = {type(value).__name__ for value in itertools.islice(column, 1000) if value is not None}
        if kinds == {"int", "float"}:
            return "float"
        return kinds.pop() if len(kinds) == 1 else "object"

    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        chosen = [self._columns[column] for column in columns]
        return [list(getattr(column, "iloc", column)[start:stop]) for column in chosen]

    def missing(self, column: int) -> int:
        return sum(map(_is_missing, self._columns[column]))

    def cost(self, column: int) -> int:
        return 100  # by Python, cell by cell

    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        return [self._described([v for v in self._columns[column] if not _is_missing(v)]) for column in columns]

    @staticmethod
    def _described(values: list[Any]) -> dict[str, object]:
        found: dict[str, object] = {"count": len(values)}
        if values and all(isinstance(value, numbers.Real) and not isinstance(value, bool) for value in values):
            found |= {"min": min(values), "max": max(values)}
            plain = [float(value) for value in values if abs(value) < 1e308]
            found["mean"] = statistics.fmean(plain) if len(plain) == len(values) else None
            if len(plain) == len(values) > 1:
                found["std"] = statistics.stdev(plain)
                quartiles = statistics.quantiles(plain, n=4, method="inclusive")
                found |= {f"{part:.0%}": value for part, value in zip(_QUARTILES, quartiles, strict=True)}
        elif values:
            texts = [_text(value) for value in values]
            top = statistics.mode(texts)
            found |= {"unique": len(set(texts)), "top": top, "freq": texts.count(top)}
        return found


_ADAPTERS: dict[tuple[str, str], Callable[[Any], _Source]] = {
    ("pandas", "DataFrame"): _Pandas,
    ("pandas", "Series"): _Pandas,
    ("polars", "DataFrame"): _Polars,
    ("polars", "Series"): _Polars,
    ("pyarrow", "Table"): _Arrow,
    ("duckdb", "DuckDBPyRelation"): _DuckDB,
}


def _adapter(value: object) -> Callable[[Any], _Source]:
    for base in type(value).__mro__:
        # Where a class is defined differs between versions (duckdb._relation, _duckdb), but not the package.
        package = base.__module__.partition(".")[0].lstrip("_")
        if (package, base.__name__) in _ADAPTERS:
            return _ADAPTERS[package, base.__name__]
    if isinstance(value, Mapping) and all(
        hasattr(v, "__len__") and not isinstance(v, str | Mapping) for v in value.values()
    ):
        return _Columns
    raise BadInput(
        f"Table takes a pandas or polars frame or series, a pyarrow table, a DuckDB relation or a dict of columns, "
        f"not this {type(value).__name__}."
    )


def _is_column(value: object) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, str | bytes | Mapping)


def _positions(source: _Source, wanted: Iterable[object]) -> list[int]:
    found: list[int] = []
    for name in wanted:
        here = [position for position, known in enumerate(source.names) if _names(name, known)]
        if not here:
            known = [source.heading(position)[0] for position in range(len(source.names))]
            near = difflib.get_close_matches(str(name), known, n=3) or known[:10]
            raise BadInput(f"There is no column {name!r}. There are, for example: {', '.join(near) or 'none'}.")
        found += [position for position in here if position not in found]
    return found


def _names(name: object, known: object) -> bool:
    """Whether a name means this column: its own, or the beginning of that of one with several levels."""
    if isinstance(known, tuple) and not isinstance(name, tuple):
        name = (name,)
    if isinstance(known, tuple) and isinstance(name, tuple):
        return known[: len(name)] == name
    return isinstance(name, bool) == isinstance(known, bool) and bool(name == known)


# From values to a Markdown table.


@dataclasses.dataclass(frozen=True)
class _Grid:
    """What is shown: columns by position, headings, the texts of the first and last rows, the longest cell."""

    columns: list[int]
    header: list[str]
    head: list[list[str]]
    tail: list[list[str]]
    limit: int

    @functools.cached_property
    def lines(self) -> list[list[str]]:
        """The cells as they are written."""
        body = [[_escaped(_shortened(cell, self.limit)) for cell in row] for row in self.head + self.tail]
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
        return sum(min(len(cell), self.limit) for row in self.head + self.tail for cell in row)

    @property
    def shortened(self) -> int:
        """How many cells are not whole."""
        return sum(len(cell) > self.limit for row in self.head + self.tail for cell in row)

    def narrowed(self, budget: int, labels: int) -> _Grid:
        """With as many of the first columns as there is room for, but at least one beside the index."""
        room = budget - 2 * len(self.lines)
        count = 0
        for cells in zip(*self.lines, strict=True):
            room -= sum(len(cell) + len(" | ") for cell in cells)
            if room < 0 and count > labels:
                break
            count += 1
        head, tail = ([row[:count] for row in rows] for rows in (self.head, self.tail))
        return _Grid(self.columns[: count - labels], self.header[:count], head, tail, self.limit)


def _fitted(source: _Source, columns: list[int], asked: int | None, budget: int) -> _Grid:
    """As much of a table as there is room for: fewer rows come before shorter cells, and those before fewer columns."""
    columns = columns[: budget // len("| n (t) | --- ")]
    header = [*map(_escaped, source.labels), *(_headed(source, column) for column in columns)]
    room = budget // (3 * len(header) + 2)  # rows, were all cells empty
    tries = _tries(source.rows, room, asked)
    most = max(count for count, _ in tries)
    at_end = _at_end(source, most)
    rows = _texts(source, 0, most - at_end, columns) + _texts(source, source.rows - at_end, source.rows, columns)

    def cut(count: int, limit: int) -> _Grid:
        at_end = _at_end(source, count)
        return _Grid(columns, header, rows[: count - at_end], rows[len(rows) - at_end :], limit)

    for count, limit in tries:
        grid = cut(count, limit)
        # Who names columns wants all of these, but no more rows than otherwise.
        most = min(budget, BUDGET - _PROSE) if asked is None and count > SHOWN_ROWS else budget
        if grid.least <= most and len(grid.text) <= most:
            return grid
    while count > _FEWEST and len(grid.text) > budget:
        count = max(_FEWEST, count * budget // len(grid.text))
        grid = cut(count, limit)
    return grid if len(grid.text) <= budget else grid.narrowed(budget, len(source.labels))


def _tries(rows: int, room: int, asked: int | None) -> list[tuple[int, int]]:
    """How many rows, and how long their cells may be, best first."""
    if asked is None:
        few = [min(count, rows) for count in (SHOWN_ROWS, 6, 4)]
        whole = [(rows, 300)] if rows <= room else []
        return whole + [(count, 300) for count in few] + [(count, 80) for count in few]
    count = min(asked, rows, max(room, _FEWEST))
    return [(count, 2_000), (count, 300), (count, 80)]


def _at_end(source: _Source, count: int) -> int:
    return count // 2 if source.has_end and count < source.rows else 0


def _texts(source: _Source, start: int, stop: int, columns: Sequence[int]) -> list[list[str]]:
    if start >= stop:
        return []
    read = source.read(start, stop, columns)
    return [[_text(value) for value in row] for row in zip(*read, strict=True)]


_LONGEST_TEXT = 2_001
"""Characters of a cell that are looked at: one more than is ever shown."""
_LONGEST_NUMBER = 10_000
"""Bits of a whole number beyond which Python refuses to write it in decimal digits."""


def _text(value: Any) -> str:
    """A value as a reader wants it, too long by at least one character if it is not all."""
    if _is_missing(value):
        return ""
    if isinstance(value, str):
        return value[:_LONGEST_TEXT] or '""'  # for an empty cell is a missing value
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        return _number(float(value))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple | bytes | bytearray):
        value = value[:_LONGEST_TEXT]
    if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER:
        return hex(value)[:_LONGEST_TEXT]
    return str(value)[:_LONGEST_TEXT]


def _number(value: float) -> str:
    """Six significant digits, but no digit before the point is lost."""
    return f"{value:.0f}" if 999_999.5 <= abs(value) < 1e15 else f"{value:.6g}"


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NaTType", "NAType"):
        return True
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    if isinstance(value, float | numbers.Real) or type(value).__name__ in ("datetime64", "timedelta64"):
        return bool(value != value)  # noqa: PLR0124 - so it is with NaN and NaT only
    return False


_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\|]")


def _escaped(text: str) -> str:
    """Text that stays in its cell, in a way that can be undone."""
    return _UNSAFE.sub(lambda found: r"\|" if found[0] == "|" else found[0].encode("unicode_escape").decode(), text)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _heading(name: object) -> str:
    return _shortened(str(name) or '""', _LONGEST_NAME)


def _headed(source: _Source, column: int) -> str:
    name, kind = source.heading(column)
    return _escaped(f"{_heading(name)} ({_shortened(kind, _LONGEST_NAME)})")


# What is said beside the table.


def _missing(source: _Source, columns: Iterable[int]) -> str:
    work = MOST_COUNTED
    found, unknown = [], []
    for column in columns:
        name = _one_line(source.heading(column)[0])
        price = source.rows * source.cost(column)
        count = source.missing(column) if price <= work else None
        if count is None:
            unknown.append(name)
        else:
            work -= price
            found += [f"{name} {count:,}"] if count else []
    lines = [f"Missing values (empty cells): {_listed(found)}."] if found else []
    if unknown:
        lines.append(f"Missing values (empty cells) were not counted in: {_listed(unknown)}.")
    return "\n".join(lines)


def _notes(source: _Source, grid: _Grid) -> str:
    notes = []
    first, last = len(grid.head) + 1, source.rows - len(grid.tail)
    if first == 1 and last:
        notes.append(f"all {_count(last, 'row')} left out")
    elif first <= last:
        span = f"row {first:,}" if first == last else f"rows {first:,} to {last:,}"
        notes.append(f"{span} of {source.rows:,} left out")
    total = len(source.names)
    if len(grid.columns) < total:
        shown = set(grid.columns)
        others = [_one_line(source.heading(position)[0]) for position in range(total) if position not in shown]
        notes.append(f"{len(shown):,} of {total:,} columns shown, not {_listed(others)}")
    if any(len(name) > _LONGEST_NAME for position in grid.columns for name in source.heading(position)):
        notes.append("long names and types shortened with … at the end")
    if grid.shortened:
        notes.append(f"{_count(grid.shortened, 'cell')} shortened to {grid.limit:,} characters with … at the end")
    lines = [f"In part: {'; '.join(notes)}."] if notes else []
    if "\\" in grid.text:
        lines.append(r"In cells, \| is a pipe, \n a line break, \\ a backslash.")
    return "\n".join(lines)


def _statistics(source: _Source, columns: Sequence[int]) -> list[str]:
    found = source.describe(columns)
    keys = [key for key in _STATISTICS if any(key in described for described in found)]
    lines = [["column", *keys], ["---"] * (len(keys) + 1)]
    lines += [
        [_headed(source, column), *(_escaped(_shortened(_text(described.get(key)), 80)) for key in keys)]
        for column, described in zip(columns, found, strict=True)
    ]
    table = [f"| {' | '.join(line)} |" for line in lines]
    room = list(itertools.takewhile(lambda size: size <= BUDGET, itertools.accumulate(len(line) + 1 for line in table)))
    part = "" if len(room) == len(table) else f", {len(room) - 2:,} of {_count(len(columns), 'column')}"
    return [f"Statistics over all rows{part}:", "", *table[: len(room)]]


def _listed(names: Sequence[str], room: int = 400) -> str:
    sizes = itertools.accumulate(len(name) + 2 for name in names)
    shown = max(1, sum(size <= room for size in sizes))
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more:,} more" if more else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _part_of(shown: int, total: int, noun: str) -> str:
    return f"{'' if shown == total else f'{shown:,} of '}{_count(total, noun)}"


def _one_line(text: str, limit: int = 100) -> str:
    return _shortened(" ".join(text[: 2 * limit].split()), limit)


def _fenced(text: str, language: str = "") -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


# Arrays.


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
    shape = " x ".join(f"{length:,}" for length in value.shape) or "no dimensions"
    lines = [f"Array {_one_line(name)}: {shape}, {_shortened(str(value.dtype), _LONGEST_NAME)}"]
    if summary := _summary(value):
        lines.append(summary)
    flat = value.ravel() if value.ndim > 4 else value  # some values along each of many axes would be too many
    numpy = sys.modules["numpy"]
    with numpy.printoptions(threshold=400, edgeitems=3 if flat.ndim < 3 else 2, precision=6, linewidth=120):
        body = _escaped_surrogates(str(flat))
    if len(body) > BUDGET - 500:
        body = _shortened(body, BUDGET - 500)
        lines.append("In part: the values are cut off at the end.")
    elif flat.size > 400:
        lines.append("In part: the values at the corners." if flat is value else "In part: the first and last values.")
    lines.append(_fenced(body))
    return [Part({"type": "text", "text": "\n".join(lines)}, f"array, {shape}, {value.dtype}"[:200])]


def _summary(array: Any) -> str:
    kind = array.dtype.kind
    if not array.size or kind not in "biufcmM":
        return ""
    if array.size > MOST_COUNTED:
        return "Range and mean are not computed: it is too large."
    numpy = sys.modules["numpy"]
    masked = array.size - array.count() if hasattr(array, "compressed") else 0
    values = array.compressed() if masked else array
    said = [f"{masked:,} masked"] if masked else []
    if kind in "fcmM":
        missing = numpy.isnat(values) if kind in "mM" else numpy.isnan(values)
        if number := int(missing.sum()):
            values = values[~missing]
        said.append(f"{number:,} {'NaT' if kind in 'mM' else 'NaN'}")
    if values.size:
        with numpy.errstate(all="ignore"):
            if kind == "b":
                said.insert(0, f"{int(values.sum()):,} of {values.size:,} True")
            elif kind in "iuf":
                mean = values.mean(dtype="float64")
                said.insert(0, f"min {_text(values.min())}, max {_text(values.max())}, mean {_text(mean)}")
            elif kind == "c":
                said.insert(0, f"mean {values.mean():.6g}")
            else:
                said.insert(0, f"min {values.min()}, max {values.max()}")
    return ", ".join(said)


# Records: plain data as JSON.


def from_record(value: Any, name: str) -> list[Part]:
    """Plain data as JSON: a dict, a list, a dataclass instance or a pydantic model.

    Parameters
    ----------
    value : object
        What has no form in JSON within it goes as text.
    name : str
        How the user called it.
    """
    size = _size(value)
    # How many entries of each list and object, how many characters of a string, how many levels.
    for entries, characters, levels in (
        (BUDGET, BUDGET, 50),
        (100, 1_000, 50),
        (30, 500, 20),
        (10, 200, 10),
        (5, 100, 5),
        (3, 60, 3),
        (3, 40, 1),
    ):
        pruned = _Pruned(entries, characters, levels)
        try:
            text = json.dumps(pruned.plain(value), ensure_ascii=False)
        except _TooMuch:
            continue
        if len(text) <= BUDGET - 500:
            break
    lines = [f"{_one_line(name)} ({size}):", _fenced(_escaped_surrogates(text), "json")]
    if pruned.cut:
        lines.insert(1, f"In part: {_listed(sorted(pruned.cut))}; … stands for the rest.")
    return [Part({"type": "text", "text": "\n".join(lines)}, size + (", shortened" if pruned.cut else ""))]


class _TooMuch(Exception):
    """There is more in it than can be sent, so it need not be gone through."""


@dataclasses.dataclass
class _Pruned:
    entries: int
    characters: int
    levels: int
    cut: set[str] = dataclasses.field(default_factory=set)
    nodes: int = 0

    def plain(self, value: Any, around: tuple[int, ...] = ()) -> Any:
        """What JSON knows, and no more of it than is wanted."""
        self.nodes += 1
        if self.nodes > BUDGET:
            raise _TooMuch
        if isinstance(value, enum.Enum):
            return self.plain(value.value, around)
        if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER:
            return self._short(hex(value))
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self._short(value)
        if (inner := _entries(value)) is None:
            return self._other(value)
        if id(value) in around:
            return "… itself"
        if len(around) >= self.levels and len(inner):
            self.cut.add(_count(self.levels, "level"))
            return f"… {_size(value)}"
        around = (*around, id(value))
        more = len(inner) - self.entries
        if more > 0:
            self.cut.add(f"the first {self.entries} entries of longer lists and objects")
        if isinstance(inner, Mapping):
            items = itertools.islice(inner.items(), self.entries)
            found = {self._short(str(key)): self.plain(entry, around) for key, entry in items}
            return found | ({"…": f"{more:,} more"} if more > 0 else {})
        listed = [self.plain(entry, around) for entry in itertools.islice(inner, self.entries)]
        return listed + ([f"… {more:,} more"] if more > 0 else [])

    def _other(self, value: Any) -> Any:
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # a number of NumPy's
            return value.item() if isinstance(value.item(), bool | int | float) else self._short(str(value))
        return self._short(repr(value[: self.characters]) if isinstance(value, bytes | bytearray) else str(value))

    def _short(self, text: str) -> str:
        if len(text) > self.characters:
            self.cut.add(f"the first {self.characters:,} characters of longer strings")
        return _shortened(text, self.characters)


def _entries(value: Any) -> Any:
    """The mapping or collection that a value stands for; None if it is something else."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    if callable(getattr(type(value), "model_dump", None)):
        return value.model_dump()
    if isinstance(value, Mapping | list | tuple | set | frozenset | collections.deque):
        return value
    return None


def _size(value: Any) -> str:
    inner = _entries(value)
    if inner is not None and inner is value:
        return f"{type(value).__name__}, {_count(len(value), 'key' if isinstance(value, Mapping) else 'item')}"
    return f"{type(value).__name__}, {_count(len(inner), 'field')}" if inner is not None else type(value).__name__


def _escaped_surrogates(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
