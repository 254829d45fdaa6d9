"""Describe an image without a model: its type, size and colours."""

from __future__ import annotations

import base64
import functools
import io
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

MEDIA_TYPES = {
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/gif": b"GIF8",
    "image/webp": b"RIFF",
}
"""The media types that the API accepts, and how their files begin."""

_NAMES = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "light grey": (200, 200, 200),
    "red": (220, 20, 20),
    "dark red": (130, 0, 0),
    "orange": (255, 150, 0),
    "yellow": (250, 240, 30),
    "green": (30, 160, 40),
    "light green": (140, 230, 130),
    "blue": (20, 40, 230),
    "navy": (0, 0, 110),
    "light blue": (120, 190, 250),
    "cyan": (0, 220, 230),
    "purple": (130, 30, 160),
    "magenta": (240, 30, 230),
    "pink": (255, 170, 190),
    "brown": (130, 80, 40),
    "beige": (230, 215, 180),
}
_SAMPLE = 64
"""Side in pixels of the copy that colours are counted on."""
_MIN_PHOTOGRAPH_COLOURS = 200


class ImageHeader(NamedTuple):
    """What an image file itself says, whatever was declared: its type, and its width and height in pixels."""

    media_type: str
    size: tuple[int, int]


def media_type(data: bytes) -> str | None:
    """The media type by an image's first bytes; None if the API does not accept it."""
    for name, start in MEDIA_TYPES.items():
        if data.startswith(start) and (name != "image/webp" or data[8:12] == b"WEBP"):
            return name
    return None


def _open(data: bytes) -> Image:
    # Pillow takes 50 ms to import; requests without images need not wait for it.
    from PIL import Image

    return Image.open(io.BytesIO(data))


@functools.lru_cache(maxsize=16)
def image_header(encoded: str) -> ImageHeader:
    """Type and size of a base64 image, without decoding its pixels.

    Raises
    ------
    ValueError
        If it is not base64, or not an image that can be read.
    """
    data = base64.b64decode(encoded, validate=True)
    kind = media_type(data)
    if kind is None:
        raise ValueError("not an image of a known type")
    try:
        with _open(data) as image:
            return ImageHeader(kind, image.size)
    except Exception as error:  # Pillow raises many kinds, also SyntaxError and DecompressionBombError
        raise ValueError(str(error)) from error


def describe(encoded: str) -> str:
    """Describe a base64 image in one line, from its pixels."""
    kind, (width, height) = image_header(encoded)
    facts = f"{kind.removeprefix('image/').upper()}, {width} x {height} pixels"
    try:
        with _open(base64.b64decode(encoded)) as image:
            sample = _flat(image)
    except Exception as error:  # noqa: BLE001  the header can be intact and the rest truncated
        return f"{facts}, whose pixels could not be read ({type(error).__name__})"
    return f"{facts}, mostly {' and '.join(_colours(sample))}; looks like a {_kind(sample)}"


def _flat(image: Image) -> Image:
    """A small copy on white, without transparency."""
    import PIL.Image

    copy = image.convert("RGBA")
    copy = copy.resize((_SAMPLE, _SAMPLE), PIL.Image.Resampling.NEAREST)
    white = PIL.Image.new("RGBA", copy.size, "white")
    return PIL.Image.alpha_composite(white, copy).convert("RGB")


def _colours(sample: Image) -> list[str]:
    """The names of the up to three most frequent colours that each cover at least a tenth."""
    reduced = sample.quantize(colors=6)
    palette = reduced.getpalette() or []
    shares: dict[str, int] = {}
    for number, index in reduced.getcolors() or []:
        if isinstance(index, int):
            name = _name(palette[3 * index : 3 * index + 3])
            shares[name] = shares.get(name, 0) + number
    ordered = sorted(shares, key=lambda name: -shares[name])
    return [name for name in ordered[:3] if shares[name] >= _SAMPLE * _SAMPLE / 10] or ordered[:1]


def _name(colour: list[int]) -> str:
    return min(_NAMES, key=lambda name: sum((a - b) ** 2 for a, b in zip(colour, _NAMES[name], strict=True)))


def _kind(sample: Image) -> str:
    """``graphic`` or ``photograph``: drawings repeat a few colours, photographs hardly repeat any."""
    coarse = sample.point(lambda value: value & 0xF8)
    different = len(coarse.getcolors(_SAMPLE * _SAMPLE) or [])
    return "photograph" if different > _MIN_PHOTOGRAPH_COLOURS else "graphic"
