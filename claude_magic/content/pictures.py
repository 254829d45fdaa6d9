"""Pictures as image blocks that the API takes.

Every picture is decoded and written anew, so that no metadata leaves (position, owner, an
uncropped thumbnail), and shrunk to what the model looks at anyway, so that coordinates which it
returns are right.
"""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_to_bytes, urlsplit

from claude_magic.content import Part, RemotePicture
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import MAX_IMAGE_BASE64_BYTES, Model, fit, image_tokens

if TYPE_CHECKING:
    from PIL.Image import Image

_KINDS = "PNG, JPEG, GIF or WebP"
_MANY_COLOURS = 1000
"""Distinct colours in a 64 x 64 sample from which a picture counts as a photograph."""


def from_reference(
    value: RemotePicture | PurePath | bytes | bytearray | memoryview, name: str, model: Model
) -> list[Part]:
    """A picture that is somewhere else: a web address, a ``data:`` URL, a file, or bytes.

    Raises
    ------
    BadInput
        For another kind of address, a missing file, or content that is no picture.
    """
    if isinstance(value, RemotePicture):
        if value.url.startswith("data:"):
            return _from_bytes(_of_data_url(value.url, name), name, model)
        return [_from_web(value.url)]
    if isinstance(value, PurePath):
        return _from_bytes(_read(Path(value).expanduser(), name), name, model)
    return _from_bytes(bytes(value), name, model)


def from_pil(image: Image, name: str, model: Model) -> list[Part]:
    """A PIL image of any mode.

    Raises
    ------
    BadInput
        For an image without pixels, or data that cannot be decoded.
    """
    from PIL import ImageOps

    width, height = image.size
    if not width or not height:
        raise BadInput(f"{name} has no pixels ({width}x{height}).")
    photograph = image.format == "JPEG"
    try:
        upright = ImageOps.exif_transpose(image) if image.getexif().get(0x0112, 1) != 1 else image
        small = _fitted(upright, model)
    except (OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"{name} is damaged: {error}.") from None
    small.info = {}  # comments and colour profiles would be written along
    data, media_type = _encoded(small, photograph)
    shown = (
        f"{width}x{height}" if small.size == upright.size else f"{width}x{height} sent as {small.width}x{small.height}"
    )
    source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode("ascii")}
    summary = f"{shown}, {image_tokens(*small.size):,} tokens"
    return [Part({"type": "image", "source": source}, summary)]


def from_figure(figure: Any, name: str, model: Model) -> list[Part]:
    """A matplotlib figure, drawn as its own settings say; the figure is not changed.

    Raises
    ------
    BadInput
        If there is nothing in it.
    """
    if not figure.axes:
        raise BadInput(
            f"{name} is an empty figure. Plots are closed at the end of their cell: keep `fig = plt.gcf()` there."
        )
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return from_pil(Image.open(buffer), name, model)


def _from_web(url: str) -> Part:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"{url!r} is no http(s) address, so the API cannot fetch it.")
    return Part({"type": "image", "source": {"type": "url", "url": url}}, "by its address")


def _of_data_url(url: str, name: str) -> bytes:
    head, comma, payload = url.partition(",")
    if not comma:
        raise BadInput(f"{name} is no complete data: URL.")
    data = unquote_to_bytes(payload)
    if not head.endswith(";base64"):
        return data
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise BadInput(f"{name} is no valid base64.") from None


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"There is no file {str(path)!r}.") from None
    except IsADirectoryError:
        raise BadInput(
            f"{str(path)!r} is a folder. Name the pictures in it, for example list(Path(…).glob('*.png'))."
        ) from None
    except OSError as error:
        raise BadInput(f"{str(path)!r} cannot be read: {error.strerror}.") from None


def _from_bytes(data: bytes, name: str, model: Model) -> list[Part]:
    if not data:
        raise BadInput(f"{name} is empty.")
    import warnings

    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise BadInput(f"{name} is no picture. Claude takes {_KINDS}.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInput(f"{name} would need too much memory when unpacked. Make it smaller first.") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"{name} is damaged: {error}.") from None
    return from_pil(image, name, model)


def _fitted(image: Image, model: Model) -> Image:
    """The picture in 8 bits, with transparency if it has some, no larger than the model looks."""
    from PIL.Image import Resampling

    size = fit(*image.size, model.image_tier)
    if image.format == "JPEG":
        image.draft(None, size)  # a JPEG can be decoded at a half, quarter or eighth of its size
    if image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode.startswith("I") or image.mode == "F":
        image = _stretched(image)
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    if image.size != size:
        return image.resize(size, Resampling.LANCZOS, reducing_gap=2.0)
    return image.copy()


def _stretched(image: Image) -> Image:
    """Deep grey values brought to 8 bits: 16-bit ones by their range, others from darkest to lightest."""
    deep = image.convert("F")
    low, high = cast("tuple[float, float]", (0.0, 65535.0) if image.mode.startswith("I;16") else deep.getextrema())
    scale = 255.0 / ((high - low) or 1.0)
    return deep.point(lambda value: value * scale - low * scale).convert("L")


def _encoded(image: Image, photograph: bool) -> tuple[bytes, str]:
    """JPEG for photographs, PNG for graphics and whatever has transparency."""
    buffer = io.BytesIO()
    if image.mode != "RGBA" and (photograph or _is_photograph(image)):
        image.save(buffer, "JPEG", quality=85)
        return buffer.getvalue(), "image/jpeg"
    image.save(buffer, "PNG", compress_level=3)
    if buffer.tell() * 4 / 3 > MAX_IMAGE_BASE64_BYTES:
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=85)
        return buffer.getvalue(), "image/jpeg"
    return buffer.getvalue(), "image/png"


def _is_photograph(image: Image) -> bool:
    from PIL.Image import Resampling

    sample = image.resize((min(64, image.width), min(64, image.height)), Resampling.NEAREST)
    return image.mode == "RGB" and sample.getcolors(_MANY_COLOURS) is None
