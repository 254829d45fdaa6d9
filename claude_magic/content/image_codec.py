"""Decoding, resizing and encoding of images."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, NamedTuple, cast

from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import MAX_IMAGE_BASE64_BYTES

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = MAX_IMAGE_BASE64_BYTES * 3 // 4
"""Bytes of an image before base64."""

_ORIENTATION_TAG = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})
_METADATA_KEYS = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
_METADATA_CHUNKS = (b"eXIf", *(kind + key for kind in (b"tEXt", b"zTXt", b"iTXt") for key in _METADATA_KEYS))
"""First bytes of the PNG chunks that may hold an orientation."""
_PHOTO_COLOURS = 1000
"""Distinct colours in a 64 x 64 sample from which an image counts as a photograph."""


class EncodedImage(NamedTuple):
    """An image as it is sent; its size is width and height in pixels."""

    data: bytes
    media_type: str
    size: tuple[int, int]


def decode(data: bytes, name: str) -> Image:
    """Open an image, whatever the suffix of its file; the pixels are decoded later.

    Raises
    ------
    BadInput
        If it is empty, not an image, or would take too much memory.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise BadInput(f"{name} is empty.")
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypheif"):
        _register_heic(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", "Image appears to be a malformed MPO")  # only its first image is sent
            return Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise BadInput(f"{name} is not an image Claude can read. Save it as PNG, JPEG, GIF or WebP.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInput(f"{name} would need too much memory when decoded. Make it smaller first.") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise damaged_image(name, error) from None


def damaged_image(name: str, error: Exception) -> BadInput:
    """The error for pixels that cannot be decoded."""
    return BadInput(f"{name} is damaged: {str(error).rstrip('.')}. Save it again, or send another copy.")


def format_of(image: Image) -> str:
    """The format of the file that an image was opened from; empty if there was none.

    Phones append more images to a JPEG; PIL calls such a file MPO, everybody else JPEG.
    """
    return "JPEG" if image.format == "MPO" else image.format or ""


def orientation(image: Image, data: bytes | None) -> int:
    """The orientation from 1 (upright) to 8, read from EXIF or XMP.

    Parameters
    ----------
    image : PIL.Image.Image
    data : bytes, optional
        The file that the image was just opened from.
    """
    if data is not None and image.format == "PNG" and not _may_be_turned(data):
        return 1  # PIL would decode the pixels, to look for metadata behind them
    found = image.getexif().get(_ORIENTATION_TAG, 1)
    return found if isinstance(found, int) else 1


def _may_be_turned(png: bytes) -> bool:
    """Whether a PNG has a chunk that may hold an orientation."""
    at = len(b"\x89PNG\r\n\x1a\n")
    while at + 8 <= len(png):
        if png.startswith(_METADATA_CHUNKS, at + 4):
            return True
        at += int.from_bytes(png[at : at + 4]) + 12
    return False


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height after the image is turned upright; applied again, those from before."""
    return size[::-1] if orientation in _SIDEWAYS else size


def prepare(
    image: Image, size: tuple[int, int], box: tuple[int, int, int, int] | None, *, orientation: int = 1, private: bool
) -> Image:
    """The pixels to send: upright, cropped, shrunk, in 8 bits.

    Parameters
    ----------
    image : PIL.Image.Image
    size : tuple of int
        Size of the result; no larger than the box.
    box : tuple of int, optional
        Left, upper, right, lower, in pixels of the upright image.
    orientation : int
        See :func:`orientation`.
    private : bool
        Whether nobody else uses the image object, so that a JPEG may be decoded at a fraction of its size.
    """
    from PIL.Image import Resampling

    given = image
    if box is not None:
        image, orientation = _upright(image, orientation).crop(box), 1
    unturned = turned_size(size, orientation)  # it is turned last, when it is small
    if private and format_of(image) == "JPEG" and image.size != unturned:
        image.draft(None, unturned)
    image = _to_eight_bits(image)
    if image.size != unturned:
        image = image.resize(unturned, Resampling.LANCZOS, reducing_gap=2.0)
    image = _upright(image, orientation)
    if image is given:
        image = image.copy()
    image.info = {}  # otherwise comments and colour profiles would be written to the file
    return image


def encode(image: Image, *, photograph: bool = False) -> EncodedImage:
    """Encode as JPEG if it is a photograph, as PNG if it is a graphic or has transparency.

    Parameters
    ----------
    image : PIL.Image.Image
        Its mode is L, RGB or RGBA.
    photograph : bool
        Whether it is known to be one; if not, a sample of the pixels decides.
    """
    if image.mode != "RGBA" and (photograph or _is_photograph(image)):
        return _jpeg(image)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    if buffer.tell() > MAX_BYTES:
        return _jpeg(image.convert("RGB"))
    return EncodedImage(buffer.getvalue(), "image/png", image.size)


def _jpeg(image: Image) -> EncodedImage:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return EncodedImage(buffer.getvalue(), "image/jpeg", image.size)


def _upright(image: Image, orientation: int) -> Image:
    from PIL.Image import Transpose

    methods = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(methods[orientation]) if orientation in methods else image


def _to_eight_bits(image: Image) -> Image:
    if image.mode != "RGBA" and image.has_transparency_data:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        opaque = image.getchannel("A").getextrema() == (255, 255)
        return image.convert("RGB") if opaque else image
    if image.mode in ("L", "RGB"):
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _scale_grey(image)
    return image.convert("L" if image.mode == "1" else "RGB")


def _scale_grey(image: Image) -> Image:
    """Scale deep grey values to 8 bits: 16-bit ones from their full range, others from darkest to lightest."""
    deep = image.convert("F")
    low, high = cast("tuple[float, float]", (0.0, 65535.0) if image.mode.startswith("I;16") else deep.getextrema())
    scale = 255.0 / ((high - low) or 1.0)
    return deep.point(lambda value: value * scale - low * scale).convert("L")


def _is_photograph(image: Image) -> bool:
    from PIL.Image import Resampling

    sample = image.resize((min(64, image.width), min(64, image.height)), Resampling.NEAREST)
    return image.mode == "RGB" and sample.getcolors(_PHOTO_COLOURS) is None


def _register_heic(name: str) -> None:
    try:
        import pillow_heif
    except ImportError:
        raise BadInput(f"{name} is a HEIC image: %pip install pillow-heif, or save it as JPEG.") from None
    pillow_heif.register_heif_opener()
