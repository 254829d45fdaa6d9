"""``Picture``: an image with options, and how images of all kinds become blocks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from claude_magic.content.image_codec import decode
from claude_magic.content.image_reader import read_image
from claude_magic.content.parts import Part
from claude_magic.content.picture_part import Crop, PicturePart, build_part
from claude_magic.content.values import RemotePicture
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import ImageLimits

if TYPE_CHECKING:
    from PIL.Image import Image

LOW_DETAIL = 400
"""Tokens of an image at low detail: about 560 x 560 pixels."""


class Picture:
    """A picture with options: how much detail Claude sees, which part of it, and its label.

    Parameters
    ----------
    value : object
        A PIL image, an array, a plot, a path, bytes, an open file, or an http(s) or ``data:`` URL.
    detail : {"high", "low"}, optional
        ``low`` sends it small, for about 400 tokens.
    max_tokens : int, optional
        The most tokens that it may cost.
    crop : tuple of int, optional
        Left, upper, right, lower, in pixels of the original.
    label : str, optional
        What it is called in the prompt if there are several.
    fetch : bool
        Whether an http(s) URL is downloaded here; if not, the API downloads it.
    fetch_private : bool
        Whether the URL may point into the local network; implies ``fetch``.

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
        crop: Crop | None = None,
        label: str | None = None,
        fetch: bool = False,
        fetch_private: bool = False,
    ) -> None:
        if detail not in (None, "high", "low"):
            raise BadInput(f"detail is 'high' or 'low', not {detail!r}.")
        if max_tokens is not None and max_tokens < 1:
            raise BadInput("max_tokens of a picture has to be at least 1.")
        if isinstance(value, Picture):
            raise BadInput("This is a Picture already: pass all options to a single Picture(…).")
        self.value = value
        self.max_tokens = LOW_DETAIL if detail == "low" and max_tokens is None else max_tokens
        self.crop = crop
        self.label = label
        self.fetch = fetch or fetch_private
        self.fetch_private = fetch_private
        self._part: PicturePart | None = None

    @property
    def part(self) -> PicturePart:
        """The image block, made on first use."""
        return self._part or self.named("the picture")

    def named(self, name: str) -> PicturePart:
        """The image block under this name, or under its label if it has one."""
        name = self.label or name
        if self._part is None:
            self._part = build_part(self._read(name), name, crop=self.crop, max_tokens=self.max_tokens)
        return self._part if self._part.name == name else dataclasses.replace(self._part, name=name)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the cropped picture, before it is shrunk."""
        left, upper, right, lower = self.part.box
        return right - left, lower - upper

    def to_original(self, x: float, y: float, limits: ImageLimits | None = None) -> tuple[float, float]:
        """Map a point that Claude named to the original.

        Parameters
        ----------
        x, y : float
            Pixels of the picture as it was sent.
        limits : ImageLimits, optional
            The limits that it was sent under; by default those of the last request.

        Returns
        -------
        tuple of float
            Pixels of the original, upright, uncropped picture.
        """
        return self.part.to_original(x, y, limits)

    def original_image(self) -> Image:
        """The original as a PIL image, upright and uncropped."""
        from PIL import ImageOps

        name = self.label or "the picture"
        source = self._read(name)
        return ImageOps.exif_transpose(decode(source, name) if isinstance(source, bytes) else source)

    def _read(self, name: str) -> bytes | Image:
        return read_image(self.value, name, allow_private=self.fetch_private)

    def __repr__(self) -> str:
        return f"<Picture of a {type(self.value).__name__}{f', {self.label}' if self.label else ''}>"


def from_picture(value: object, name: str) -> list[Part]:
    """Convert a :class:`Picture`, or anything that one can be made of, to an image block.

    The API downloads http(s) URLs itself, unless the picture says ``fetch``.
    """
    picture = value if isinstance(value, Picture) else Picture(value)
    url = picture.value.url if isinstance(picture.value, RemotePicture) else picture.value
    if picture.fetch or not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return [picture.named(name)]
    if picture.crop or picture.max_tokens:
        raise BadInput(f"{name}: only a downloaded image can be cropped or shrunk. Set fetch=True.")
    if not urlsplit(url).hostname:
        raise BadInput(f"{url!r} is not an http(s) URL, so the API cannot download it.")
    return [Part({"type": "image", "source": {"type": "url", "url": url}}, "by URL")]
