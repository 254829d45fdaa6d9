"""Paths, bytes and open files as content: a picture or a document, depending on what the file contains."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from claude_magic.content import local_files
from claude_magic.content.documents import from_document
from claude_magic.content.file_types import HEAD, document_type
from claude_magic.content.parts import Part
from claude_magic.content.picture import from_picture
from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    from _typeshed import SupportsRead

_PICTURE_SUFFIXES = local_files.IMAGE_SUFFIXES | {".svg"}


def from_file(value: PurePath | bytes | bytearray | memoryview | SupportsRead[object], name: str) -> list[Part]:
    """Convert a path, bytes or a binary file to an image or document block.

    Raises
    ------
    BadInput
        If the file cannot be read, or is neither an image nor a document.
    """
    # A broken image file must end in an error; it must not be sent as text.
    named_as_picture = isinstance(value, PurePath) and value.suffix.lower() in _PICTURE_SUFFIXES
    if isinstance(value, PurePath):
        head = _head(value)
    else:
        value = (
            bytes(value) if isinstance(value, bytes | bytearray | memoryview) else local_files.read_stream(value, name)
        )
        head = value[:HEAD]
    if not named_as_picture and document_type(head) is not None:
        return from_document(value, name)
    return from_picture(value, name)


def _head(path: PurePath) -> bytes:
    """The first bytes; none if the file cannot be read, which whoever reads all of it reports."""
    try:
        with local_files.check_file(local_files.expand_path(path)).open("rb") as file:
            return file.read(HEAD)
    except (BadInput, OSError):
        return b""
