"""Boxes that Claude drew around things, in the pixels of the original picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from claude_magic.content.picture import Picture
from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    from PIL.Image import Image

_COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#17becf")


@dataclasses.dataclass
class Box:
    """A thing in a picture: ask for a list of these.

    Attributes
    ----------
    label : str
        What it is.
    left, top, right, bottom : float
        Pixels of the picture as it was sent.
    """

    label: str
    left: float
    top: float
    right: float
    bottom: float


def annotate(picture: Picture | object, boxes: Iterable[Box | Mapping[str, Any]], *, mapped: bool = False) -> Image:
    """Draw boxes into the original picture.

    Parameters
    ----------
    picture : Picture or any picture
        The same :class:`Picture` that was sent: it knows how large it was.
    boxes : iterable of Box or mapping
        As Claude returned them, in pixels of the picture as it was sent.
    mapped : bool
        Whether the boxes are in pixels of the original already.

    Returns
    -------
    PIL.Image.Image
        A copy of the original, upright and uncropped, with boxes and labels.

    Raises
    ------
    BadInput
        If a box is none, or the original is not there any more at its full size.
    """
    from PIL import ImageDraw, ImageFont

    shown = picture if isinstance(picture, Picture) else Picture(picture)
    image = shown.original_image().convert("RGB")
    draw = ImageDraw.Draw(image)
    unit = max(image.size) / 400
    font = ImageFont.load_default(size=max(12.0, 6 * unit))
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
        text = draw.textbbox((left, top), box.label, font=font, anchor="lb" if top > 8 * unit else "lt")
        draw.rectangle(text, fill=colour)
        draw.text((text[0], text[1]), box.label, fill="white", font=font, anchor="lt")
    return image


def _as_box(item: Box | Mapping[str, Any]) -> Box:
    if isinstance(item, Box):
        return item
    try:
        names = [field.name for field in dataclasses.fields(Box)]
        label, *corners = (item[name] for name in names)
        return Box(str(label), *(float(corner) for corner in corners))
    except (KeyError, TypeError, ValueError):
        raise BadInput(f"A box has label, left, top, right and bottom; this one is {str(item)[:80]}.") from None
