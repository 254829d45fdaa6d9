# ruff: noqa: D102 - what the methods do is said at Database
"""Engines and connections of SQLAlchemy: SQLite, DuckDB and PostgreSQL."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from claude_magic.messages.errors import BadInput
from claude_magic.tools.ready.database import Column, Database, Found, quoted
from claude_magic.tools.ready.duck import DuckDB
from claude_magic.tools.ready.sqlite import SQLite


def of(con: Any) -> Database:
    """The database behind an engine or a connection.

    Raises
    ------
    BadInput
        If it is of a kind that could not be kept from being changed.
    """
    dialect = con.dialect.name
    if dialect == "sqlite":
        return SQLite(functools.partial(_driver, con))
    if dialect == "duckdb":
        return DuckDB(functools.partial(_driver, con))
    if dialect == "postgresql":
        return PostgreSQL(con.engine)
    raise BadInput(
        f"tools.sql knows how to keep SQLite, DuckDB and PostgreSQL from being changed, not {dialect}. "
        "Write a function that runs your queries, with a login that may only read, and decorate it with @tool."
    )


@contextlib.contextmanager
def _driver(con: Any) -> Iterator[Any]:
    """The driver's own connection."""
    if hasattr(con, "connect"):
        with con.connect() as made:
            yield made.connection.driver_connection
    else:
        yield con.connection.driver_connection


_OPEN = """
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
"""Opens a cursor. OPEN takes no more than one statement, DECLARE none but SELECT; neither runs it."""


class PostgreSQL(Database):
    """A server of PostgreSQL, always by a connection of our own, in a read-only transaction that is rolled back.

    The server's own parser sees to it that there is one SELECT, so nothing can follow that would leave the
    transaction. What a function on the server may do is a matter of the login's rights.

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

    def query(self, sql: str, most: int, timeout: float) -> Found:
        from sqlalchemy import text

        with self._read_only() as con:
            con.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, int(timeout * 1000))}")
            con.execute(text("SELECT set_config('claude_magic.sql', :sql, true)"), {"sql": sql})
            con.exec_driver_sql(_OPEN)
            found = con.exec_driver_sql(f"FETCH {int(most)} FROM claude_magic")
            return Found(list(found.keys()), found.all())

    @contextlib.contextmanager
    def _read_only(self) -> Iterator[Any]:
        from sqlalchemy.exc import DBAPIError

        # An engine may be set to commit after each statement: then there would be no transaction.
        with self._engine.connect().execution_options(isolation_level="READ COMMITTED") as con:
            con.exec_driver_sql("SET TRANSACTION READ ONLY")
            try:
                yield con
            except DBAPIError as error:  # its text shows our statements, not Claude's
                raise error.orig or error from None
            finally:
                con.rollback()
