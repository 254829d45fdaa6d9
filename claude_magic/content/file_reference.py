"""Files uploaded to Anthropic: a block refers to them by ID."""

from __future__ import annotations

from claude_magic.content.parts import Part
from claude_magic.messages.errors import BadInput
from claude_magic.messages.files import File

IMAGE_TYPES = {
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/gif": (".gif",),
    "image/webp": (".webp",),
}
FILE_TYPES = {**IMAGE_TYPES, "application/pdf": (".pdf",), "text/plain": (".txt",)}
"""Media types of uploaded files that Claude can read, and the usual suffixes of their names."""


def from_file_reference(file: File, name: str) -> list[Part]:
    """Convert an uploaded file to an image or document block.

    Raises
    ------
    BadInput
        If the file has expired, or Claude cannot read files of its type.
    """
    if file.expired:
        raise BadInput(f"{name}: {file!r} has expired. Upload it again.")
    media_type = file.mime_type.partition(";")[0].strip().lower()
    if media_type and media_type not in FILE_TYPES:
        raise BadInput(
            f"{name}: Claude cannot read {file!r} from an upload: it is neither a PDF nor text/plain nor an image "
            "(PNG, JPEG, GIF, WebP)."
        )
    block = "image" if media_type in IMAGE_TYPES else "document"
    return [Part({"type": block, "source": {"type": "file", "file_id": file.id}}, f"{file.id} by ID")]
