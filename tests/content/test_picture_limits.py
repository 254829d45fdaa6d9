"""Every picture is sent at the largest size that the server does not shrink, for every model."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from claude_magic.content.convert import to_parts
from claude_magic.content.original import Pixels
from claude_magic.content.picture import Picture
from claude_magic.content.picture_part import PicturePart
from claude_magic.messages.limits import ImageLimits, fit_size, image_limits, image_tokens, lookup, models
from tests.content.test_originals import opened, written

LIMITS = st.sampled_from(sorted({image_limits(model, count) for model in models() for count in (20, 21)}))
AREA = 1_500_000
"""Pixels at most: the rule is the same for larger ones, only slower to try."""


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int]:
    long = draw(st.integers(1, 9000))
    short = draw(st.integers(1, min(long, AREA // long)))
    return (long, short) if draw(st.booleans()) else (short, long)


def sent(picture: Any, limits: ImageLimits) -> tuple[int, int]:
    (part,) = to_parts(picture, "it")
    assert isinstance(part, PicturePart)
    size = opened(part, limits).size
    if isinstance(part.original, Pixels):
        assert part.original.size[0] >= size[0]  # what is kept is never blown up again
        assert part.original.size[1] >= size[1]
    return size


def taken(size: tuple[int, int], limits: ImageLimits) -> bool:
    """The server's rule, in its own words: patches of 28 pixels along each side."""
    across, down = (math.ceil(side / 28) for side in size)
    return max(across, down) * 28 <= limits.edge and across * down <= limits.tokens and max(size) <= limits.side


def one_larger(size: tuple[int, int], shape: tuple[int, int]) -> tuple[int, int]:
    """A pixel more on the longer side, in the shape of the original."""
    longer = max(size) + 1
    shorter = max(round(longer * min(shape) / max(shape)), 1)
    return (longer, shorter) if shape[0] >= shape[1] else (shorter, longer)


def check(size: tuple[int, int], shape: tuple[int, int], limits: ImageLimits) -> None:
    assert taken(size, limits)
    assert fit_size(*size, limits) == size  # so the server does not resize it again
    assert image_tokens(*size) <= limits.tokens
    if size != shape:
        assert not taken(shape, limits)
        assert not taken(one_larger(size, shape), limits)


@given(sizes(), LIMITS)
@example((9000, 1), ImageLimits(1568, 1568, 2000))
@example((1920, 1080), ImageLimits(1568, 1568))
@example((1400, 1000), lookup("claude-sonnet-5-5").image_tier)
def test_a_picture_of_pixels(shape: tuple[int, int], limits: ImageLimits) -> None:
    check(sent(Image.new("L", shape), limits), shape, limits)


@given(sizes(), LIMITS)
def test_a_picture_in_a_file(shape: tuple[int, int], limits: ImageLimits) -> None:
    check(sent(written(Image.new("L", shape), "PNG", compress_level=1), limits), shape, limits)


@given(sizes(), LIMITS, st.integers(1, 3000), st.data())
def test_a_part_of_a_picture_for_so_many_tokens(
    shape: tuple[int, int], limits: ImageLimits, tokens: int, data: st.DataObject
) -> None:
    left, upper = (data.draw(st.integers(0, side - 1)) for side in shape)
    right, lower = (data.draw(st.integers(start + 1, side)) for start, side in zip((left, upper), shape, strict=True))
    picture = Picture(Image.new("L", shape), crop=(left, upper, right, lower), max_tokens=tokens)
    shown = (right - left, lower - upper)
    check(sent(picture, limits), shown, limits._replace(tokens=min(limits.tokens, tokens)))
