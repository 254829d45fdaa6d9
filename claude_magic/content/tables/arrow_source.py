# ruff: noqa: D102 - the methods are described in TableSource
"""Tables of PyArrow."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any

from claude_magic.content.tables.table_source import QUARTILES, TableSource


class Arrow(TableSource):
    """A Table of PyArrow."""

    def __init__(self, value: Any) -> None:
        self.kind = f"pyarrow {type(value).__name__}"
        self._table = value
        self.rows = value.num_rows
        self.names = value.schema.names
        self.types = [str(kind) for kind in value.schema.types]

    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        part = self._table.slice(start, stop - start)
        return [self._values(part.column(column)) for column in columns]

    @staticmethod
    def _values(column: Any) -> list[object]:
        if str(column.type).startswith("timestamp[ns"):  # Python's datetime has no nanoseconds
            column = column.cast("string")
            return [text and text.replace(" ", "T", 1) for text in column.to_pylist()]
        if str(column.type) == "duration[ns]":
            column = column.cast("int64")
            return [value if value is None else f"{value} ns" for value in column.to_pylist()]
        values: list[object] = column.to_pylist()
        return values

    def missing(self, column: int) -> int:
        values = self._table.column(column)
        return int(values.null_count + (self._compute.sum(self._is_nan(values)).as_py() or 0))

    @property
    def _compute(self) -> Any:
        return importlib.import_module("pyarrow.compute")  # part of a package that the user has imported

    def _is_nan(self, values: Any) -> Any:
        floating = str(values.type) in ("halffloat", "float", "double")
        return self._compute.is_nan(values) if floating else values.is_null(nan_is_null=False).slice(0, 0)

    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        return [self._statistics(self._table.column(column).drop_null()) for column in columns]

    def _statistics(self, values: Any) -> dict[str, object]:
        compute = self._compute
        if len(nan := self._is_nan(values)):
            values = values.filter(compute.invert(nan))
        found: dict[str, object] = {"count": len(values)}
        kind = re.match(r"[a-z_]+", str(values.type))
        try:
            if kind and kind[0] in ("int", "uint", "halffloat", "float", "double", "decimal"):
                quartiles = compute.quantile(values, q=list(QUARTILES)).to_pylist()
                found |= {f"{part:.0%}": value for part, value in zip(QUARTILES, quartiles, strict=True)}
                found |= {"mean": compute.mean(values).as_py(), "std": compute.stddev(values, ddof=1).as_py()}
                found |= compute.min_max(values).as_py()
            elif len(values):
                counts = compute.value_counts(values)
                top = counts[compute.index(counts.field(1), compute.max(counts.field(1))).as_py()].as_py()
                found |= {"unique": len(counts), "top": top["values"], "freq": top["counts"]}
        except NotImplementedError:  # nested types
            pass
        return found
