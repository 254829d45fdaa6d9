# ruff: noqa: D102 - the methods are documented in Database
"""DuckDB databases."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from claude_magic.tools.ready.database import Column, Database, QueryRefused, QueryResult, quoted, time_limit

_TABLE_FUNCTIONS = {
    "duckdb_columns",
    "duckdb_constraints",
    "duckdb_tables",
    "duckdb_views",
    "generate_series",
    "json_each",
    "json_tree",
    "pragma_table_info",
    "range",
    "repeat",
    "repeat_row",
    "summary",
    "unnest",
}
"""Table functions that read only from the database. The others read files, settings or other databases."""
_REFUSED_FUNCTIONS = {"current_setting", "getenv", "nextval", "setseed", "setval", "write_log"}
"""Functions that read secrets, or make changes that a rollback does not undo."""
_PLAIN = re.compile(r"[\w $-]+")
"""Names that DuckDB never interprets as a file name."""


class DuckDB(Database):
    """A connection to DuckDB.

    Queries run in a read-only transaction that is always rolled back, on the connection itself, because
    a cursor would not see temporary tables and registered frames.

    DuckDB's access to files could only be disabled for good. Instead, the query as parsed by DuckDB is
    searched for anything outside the database. A view of the user's may read whatever it reads.

    Parameters
    ----------
    connect : callable
        Returns a context manager that provides the connection.
    """

    dialect = "DuckDB"

    def __init__(self, connect: Callable[[], AbstractContextManager[Any]]) -> None:
        self._connect = connect

    def columns(self) -> list[Column]:
        with self._connect() as con, _read_only(con):
            found = con.execute(
                "SELECT database_name = current_database() OR database_name = 'temp', "
                "schema_name = current_schema() OR database_name = 'temp', "
                "database_name, schema_name, table_name, column_name, data_type "
                "FROM duckdb_columns() WHERE NOT internal ORDER BY database_oid, schema_oid, table_oid, column_index"
            ).fetchall()
        return [
            Column(
                _path(database if not own_database else None, schema if not own else None, table), quoted(name), kind
            )
            for own_database, own, database, schema, table, name, kind in found
        ]

    def query(self, sql: str, limit: int, timeout: float) -> QueryResult:
        with self._connect() as con, _read_only(con), time_limit(timeout, con.interrupt):
            _check(con, sql)
            relation = con.sql(_single_statement(con, sql))
            # As Python objects, times with a zone need a package that may not be installed.
            columns = (
                f"CAST(#{number} AS VARCHAR)" if "TIME ZONE" in str(kind) else f"#{number}"
                for number, kind in enumerate(relation.types, 1)
            )
            return QueryResult(relation.columns, relation.limit(limit).project(", ".join(columns)).fetchall())


def _path(*names: str | None) -> str:
    return ".".join(quoted(name) for name in names if name is not None)


@contextlib.contextmanager
def _read_only(con: Any) -> Iterator[None]:
    """A read-only transaction that is rolled back at the end."""
    # A second BEGIN would abort a transaction of the user's. Outside a transaction, each query has a new number.
    first, second = (con.execute("SELECT txid_current()").fetchall() for _ in range(2))
    if first == second:
        raise RuntimeError("The user's connection is in a transaction: it needs con.commit() or con.rollback() first.")
    con.execute("BEGIN TRANSACTION READ ONLY")
    try:
        yield
    finally:
        con.execute("ROLLBACK")


def _check(con: Any, sql: str) -> None:
    """Refuse anything but one SELECT on the contents of the database."""
    if "\0" in sql:  # where some versions stop parsing
        raise QueryRefused("The query contains a null character.")
    [[text]] = con.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
    parsed = json.loads(text)
    if parsed["error"]:
        # Of other statements DuckDB only says that it cannot serialize them.
        why = f": {parsed['error_message']}" if parsed["error_type"] == "parser" else "."
        raise QueryRefused(f"This is not a single SELECT for DuckDB, and nothing else is run{why}")
    if len(parsed["statements"]) != 1:
        raise QueryRefused(f"Send one SELECT at a time; this query has {len(parsed['statements'])} statements.")
    nodes = list(_nodes(parsed["statements"]))
    ctes = {entry["key"].casefold() for node in nodes if "cte_map" in node for entry in node["cte_map"]["map"]}
    tables = con.execute(
        "SELECT database_name, schema_name, table_name FROM duckdb_tables() UNION ALL "
        "SELECT database_name, schema_name, view_name FROM duckdb_views() "
        "WHERE view_name NOT IN ('pg_settings', 'duckdb_logs')"  # which may contain secrets
    ).fetchall()
    known = [[name.casefold() for name in table] for table in tables]
    for node in nodes:
        kind = str(node.get("type"))
        if kind.endswith("_QUERY_NODE"):  # INSERT, UPDATE, DELETE in a WITH
            raise QueryRefused("Only SELECT is allowed, also within WITH.")
        if kind == "TABLE_FUNCTION" and (function := _called(node["function"])) not in _TABLE_FUNCTIONS:
            raise QueryRefused(f"{function}(…) is not allowed: only tables and views of the database can be read.")
        if (function := _called(node)) in _REFUSED_FUNCTIONS:
            raise QueryRefused(f"{function}(…) is not allowed.")
        if kind == "BASE_TABLE":
            _check_table([node["catalog_name"], node["schema_name"], node["table_name"]], known, ctes)


def _single_statement(con: Any, sql: str) -> str:
    """The statement without the semicolon and anything after it, because a relation appends more SQL."""
    import duckdb

    [statement] = con.extract_statements(sql)
    text = str(statement.query)
    ends = [position for position, _ in duckdb.tokenize(text) if text.encode().startswith(b";", position)]
    return text.encode()[: ends[0]].decode() if ends else text


def _check_table(path: list[str], known: list[list[str]], ctes: set[str]) -> None:
    """Refuse a name that is not a table of the database, but a file or a Python variable."""
    *prefix, name = (part.casefold() for part in path if part)
    if any(table[2] == name and set(prefix) <= set(table[:2]) for table in known):
        return
    if not prefix and name in ctes and _PLAIN.fullmatch(name):
        return
    raise QueryRefused(f"There is no table {_path(*filter(None, path))} in the database, and files cannot be read.")


def _called(node: dict[str, Any]) -> str:
    """The name of the function that a node calls; empty if it calls none."""
    return str(node.get("function_name", "")).casefold()


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    """All nodes of a parsed query, at any depth."""
    pending = [tree]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
        pending += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
