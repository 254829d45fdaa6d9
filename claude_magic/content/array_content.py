"""NumPy arrays as content: a picture, the plot that its items belong to, or numbers."""

from __future__ import annotations

from typing import Any

from claude_magic.content.array_image import is_image
from claude_magic.content.parts import Part
from claude_magic.content.picture import from_picture
from claude_magic.content.plots import figure_of
from claude_magic.content.tables import table


def from_array(value: Any, name: str) -> list[Part]:
    """Convert an array to an image if it looks like one or holds parts of a plot, else to text."""
    if is_image(value) or figure_of(value) is not None:
        return from_picture(value, name)
    return table.from_array(value, name)
