"""``tools.sql``: lets Claude query a database."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from claude_magic.content.parts import Part
from claude_magic.content.tables.column_source import Columns
from claude_magic.content.tables.grid import fit_grid
from claude_magic.content.tables.table import Table
from claude_magic.content.tables.table_limits import NOTES_BUDGET
from claude_magic.content.tables.table_notes import left_out, missing_values
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import join_names, one_line, pluralize, replace_surrogates
from claude_magic.tools.definition import Tool
from claude_magic.tools.ready.database import Column, Database, QueryResult
from claude_magic.tools.results import LONGEST

_ROOM = 8_000
"""Characters of the description that may list tables."""


@dataclasses.dataclass(frozen=True, eq=False)
class Rows(Table):
    """The rows of a query result: a table without a name."""

    def __claude__(self) -> Part:
        """Convert it to its size and values."""
        assert isinstance(self.value, Mapping)  # noqa: S101  (query results are dicts of columns)
        source = Columns(self.value)
        columns = list(range(len(source.names)))
        grid = fit_grid(source, columns, source.rows, LONGEST - NOTES_BUDGET)
        size = f"{pluralize(source.rows, 'row')}, {pluralize(len(columns), 'column')}"
        lines = [f"Result: {size}", *missing_values(source, columns), *left_out(source, grid), "", grid.text]
        return Part({"type": "text", "text": replace_surrogates("\n".join(lines))}, size)


def sql(con: Any, *, rows: int = 100, timeout: float = 30.0, name: str = "sql") -> Tool[[str], Any]:
    """Create a tool with which Claude queries a database, one SELECT at a time, without changing it.

    Claude is told the present tables and columns; create the tool again when they have changed.

    Parameters
    ----------
    con : connection or engine
        A DuckDB or sqlite3 connection, or a SQLAlchemy engine or connection for SQLite, DuckDB or
        PostgreSQL.
    rows : int
        Most rows that one query returns.
    timeout : float
        Seconds after which a query is stopped.
    name : str
        What Claude calls it; has to differ if there are several databases.

    Returns
    -------
    Tool

    Raises
    ------
    BadInput
        If it is not such a connection, or if rows or timeout are not above 0.

    Notes
    -----
    DuckDB and PostgreSQL run queries in a read-only transaction that is rolled back; SQLite runs only what
    its parser accepts as the body of a view. DuckDB queries that name a file, a URL or a Python variable are
    refused, but views that you have defined may read them. Functions that you have added to a database can
    be called.

    Examples
    --------
    >>> import sqlite3
    >>> con = sqlite3.connect(":memory:")
    >>> _ = con.execute("CREATE TABLE sales (region TEXT, amount REAL)")
    >>> ask = sql(con, name="sales_sql")
    >>> ask
    <Tool sales_sql(sql: str)>
    """
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise BadInput(f"tools.sql(rows={rows!r}): rows has to be a whole number above 0.")
    if not timeout > 0:
        raise BadInput(f"tools.sql(timeout={timeout!r}): timeout has to be a number of seconds above 0.")
    return query_tool(_database(con), rows, timeout, name)


def query_tool(
    database: Database, rows: int, timeout: float, name: str, about: str = "the user's database"
) -> Tool[[str], Any]:
    """Create the tool for a database; ``about`` names it in the description."""

    def query(sql: str) -> object:
        """Run the query.

        Parameters
        ----------
        sql : str
            One SELECT statement, possibly with WITH.
        """
        return _table(database.query(sql, rows + 1, timeout), rows)

    description = (
        f"Run one SELECT on {about} ({database.dialect}), read-only. A query returns at most {rows:,} rows and may "
        f"take at most {timeout:g} s: let the database filter and aggregate.\n\n"
        f"Tables and views:\n{_schema(database.columns())}"
    )
    return Tool(query, name=name, description=description)


def _database(con: Any) -> Database:
    """Wrap the connection. Its kind is found by class name, so that nothing new is imported."""
    if isinstance(con, sqlite3.Connection):
        from claude_magic.tools.ready.sqlite_database import SQLite

        return SQLite(lambda: contextlib.nullcontext(con))
    for base in type(con).__mro__:
        package = base.__module__.partition(".")[0].lstrip("_")
        if (package, base.__name__) == ("duckdb", "DuckDBPyConnection"):
            from claude_magic.tools.ready.duckdb_database import DuckDB

            return DuckDB(lambda: contextlib.nullcontext(con))
        if package == "sqlalchemy" and base.__name__ in ("Engine", "Connection"):
            from claude_magic.tools.ready.sqlalchemy_database import from_sqlalchemy

            return from_sqlalchemy(con)
    raise BadInput(
        "tools.sql takes a DuckDB or sqlite3 connection, or a SQLAlchemy engine or connection, "
        f"not this {type(con).__name__}."
    )


def _table(found: QueryResult, rows: int) -> Rows | list[object]:
    """The rows as a table, with a note if there are more."""
    kept = found.rows[:rows]
    table = Rows(
        {name: [row[column] for row in kept] for column, name in enumerate(_unique(found.names))}, rows=len(kept)
    )
    if len(found.rows) <= rows:
        return table
    return [table, f"There are more rows; these are the first {rows:,}."]


def _unique(names: Iterable[str]) -> list[str]:
    """Column names with numbers added to duplicates."""
    unique: dict[str, None] = {}
    for name in names:
        free, number = name, 1
        while free in unique:
            free, number = f"{name}_{number}", number + 1
        unique[free] = None
    return list(unique)


def _schema(columns: Iterable[Column]) -> str:
    """The tables with their columns, as many as there is room for."""
    tables: dict[str, list[str]] = {}
    for table, name, kind in columns:
        tables.setdefault(one_line(table), []).append(f"{one_line(name)} {one_line(kind)}".strip())
    for room in (_ROOM, 400, 100):
        text = "\n".join(f"{table}({join_names(inner, room)})" for table, inner in tables.items())
        if len(text) <= _ROOM:
            return text or "none"
    return join_names(list(tables), _ROOM)
