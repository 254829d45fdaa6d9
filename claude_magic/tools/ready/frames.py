"""``tools.dataframes``: Claude looks into tables of the notebook."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, Literal

from claude_magic.content.tables.arrow_source import Arrow
from claude_magic.content.tables.frame_sources import Pandas, Polars
from claude_magic.content.tables.table_notes import missing_values, statistics
from claude_magic.content.tables.table_source import TableSource
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import join_names, one_line, pluralize
from claude_magic.tools.definition import Tool
from claude_magic.tools.ready.duck import DuckDB
from claude_magic.tools.ready.query import asking

_KINDS: dict[tuple[str, str], Callable[[Any], TableSource]] = {
    ("pandas", "DataFrame"): Pandas,
    ("polars", "DataFrame"): Polars,
    ("pyarrow", "Table"): Arrow,
}
_ROWS = 100
_TIMEOUT = 30.0
_ROOM = 20_000
"""Characters for the names and types of columns."""


def dataframes(*frames: Any, **named: Any) -> list[Tool[..., Any]]:
    """Tools with which Claude looks into frames, and asks them with SQL where DuckDB is installed.

    Claude sees these frames and nothing else of the notebook; queries cannot change them. Make the
    tools again when a name stands for another frame.

    Parameters
    ----------
    *frames : DataFrame
        Frames of pandas or polars, or tables of pyarrow, that are variables where this is called: Claude calls
        them by these names.
    **named : DataFrame
        Frames under other names.

    Returns
    -------
    list of Tool
        ``dataframe_columns``, ``dataframe_describe``, ``dataframe_sql``.

    Raises
    ------
    BadInput
        If there is no frame, something else, or one without a name.

    Warns
    -----
    UserWarning
        If DuckDB is not there or cannot read a frame: then there is no ``dataframe_sql``.

    Examples
    --------
    >>> import pandas
    >>> sales = pandas.DataFrame({"region": ["north", "south"], "amount": [3, 4]})
    >>> [tool.name for tool in dataframes(sales)]
    ['dataframe_columns', 'dataframe_describe', 'dataframe_sql']
    """
    caller = sys._getframe(1)
    found = {_name_of(frame, number, caller): frame for number, frame in enumerate(frames, 1)}
    _check(found, named)
    found |= named
    query = _query(found)
    return [*_looking(found), *([query] if query is not None else [])]


def _name_of(frame: Any, number: int, caller: FrameType) -> str:
    for namespace in (caller.f_locals, caller.f_globals):
        for name, value in namespace.items():
            if value is frame and not name.startswith("_"):
                return name
    raise BadInput(
        f"Frame {number} (a {type(frame).__name__}) is no variable here. Give it a name: tools.dataframes(sales=…)."
    )


def _check(found: Mapping[str, Any], named: Mapping[str, Any]) -> None:
    everything = [*found.items(), *named.items()]
    if not everything:
        raise BadInput("Which frames? tools.dataframes(df, sales) or tools.dataframes(sales=df).")
    seen: set[str] = set()
    for name, frame in everything:
        _kind(name, frame)
        if name.casefold() in seen:
            raise BadInput(f"Two frames are called {name}, for SQL knows no capitals. Give one another name.")
        seen.add(name.casefold())


def _kind(name: str, frame: Any) -> Callable[[Any], TableSource]:
    """How a frame is asked, by the names of its classes."""
    for base in type(frame).__mro__:
        if kind := _KINDS.get((base.__module__.partition(".")[0], base.__name__)):
            return kind
    raise BadInput(
        f"{name} is a {type(frame).__name__}, not a DataFrame of pandas or polars or a table of pyarrow. "
        "A Series becomes one with to_frame(), a LazyFrame with collect()."
    )


def _looking(frames: Mapping[str, Any]) -> list[Tool[..., Any]]:
    """The tools that need no database."""

    def source_of(name: str) -> TableSource:
        return _kind(name, frames[name])(frames[name])

    def dataframe_columns(name: str) -> str:
        source = source_of(name)
        everything = range(len(source.names))
        columns = [f"{one_line(source.name(column))} ({one_line(source.types[column])})" for column in everything]
        index = source.labels if _has_index(frames[name]) else ()
        lines = [_title(name, source), f"Columns: {join_names([*index, *columns], _ROOM)}"]
        return "\n".join([*lines, *missing_values(source, everything)])

    def dataframe_describe(name: str, columns: list[str] | None = None) -> str:
        source = source_of(name)
        chosen = range(len(source.names)) if columns is None else source.positions(columns)
        return "\n".join([_title(name, source), *missing_values(source, chosen), *statistics(source, chosen)])

    about = "; ".join(f"{name} has {_size(frame)}" for name, frame in frames.items())
    for function in (dataframe_columns, dataframe_describe):
        function.__annotations__["name"] = Literal[tuple(frames)]
    return [
        Tool(
            dataframe_columns,
            description=f"Names and types of the columns of a table of the user's, and missing values. {about}.",
        ),
        Tool(
            dataframe_describe,
            description="Statistics of the columns of a table of the user's over all rows: count, mean, standard "
            "deviation, quartiles; number of distinct values, most frequent value. Without columns, of all.",
        ),
    ]


def _title(name: str, source: TableSource) -> str:
    return f"Table {one_line(name)}: {source.kind}, {pluralize(source.rows, 'row')}, {pluralize(len(source.names), 'column')}"


def _has_index(frame: Any) -> bool:
    """Whether it is of pandas and has an index that says something."""
    return hasattr(frame, "index") and type(frame.index).__name__ != "RangeIndex"


def _size(frame: Any) -> str:
    rows, columns = frame.shape
    return f"{pluralize(rows, 'row')} and {pluralize(columns, 'column')}"


def _query(frames: Mapping[str, Any]) -> Tool[..., Any] | None:
    """The tool for SQL, if that is possible."""
    if importlib.util.find_spec("duckdb") is None:
        warnings.warn("Claude cannot query these frames: that needs DuckDB, pip install duckdb.", stacklevel=3)
        return None
    import duckdb

    @contextlib.contextmanager
    def connect() -> Iterator[Any]:
        """A database of nothing but the frames, new for each query."""
        with duckdb.connect(config={"enable_external_access": "false"}) as con:
            for name, frame in frames.items():
                con.register(name, _with_index(frame))
            yield con

    try:
        return asking(DuckDB(connect), _ROWS, _TIMEOUT, "dataframe_sql", "the user's tables")
    except (duckdb.Error, ImportError) as error:
        warnings.warn(
            f"Claude cannot query these frames, for DuckDB cannot read them: {one_line(str(error), 300)}", stacklevel=3
        )
        return None


def _with_index(frame: Any) -> Any:
    """A frame of pandas with its index among the columns, where it says something: DuckDB does not see it."""
    if not _has_index(frame) or set(frame.index.names) & set(frame.columns):
        return frame
    return frame.reset_index()
