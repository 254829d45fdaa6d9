# ruff: noqa: D102 - the methods are described in TableSource
"""Relations of DuckDB."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from claude_magic.content.tables.table_source import QUARTILES, TableSource
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line

_T = TypeVar("_T")


class DuckDBRelation(TableSource):
    """A query that has not run yet: its rows are counted, but only the first ones are read."""

    kind = "DuckDB relation"
    has_end = False

    def __init__(self, value: Any) -> None:
        self._relation = value
        self.names = self._run(lambda: value.columns)
        self.types = [str(kind) for kind in self._run(lambda: value.types)]
        self.rows = self._run(lambda: value.count("*").fetchall())[0][0]

    @staticmethod
    def _run(query: Callable[[], _T]) -> _T:
        try:
            return query()
        except sys.modules["duckdb"].Error as error:
            raise BadInput(f"DuckDB could not run this relation: {one_line(str(error), 300)}") from error

    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        part = self._relation.limit(stop - start, start)
        if len(set(self.names)) == len(self.names) and columns:
            part = part.project(", ".join(map(self._expression, columns)))
            columns = range(len(columns))
        rows = self._run(part.fetchall)
        return [[row[column] for row in rows] for column in columns]

    def _expression(self, column: int) -> str:
        name = self._quoted(column)
        # DuckDB needs pytz to return times with a zone as values.
        return f"CAST({name} AS VARCHAR)" if "TIME ZONE" in self.types[column] else name

    def _quoted(self, column: int) -> str:
        return '"' + str(self.names[column]).replace('"', '""') + '"'

    def missing(self, column: int) -> None:
        return None

    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        keys: list[list[str]] = []
        wanted: list[str] = []
        for column in columns:
            name = self._quoted(column)
            found = {"count": f"count({name})"}
            if re.match(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|FLOAT|DOUBLE|DECIMAL", self.types[column]):
                found |= {"mean": f"avg({name})", "std": f"stddev_samp({name})"}
                found |= {"min": f"min({name})", "max": f"max({name})"}
                found |= {f"{part:.0%}": f"quantile_cont({name}, {part})" for part in QUARTILES}
            else:
                found |= {"unique": f"count(DISTINCT {name})", "top": f"CAST(mode({name}) AS VARCHAR)"}
            keys.append(list(found))
            wanted += found.values()
        values = iter(self._run(lambda: self._relation.aggregate(", ".join(wanted)).fetchall())[0] if wanted else ())
        return [{key: next(values) for key in group} for group in keys]
