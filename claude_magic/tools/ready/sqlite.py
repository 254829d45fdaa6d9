# ruff: noqa: D102 - what the methods do is said at Database
"""SQLite, through the module ``sqlite3``."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing

from claude_magic.tools.ready.database import Column, Database, Found, QueryRefused, quoted, time_limit


class SQLite(Database):
    """A connection to SQLite.

    Nothing of it is changed, not even for a moment: what an authorizer or a pragma was before could
    not be asked for. So a query is first put before SQLite's own parser, as the body of a view in
    a database of its own; that accepts exactly one SELECT, and a SELECT writes nothing.

    Parameters
    ----------
    connect : callable
        Lends the connection, as a context manager.
    """

    dialect = "SQLite"

    def __init__(self, connect: Callable[[], AbstractContextManager[sqlite3.Connection]]) -> None:
        self._connect = connect

    def columns(self) -> list[Column]:
        found = []
        with self._connect() as con, closing(con.cursor()) as cursor:
            cursor.row_factory = None
            tables = cursor.execute(
                "SELECT schema, name FROM pragma_table_list ORDER BY schema = 'temp', schema, name"
            ).fetchall()
            for schema, table in tables:
                if table.startswith("sqlite_"):
                    continue
                prefix = "" if schema in ("main", "temp") else quoted(schema) + "."
                with contextlib.suppress(sqlite3.Error):  # a view of a table that is gone
                    cursor.execute("SELECT name, type FROM pragma_table_info(?, ?)", (table, schema))
                    found += [Column(prefix + quoted(table), quoted(name), kind) for name, kind in cursor]
        return found

    def query(self, sql: str, most: int, timeout: float) -> Found:
        _check(sql)
        with self._connect() as con, closing(con.cursor()) as cursor:
            cursor.row_factory = None  # the user's might make anything of a row
            with time_limit(timeout, con.interrupt):
                cursor.execute(sql)
                return Found([column[0] for column in cursor.description], cursor.fetchmany(most))


def _check(sql: str) -> None:
    with closing(sqlite3.connect(":memory:")) as parser:
        try:
            parser.execute(f"CREATE TEMP VIEW query AS {sql}")
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise QueryRefused(f"This is not one SELECT of SQLite, and nothing else is run: {error}") from error
