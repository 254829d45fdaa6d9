"""Small pictures of what goes out, for the person who asks."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
from collections.abc import Iterable

from claude_magic.content.encoding import Encoded, decode, prepared
from claude_magic.content.parts import Block, Part
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import ImageLimits

SIDE = 96
"""Pixels of the longer side, at most."""
MOST_BYTES = 6000
_QUALITIES = (80, 60, 40, 20)


@dataclasses.dataclass(frozen=True, eq=False)
class Thumbnail:
    """A picture that is sent, small; made when it is looked at.

    Attributes
    ----------
    alt : str
        What it is, in words.
    part : Part
    limits : ImageLimits
        Under which it is sent.
    """

    alt: str
    part: Part
    limits: ImageLimits

    @functools.cached_property
    def encoded(self) -> Encoded | None:
        """The small picture; None if it cannot be made."""
        return thumbnail(self.part.block(self.limits))


def thumbnails(named: Iterable[tuple[str, Part]], limits: ImageLimits) -> tuple[Thumbnail, ...]:
    """Of the pictures among some parts; those that the API fetches itself have none.

    Parameters
    ----------
    named : iterable of tuple
        What each part is called, and the part.
    limits : ImageLimits
        Under which they are sent.
    """
    return tuple(
        Thumbnail(f"{name} ({part.summary(limits)})", part, limits)
        for name, part in named
        if part.is_picture and part.wire.get("source", {}).get("type", "base64") == "base64"
    )


def thumbnail(block: Block) -> Encoded | None:
    """A small picture of an image block.

    Parameters
    ----------
    block : dict
        In the API's form.

    Returns
    -------
    Encoded or None
        A JPEG of at most :data:`SIDE` pixels a side and :data:`MOST_BYTES`; None if the block does
        not hold its picture, or its pixels cannot be read.
    """
    from PIL import Image

    if block["source"]["type"] != "base64":
        return None
    try:
        opened = decode(base64.b64decode(block["source"]["data"]), "the picture")
        scale = min(1.0, SIDE / max(opened.size))
        size = (max(1, round(opened.width * scale)), max(1, round(opened.height * scale)))
        small = prepared(opened, size, None, ours=True)
    except (BadInput, OSError, ValueError, SyntaxError):
        return None
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", size, "white"), small).convert("RGB")
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= MOST_BYTES:
            break
    return Encoded(buffer.getvalue(), "image/jpeg", size)
