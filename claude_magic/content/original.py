"""The original of a picture, from which it is encoded at the size that a request needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from claude_magic.content.image_codec import MAX_BYTES, EncodedImage, decode, encode, format_of, prepare
from claude_magic.content.image_metadata import strip_metadata

if TYPE_CHECKING:
    from PIL.Image import Image

_ACCEPTED = {"JPEG": ("L", "RGB"), "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"), "GIF": None, "WEBP": None}
"""Formats that the API accepts, and the modes in which a file can be sent as it is (None: all)."""


class Original(Protocol):
    """Something that can be encoded at any size up to its own."""

    def encoded(self, size: tuple[int, int]) -> EncodedImage:
        """The image at this size."""


class PictureFile(NamedTuple):
    """An image file as the user has it.

    ``orientation`` goes from 1 (upright) to 8, as in EXIF. ``box`` is the part to show, in pixels of the upright
    image; None for all of it.
    """

    data: bytes
    name: str
    orientation: int
    box: tuple[int, int, int, int] | None

    def encoded(self, size: tuple[int, int]) -> EncodedImage:
        """The file itself without its metadata if it can be sent, else its pixels."""
        image = decode(self.data, self.name)
        unchanged = image.size == size and self.orientation == 1  # a cropped part would be smaller
        if unchanged and (stripped := _stripped(image, self.data)) is not None:
            return stripped
        photograph = format_of(image) == "JPEG"
        pixels = prepare(image, size, self.box, orientation=self.orientation, private=True)
        return encode(pixels, photograph=photograph)


class Pixels:
    """A copy of the pixels of a variable, no larger than the largest image that any model sees.

    From the first request on it is stored encoded, which takes much less memory. A model that sees
    images at their largest gets exactly these bytes.

    Parameters
    ----------
    image : PIL.Image.Image
        In 8 bits; nobody else may change it.
    photograph : bool
        Whether it is known to be one; see :func:`~claude_magic.content.image_codec.encode`.
    """

    def __init__(self, image: Image, *, photograph: bool) -> None:
        self._stored: Image | EncodedImage = image
        self._photograph = photograph

    @classmethod
    def from_encoded(cls, encoded: EncodedImage) -> Pixels:
        """Restore pixels that have been sent and saved."""
        pixels = cls.__new__(cls)
        pixels._stored = encoded
        pixels._photograph = encoded.media_type == "image/jpeg"
        return pixels

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the copy."""
        return self._stored.size

    def encoded(self, size: tuple[int, int]) -> EncodedImage:
        """The image at this size; the first call stores it encoded."""
        stored = self._stored
        if isinstance(stored, EncodedImage):
            image = decode(stored.data, "the picture")
        else:
            image = stored
            self._stored = stored = encode(image, photograph=self._photograph)
        if size == image.size:
            return stored
        photograph = stored.media_type == "image/jpeg"
        return encode(prepare(image, size, None, private=True), photograph=photograph)


def _stripped(image: Image, data: bytes) -> EncodedImage | None:
    """The user's file without its metadata; None if the API would not accept it."""
    kind = format_of(image)
    modes = _ACCEPTED.get(kind, ())
    if modes is not None and image.mode not in modes:
        return None
    clean = strip_metadata(data)
    if clean is None or len(clean) > MAX_BYTES:
        return None
    return EncodedImage(clean, f"image/{kind.lower()}", image.size)
