"""``tools.dataframes``: lets Claude inspect and query DataFrames of the notebook."""

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
from claude_magic.tools.ready.duckdb_database import DuckDB
from claude_magic.tools.ready.sql_tool import query_tool

_KINDS: dict[tuple[str, str], Callable[[Any], TableSource]] = {
    ("pandas", "DataFrame"): Pandas,
    ("polars", "DataFrame"): Polars,
    ("pyarrow", "Table"): Arrow,
}
_ROWS = 100
_TIMEOUT = 30.0
_ROOM = 20_000
"""Characters of the list of columns and types."""


def dataframes(*frames: object, **named: object) -> list[Tool[..., Any]]:
    """Create tools with which Claude inspects frames, and queries them with SQL if DuckDB is installed.

    Claude sees these frames and nothing else in the notebook, and queries cannot change them. Create
    the tools again when a name refers to another frame.

    Parameters
    ----------
    *frames : DataFrame
        DataFrames of pandas or polars, or pyarrow tables, that are variables where this is called. Claude
        uses the names of the variables.
    **named : DataFrame
        Frames with other names.

    Returns
    -------
    list of Tool
        ``dataframe_columns``, ``dataframe_describe``, ``dataframe_sql``.

    Raises
    ------
    BadInput
        If there are no frames, or something is not a frame or has no name.

    Warns
    -----
    UserWarning
        If DuckDB is not installed or cannot read a frame; then ``dataframe_sql`` is missing.

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
    query = _sql_tool(found)
    return [*_inspection_tools(found), *([query] if query is not None else [])]


def _name_of(frame: object, number: int, caller: FrameType) -> str:
    for namespace in (caller.f_locals, caller.f_globals):
        for name, value in namespace.items():
            if value is frame and not name.startswith("_"):
                return name
    raise BadInput(
        f"Frame {number} (a {type(frame).__name__}) is not a variable here. Give it a name: tools.dataframes(sales=…)."
    )


def _check(found: Mapping[str, object], named: Mapping[str, object]) -> None:
    everything = [*found.items(), *named.items()]
    if not everything:
        raise BadInput("Which frames? Call tools.dataframes(df, sales) or tools.dataframes(sales=df).")
    seen: set[str] = set()
    for name, frame in everything:
        _kind(name, frame)
        if name.casefold() in seen:
            raise BadInput(f"Two frames are called {name} (SQL ignores case). Give one of them another name.")
        seen.add(name.casefold())


def _kind(name: str, frame: object) -> Callable[[Any], TableSource]:
    """The reader for a kind of frame, found by class name."""
    for base in type(frame).__mro__:
        if kind := _KINDS.get((base.__module__.partition(".")[0], base.__name__)):
            return kind
    raise BadInput(
        f"{name} is a {type(frame).__name__}, not a pandas or polars DataFrame or a pyarrow Table. "
        "Convert a Series with to_frame(), a LazyFrame with collect()."
    )


def _inspection_tools(frames: Mapping[str, object]) -> list[Tool[..., Any]]:
    """The tools that work without DuckDB."""

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
            description=f"Get the column names and types of one of the user's tables, and its missing values. {about}.",
        ),
        Tool(
            dataframe_describe,
            description="Get statistics of columns of one of the user's tables over all rows: count, mean, standard "
            "deviation, quartiles; number of distinct values, most frequent value. By default of all columns.",
        ),
    ]


def _title(name: str, source: TableSource) -> str:
    size = f"{pluralize(source.rows, 'row')}, {pluralize(len(source.names), 'column')}"
    return f"Table {one_line(name)}: {source.kind}, {size}"


def _has_index(frame: Any) -> bool:
    """Whether it is a pandas frame with an index other than row numbers."""
    return hasattr(frame, "index") and type(frame.index).__name__ != "RangeIndex"


def _size(frame: Any) -> str:
    rows, columns = frame.shape
    return f"{pluralize(rows, 'row')} and {pluralize(columns, 'column')}"


def _sql_tool(frames: Mapping[str, object]) -> Tool[..., Any] | None:
    """The SQL tool; None, with a warning, if DuckDB is not installed or cannot read the frames."""
    if importlib.util.find_spec("duckdb") is None:
        warnings.warn("Claude cannot query these frames without DuckDB: pip install duckdb.", stacklevel=3)
        return None
    import duckdb

    @contextlib.contextmanager
    def connect() -> Iterator[Any]:
        """A new database with only the frames, for each query."""
        with duckdb.connect(config={"enable_external_access": "false"}) as con:
            for name, frame in frames.items():
                con.register(name, _with_index(frame))
            yield con

    try:
        return query_tool(DuckDB(connect), _ROWS, _TIMEOUT, "dataframe_sql", "the user's tables")
    except (duckdb.Error, ImportError) as error:
        warnings.warn(
            f"Claude cannot query these frames, because DuckDB cannot read them: {one_line(str(error), 300)}",
            stacklevel=3,
        )
        return None


def _with_index(frame: Any) -> Any:
    """The frame with a meaningful pandas index as columns, because DuckDB does not see an index."""
    if not _has_index(frame) or set(frame.index.names) & set(frame.columns):
        return frame
    return frame.reset_index()
