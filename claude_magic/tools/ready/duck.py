# ruff: noqa: D102 - what the methods do is said at Database
"""DuckDB."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from claude_magic.tools.ready.database import Column, Database, Found, QueryRefused, quoted, time_limit

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
"""Those after FROM that read nothing but the database. The others read files, settings or other databases."""
_NOT_RUN = {"current_setting", "getenv", "nextval", "setseed", "setval", "write_log"}
"""Functions that read secrets, or change what no rollback brings back."""
_PLAIN = re.compile(r"[\w $-]+")
"""Names that DuckDB never takes for that of a file."""


class DuckDB(Database):
    """A connection to DuckDB.

    Queries run on it, and not on a cursor of its own, which would not see temporary tables and
    registered frames: in a read-only transaction, which is always rolled back.

    DuckDB can only be kept from files for good, so the query, as DuckDB's own parser reads it, is
    looked through for what is not of the database. What a view of the user's reads may be read.

    Parameters
    ----------
    connect : callable
        Lends the connection, as a context manager.
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

    def query(self, sql: str, most: int, timeout: float) -> Found:
        with self._connect() as con, _read_only(con), time_limit(timeout, con.interrupt):
            _check(con, sql)
            relation = con.sql(_without_end(con, sql))
            # As values, times with a zone need a package that may not be there.
            wanted = (
                f"CAST(#{number} AS VARCHAR)" if "TIME ZONE" in str(kind) else f"#{number}"
                for number, kind in enumerate(relation.types, 1)
            )
            return Found(relation.columns, relation.limit(most).project(", ".join(wanted)).fetchall())


def _path(*names: str | None) -> str:
    return ".".join(quoted(name) for name in names if name is not None)


@contextlib.contextmanager
def _read_only(con: Any) -> Iterator[None]:
    """A transaction of our own, in which nothing can be written and which leaves nothing."""
    # Another BEGIN would abort a transaction of the user's; outside of one, each query has a number of its own.
    first, second = (con.execute("SELECT txid_current()").fetchall() for _ in range(2))
    if first == second:
        raise RuntimeError("The user's connection is in a transaction: it needs con.commit() or con.rollback() first.")
    con.execute("BEGIN TRANSACTION READ ONLY")
    try:
        yield
    finally:
        con.execute("ROLLBACK")


def _check(con: Any, sql: str) -> None:
    """Refuse what is not one SELECT on what is in the database."""
    if "\0" in sql:  # where some versions stop reading
        raise QueryRefused("There is a null character in this query.")
    [[text]] = con.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
    parsed = json.loads(text)
    if parsed["error"]:
        # Of what is no SELECT it only says that it cannot be made JSON of.
        why = f": {parsed['error_message']}" if parsed["error_type"] == "parser" else "."
        raise QueryRefused(f"This is not one SELECT of DuckDB, and nothing else is run{why}")
    if len(parsed["statements"]) != 1:
        raise QueryRefused(f"Send one SELECT at a time; this is {len(parsed['statements'])} of them.")
    nodes = list(_nodes(parsed["statements"]))
    local = {entry["key"].casefold() for node in nodes if "cte_map" in node for entry in node["cte_map"]["map"]}
    tables = con.execute(
        "SELECT database_name, schema_name, table_name FROM duckdb_tables() UNION ALL "
        "SELECT database_name, schema_name, view_name FROM duckdb_views() "
        "WHERE view_name NOT IN ('pg_settings', 'duckdb_logs')"  # which may hold secrets
    ).fetchall()
    known = [[name.casefold() for name in table] for table in tables]
    for node in nodes:
        kind = str(node.get("type"))
        if kind.endswith("_QUERY_NODE"):  # INSERT, UPDATE, DELETE in a WITH
            raise QueryRefused("Only SELECT is run here, also within WITH.")
        if kind == "TABLE_FUNCTION" and _called(node["function"]) not in _TABLE_FUNCTIONS:
            function = _called(node["function"])
            raise QueryRefused(f"{function}(…) is not run here: only tables and views of the database are read.")
        if (function := _called(node)) in _NOT_RUN:
            raise QueryRefused(f"{function}(…) is not run here.")
        if kind == "BASE_TABLE":
            _check_table([node["catalog_name"], node["schema_name"], node["table_name"]], known, local)


def _without_end(con: Any, sql: str) -> str:
    """A statement without a semicolon and what may stand behind it, in front of which a relation puts more SQL."""
    import duckdb

    [statement] = con.extract_statements(sql)
    text = str(statement.query)
    ends = [position for position, _ in duckdb.tokenize(text) if text.encode().startswith(b";", position)]
    return text.encode()[: ends[0]].decode() if ends else text


def _check_table(path: list[str], known: list[list[str]], local: set[str]) -> None:
    """Refuse a table that is none of the database, but a file or a variable of Python's."""
    *around, name = (part.casefold() for part in path if part)
    if any(table[2] == name and set(around) <= set(table[:2]) for table in known):
        return
    if not around and name in local and _PLAIN.fullmatch(name):
        return
    raise QueryRefused(f"There is no table {_path(*filter(None, path))} in the database, and no file is read.")


def _called(node: dict[str, Any]) -> str:
    """The function that is called there, if one is."""
    return str(node.get("function_name", "")).casefold()


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Everything in a parsed query, however deep."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
        waiting += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
