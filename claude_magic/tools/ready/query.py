"""``tools.sql``: Claude asks a database of the user's."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterable
from typing import Any

from claude_magic.content.parts import Part
from claude_magic.content.tables.column_source import Columns
from claude_magic.content.tables.grid import fit_grid
from claude_magic.content.tables.table_notes import left_out, missing_values
from claude_magic.content.tables.table import Table
from claude_magic.content.tables.table_limits import NOTES_BUDGET
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import join_names, one_line, pluralize, replace_surrogates
from claude_magic.tools.definition import Tool
from claude_magic.tools.ready.database import Column, Database, Found
from claude_magic.tools.results import LONGEST

_ROOM = 8_000
"""Characters of a description that are for the tables."""


@dataclasses.dataclass(frozen=True, eq=False)
class Rows(Table):
    """The rows of a result: a table that has no name."""

    def __claude__(self) -> Part:
        """Size and values."""
        source = Columns(self.value)
        columns = list(range(len(source.names)))
        grid = fit_grid(source, columns, source.rows, LONGEST - NOTES_BUDGET)
        size = f"{pluralize(source.rows, 'row')}, {pluralize(len(columns), 'column')}"
        lines = [f"Result: {size}", *missing_values(source, columns), *left_out(source, grid), "", grid.text]
        return Part({"type": "text", "text": replace_surrogates("\n".join(lines))}, size)


def sql(con: Any, *, rows: int = 100, timeout: float = 30.0, name: str = "sql") -> Tool[[str], Any]:
    """A tool with which Claude asks a database, one SELECT at a time, and changes nothing.

    Claude is told the tables and their columns as they are now; make the tool again when they have changed.

    Parameters
    ----------
    con : connection or engine
        A connection of DuckDB or sqlite3, or an engine or connection of SQLAlchemy for SQLite, DuckDB or
        PostgreSQL.
    rows : int
        Most rows that one query gives.
    timeout : float
        Seconds after which a query is stopped.
    name : str
        What Claude calls it; needed when there are several databases.

    Returns
    -------
    Tool

    Raises
    ------
    BadInput
        If it is no such connection, or rows or timeout are not above 0.

    Notes
    -----
    DuckDB and PostgreSQL run queries in a read-only transaction that is rolled back, SQLite only what
    its parser takes for the body of a view. Queries of DuckDB's that name a file, an address or a variable of
    Python's are refused, while the user's views read what they always read. Functions that the user has
    added to a database are run.

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
        raise BadInput(f"tools.sql(rows={rows!r}): rows has to be a whole number, 1 or more.")
    if not timeout > 0:
        raise BadInput(f"tools.sql(timeout={timeout!r}): timeout has to be a number of seconds above 0.")
    return asking(_database(con), rows, timeout, name)


def asking(
    database: Database, rows: int, timeout: float, name: str, about: str = "the user's database"
) -> Tool[[str], Any]:
    """The tool for a database."""

    def query(sql: str) -> Any:
        """Ask.

        Parameters
        ----------
        sql : str
            One SELECT statement; WITH … SELECT is one, too.
        """
        return _table(database.query(sql, rows + 1, timeout), rows)

    description = (
        f"Run one SELECT on {about} ({database.dialect}). It is read-only. A result has up to {rows:,} rows, and a "
        f"query up to {timeout:g} s: let the database filter and aggregate.\n\n"
        f"Tables and views:\n{_schema(database.columns())}"
    )
    return Tool(query, name=name, description=description)


def _database(con: Any) -> Database:
    """Which kind it is, by the names of its classes: nothing is imported that the user has not imported."""
    if isinstance(con, sqlite3.Connection):
        from claude_magic.tools.ready.sqlite import SQLite

        return SQLite(lambda: contextlib.nullcontext(con))
    for base in type(con).__mro__:
        package = base.__module__.partition(".")[0].lstrip("_")
        if (package, base.__name__) == ("duckdb", "DuckDBPyConnection"):
            from claude_magic.tools.ready.duck import DuckDB

            return DuckDB(lambda: contextlib.nullcontext(con))
        if package == "sqlalchemy" and base.__name__ in ("Engine", "Connection"):
            from claude_magic.tools.ready import alchemy

            return alchemy.of(con)
    raise BadInput(
        "tools.sql takes a connection of DuckDB or sqlite3, or an engine or connection of SQLAlchemy, "
        f"not this {type(con).__name__}."
    )


def _table(found: Found, rows: int) -> Any:
    """What Claude gets: all the rows that were asked for, column by column as the database gave them."""
    kept = found.rows[:rows]
    table = Rows(
        {name: [row[column] for row in kept] for column, name in enumerate(_apart(found.names))}, rows=len(kept)
    )
    if len(found.rows) <= rows:
        return table
    return [table, f"There are more rows; these are the first {rows:,}."]


def _apart(names: Iterable[str]) -> list[str]:
    """Names of columns, of which a result may have two alike."""
    unique: dict[str, None] = {}
    for name in names:
        free, number = name, 1
        while free in unique:
            free, number = f"{name}_{number}", number + 1
        unique[free] = None
    return list(unique)


def _schema(columns: Iterable[Column]) -> str:
    """Tables with their columns, as many as there is room for."""
    tables: dict[str, list[str]] = {}
    for table, name, kind in columns:
        tables.setdefault(one_line(table), []).append(f"{one_line(name)} {one_line(kind)}".strip())
    for room in (_ROOM, 400, 100):
        text = "\n".join(f"{table}({join_names(inner, room)})" for table, inner in tables.items())
        if len(text) <= _ROOM:
            return text or "none"
    return join_names(list(tables), _ROOM)
