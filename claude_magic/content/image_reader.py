"""Reading images: from whatever value holds one to the bytes of a file, or to a PIL image."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote_to_bytes, urlsplit

from claude_magic.content import local_files, plots
from claude_magic.content.array_image import array_to_image
from claude_magic.content.class_lookup import known_name
from claude_magic.content.file_types import is_svg
from claude_magic.content.values import RemotePicture
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line

if TYPE_CHECKING:
    from _typeshed import SupportsRead
    from PIL.Image import Image


def read_image(value: object, name: str, *, allow_private: bool = False) -> bytes | Image:
    """Read an image.

    Parameters
    ----------
    value : object
        A PIL image; an array (see :func:`~claude_magic.content.array_image.array_to_image`); a plot
        (see :func:`~claude_magic.content.plots.draw`); a path, bytes, an open file; a URL, which is downloaded.
    name : str
        The user's expression, for errors.
    allow_private : bool
        Whether a URL may point into the local network.

    Returns
    -------
    bytes or PIL.Image.Image
        The contents of an image file, not yet decoded; or an image object, which belongs to the user.

    Raises
    ------
    BadInput
        If the value is none of these, or cannot be read.
    """
    if isinstance(value, str):
        value = RemotePicture(value) if "://" in value or value.startswith("data:") else Path(value)
    if isinstance(value, RemotePicture):
        return _rasterized(_read_url(value.url, name, allow_private), name)
    if isinstance(value, PurePath):
        path = local_files.expand_path(value)
        return _rasterized(local_files.read_file(path), path.name)
    if isinstance(value, bytes | bytearray | memoryview):
        return _rasterized(bytes(value), name)
    if known_name(type(value), {"PIL.Image.Image"}):
        return cast("Image", value)
    if (png := plots.draw(value, name)) is not None:
        return png
    if callable(getattr(value, "read", None)):
        return _rasterized(local_files.read_stream(cast("SupportsRead[object]", value), name), name)
    if hasattr(value, "__array__"):
        return array_to_image(value, name)
    raise BadInput(f"{name} is of type {type(value).__name__}, which is not an image.")


def _read_url(url: str, name: str, allow_private: bool) -> bytes:
    if url.startswith("data:"):
        return _read_data_url(url, name)
    if urlsplit(url).scheme not in ("http", "https"):
        raise BadInput(f"{name}: {url[:60]!r} is not an http(s) URL.")
    from claude_magic.content.download import download_file

    return download_file(url, allow_private=allow_private)


def _read_data_url(url: str, name: str) -> bytes:
    head, comma, payload = url.partition(",")
    if not comma:
        raise BadInput(f"{name} is an incomplete data: URL: it has no comma.")
    data = unquote_to_bytes(payload)
    if not head.endswith(";base64"):
        return data
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise BadInput(f"{name} is a data: URL with invalid base64.") from None


def _rasterized(data: bytes, name: str) -> bytes:
    """An SVG as PNG, if CairoSVG is installed; any other file as it is."""
    if not is_svg(data):
        return data
    try:
        import cairosvg
    except (ImportError, OSError):  # the latter if the Cairo library itself is missing
        raise BadInput(
            f"{name} is an SVG, which the API does not accept: %pip install cairosvg, or save it as PNG."
        ) from None
    try:
        png: bytes = cairosvg.svg2png(bytestring=data, unsafe=False)
    except Exception as error:  # noqa: BLE001  (XML parsers and drawing code raise many kinds of errors)
        raise BadInput(f"{name} is an SVG that cannot be drawn: {one_line(str(error), 200)}") from None
    return png
