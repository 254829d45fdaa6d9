"""The interface through which tables of all libraries are read."""

from __future__ import annotations

import abc
import difflib
from collections.abc import Iterable, Mapping, Sequence

from claude_magic.content.tables.cell_text import escape_cell, shorten_name
from claude_magic.messages.errors import BadInput

STATISTICS = ("count", "mean", "std", "min", "25%", "50%", "75%", "max", "unique", "top", "freq")
"""Statistics of a column, in the order in which they are shown; each library provides some of them."""
QUARTILES = (0.25, 0.5, 0.75)


class TableSource(abc.ABC):
    """A table, read with the methods of its library.

    Attributes
    ----------
    kind : str
        Library and class, for example ``pandas DataFrame``.
    rows : int
    names, types : sequence
        Names and types of the columns.
    labels : sequence of str
        Headings of the index, if there is one.
    has_end : bool
        Whether the last rows can be read without going through all of them.
    """

    kind: str
    rows: int
    names: Sequence[object]
    types: Sequence[str]
    labels: Sequence[str] = ()
    has_end = True

    @abc.abstractmethod
    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        """Read some rows, as one sequence of values for each level of the index and then for each column."""

    @abc.abstractmethod
    def missing(self, column: int) -> int | None:
        """Count the missing values; None if that would run a query."""

    @abc.abstractmethod
    def describe(self, columns: Sequence[int]) -> Sequence[Mapping[str, object]]:
        """Compute statistics of columns, under the names in STATISTICS."""

    def name(self, column: int) -> str:
        """The name of a column, with all its levels."""
        name = self.names[column]
        return " / ".join(map(str, name)) if isinstance(name, tuple) else str(name)

    def heading(self, column: int) -> str:
        """Name and type, as they are shown above a column."""
        return escape_cell(f"{shorten_name(self.name(column))} ({shorten_name(self.types[column])})")

    def cost(self, column: int) -> int:
        """How many times slower counting missing values is than in a column of numbers."""
        return 1

    def positions(self, wanted: Iterable[object]) -> list[int]:
        """The positions of the columns with these names, in this order.

        Raises
        ------
        BadInput
            If there is no such column.
        """
        found: list[int] = []
        for name in wanted:
            here = [position for position, known in enumerate(self.names) if _matches(name, known)]
            if not here:
                known = [self.name(position) for position in range(len(self.names))]
                near = difflib.get_close_matches(str(name), known, n=3) or known[:10]
                raise BadInput(f"There is no column {name!r}. There are, for example: {', '.join(near) or 'none'}.")
            found += [position for position in here if position not in found]
        return found


def _matches(name: object, known: object) -> bool:
    """Whether a name stands for a column; of a column with several levels the first ones are enough."""
    if isinstance(known, tuple):
        name = name if isinstance(name, tuple) else (name,)
        return known[: len(name)] == name
    return isinstance(name, bool) == isinstance(known, bool) and bool(name == known)
