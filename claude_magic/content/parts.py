"""Content parts: the blocks of a message, each with a short description for the user."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

from claude_magic.messages.limits import ImageLimits, fit_size, image_tokens

Block = dict[str, Any]


_PAGE_TEXT_TOKENS, _PAGE_IMAGE_SIZE = 2000, (1075, 1520)
"""What a PDF page costs: tokens of its text (Anthropic: 1,500 to 3,000), and the image of it, in pixels."""
_ASSUMED_PAGES = 10
"""Pages of a document whose pages cannot be counted here."""


class Weight(NamedTuple):
    """What a block contributes beyond its text: bytes of the request, and tokens."""

    bytes: int
    tokens: int


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """A content block.

    Attributes
    ----------
    wire : dict
        The block as the API takes it.
    about : str or None
        A short description for the line that reports what was sent; None for plain text.
    pages : int or None
        Pages of a PDF, if they could be counted.
    """

    wire: Block
    about: str | None = None
    pages: int | None = None

    @property
    def is_picture(self) -> bool:
        """Whether this is an image block."""
        return bool(self.wire["type"] == "image")

    @property
    def pictures(self) -> int:
        """The number of images in this part."""
        return int(self.is_picture)

    @property
    def text(self) -> str | None:
        """The text of a plain text block; None for everything else."""
        return self.wire["text"] if self.wire["type"] == "text" and self.about is None else None

    def block(self, limits: ImageLimits) -> Block:
        """The block for a request with these image limits."""
        return self.wire

    def summary(self, limits: ImageLimits) -> str | None:
        """What is sent under these limits, in a few words."""
        return self.about

    def weight(self, limits: ImageLimits) -> Weight:
        """Bytes and tokens beyond the text; an estimate for images and documents that are not stored here."""
        source = self.wire.get("source")
        if not isinstance(source, dict) or source.get("type") in ("text", "content"):
            return Weight(0, 0)
        size = len(source.get("data", ""))
        if self.is_picture:
            return Weight(size, limits.tokens)
        page = _PAGE_TEXT_TOKENS + image_tokens(*fit_size(*_PAGE_IMAGE_SIZE, limits))
        return Weight(size, (self.pages or _ASSUMED_PAGES) * page)


def text_part(text: str) -> Part:
    """A plain text block."""
    return Part({"type": "text", "text": text})


def compose(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts of a message: adjacent text blocks are joined, and empty ones dropped."""
    composed: list[Part] = []
    texts: list[str] = []

    def flush() -> None:
        if text := "".join(texts).strip():
            composed.append(text_part(text))
        texts.clear()

    for part in parts:
        if part.text is not None:
            texts.append(part.text)
        else:
            flush()
            composed.append(part)
    flush()
    return tuple(composed)
