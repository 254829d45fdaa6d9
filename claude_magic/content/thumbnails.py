"""Thumbnails of the images in a question, for the user."""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
from collections.abc import Iterable

from claude_magic.content.image_codec import EncodedImage, decode, prepare
from claude_magic.content.parts import Block, Part
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import ImageLimits

SIDE = 96
"""Pixels of the longer side, at most."""
MAX_BYTES = 6000
_QUALITIES = (80, 60, 40, 20)


@dataclasses.dataclass(frozen=True, eq=False)
class Thumbnail:
    """A thumbnail of an image that is sent under these limits, with its alternative text; drawn on first use."""

    alt: str
    part: Part
    limits: ImageLimits

    @functools.cached_property
    def encoded(self) -> EncodedImage | None:
        """The thumbnail as JPEG; None if it cannot be drawn."""
        return thumbnail(self.part.block(self.limits))


def thumbnails(named: Iterable[tuple[str, Part]], limits: ImageLimits) -> tuple[Thumbnail, ...]:
    """Thumbnails of the images among parts with names, except those that the API downloads itself."""
    return tuple(
        Thumbnail(f"{name} ({part.summary(limits)})", part, limits)
        for name, part in named
        if part.is_picture and part.wire.get("source", {}).get("type", "base64") == "base64"
    )


def thumbnail(block: Block) -> EncodedImage | None:
    """Draw the thumbnail of an image block.

    Parameters
    ----------
    block : dict
        As the API takes it.

    Returns
    -------
    EncodedImage or None
        A JPEG of at most :data:`SIDE` pixels a side and :data:`MAX_BYTES`; None if the block does
        not contain its image, or the image cannot be decoded.
    """
    from PIL import Image

    if block["source"]["type"] != "base64":
        return None
    try:
        opened = decode(base64.b64decode(block["source"]["data"]), "the picture")
        scale = min(1.0, SIDE / max(opened.size))
        size = (max(1, round(opened.width * scale)), max(1, round(opened.height * scale)))
        small = prepare(opened, size, None, private=True)
    except (BadInput, OSError, ValueError, SyntaxError):
        return None
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", size, "white"), small).convert("RGB")
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= MAX_BYTES:
            break
    return EncodedImage(buffer.getvalue(), "image/jpeg", size)
