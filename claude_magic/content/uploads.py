"""Uploaded files: values as what is uploaded, and files as content blocks."""

from __future__ import annotations

import base64
import codecs
import os
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from claude_magic.content import disk
from claude_magic.content.convert import to_parts
from claude_magic.content.parts import Part
from claude_magic.content.picture import PicturePart
from claude_magic.content.pictures import is_svg
from claude_magic.messages.errors import BadInput
from claude_magic.messages.files import MAX_NAME, NOT_IN_NAMES, Content, File, length, pieces
from claude_magic.messages.limits import MAX_IMAGE_SIDE_WHEN_MANY, widest_limits

_PICTURES = {
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/gif": (".gif",),
    "image/webp": (".webp",),
}
_SUFFIXES = {**_PICTURES, "application/pdf": (".pdf",), "text/plain": (".txt",)}
"""What can be read from an uploaded file, and how the names of such files end."""
_HEAD = 4096


class Upload(NamedTuple):
    """What is uploaded of a value.

    Attributes
    ----------
    content : Path or bytes
    filename, mime_type : str
    """

    content: Content
    filename: str
    mime_type: str


def from_upload(file: File, name: str) -> list[Part]:
    """An uploaded file as a picture or a document, by its id alone.

    Parameters
    ----------
    file : File
    name : str
        How the user called it.

    Raises
    ------
    BadInput
        If its time is over, or Claude reads no such file.
    """
    if file.expired:
        raise BadInput(f"{name}: {file!r} has expired. Upload it again.")
    kind = file.mime_type.partition(";")[0].strip().lower()
    if kind and kind not in _SUFFIXES:
        raise BadInput(
            f"{name}: {file!r} is neither a PDF nor text/plain nor a picture (PNG, JPEG, GIF, WebP), "
            "and nothing else can be read from an uploaded file."
        )
    block = "image" if kind in _PICTURES else "document"
    return [Part({"type": block, "source": {"type": "file", "file_id": file.id}}, f"{file.id} by its id")]


def to_upload(value: object) -> Upload:
    """What is uploaded of a value.

    PDFs and texts go as they are, from disk if they lie there. Pictures are made ready as for a
    question: upright, without metadata, and no larger than any model sees, or than the API takes
    beside many others: what lies there cannot be made smaller for a request.

    Parameters
    ----------
    value : object
        A path, as a string too; bytes; a Document; anything that is a picture.

    Raises
    ------
    BadInput
        If it is none of these, or cannot be read.
    """
    name, filename = f"this {type(value).__name__}", ""
    if isinstance(value, str | os.PathLike):
        value = _file(value)
        name, filename = repr(str(value)), value.name
    if isinstance(value, bytearray | memoryview):
        value = bytes(value)
    if isinstance(value, Path | bytes):
        length(value)  # says what is wrong with it, if anything is
        if (kind := _kind(next(pieces(value), b"")[:_HEAD])) is not None:
            return Upload(value, _filename(filename or "file", kind), kind)
    parts = to_parts(value, name)
    if len(parts) == 1 and isinstance(parts[0], PicturePart):
        encoded = parts[0].encoded(widest_limits()._replace(side=MAX_IMAGE_SIDE_WHEN_MANY))
        return Upload(encoded.data, _filename(filename or "picture", encoded.media_type), encoded.media_type)
    if len(parts) == 1 and parts[0].wire["type"] == "document":
        return _of_document(parts[0].wire, name)
    raise BadInput(f"{name} is no file. Upload a path, bytes, a picture or a Document, one at a time.")


def _of_document(wire: dict[str, Any], name: str) -> Upload:
    source = wire["source"]
    if source["type"] == "file":
        raise BadInput(f"{name} is uploaded already: put it into a question as it is.")
    if source["type"] not in ("base64", "text"):
        raise BadInput(f"{name} cannot be uploaded: its address or passages are sent with the question.")
    if "context" in wire or "citations" in wire:
        raise BadInput(f"{name}: context and citations belong to a question, not to a file. Leave them out.")
    data = source["data"].encode() if source["type"] == "text" else base64.b64decode(source["data"])
    return Upload(data, _filename(wire.get("title", "document"), source["media_type"]), source["media_type"])


def _file(value: str | os.PathLike[Any]) -> Path:
    if isinstance(value, str) and ("://" in value or value.startswith("data:")):
        raise BadInput(f"{value[:60]!r} is an address. Upload the file itself, or ask about the address.")
    return disk.located(value)


def _kind(head: bytes) -> str | None:
    """The type of a file that goes as it is."""
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    if b"\0" in head or is_svg(head):
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return None
    return "text/plain"


def _filename(wanted: str, kind: str) -> str:
    """A name that the API takes: it is a label only, so what it may not hold is replaced."""
    name = NOT_IN_NAMES.sub("_", wanted)
    suffix = PurePath(name).suffix
    if suffix.lower() in _SUFFIXES[kind] or (suffix and kind == "text/plain"):
        stem = name.removesuffix(suffix)
    else:  # a converted picture is no longer what its name says
        stem, suffix = PurePath(name).stem if kind in _PICTURES else name, _SUFFIXES[kind][0]
    return stem[: max(MAX_NAME - len(suffix), 0)] + suffix
