"""Image blocks: each is encoded for the limits of the request that it goes into, and maps points back."""

from __future__ import annotations

import base64
import dataclasses
import math
from typing import TYPE_CHECKING

from claude_magic.content import image_codec
from claude_magic.content.image_codec import EncodedImage, damaged_image
from claude_magic.content.original import Original, PictureFile, Pixels
from claude_magic.content.parts import Block, Part, Weight
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import ImageLimits, fit_size, image_tokens, widest_limits
from claude_magic.messages.text import pluralize

if TYPE_CHECKING:
    from PIL.Image import Image

Box4 = tuple[int, int, int, int]
Crop = tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class PicturePart(Part):
    """An image block that keeps its original, and is encoded once for each set of limits.

    Attributes
    ----------
    size : tuple of int
        Width and height of the user's picture in pixels, upright.
    box : tuple of int
        The part that is shown, in pixels of the user's picture.
    note : str
        An addition to the summary, for example ``first frame``.
    sent : dict
        What was encoded, by limits; those used last come last.
    """

    wire: Block = dataclasses.field(default_factory=lambda: {"type": "image"})
    about: str | None = "a picture"
    name: str
    original: Original
    size: tuple[int, int]
    box: Box4
    max_tokens: int | None = None
    note: str = ""
    sent: dict[ImageLimits, EncodedImage] = dataclasses.field(default_factory=dict)

    def encoded(self, limits: ImageLimits) -> EncodedImage:
        """The image for a request with these limits.

        Raises
        ------
        BadInput
            If the pixels cannot be decoded.
        """
        if limits not in self.sent:
            left, upper, right, lower = self.box
            limited = limits._replace(tokens=min(limits.tokens, self.max_tokens or limits.tokens))
            try:
                self.sent[limits] = self.original.encoded(fit_size(right - left, lower - upper, limited))
            except (OSError, ValueError, SyntaxError) as error:
                raise damaged_image(self.name, error) from None
        self.sent[limits] = self.sent.pop(limits)  # those used last come last
        return self.sent[limits]

    def block(self, limits: ImageLimits) -> Block:
        """The image block for a request with these limits."""
        encoded = self.encoded(limits)
        data = base64.b64encode(encoded.data).decode("ascii")
        return {"type": "image", "source": {"type": "base64", "media_type": encoded.media_type, "data": data}}

    def summary(self, limits: ImageLimits) -> str | None:
        """Sizes and cost, for example ``4000x3000 sent as 2212x1659, 4,740 tokens``."""
        sent = self.encoded(limits).size
        left, upper, right, lower = self.box
        shown = f"{right - left}x{lower - upper}"
        if (right - left, lower - upper) != self.size:
            shown = f"{shown} of {self.size[0]}x{self.size[1]}"
        if sent != (right - left, lower - upper):
            shown = f"{shown} sent as {sent[0]}x{sent[1]}"
        return f"{shown}{f', {self.note}' if self.note else ''}, {pluralize(image_tokens(*sent), 'token')}"

    def weight(self, limits: ImageLimits) -> Weight:
        """Bytes in base64, and tokens by Anthropic's formula."""
        encoded = self.encoded(limits)
        return Weight(4 * math.ceil(len(encoded.data) / 3), image_tokens(*encoded.size))

    def to_original(self, x: float, y: float, limits: ImageLimits | None = None) -> tuple[float, float]:
        """Map a point of the sent image to the original; see :meth:`Picture.to_original`."""
        if limits is None:
            limits = next(reversed(self.sent), None) or widest_limits()
        width, height = self.encoded(limits).size
        left, upper, right, lower = self.box
        return left + x * (right - left) / width, upper + y * (lower - upper) / height


def build_part(
    source: bytes | Image, name: str, *, crop: Crop | None = None, max_tokens: int | None = None
) -> PicturePart:
    """Make an image block.

    Parameters
    ----------
    source : bytes or PIL.Image.Image
        An image file, which is kept as it is; or an image object, of which a copy is kept, no larger
        than the largest image that any model sees.
    name : str
        What the user calls it.
    crop : tuple of float, optional
        Left, upper, right, lower, in pixels of the upright image.
    max_tokens : int, optional
    """
    data = source if isinstance(source, bytes) else None
    image = image_codec.decode(source, name) if isinstance(source, bytes) else source
    if 0 in image.size:
        raise BadInput(f"{name} has no pixels ({image.width}x{image.height}).")
    try:
        turned = image_codec.orientation(image, data)
        size = image_codec.turned_size(image.size, turned)
        box = _box(crop, size, name)
        cropped = box if box != (0, 0, *size) else None
        original: Original
        note = ""
        if data is not None:
            original = PictureFile(data, name, turned, cropped)
            animated = getattr(image, "is_animated", False) and image_codec.format_of(image) != "JPEG"
            note = "first frame" if animated else ""
        else:
            largest = fit_size(box[2] - box[0], box[3] - box[1], widest_limits())
            pixels = image_codec.prepare(image, largest, cropped, orientation=turned, private=False)
            original = Pixels(pixels, photograph=image_codec.format_of(image) == "JPEG")
    except (OSError, ValueError, SyntaxError) as error:
        raise damaged_image(name, error) from None
    return PicturePart(name=name, original=original, size=size, box=box, max_tokens=max_tokens, note=note)


def _box(crop: Crop | None, size: tuple[int, int], name: str) -> Box4:
    if crop is None:
        return (0, 0, *size)
    try:
        left, upper, right, lower = (round(value) for value in crop)
    except (TypeError, ValueError, OverflowError):
        left = upper = right = lower = 0
    if not (0 <= left < right <= size[0] and 0 <= upper < lower <= size[1]):
        raise BadInput(
            f"crop of {name} is (left, upper, right, lower) in pixels of its {size[0]}x{size[1]}, not {crop!r}."
        )
    return left, upper, right, lower
