"""What can be said about a picture without a model: its type, size and colours."""

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
"""The types the API takes, and how their files begin."""

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
_COLOURS_OF_A_PHOTOGRAPH = 200


class Picture(NamedTuple):
    """An opened picture.

    Attributes
    ----------
    media_type : str
        By its bytes, not by what was declared.
    size : tuple of int
        Width and height in pixels.
    """

    media_type: str
    size: tuple[int, int]


def media_type(data: bytes) -> str | None:
    """The media type that a picture's first bytes tell, or None."""
    for name, start in MEDIA_TYPES.items():
        if data.startswith(start) and (name != "image/webp" or data[8:12] == b"WEBP"):
            return name
    return None


def _open(data: bytes) -> Image:
    # Pillow takes 50 ms to import; requests without pictures do not wait for it.
    from PIL import Image

    return Image.open(io.BytesIO(data))


@functools.lru_cache(maxsize=16)
def opened(encoded: str) -> Picture:
    """Type and size of a base64 picture; only its header is read.

    Raises
    ------
    ValueError
        If it is not base64, or no picture.
    """
    data = base64.b64decode(encoded, validate=True)
    kind = media_type(data)
    if kind is None:
        raise ValueError("not a picture of a known type")
    try:
        with _open(data) as image:
            return Picture(kind, image.size)
    except Exception as error:  # Pillow raises many kinds, also SyntaxError and DecompressionBombError
        raise ValueError(str(error)) from error


def describe(encoded: str) -> str:
    """One line about a base64 picture, from its decoded pixels."""
    kind, (width, height) = opened(encoded)
    facts = f"{kind.removeprefix('image/').upper()}, {width} x {height} pixels"
    try:
        with _open(base64.b64decode(encoded)) as image:
            sample = _flat(image)
    except Exception as error:  # noqa: BLE001  a file whose header is right may still be cut off
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
    """Names of the colours that cover most, at most three, each at least a tenth."""
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
    """Drawings repeat few colours; a photograph hardly repeats any."""
    coarse = sample.point(lambda value: value & 0xF8)
    different = len(coarse.getcolors(_SAMPLE * _SAMPLE) or [])
    return "photograph" if different > _COLOURS_OF_A_PHOTOGRAPH else "graphic"
