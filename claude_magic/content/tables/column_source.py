# ruff: noqa: D102 - the methods are described in TableSource
"""Tables as dicts of columns: lists, arrays or series."""

from __future__ import annotations

import itertools
import numbers
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from claude_magic.content.tables.cell_text import is_missing, text_of
from claude_magic.content.tables.table_source import QUARTILES, TableSource
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line


class Columns(TableSource):
    """A dict of columns of equal length."""

    kind = "dict of columns"

    def __init__(self, value: Mapping[object, Any]) -> None:
        lengths = {name: len(column) for name, column in value.items()}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{one_line(str(name), 30)!r} {length:,}" for name, length in lengths.items())
            raise BadInput(f"The columns of a Table need to be equally long; these are not: {found[:300]}.")
        self._columns = list(value.values())
        self.rows = max(lengths.values(), default=0)
        self.names = list(lengths)
        self.types = [self._type(column) for column in self._columns]

    @staticmethod
    def _type(column: Iterable[object]) -> str:
        if hasattr(column, "dtype"):
            return str(column.dtype)
        kinds = {type(value).__name__ for value in itertools.islice(column, 1000) if value is not None}
        if kinds == {"int", "float"}:
            return "float"
        return kinds.pop() if len(kinds) == 1 else "object"

    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        chosen = [self._columns[column] for column in columns]
        return [list(getattr(column, "iloc", column)[start:stop]) for column in chosen]

    def missing(self, column: int) -> int:
        return sum(map(is_missing, self._columns[column]))

    def cost(self, column: int) -> int:
        return 100  # a Python loop over the cells

    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        return [self._statistics([v for v in self._columns[column] if not is_missing(v)]) for column in columns]

    @staticmethod
    def _statistics(values: list[Any]) -> dict[str, object]:
        found: dict[str, object] = {"count": len(values)}
        if values and all(isinstance(value, numbers.Real) and not isinstance(value, bool) for value in values):
            found |= {"min": min(values), "max": max(values)}
            floats = [float(value) for value in values if abs(value) < 1e308]
            found["mean"] = statistics.fmean(floats) if len(floats) == len(values) else None
            if len(floats) == len(values) > 1:
                found["std"] = statistics.stdev(floats)
                quartiles = statistics.quantiles(floats, n=4, method="inclusive")
                found |= {f"{part:.0%}": value for part, value in zip(QUARTILES, quartiles, strict=True)}
        elif values:
            texts = [text_of(value) for value in values]
            top = statistics.mode(texts)
            found |= {"unique": len(set(texts)), "top": top, "freq": texts.count(top)}
        return found
