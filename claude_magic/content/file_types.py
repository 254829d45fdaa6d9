"""Files, by what is in them: a picture, a PDF, or text."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from claude_magic.content import disk, documents, pictures
from claude_magic.content.parts import Part
from claude_magic.messages.errors import BadInput

_PICTURES = disk.PICTURES | {".svg"}


def from_file(value: Any, name: str) -> list[Part]:
    """A path, bytes or an open file, as a picture or a document, by its bytes.

    Parameters
    ----------
    value : path, bytes or binary file
    name : str

    Raises
    ------
    BadInput
        If it cannot be read, or is neither.
    """
    if callable(getattr(value, "read", None)) and not isinstance(value, PurePath):
        value = pictures.of_stream(value, name)
    head = _head(value)
    # A file that calls itself a picture and is none is a mistake to be told, not a text to be sent.
    meant_as_picture = isinstance(value, PurePath) and value.suffix.lower() in _PICTURES
    if head is not None and not meant_as_picture and _is_document(head):
        return documents.from_document(value, name)
    return pictures.from_any(value, name)


def _head(value: Any) -> bytes | None:
    """The first bytes; None where there are none to be had, which whoever reads the file explains."""
    if not isinstance(value, PurePath):
        return bytes(value[:4096])
    try:
        with disk.checked(disk.located(value)).open("rb") as file:
            return file.read(4096)
    except (BadInput, OSError):
        return None


def _is_document(head: bytes) -> bool:
    if not head or pictures.is_svg(head):
        return False
    if b"%PDF-" in head[:1024]:
        return True
    if b"\0" in head:
        return False
    try:
        head[:4000].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head[:4000]) - 4  # a character that the cut went through
    return True
