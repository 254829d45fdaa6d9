"""What has to be known of a table to show it, whichever library it is of."""

from __future__ import annotations

import abc
import difflib
from collections.abc import Iterable, Sequence

from claude_magic.content.tables.cell_text import escaped, short
from claude_magic.messages.errors import BadInput

STATISTICS = ("count", "mean", "std", "min", "25%", "50%", "75%", "max", "unique", "top", "freq")
"""What may be said of all values of a column, in this order."""
QUARTILES = (0.25, 0.5, 0.75)


class Source(abc.ABC):
    """A table, asked through the methods of its library.

    Attributes
    ----------
    kind : str
        Library and class, in words.
    rows : int
    names, types : sequence
        Of the columns.
    labels : sequence of str
        Headings of the index, if there is one.
    has_end : bool
        Whether the last rows can be had without running through all of them.
    """

    kind: str
    rows: int
    names: Sequence[object]
    types: Sequence[str]
    labels: Sequence[str] = ()
    has_end = True

    @abc.abstractmethod
    def read(self, start: int, stop: int, columns: Sequence[int]) -> list[Sequence[object]]:
        """The values of some rows, index first, column by column."""

    @abc.abstractmethod
    def missing(self, column: int) -> int | None:
        """How many values are missing; None if that would take a query."""

    @abc.abstractmethod
    def describe(self, columns: Sequence[int]) -> list[dict[str, object]]:
        """Numbers that describe columns, under the names in STATISTICS."""

    def name(self, column: int) -> str:
        """The name of a column, with all its levels."""
        name = self.names[column]
        return " / ".join(map(str, name)) if isinstance(name, tuple) else str(name)

    def heading(self, column: int) -> str:
        """Name and type as they stand above a column."""
        return escaped(f"{short(self.name(column))} ({short(self.types[column])})")

    def cost(self, column: int) -> int:
        """How many times longer than usual it takes to count what is missing."""
        return 1

    def positions(self, wanted: Iterable[object]) -> list[int]:
        """Where the columns of these names are, in the order asked for."""
        found: list[int] = []
        for name in wanted:
            here = [position for position, known in enumerate(self.names) if _means(name, known)]
            if not here:
                known = [self.name(position) for position in range(len(self.names))]
                near = difflib.get_close_matches(str(name), known, n=3) or known[:10]
                raise BadInput(f"There is no column {name!r}. There are, for example: {', '.join(near) or 'none'}.")
            found += [position for position in here if position not in found]
        return found


def _means(name: object, known: object) -> bool:
    """Whether a name means this column: its own, or the beginning of that of one with several levels."""
    if isinstance(known, tuple):
        name = name if isinstance(name, tuple) else (name,)
        return known[: len(name)] == name
    return isinstance(name, bool) == isinstance(known, bool) and bool(name == known)
