"""Bytes to pixels and pixels to bytes, for pictures."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, NamedTuple, cast

from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import MAX_IMAGE_BASE64_BYTES

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = MAX_IMAGE_BASE64_BYTES * 3 // 4
"""Of a picture before base64."""

_ORIENTATION = 0x0112
_TURNED = frozenset({5, 6, 7, 8})
_SAYING = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
_NOTES = (b"eXIf", *(kind + saying for kind in (b"tEXt", b"zTXt", b"iTXt") for saying in _SAYING))
"""How the chunks of a PNG begin that may say how it is turned."""
_MANY_COLOURS = 1000
"""Distinct colours in a 64 x 64 sample from which a picture counts as a photograph."""


class Encoded(NamedTuple):
    """A picture as it is sent.

    Attributes
    ----------
    data : bytes
    media_type : str
    size : tuple of int
        Width and height in pixels.
    """

    data: bytes
    media_type: str
    size: tuple[int, int]


def decode(data: bytes, name: str) -> Image:
    """Open a picture, whatever its name says; its pixels are read later.

    Raises
    ------
    BadInput
        If it is empty, no picture, or would take too much memory.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise BadInput(f"{name} is empty.")
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypheif"):
        _learn_heic(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", "Image appears to be a malformed MPO")  # its first picture is sent
            return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise BadInput(f"{name} is no picture. Claude takes PNG, JPEG, GIF or WebP; others are converted.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInput(f"{name} would need too much memory when unpacked. Make it smaller first.") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise damaged(name, error) from None


def damaged(name: str, error: Exception) -> BadInput:
    """The error for pixels that cannot be read."""
    return BadInput(f"{name} is damaged: {str(error).rstrip('.')}.")


def format_of(image: Image) -> str:
    """The format of the file of which a picture was opened; empty if there was none.

    Phones put further pictures behind that of a JPEG, which is MPO for PIL, and for everybody else a JPEG.
    """
    return "JPEG" if image.format == "MPO" else image.format or ""


def orientation(image: Image, data: bytes | None) -> int:
    """How a picture is turned, by its EXIF or XMP; 1 is upright.

    Parameters
    ----------
    image : PIL.Image.Image
    data : bytes, optional
        The file of which it was just opened.
    """
    if data is not None and image.format == "PNG" and not _has_note(data):
        return 1  # PIL would unpack the pixels, to look behind them as well
    found = image.getexif().get(_ORIENTATION, 1)
    return found if isinstance(found, int) else 1


def _has_note(png: bytes) -> bool:
    at = len(b"\x89PNG\r\n\x1a\n")
    while at + 8 <= len(png):
        if png.startswith(_NOTES, at + 4):
            return True
        at += int.from_bytes(png[at : at + 4]) + 12
    return False


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height once upright of a picture of this size, and the other way round."""
    return size[::-1] if orientation in _TURNED else size


def prepared(
    image: Image, size: tuple[int, int], box: tuple[int, int, int, int] | None, *, orientation: int = 1, ours: bool
) -> Image:
    """The pixels to send: upright, cut out, shrunk, in 8 bits.

    Parameters
    ----------
    image : PIL.Image.Image
    size : tuple of int
        Of the result; no larger than what is shown.
    box : tuple of int, optional
        Left, upper, right, lower, in pixels of the upright picture.
    orientation : int
        See :func:`orientation`.
    ours : bool
        Whether the image object is ours, so that it may be decoded at a fraction of its size.
    """
    from PIL.Image import Resampling

    given = image
    if box is not None:
        image, orientation = _upright(image, orientation).crop(box), 1
    lying = turned_size(size, orientation)  # it is turned last, when it is small
    if ours and format_of(image) == "JPEG" and image.size != lying:
        image.draft(None, lying)
    image = _in_eight_bits(image)
    if image.size != lying:
        image = image.resize(lying, Resampling.LANCZOS, reducing_gap=2.0)
    image = _upright(image, orientation)
    if image is given:
        image = image.copy()
    image.info = {}  # comments and colour profiles would be written along
    return image


def encode(image: Image, *, photograph: bool = False) -> Encoded:
    """JPEG for photographs, PNG for graphics and whatever has transparency.

    Parameters
    ----------
    image : PIL.Image.Image
        Of mode L, RGB or RGBA.
    photograph : bool
        Whether that is known; else a sample of the pixels decides.
    """
    if image.mode != "RGBA" and (photograph or _is_photograph(image)):
        return _jpeg(image)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    if buffer.tell() > MAX_BYTES:
        return _jpeg(image.convert("RGB"))
    return Encoded(buffer.getvalue(), "image/png", image.size)


def _jpeg(image: Image) -> Encoded:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return Encoded(buffer.getvalue(), "image/jpeg", image.size)


def _upright(image: Image, orientation: int) -> Image:
    from PIL.Image import Transpose

    ways = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(ways[orientation]) if orientation in ways else image


def _in_eight_bits(image: Image) -> Image:
    if image.mode != "RGBA" and image.has_transparency_data:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        opaque = image.getchannel("A").getextrema() == (255, 255)
        return image.convert("RGB") if opaque else image
    if image.mode in ("L", "RGB"):
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _stretched(image)
    return image.convert("L" if image.mode == "1" else "RGB")


def _stretched(image: Image) -> Image:
    """Deep grey values brought to 8 bits: 16-bit ones by their range, others from darkest to lightest."""
    deep = image.convert("F")
    low, high = cast("tuple[float, float]", (0.0, 65535.0) if image.mode.startswith("I;16") else deep.getextrema())
    scale = 255.0 / ((high - low) or 1.0)
    return deep.point(lambda value: value * scale - low * scale).convert("L")


def _is_photograph(image: Image) -> bool:
    from PIL.Image import Resampling

    sample = image.resize((min(64, image.width), min(64, image.height)), Resampling.NEAREST)
    return image.mode == "RGB" and sample.getcolors(_MANY_COLOURS) is None


def _learn_heic(name: str) -> None:
    try:
        import pillow_heif
    except ImportError:
        raise BadInput(f"{name} is a HEIC picture: pip install pillow-heif, or save it as JPEG.") from None
    pillow_heif.register_heif_opener()
