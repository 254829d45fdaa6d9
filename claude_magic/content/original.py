"""What is kept of a picture: a file as it is, or the pixels of a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from claude_magic.content.encoding import MAX_BYTES, Encoded, decode, encode, format_of, prepared
from claude_magic.content.metadata import without_metadata

if TYPE_CHECKING:
    from PIL.Image import Image

_TAKEN = {"JPEG": ("L", "RGB"), "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"), "GIF": None, "WEBP": None}
"""Formats that the API takes, and the modes in which they can go as they are."""


class Original(Protocol):
    """What is encoded anew for each size."""

    def encoded(self, size: tuple[int, int]) -> Encoded:
        """What is shown, at a size no larger than it has."""


class PictureFile(NamedTuple):
    """The user's own file.

    Attributes
    ----------
    data : bytes
    name : str
    orientation : int
        By its EXIF.
    box : tuple of int or None
        The part that is shown, in pixels of the upright picture; None for all of it.
    """

    data: bytes
    name: str
    orientation: int
    box: tuple[int, int, int, int] | None

    def encoded(self, size: tuple[int, int]) -> Encoded:
        """The file's own bytes where they can go, without their metadata; else its pixels."""
        image = decode(self.data, self.name)
        untouched = image.size == size and self.orientation == 1  # a part of it would be smaller
        if untouched and (as_it_is := _as_it_is(image, self.data)) is not None:
            return as_it_is
        photograph = format_of(image) == "JPEG"
        pixels = prepared(image, size, self.box, orientation=self.orientation, ours=True)
        return encode(pixels, photograph=photograph)


class Pixels:
    """What a variable showed, no larger than any model looks.

    It is kept encoded, which takes much less memory, from when it is first sent: at the size of a
    model that looks closely, what is kept is what is sent.

    Parameters
    ----------
    image : PIL.Image.Image
        In 8 bits; not changed by anyone else.
    photograph : bool
        Whether that is known; see :func:`~claude_magic.content.encoding.encode`.
    """

    def __init__(self, image: Image, *, photograph: bool) -> None:
        self._kept: Image | Encoded = image
        self._photograph = photograph

    @classmethod
    def kept(cls, encoded: Encoded) -> Pixels:
        """Such as they are once they were sent."""
        pixels = cls.__new__(cls)
        pixels._kept = encoded
        pixels._photograph = encoded.media_type == "image/jpeg"
        return pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what is kept."""
        return self._kept.size

    def encoded(self, size: tuple[int, int]) -> Encoded:
        """Shrunk from the pixels while they are there, later from what is kept."""
        kept = self._kept
        if isinstance(kept, Encoded):
            image = decode(kept.data, "the picture")
        else:
            image = kept
            self._kept = kept = encode(image, photograph=self._photograph)
        if size == image.size:
            return kept
        photograph = kept.media_type == "image/jpeg"
        return encode(prepared(image, size, None, ours=True), photograph=photograph)


def _as_it_is(image: Image, data: bytes) -> Encoded | None:
    """The user's own bytes without their metadata, where the API and the model take them so."""
    kind = format_of(image)
    modes = _TAKEN.get(kind, ())
    if modes is not None and image.mode not in modes:
        return None
    clean = without_metadata(data)
    if clean is None or len(clean) > MAX_BYTES:
        return None
    return Encoded(clean, f"image/{kind.lower()}", image.size)
