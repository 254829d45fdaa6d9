"""What to upload to Anthropic for a value: the file itself, or a picture prepared as for a question."""

from __future__ import annotations

import base64
import os
from pathlib import Path, PurePath
from typing import NamedTuple

from claude_magic.content.convert import to_parts
from claude_magic.content.file_reference import FILE_TYPES, IMAGE_TYPES
from claude_magic.content.file_types import HEAD, document_type
from claude_magic.content.local_files import expand_path
from claude_magic.content.parts import Block
from claude_magic.content.picture_part import PicturePart
from claude_magic.messages.errors import BadInput
from claude_magic.messages.files import MAX_NAME, NOT_IN_NAMES, Content, length, pieces
from claude_magic.messages.limits import MAX_IMAGE_SIDE_WHEN_MANY, widest_limits


class Upload(NamedTuple):
    """A file to upload."""

    content: Content
    filename: str
    mime_type: str


def to_upload(value: object) -> Upload:
    """Prepare a value for upload.

    PDFs and text are uploaded as they are, straight from disk if that is where they are. Pictures are
    prepared as for a question: upright, without metadata, and no larger than any model sees or the API
    accepts beside many others. An uploaded picture cannot be shrunk for a later request.

    Parameters
    ----------
    value : object
        A path, bytes, a picture, or a :class:`~claude_magic.content.documents.Document`.

    Raises
    ------
    BadInput
        If it is none of these, or cannot be read.
    """
    name, filename = f"this {type(value).__name__}", ""
    if isinstance(value, str | os.PathLike):
        value = _path(value)
        name, filename = repr(str(value)), value.name
    if isinstance(value, bytearray | memoryview):
        value = bytes(value)
    if isinstance(value, Path | bytes):
        length(value)  # raises if there is no such file, or it is empty
        if (media_type := document_type(next(pieces(value), b"")[:HEAD])) is not None:
            return Upload(value, _filename(filename or "file", media_type), media_type)
    parts = to_parts(value, name)
    if len(parts) == 1 and isinstance(parts[0], PicturePart):
        encoded = parts[0].encoded(widest_limits()._replace(side=MAX_IMAGE_SIDE_WHEN_MANY))
        return Upload(encoded.data, _filename(filename or "picture", encoded.media_type), encoded.media_type)
    if len(parts) == 1 and parts[0].wire["type"] == "document":
        return _of_document(parts[0].wire, name)
    raise BadInput(f"{name} cannot be uploaded. Upload a path, bytes, a picture or a Document, one at a time.")


def _of_document(block: Block, name: str) -> Upload:
    source = block["source"]
    if source["type"] == "file":
        raise BadInput(f"{name} is uploaded already: put it into a question as it is.")
    if source["type"] not in ("base64", "text"):
        raise BadInput(f"{name} cannot be uploaded: a URL or a list of passages is sent with the question.")
    if "context" in block or "citations" in block:
        raise BadInput(f"{name}: context and citations belong to a question, not to a file. Leave them out.")
    data = source["data"].encode() if source["type"] == "text" else base64.b64decode(source["data"])
    return Upload(data, _filename(block.get("title", "document"), source["media_type"]), source["media_type"])


def _path(value: str | os.PathLike[str] | os.PathLike[bytes]) -> Path:
    if isinstance(value, str) and ("://" in value or value.startswith("data:")):
        raise BadInput(f"{value[:60]!r} is a URL. Upload the file itself, or put the URL into the question.")
    return expand_path(value)


def _filename(wanted: str, media_type: str) -> str:
    """A filename that the API accepts; it is only a label, so forbidden characters are replaced."""
    name = NOT_IN_NAMES.sub("_", wanted)
    suffix = PurePath(name).suffix
    if suffix.lower() in FILE_TYPES[media_type] or (suffix and media_type == "text/plain"):
        stem = name.removesuffix(suffix)
    else:  # a picture may have been converted to another format
        stem = PurePath(name).stem if media_type in IMAGE_TYPES else name
        suffix = FILE_TYPES[media_type][0]
    return stem[: max(MAX_NAME - len(suffix), 0)] + suffix
