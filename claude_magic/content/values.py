"""Values on their way into a question, before they become content parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Named:
    """A value and the expression it came from."""

    name: str
    value: object


def attach_before(values: Iterable[Named], words: Iterable[str | Named]) -> list[str | Named]:
    """Values that are attached to a question, each a paragraph of its own, and the words behind them."""
    return [item for value in values for item in (value, "\n\n")] + [*words]


@dataclasses.dataclass(frozen=True)
class Text:
    """A string that is to be sent as text whatever it may name."""

    value: str


@dataclasses.dataclass(frozen=True)
class RemotePicture:
    """An http(s) or ``data:`` address of a picture."""

    url: str
