"""Bounding boxes that Claude returned, drawn on the original picture."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from claude_magic.content.picture import Picture
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line, truncate

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

_COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#17becf")


@dataclasses.dataclass
class Box:
    """The bounding box of an object in a picture; ``schema=list[Box]`` makes Claude return these.

    Attributes
    ----------
    label : str
        What the object is.
    left, top, right, bottom : float
        Pixels of the picture as it was sent.
    """

    label: str
    left: float
    top: float
    right: float
    bottom: float


def annotate(picture: object, boxes: Iterable[Box | Mapping[str, Any]], *, mapped: bool = False) -> Image:
    """Draw bounding boxes on the original picture.

    Parameters
    ----------
    picture : Picture or any picture
        The :class:`Picture` that was sent: it knows at which size.
    boxes : iterable of Box or mapping
        As Claude returned them, in pixels of the picture as it was sent.
    mapped : bool
        Whether the boxes are already in pixels of the original.

    Returns
    -------
    PIL.Image.Image
        A copy of the original, upright and uncropped, with the boxes and their labels.

    Raises
    ------
    BadInput
        If a box lacks a label or a coordinate, or the original cannot be read any more.
    """
    from PIL import ImageDraw, ImageFont

    shown = picture if isinstance(picture, Picture) else Picture(picture)
    image = shown.original_image().convert("RGB")
    draw = ImageDraw.Draw(image)
    unit = max(image.size) / 400
    font = ImageFont.load_default(size=min(max(12.0, 6 * unit), max(0.7 * image.height, 1.0)))
    colours: dict[str, str] = {}
    for item in boxes:
        box = _as_box(item)
        corners = [(box.left, box.top), (box.right, box.bottom)]
        if not mapped:
            corners = [shown.to_original(*corner) for corner in corners]
        (left, top), (right, bottom) = corners
        left, right, top, bottom = min(left, right), max(left, right), min(top, bottom), max(top, bottom)
        colour = colours.setdefault(box.label, _COLOURS[len(colours) % len(_COLOURS)])
        draw.rectangle((left, top, right, bottom), outline=colour, width=max(2, round(unit)))
        if label := one_line(box.label):
            _label(draw, image.size, label, (left, top), colour, font)
    return image


def _label(
    draw: ImageDraw,
    size: tuple[int, int],
    text: str,
    corner: tuple[float, float],
    colour: str,
    font: FreeTypeFont | ImageFont,
) -> None:
    """Draw a label on top of its box, moved as far as needed to lie inside the picture."""
    while len(text) > 1 and draw.textlength(text, font) > size[0]:
        text = truncate(text, len(text) - 1)
    _, _, width, height = draw.textbbox((0, 0), text, font=font, anchor="lt")
    left = max(min(corner[0], size[0] - width), 0)
    top = max(min(corner[1] - height, size[1] - height), 0)
    draw.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
    draw.text((left, top), text, fill="white", font=font, anchor="lt")


def _as_box(item: Box | Mapping[str, Any]) -> Box:
    values = vars(item) if isinstance(item, Box) else item
    try:
        label, *corners = (values[field.name] for field in dataclasses.fields(Box))
        box = Box(str(label), *(float(corner) for corner in corners))
        if not all(map(math.isfinite, (box.left, box.top, box.right, box.bottom))):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise BadInput(
            f"A box needs label, left, top, right and bottom, the last four as numbers; this one is {str(item)[:80]}."
        ) from None
    return box
