"""What can be a picture, and how it becomes one."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_to_bytes, urlsplit

from claude_magic.content import disk, plots
from claude_magic.content.encoding import decode
from claude_magic.content.parts import Part
from claude_magic.content.picture import Picture, PicturePart, picture_part
from claude_magic.content.values import RemotePicture
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

_BYTES = (bytes, bytearray, memoryview)


def from_picture(picture: Picture, name: str) -> list[Part]:
    """A picture with wishes; an address that is not fetched here goes as an address."""
    url = picture.value.url if isinstance(picture.value, RemotePicture) else picture.value
    if isinstance(url, str) and url.startswith(("http://", "https://")) and not picture.fetch:
        if picture.crop or picture.max_tokens:
            raise BadInput(f"{name}: to crop or shrink a picture of the web, it has to be fetched here: fetch=True.")
        return [_from_web(url)]
    return [picture.named(name)]


def from_any(value: object, name: str) -> list[Part]:
    """Anything that is a picture: see :func:`read`."""
    return from_picture(Picture(value), name) if isinstance(value, RemotePicture) else [read(Picture(value), name)]


def read(picture: Picture, name: str) -> PicturePart:
    """Read a picture from whatever holds it.

    Parameters
    ----------
    picture : Picture
        Of a PIL image; an array (height x width, or x 1, 3 or 4; uint8, uint16, bool, or float from 0
        to 1); a plot (see :func:`~claude_magic.content.plots.drawn`); a path, bytes, an open file; an address.
    name : str

    Raises
    ------
    BadInput
        If it is none of these, or cannot be read.
    """
    data, image = _source(picture, name)
    return picture_part(picture, name, data=data, image=image)


def pixels(picture: Picture, name: str) -> Image:
    """The picture as it is, whatever holds it; see :func:`read`."""
    data, image = _source(picture, name)
    return image if image is not None else decode(data or b"", name)


def _source(picture: Picture, name: str) -> tuple[bytes | None, Image | None]:
    """The encoded picture, or its pixels."""
    value = picture.value
    if isinstance(value, str):
        value = RemotePicture(value) if "://" in value or value.startswith("data:") else Path(value)
    if isinstance(value, RemotePicture):
        return _of_address(value.url, name, picture), None
    if isinstance(value, PurePath):
        path = disk.located(value)
        return _rasterised(disk.read(path), path.name), None
    if isinstance(value, _BYTES):
        return _rasterised(bytes(value), name), None
    if plots.is_a(value, "PIL.Image", "Image"):
        return None, cast("Image", value)
    if (drawn := plots.drawn(value, name)) is not None:
        return drawn, None
    if callable(getattr(value, "read", None)):
        return _rasterised(of_stream(value, name), name), None
    if hasattr(value, "__array__"):
        from claude_magic.content.arrays import to_image

        return None, to_image(value, name)
    raise BadInput(f"{name} is of type {type(value).__name__}, which is no picture.")


def _from_web(url: str) -> Part:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"{url!r} is no http(s) address, so the API cannot fetch it.")
    return Part({"type": "image", "source": {"type": "url", "url": url}}, "by its address")


def _of_address(url: str, name: str, picture: Picture) -> bytes:
    if url.startswith("data:"):
        return _rasterised(_of_data_url(url, name), name)
    if urlsplit(url).scheme not in ("http", "https"):
        raise BadInput(f"{name}: {url[:60]!r} is no http(s) address.")
    from claude_magic.content.web import fetch

    return _rasterised(fetch(url, allow_private=picture.fetch_private), name)


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


def of_stream(file: Any, name: str) -> bytes:
    """All of an open file.

    Raises
    ------
    BadInput
        If it is a text file.
    """
    data = file.read()
    if not isinstance(data, bytes):
        raise BadInput(f"{name} is a text file. Open it with mode 'rb'.")
    return data


def is_svg(data: bytes) -> bool:
    """Whether bytes are an SVG picture."""
    head = data[:1000].lstrip()
    return head.startswith(b"<svg") or (
        head.startswith((b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in data[:5000]
    )


def _rasterised(data: bytes, name: str) -> bytes:
    """SVG as PNG, where a library for it is there; everything else as it is."""
    if not is_svg(data):
        return data
    try:
        import cairosvg
    except (ImportError, OSError):  # the latter where the Cairo library itself is missing
        raise BadInput(
            f"{name} is an SVG, which the API does not take: %pip install cairosvg, or save it as PNG."
        ) from None
    try:
        png: bytes = cairosvg.svg2png(bytestring=data, unsafe=False)
    except Exception as error:  # noqa: BLE001  (parsers and drawing fail each in their own way)
        raise BadInput(f"{name} is an SVG that cannot be drawn: {one_line(str(error), 200)}") from None
    return png
