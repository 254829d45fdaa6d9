"""One content block on its way: what it is, and what it is called."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from claude_magic.messages.limits import ImageLimits

Block = dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """A content block.

    Attributes
    ----------
    wire : dict
        The block in the API's form.
    about : str or None
        What it is in a few words, for the line that says what was sent; None for plain text.
    pages : int or None
        Of a PDF, if they could be counted.
    """

    wire: Block
    about: str | None = None
    pages: int | None = None

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture."""
        return bool(self.wire["type"] == "image")

    @property
    def pictures(self) -> int:
        """How many pictures it carries."""
        return int(self.is_picture)

    @property
    def text(self) -> str | None:
        """The words, of plain text; None for everything else."""
        return self.wire["text"] if self.wire["type"] == "text" and self.about is None else None

    def block(self, limits: ImageLimits) -> Block:
        """The block for a request in which these limits hold."""
        return self.wire

    def summary(self, limits: ImageLimits) -> str | None:
        """What is sent, in a few words."""
        return self.about


def text_part(text: str) -> Part:
    """Plain words."""
    return Part({"type": "text", "text": text})


def compose(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts of a message: neighbouring words joined, empty ones left out."""
    composed: list[Part] = []
    words: list[str] = []

    def flush() -> None:
        if text := "".join(words).strip():
            composed.append(text_part(text))
        words.clear()

    for part in parts:
        if part.text is not None:
            words.append(part.text)
        else:
            flush()
            composed.append(part)
    flush()
    return tuple(composed)
