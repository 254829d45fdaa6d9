"""A picture on its way to Claude: shrunk to what the model sees, and mapped back."""

from __future__ import annotations

import base64
import dataclasses
import math
from typing import TYPE_CHECKING, Literal

from claude_magic.content.encoding import Encoded, damaged, decode, format_of, orientation, prepared, turned_size
from claude_magic.content.original import Original, PictureFile, Pixels
from claude_magic.content.parts import Block, Part, Weight
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import ImageLimits, fit_size, image_tokens, widest_limits
from claude_magic.messages.text import pluralize

if TYPE_CHECKING:
    from PIL.Image import Image

Box4 = tuple[int, int, int, int]
LOW_DETAIL = 400
"""Tokens of a picture at low detail: about 560 x 560 pixels."""


class Picture:
    """A picture with wishes: how closely Claude looks, which part of it, and what it is called.

    Parameters
    ----------
    value : object
        Anything that is a picture: a PIL image, an array, a matplotlib figure, a path, bytes, a
        file, an http(s) or ``data:`` address.
    detail : {"high", "low"}, optional
        ``low`` sends it small, for about 400 tokens.
    max_tokens : int, optional
        Most tokens that it may cost.
    crop : tuple of int, optional
        Left, upper, right, lower, in pixels of the original.
    label : str, optional
        What it is called in the prompt, where there are several.
    fetch : bool
        Whether an http(s) address is fetched here; else the API fetches it.
    fetch_private : bool
        Whether an address in the local network may be fetched.

    Examples
    --------
    >>> from PIL import Image
    >>> from claude_magic import Picture
    >>> Picture(Image.new("RGB", (4000, 3000)), crop=(0, 0, 100, 50)).size
    (100, 50)
    """

    def __init__(
        self,
        value: object,
        *,
        detail: Literal["high", "low"] | None = None,
        max_tokens: int | None = None,
        crop: tuple[float, float, float, float] | None = None,
        label: str | None = None,
        fetch: bool = False,
        fetch_private: bool = False,
    ) -> None:
        if detail not in (None, "high", "low"):
            raise BadInput(f"detail is 'high' or 'low', not {detail!r}.")
        if max_tokens is not None and max_tokens < 1:
            raise BadInput("max_tokens of a picture is at least 1.")
        if isinstance(value, Picture):
            raise BadInput("This is a Picture already: give all its wishes to one Picture(…).")
        self.value = value
        self.max_tokens = LOW_DETAIL if detail == "low" and max_tokens is None else max_tokens
        self.crop = crop
        self.label = label
        self.fetch = fetch or fetch_private
        self.fetch_private = fetch_private
        self._part: PicturePart | None = None

    @property
    def part(self) -> PicturePart:
        """The picture, read and ready."""
        return self._part or self.named("the picture")

    def named(self, name: str) -> PicturePart:
        """The picture, read once, under its label or else this name."""
        name = self.label or name
        if self._part is None:
            from claude_magic.content.pictures import read

            self._part = read(self, name)
        return self._part if self._part.name == name else dataclasses.replace(self._part, name=name)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of what is shown, before it is shrunk."""
        left, upper, right, lower = self.part.box
        return right - left, lower - upper

    def to_original(self, x: float, y: float, limits: ImageLimits | None = None) -> tuple[float, float]:
        """Where a point that Claude named is in the original.

        Parameters
        ----------
        x, y : float
            Pixels of the picture as it was sent.
        limits : ImageLimits, optional
            Those under which it was sent; by default those of the last request.

        Returns
        -------
        tuple of float
            Pixels of the original, upright, uncropped picture.
        """
        return self.part.to_original(x, y, limits)

    def original_image(self) -> Image:
        """The original as a PIL image, upright and uncropped."""
        from PIL import ImageOps

        from claude_magic.content.pictures import pixels

        return ImageOps.exif_transpose(pixels(self, self.label or "the picture"))

    def __repr__(self) -> str:
        return f"<Picture of a {type(self.value).__name__}{f', {self.label}' if self.label else ''}>"


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class PicturePart(Part):
    """A picture, kept once as it is and encoded anew only where other limits ask for it.

    Attributes
    ----------
    name : str
    original : Original
    size : tuple of int
        Of the user's picture, upright, in pixels.
    box : tuple of int
        The part that is shown, in pixels of the user's picture.
    max_tokens : int or None
    note : str
        What else is to be said, for example ``first frame``.
    sent : dict
        What was encoded, by the limits it was encoded for, the latest last.
    """

    wire: Block = dataclasses.field(default_factory=lambda: {"type": "image"})
    about: str | None = "a picture"
    name: str
    original: Original
    size: tuple[int, int]
    box: Box4
    max_tokens: int | None = None
    note: str = ""
    sent: dict[ImageLimits, Encoded] = dataclasses.field(default_factory=dict)

    def encoded(self, limits: ImageLimits) -> Encoded:
        """The picture for a request in which these limits hold.

        Raises
        ------
        BadInput
            If its pixels cannot be read.
        """
        if limits not in self.sent:
            if self.max_tokens is not None:
                limited = limits._replace(tokens=min(limits.tokens, self.max_tokens))
            else:
                limited = limits
            self.sent[limits] = self._encode(limited)
        found = self.sent.pop(limits)
        self.sent[limits] = found  # the latest comes last
        return found

    def block(self, limits: ImageLimits) -> Block:
        """The image block."""
        encoded = self.encoded(limits)
        data = base64.b64encode(encoded.data).decode("ascii")
        return {"type": "image", "source": {"type": "base64", "media_type": encoded.media_type, "data": data}}

    def summary(self, limits: ImageLimits) -> str | None:
        """``4000x3000 sent as 2212x1659, 4,740 tokens``."""
        sent = self.encoded(limits).size
        left, upper, right, lower = self.box
        shown = f"{right - left}x{lower - upper}"
        if (right - left, lower - upper) != self.size:
            shown = f"{shown} of {self.size[0]}x{self.size[1]}"
        if sent != (right - left, lower - upper):
            shown = f"{shown} sent as {sent[0]}x{sent[1]}"
        return f"{shown}{f', {self.note}' if self.note else ''}, {pluralize(image_tokens(*sent), 'token')}"

    def weight(self, limits: ImageLimits) -> Weight:
        """Its tokens by the published rule."""
        encoded = self.encoded(limits)
        return Weight(4 * math.ceil(len(encoded.data) / 3), image_tokens(*encoded.size))

    def to_original(self, x: float, y: float, limits: ImageLimits | None = None) -> tuple[float, float]:
        """Where a point of the sent picture is in the original; see :meth:`Picture.to_original`."""
        if limits is None:
            limits = next(reversed(self.sent), None) or widest_limits()
        width, height = self.encoded(limits).size
        left, upper, right, lower = self.box
        return left + x * (right - left) / width, upper + y * (lower - upper) / height

    def _encode(self, limits: ImageLimits) -> Encoded:
        left, upper, right, lower = self.box
        try:
            return self.original.encoded(fit_size(right - left, lower - upper, limits))
        except (OSError, ValueError, SyntaxError) as error:
            raise damaged(self.name, error) from None


def picture_part(picture: Picture, name: str, *, data: bytes | None = None, image: Image | None = None) -> PicturePart:
    """A part out of an encoded picture, or out of pixels.

    Parameters
    ----------
    picture : Picture
        With the user's wishes.
    name : str
    data : bytes, optional
        Kept as it is; encoded anew from it where limits ask for it.
    image : PIL.Image.Image, optional
        Not changed; a copy, no larger than any model looks, is kept.
    """
    opened = image if image is not None else decode(data or b"", name)
    if 0 in opened.size:
        raise BadInput(f"{name} has no pixels ({opened.width}x{opened.height}).")
    try:
        turned = orientation(opened, data)
    except (OSError, ValueError, SyntaxError) as error:
        raise damaged(name, error) from None
    size = turned_size(opened.size, turned)
    box = _box(picture.crop, size, name)
    crop = box if box != (0, 0, *size) else None
    original: Original
    note = ""
    if data is not None:
        original = PictureFile(data, name, turned, crop)
        moves = getattr(opened, "is_animated", False) and format_of(opened) != "JPEG"
        note = "first frame" if moves else ""
    else:
        fitted = fit_size(box[2] - box[0], box[3] - box[1], widest_limits())
        try:
            small = prepared(opened, fitted, crop, orientation=turned, ours=False)
        except (OSError, ValueError, SyntaxError) as error:
            raise damaged(name, error) from None
        original = Pixels(small, photograph=format_of(opened) == "JPEG")
    return PicturePart(name=name, original=original, size=size, box=box, max_tokens=picture.max_tokens, note=note)


def _box(crop: tuple[float, float, float, float] | None, size: tuple[int, int], name: str) -> Box4:
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
