"""One content block on its way: what it is, and what it is called."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

from claude_magic.messages.limits import ImageLimits, fit_size, image_tokens

Block = dict[str, Any]


_PAGE, _PAGE_SIZE = 2000, (1075, 1520)
"""Tokens of the text of a PDF page (Anthropic: 1,500 to 3,000), and the pixels of the picture that goes with it."""
_UNKNOWN_PAGES = 10
"""Pages of a document that is not here to be counted."""


class Weight(NamedTuple):
    """What in a block is no text: its bytes in the request, and the tokens that it costs."""

    bytes: int
    tokens: int


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

    def weight(self, limits: ImageLimits) -> Weight:
        """What in it is no text; of a picture or document that is elsewhere, what is likely."""
        source = self.wire.get("source")
        if not isinstance(source, dict) or source.get("type") in ("text", "content"):
            return Weight(0, 0)
        size = len(source.get("data", ""))
        if self.is_picture:
            return Weight(size, limits.tokens)
        page = _PAGE + image_tokens(*fit_size(*_PAGE_SIZE, limits))
        return Weight(size, (self.pages or _UNKNOWN_PAGES) * page)


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
