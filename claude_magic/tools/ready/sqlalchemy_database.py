# ruff: noqa: D102 - the methods are documented in Database
"""SQLAlchemy engines and connections: SQLite, DuckDB and PostgreSQL."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from claude_magic.messages.errors import BadInput
from claude_magic.tools.ready.database import Column, Database, QueryResult, quoted
from claude_magic.tools.ready.duckdb_database import DuckDB
from claude_magic.tools.ready.sqlite_database import SQLite


def from_sqlalchemy(con: Any) -> Database:
    """Wrap the database of an engine or a connection.

    Raises
    ------
    BadInput
        If its dialect is not one of those that can be protected from changes.
    """
    dialect = con.dialect.name
    if dialect == "sqlite":
        return SQLite(functools.partial(_driver_connection, con))
    if dialect == "duckdb":
        return DuckDB(functools.partial(_driver_connection, con))
    if dialect == "postgresql":
        return PostgreSQL(con.engine)
    raise BadInput(
        f"tools.sql can protect SQLite, DuckDB and PostgreSQL from changes, but not {dialect}. "
        "Write a function that queries it with a read-only login, and decorate that with @tool."
    )


@contextlib.contextmanager
def _driver_connection(con: Any) -> Iterator[Any]:
    """The underlying connection of the database driver."""
    if hasattr(con, "connect"):
        with con.connect() as made:
            yield made.connection.driver_connection
    else:
        yield con.connection.driver_connection


_OPEN_CURSOR = """
DO $$
DECLARE
    query text := current_setting('claude_magic.sql');
    first refcursor;
BEGIN
    OPEN first FOR EXECUTE query;
    CLOSE first;
    EXECUTE 'DECLARE claude_magic NO SCROLL CURSOR FOR ' || query;
END $$
"""
"""Opens a cursor. OPEN accepts only one statement, and DECLARE only SELECT; neither runs it."""


class PostgreSQL(Database):
    """A PostgreSQL server, queried on a new connection in a read-only transaction that is rolled back.

    The server's own parser ensures that there is only one SELECT, so nothing can end the transaction early.
    What functions on the server may do depends on the privileges of the login.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """

    dialect = "PostgreSQL"

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def columns(self) -> list[Column]:
        with self._read_only() as con:
            found = con.exec_driver_sql(
                "SELECT table_schema = current_schema(), table_schema, table_name, column_name, data_type "
                "FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema') "
                "ORDER BY table_schema, table_name, ordinal_position"
            ).all()
        return [
            Column(("" if own else quoted(schema) + ".") + quoted(table), quoted(name), kind)
            for own, schema, table, name, kind in found
        ]

    def query(self, sql: str, limit: int, timeout: float) -> QueryResult:
        from sqlalchemy import text

        with self._read_only() as con:
            con.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, int(timeout * 1000))}")
            con.execute(text("SELECT set_config('claude_magic.sql', :sql, true)"), {"sql": sql})
            con.exec_driver_sql(_OPEN_CURSOR)
            found = con.exec_driver_sql(f"FETCH {int(limit)} FROM claude_magic")
            return QueryResult(list(found.keys()), found.all())

    @contextlib.contextmanager
    def _read_only(self) -> Iterator[Any]:
        from sqlalchemy.exc import DBAPIError

        # An engine in autocommit mode would otherwise not begin a transaction.
        with self._engine.connect().execution_options(isolation_level="READ COMMITTED") as con:
            con.exec_driver_sql("SET TRANSACTION READ ONLY")
            try:
                yield con
            except DBAPIError as error:  # its message shows our statements, not Claude's
                raise error.orig or error from None
            finally:
                con.rollback()
