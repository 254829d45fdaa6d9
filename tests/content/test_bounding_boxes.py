"""Bounding boxes drawn on the original picture."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageChops

from claude_magic import Box, Picture, annotate
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import lookup

SMALL = lookup("claude-haiku-4-5").image_tier


def coloured(size: tuple[int, int], label: str, x: float, y: float) -> int:
    """Pixels that a box of no size and its label take."""
    blank = Image.new("RGB", size, "white")
    drawn = annotate(blank, [Box(label, x, y, x, y)], mapped=True)
    assert drawn.size == size
    return sum(ImageChops.difference(blank, drawn).convert("L").histogram()[1:])


def test_boxes_are_drawn_in_the_original() -> None:
    original = Image.new("RGB", (4000, 2000), "white")
    picture = Picture(original)
    width, height = picture.part.encoded(SMALL).size
    corner = {"label": "x", "left": 1, "top": 1, "right": 9, "bottom": 9}
    drawn = annotate(picture, [Box("all", 1, 1, width - 1, height - 1), corner])
    assert drawn.size == (4000, 2000)
    assert drawn.getpixel((3995, 1000)) != (255, 255, 255)
    assert original.getpixel((3995, 1000)) == (255, 255, 255)


@pytest.mark.parametrize("size", [(400, 300), (1600, 60)])
@pytest.mark.parametrize("x", [0, 0.5, 0.97, 1, 2, -1])
@pytest.mark.parametrize("y", [0, 0.02, 0.5, 1, 2, -1])
def test_a_label_stays_inside_the_picture(size: tuple[int, int], x: float, y: float) -> None:
    free = coloured(size, "a label", size[0] / 2, size[1] * 0.8)
    dot = coloured(size, "", size[0] / 2, size[1] * 0.8)
    assert free > 10 * dot
    assert coloured(size, "a label", x * size[0], y * size[1]) >= free - dot - 1


def test_a_label_wider_than_the_picture_is_shortened() -> None:
    size = (200, 100)
    blank = Image.new("RGB", size, "white")
    drawn = annotate(blank, [Box("word " * 50, 150, 80, 160, 90)], mapped=True)
    left, _, right, _ = ImageChops.difference(blank, drawn).crop((0, 0, 200, 78)).getbbox() or (0, 0, 0, 0)
    assert 160 < right - left < 200


def test_a_label_is_lower_than_a_strip() -> None:
    blank = Image.new("RGB", (4000, 40), "white")
    drawn = annotate(blank, [Box("a label", 90, 40, 90, 40)], mapped=True)
    _, upper, _, lower = ImageChops.difference(blank, drawn).crop((120, 0, 400, 40)).getbbox() or (0, 0, 0, 0)
    assert 0 < upper < lower <= 40


@pytest.mark.parametrize("label", ["", "two\nlines", "…", "日本"])
def test_any_text_can_be_a_label(label: str) -> None:
    assert coloured((100, 100), label, 50, 50) > 0


@pytest.mark.parametrize(
    "box",
    [
        {"label": "x"},
        5,
        Box("x", None, 1, 2, 3),  # type: ignore[arg-type]
        Box("x", float("nan"), 1, 2, 3),
        {"label": "x", "left": "a", "top": 1, "right": 2, "bottom": 3},
        {"label": "x", "left": "inf", "top": 1, "right": 2, "bottom": 3},
    ],
)
def test_invalid_boxes_are_refused(box: Any) -> None:
    with pytest.raises(BadInput, match="label, left, top, right and bottom.*; this one is"):
        annotate(Image.new("RGB", (50, 50)), [box])
