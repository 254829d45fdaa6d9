# ruff: noqa: D102 - the methods are documented in Database
"""SQLite databases, through the module ``sqlite3``."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing

from claude_magic.tools.ready.database import Column, Database, QueryRefused, QueryResult, quoted, time_limit


class SQLite(Database):
    """A connection to SQLite.

    Its authorizer and pragmas are not touched, not even briefly: their previous state could not be queried
    and restored. Instead, SQLite itself first parses the query as the body of a view, in a database of its
    own. That accepts exactly one SELECT, and a SELECT writes nothing.

    Parameters
    ----------
    connect : callable
        Returns a context manager that provides the connection.
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
                with contextlib.suppress(sqlite3.Error):  # a view of a dropped table
                    cursor.execute("SELECT name, type FROM pragma_table_info(?, ?)", (table, schema))
                    found += [Column(prefix + quoted(table), quoted(name), kind) for name, kind in cursor]
        return found

    def query(self, sql: str, limit: int, timeout: float) -> QueryResult:
        _check(sql)
        with self._connect() as con, closing(con.cursor()) as cursor:
            cursor.row_factory = None  # the user's factory might turn rows into anything
            with time_limit(timeout, con.interrupt):
                cursor.execute(sql)
                return QueryResult([column[0] for column in cursor.description], cursor.fetchmany(limit))


def _check(sql: str) -> None:
    with closing(sqlite3.connect(":memory:")) as parser:
        try:
            parser.execute(f"CREATE TEMP VIEW query AS {sql}")
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise QueryRefused(f"This is not a single SELECT for SQLite, and nothing else is run: {error}") from error
