"""Records: plain data as JSON, pruned until it fits into a budget."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import itertools
import json
from collections.abc import Collection, Mapping
from typing import Any

from claude_magic.content.parts import Part
from claude_magic.content.tables.cell_text import MAX_INTEGER_BITS
from claude_magic.content.tables.table_limits import BUDGET
from claude_magic.messages.text import code_fence, join_names, one_line, pluralize, replace_surrogates, truncate


def from_record(value: object, name: str, budget: int = BUDGET) -> list[Part]:
    """Convert a dict, a list, a dataclass instance or a Pydantic model to JSON.

    Parameters
    ----------
    value : object
        Items that JSON has no type for become strings.
    name : str
        The user's expression.
    budget : int
        Characters of the text.
    """
    size = _size(value)
    # The most entries of a list or object, characters of a string, and levels.
    for entries, characters, levels in (
        (budget, budget, 50),
        (100, 1_000, 50),
        (30, 500, 20),
        (10, 200, 10),
        (5, 100, 5),
        (3, 60, 3),
        (3, 40, 1),
    ):
        pruned = _Pruner(entries, characters, levels, budget // 3)
        try:
            text = json.dumps(pruned.plain(value), ensure_ascii=False)
        except _TooMuchError:
            continue
        if len(text) <= budget - 500:
            break
    lines = [f"{one_line(name)} ({size}):", code_fence(replace_surrogates(text), "json")]
    if pruned.cut:
        lines.insert(1, f"In part: {join_names(sorted(pruned.cut))}; … stands for the rest.")
    return [Part({"type": "text", "text": "\n".join(lines)}, size + (", shortened" if pruned.cut else ""))]


class _TooMuchError(Exception):
    """There is more than can be sent, so there is no point in going on."""


@dataclasses.dataclass
class _Pruner:
    entries: int
    characters: int
    levels: int
    most: int
    cut: set[str] = dataclasses.field(default_factory=set)
    nodes: int = 0

    def plain(self, value: object, around: tuple[int, ...] = ()) -> object:
        """The value as JSON has it, pruned; `around` has the ids of the values that contain it."""
        if isinstance(value, enum.Enum):
            return self.plain(value.value, around)
        self.nodes += 1
        if self.nodes > self.most:  # each takes at least three characters
            raise _TooMuchError
        if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
            return self._short(hex(value))
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self._short(value)
        if (inner := _entries(value)) is None:
            return self._other(value)
        if id(value) in around:
            return "… itself"
        if len(around) >= self.levels and len(inner):
            self.cut.add(pluralize(self.levels, "level"))
            return f"… {_size(value)}"
        around = (*around, id(value))
        more = len(inner) - self.entries
        if more > 0:
            self.cut.add(f"the first {self.entries} entries of longer lists and objects")
        if isinstance(inner, Mapping):
            items = itertools.islice(inner.items(), self.entries)
            found = {self._short(str(key)): self.plain(entry, around) for key, entry in items}
            return found | ({"…": f"{more:,} more"} if more > 0 else {})
        listed = [self.plain(entry, around) for entry in itertools.islice(inner, self.entries)]
        return listed + ([f"… {more:,} more"] if more > 0 else [])

    def _other(self, value: Any) -> object:
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # a NumPy scalar
            return value.item() if isinstance(value.item(), bool | int | float) else self._short(str(value))
        return self._short(repr(value[: self.characters]) if isinstance(value, bytes | bytearray) else str(value))

    def _short(self, text: str) -> str:
        if len(text) > self.characters:
            self.cut.add(f"the first {self.characters:,} characters of longer strings")
        return truncate(text, self.characters)


def _entries(value: Any) -> Mapping[Any, object] | Collection[object] | None:
    """A record as a mapping, or a collection as it is; None for all other values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    if callable(getattr(type(value), "model_dump", None)):
        fields: dict[str, object] = value.model_dump()
        return fields
    if isinstance(value, Mapping | list | tuple | set | frozenset | collections.deque):
        return value
    return None


def _size(value: object) -> str:
    """Type and length, for example ``dict, 3 keys``."""
    if (inner := _entries(value)) is None:
        return type(value).__name__
    noun = "field" if inner is not value else "key" if isinstance(value, Mapping) else "item"
    return f"{type(value).__name__}, {pluralize(len(inner), noun)}"
