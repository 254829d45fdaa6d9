"""Saving and loading content parts; pictures and documents become attachments.

For a picture, both what it is encoded from and the exact bytes that were sent are saved, so that
later requests stay the same. Its metadata is in neither.
"""

from __future__ import annotations

import base64
import io
from typing import Protocol

from claude_magic.content.documents import DocumentPart
from claude_magic.content.image_codec import EncodedImage, decode, format_of, turned_size
from claude_magic.content.image_metadata import strip_metadata
from claude_magic.content.original import Original, PictureFile, Pixels
from claude_magic.content.parts import Part
from claude_magic.content.picture_part import PicturePart
from claude_magic.conversation.saving import folder, schema
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import ImageLimits
from claude_magic.messages.wire import block_problem
from claude_magic.tools.results import Result

_SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "application/pdf": ".pdf",
}
_LARGE = 1024
"""Base64 data with more characters than this becomes an attachment."""
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


class StoredFiles(Protocol):
    """Attachments by name."""

    def __getitem__(self, name: str) -> bytes: ...


class AttachmentWriter:
    """Converts content parts and collects their attachments in ``files``, by name."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(self, data: bytes, suffix: str) -> str:
        """Add an attachment and return its name."""
        name = folder.attachment_name(data, suffix)
        self.files[name] = data
        return name

    def save_part(self, part: Part) -> schema.SavedPicture | schema.SavedBlock | schema.SavedResult:
        """A content part as it is saved."""
        if isinstance(part, Result):
            content = [
                inner for each in part.content if not isinstance(inner := self.save_part(each), schema.SavedResult)
            ]
            return schema.SavedResult(wire=part.wire, about=part.about, pages=part.pages, content=content)
        return self._save_picture(part) if isinstance(part, PicturePart) else self._save_block(part)

    def _save_block(self, part: Part) -> schema.SavedBlock:
        wire, data = part.wire, None
        source = wire.get("source")
        if isinstance(source, dict) and source.get("type") == "base64" and len(source.get("data", "")) > _LARGE:
            raw = base64.b64decode(source["data"])
            if base64.b64encode(raw).decode("ascii") == source["data"]:
                data = self.add(raw, _SUFFIXES.get(str(source.get("media_type")), ""))
                wire = {**wire, "source": {**source, "data": ""}}
        name = part.name if isinstance(part, DocumentPart) else None
        return schema.SavedBlock(wire=wire, about=part.about, pages=part.pages, name=name, data=data)

    def _save_picture(self, part: PicturePart) -> schema.SavedPicture:
        original = part.original
        file, pixels = None, None
        if isinstance(original, PictureFile):
            clean, suffix = _without_metadata(original, part)
            file = self.add(clean, suffix)
        elif isinstance(original, Pixels):
            pixels = self._save_encoding(original.encoded(original.size), None)
        return schema.SavedPicture(
            name=part.name,
            size=part.size,
            box=part.box,
            max_tokens=part.max_tokens,
            note=part.note,
            file=file,
            filename=original.name if isinstance(original, PictureFile) else "",
            orientation=original.orientation if isinstance(original, PictureFile) else 1,
            cropped=isinstance(original, PictureFile) and original.box is not None,
            pixels=pixels,
            sent=[self._save_encoding(encoded, limits) for limits, encoded in part.sent.items()],
        )

    def _save_encoding(self, encoded: EncodedImage, limits: ImageLimits | None) -> schema.SavedEncoding:
        file = self.add(encoded.data, _SUFFIXES.get(encoded.media_type, ""))
        return schema.SavedEncoding(file=file, media_type=encoded.media_type, size=encoded.size, limits=limits)


def load_part(saved: schema.SavedPicture | schema.SavedBlock | schema.SavedResult, files: StoredFiles) -> Part:
    """The content part that was saved.

    Raises
    ------
    BadInput
        If an attachment is missing or damaged.
    """
    if isinstance(saved, schema.SavedResult):
        if wrong := block_problem(saved.wire):
            raise BadInput(f"a block: {wrong}")
        content = tuple(load_part(inner, files) for inner in saved.content)
        return Result(saved.wire, saved.about, saved.pages, content)
    if isinstance(saved, schema.SavedPicture):
        return _load_picture(saved, files)
    wire = saved.wire
    if saved.data is not None:
        source = wire.get("source")
        if not isinstance(source, dict):
            raise BadInput("a document has no source")
        wire = {**wire, "source": {**source, "data": base64.b64encode(files[saved.data]).decode("ascii")}}
    if wrong := block_problem(wire):
        raise BadInput(f"a block: {wrong}")
    if saved.name is not None:
        return DocumentPart(wire, saved.about, saved.pages, name=saved.name)
    return Part(wire, saved.about, saved.pages)


def _load_picture(saved: schema.SavedPicture, files: StoredFiles) -> PicturePart:
    left, upper, right, lower = saved.box
    if not (left < right <= saved.size[0] and upper < lower <= saved.size[1]):
        raise BadInput(f"{saved.name}: the crop is outside the picture.")
    original: Original
    if saved.file is not None:
        box = saved.box if saved.cropped else None
        original = PictureFile(files[saved.file], saved.filename, saved.orientation, box)
        if turned_size(decode(original.data, saved.name).size, saved.orientation) != saved.size:
            raise BadInput(f"{saved.name} does not have the size that was saved.")
    elif saved.pixels is not None:
        original = Pixels.from_encoded(_load_encoding(saved.pixels, saved.name, files))
    else:
        raise BadInput(f"{saved.name} is missing.")
    part = PicturePart(
        name=saved.name,
        original=original,
        size=saved.size,
        box=saved.box,
        max_tokens=saved.max_tokens,
        note=saved.note,
    )
    for encoding in saved.sent:
        if encoding.limits is not None:
            part.sent[ImageLimits(*encoding.limits)] = _load_encoding(encoding, saved.name, files)
    return part


def _load_encoding(saved: schema.SavedEncoding, name: str, files: StoredFiles) -> EncodedImage:
    data = files[saved.file]
    image = decode(data, name)
    if image.size != saved.size or f"image/{format_of(image).lower()}" != saved.media_type:
        raise BadInput(f"{name} does not have the size or format that was saved.")
    return EncodedImage(data, saved.media_type, saved.size)


def _without_metadata(original: PictureFile, part: PicturePart) -> tuple[bytes, str]:
    """The file without metadata and its suffix; formats that cannot be stripped become PNG or TIFF."""
    image = decode(original.data, part.name)
    if (clean := strip_metadata(original.data)) is not None:
        return clean, _SUFFIXES.get(f"image/{format_of(image).lower()}", "")
    if image.has_transparency_data and image.mode != "RGBA":
        image = image.convert("RGBA")
    kind = "PNG" if image.mode in _PNG_MODES else "TIFF"
    image = image.copy()
    image.info = {}
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue(), f".{kind.lower()}"
