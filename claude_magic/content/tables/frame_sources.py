# ruff: noqa: D102 - the methods are described in TableSource
"""DataFrames and Series of pandas and Polars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from claude_magic.content.tables.cell_text import shorten_name
from claude_magic.content.tables.table_source import QUARTILES, TableSource

_OBJECT_COST = 15
"""How much slower pandas is at counting missing values in a column of Python objects."""


class Pandas(TableSource):
    """A DataFrame or Series of pandas, with its index."""

    def __init__(self, value: Any) -> None:
        self._frame = value.to_frame() if value.ndim == 1 else value
        self.kind = f"pandas {type(value).__name__}"
        self.rows = len(self._frame)
        self.names = ["(values)"] if value.ndim == 1 and value.name is None else list(self._frame.columns)
        self.types = [str(kind) for kind in self._frame.dtypes]
        index = self._frame.index
        kinds = index.dtypes if index.nlevels > 1 else [index.dtype]
        self.labels = [
            f"{'' if label is None else shorten_name(label)} (index, {shorten_name(kind)})".lstrip()
            for label, kind in zip(index.names, kinds, strict=True)
        ]

    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        part = self._frame.iloc[start:stop]  # rows first: that is a view, while selecting columns would copy all rows
        index = [part.index.get_level_values(level).tolist() for level in range(part.index.nlevels)]
        return [*index, *(part.iloc[:, column].tolist() for column in columns)]

    def missing(self, column: int) -> int:
        return int(self._frame.iloc[:, column].isna().sum())

    def cost(self, column: int) -> int:
        return _OBJECT_COST if self.types[column] == "object" else 1

    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        return [self._statistics(self._frame.iloc[:, column]) for column in columns]

    @staticmethod
    def _statistics(column: Any) -> dict[str, object]:
        try:
            return dict(column.describe())
        except (TypeError, ValueError):  # lists and dicts cannot be compared
            return {"count": int(column.count())}


class Polars(TableSource):
    """A DataFrame or Series of Polars."""

    def __init__(self, value: Any) -> None:
        self.kind = f"polars {type(value).__name__}"
        self._columns = value.get_columns() if hasattr(value, "get_columns") else [value]
        self.rows = len(value)
        self.names = [column.name or "(values)" for column in self._columns]
        self.types = [str(column.dtype) for column in self._columns]

    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        return [self._columns[column].slice(start, stop - start).to_list() for column in columns]

    def missing(self, column: int) -> int:
        series = self._columns[column]
        return int(series.null_count() + ((series.is_nan().sum() or 0) if series.dtype.is_float() else 0))

    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        return [self._statistics(self._columns[column].drop_nulls()) for column in columns]

    @staticmethod
    def _statistics(series: Any) -> dict[str, object]:
        kind = series.dtype
        if kind.is_float():
            series = series.drop_nans()
        found: dict[str, object] = {"count": len(series)}
        if kind.is_numeric():
            found |= {name: getattr(series, name)() for name in ("mean", "std", "min", "max")}
            found |= {f"{part:.0%}": series.quantile(part, interpolation="linear") for part in QUARTILES}
        elif len(series) and not kind.is_nested() and not kind.is_object():
            top = series.value_counts(sort=True).row(0)
            found |= {"unique": series.n_unique(), "top": top[0], "freq": top[1]}
        return found
