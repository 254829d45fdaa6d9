"""Orientation and storage of pictures, without decoding or encoding more often than needed."""

from __future__ import annotations

import base64
import gc
import io
import itertools
import struct
import sys
import zlib
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFile, ImageOps, ImageStat, JpegImagePlugin

from claude_magic import Picture
from claude_magic.content import image_codec
from claude_magic.content.convert import to_parts
from claude_magic.messages.limits import ImageLimits, fit_size, lookup

CLOSE = lookup("claude-sonnet-5-5").image_tier
FAR = lookup("claude-haiku-4-5").image_tier
TINY = ImageLimits(300, 1000)
ORIENTATION = 0x0112
XMP = "<x:xmpmeta><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>"


def opened(part: Any, limits: ImageLimits = CLOSE) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(part.block(limits)["source"]["data"])))


def sent(value: object, limits: ImageLimits = CLOSE) -> Image.Image:
    (part,) = to_parts(value, "it")
    return opened(part, limits)


def corners(width: int = 640, height: int = 400) -> Image.Image:
    """Another colour in each corner, so that no two of the eight ways to lie look the same."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("green", (width // 2, 0, width, height // 2))
    image.paste("blue", (0, height // 2, width // 2, height))
    image.paste("white", (width // 2, height // 2, width, height))
    return image


def photograph(mode: str = "RGB", size: tuple[int, int] = (500, 300)) -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(noise).convert(mode)


def written(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def mpo(image: Image.Image, **options: Any) -> bytes:
    """A JPEG as phones write it, with a smaller picture behind it."""
    return written(image, "MPO", save_all=True, append_images=[photograph(size=(60, 40))], **options)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def calls(do: Callable[[], Any], function: Any) -> int:
    """How often a function is called meanwhile."""
    count = 0

    def see(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code is function.__code__

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        do()
    finally:
        sys.setprofile(before)
    return count


def unpacked(do: Callable[[], Any]) -> int:
    """How many files are unpacked meanwhile."""
    return calls(do, ImageFile.ImageFile.load_prepare)


def alike(one: Image.Image, other: Image.Image) -> bool:
    difference = ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    return max(ImageStat.Stat(difference).mean) < 3


# How a picture is turned


@pytest.mark.parametrize("limits", [CLOSE, TINY], ids=["as large", "shrunk"])
@pytest.mark.parametrize("crop", [None, (10, 20, 390, 360)], ids=["whole", "a part"])
@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "an image"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(orientation: int, kind: str, crop: Any, limits: ImageLimits) -> None:
    more = {"save_all": True, "append_images": [photograph()]} if kind == "MPO" else {}
    data = written(corners(), "PNG" if kind == "an image" else kind, exif=turned(orientation), **more)
    value = Image.open(io.BytesIO(data)) if kind == "an image" else data
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    shown = upright.crop(crop) if crop else upright
    picture = Picture(value, crop=crop)
    image = opened(picture.part, limits)
    assert image.size == fit_size(*shown.size, limits)
    assert alike(image, shown.resize(image.size))
    assert image.getexif() == {}
    left, upper, right, lower = crop or (0, 0, *upright.size)
    assert picture.to_original(0, 0, limits) == (left, upper)
    assert picture.to_original(*image.size, limits) == (right, lower)


@pytest.mark.parametrize("size", [(900, 300), (300, 900), (640, 640)])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_details_survive_that_a_jpeg_is_unpacked_at_a_fraction(orientation: int, size: tuple[int, int]) -> None:
    coarse = photograph("L", (size[0] // 6, size[1] // 6)).resize(size)
    data = written(coarse, "JPEG", exif=turned(orientation), quality=95)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    image = sent(data, TINY)
    assert image.size == fit_size(*upright.size, TINY)
    lost = ImageChops.difference(image, upright.resize(image.size, Image.Resampling.LANCZOS))
    assert ImageStat.Stat(lost).mean[0] < 4


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_invalid_orientations_are_ignored(orientation: int) -> None:
    data = written(corners(), "JPEG", exif=turned(orientation))
    assert alike(sent(data), corners())


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def raw_profile() -> bytes:
    exif = turned(6).tobytes()
    return f"\nexif\n{len(exif):8}\n{exif.hex()}\n".encode()


@pytest.mark.parametrize(
    "note",
    [
        chunk(b"eXIf", turned(6).tobytes()[6:]),
        chunk(b"tEXt", b"Raw profile type exif\0" + raw_profile()),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile())),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.encode()),
    ],
    ids=["eXIf", "tEXt", "zTXt", "XMP"],
)
@pytest.mark.parametrize("behind", [False, True], ids=["before the pixels", "behind the pixels"])
def test_a_png_with_an_orientation(note: bytes, behind: bool) -> None:
    plain = written(corners(), "PNG")
    at = plain.index(b"IEND" if behind else b"IDAT") - 4
    image = sent(plain[:at] + note + plain[at:])
    assert alike(image, corners().transpose(Image.Transpose.ROTATE_270))


# How often pictures are unpacked and encoded


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_file_that_fits_is_not_unpacked(kind: str) -> None:
    data = written(corners(), kind)
    assert unpacked(lambda: sent(data)) == 0


def test_a_png_with_text_after_its_pixels_is_not_decoded() -> None:
    plain = written(corners(), "PNG")
    at = plain.index(b"IEND") - 4
    data = plain[:at] + chunk(b"tEXt", b"date:create\0today, eXIf") + plain[at:]
    assert unpacked(lambda: sent(data)) == 0


@pytest.mark.parametrize("orientation", [None, 1, 6])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_file_that_does_not_fit_is_unpacked_once(kind: str, orientation: int | None) -> None:
    data = written(corners(), kind, **({"exif": turned(orientation)} if orientation else {}))
    assert unpacked(lambda: sent(data, TINY)) == 1


@pytest.mark.parametrize("limits", [CLOSE, FAR])
def test_the_pixels_of_a_variable_are_not_unpacked_again(limits: ImageLimits) -> None:
    image = corners(1900, 1900)
    assert unpacked(lambda: sent(image, limits)) == 0
    assert calls(lambda: sent(image, limits), image_codec.encode) == (1 if limits is CLOSE else 2)


@pytest.mark.parametrize("image", [corners(1900, 1900), photograph(size=(1900, 1000))], ids=["graphic", "photograph"])
@pytest.mark.parametrize("order", list(itertools.permutations([CLOSE, FAR, TINY])))
def test_a_variable_for_one_model_after_the_other(image: Image.Image, order: list[ImageLimits]) -> None:
    (part,) = to_parts(image, "it")
    for limits in order:
        shown = opened(part, limits)
        assert shown.size == fit_size(*image.size, limits)
        assert shown.format == ("PNG" if image.width == image.height else "JPEG")
        assert alike(shown.resize((50, 50), reducing_gap=None), image.resize((50, 50)))


def test_a_variable_is_sent_as_it_was_when_it_was_asked_about() -> None:
    for value in (photograph(), np.asarray(photograph("L")).copy(), np.asarray(photograph("RGBA")).copy()):
        (part,) = to_parts(value, "it")
        before = sent(value)
        if isinstance(value, Image.Image):
            value.paste("black", (0, 0, *value.size))
        else:
            value[:] = 0
        assert opened(part).tobytes() == before.tobytes()


def images() -> int:
    gc.collect()
    return sum(
        isinstance(found, Image.Image) and not isinstance(found, ImageFile.ImageFile) for found in gc.get_objects()
    )


@pytest.mark.slow
@pytest.mark.parametrize("limits", [CLOSE, FAR])
def test_pixels_that_were_sent_are_stored_encoded(limits: ImageLimits) -> None:
    arrays = [np.full((40, 2000, 3), shade, np.uint8) for shade in range(5)]
    before = images()
    parts = to_parts(arrays, "it")
    assert images() == before + 5
    for part in parts:
        part.block(limits)
    assert images() == before


# What a phone puts behind its picture


def test_a_jpeg_with_a_second_picture_goes_as_the_first_alone() -> None:
    image = photograph()
    data = mpo(image, exif=turned(1))
    assert Image.open(io.BytesIO(data)).format == "MPO"
    (part,) = to_parts(data, "it")
    source = part.block(CLOSE)["source"]
    leaves = base64.b64decode(source["data"])
    assert source["media_type"] == "image/jpeg"
    assert leaves == base64.b64decode(to_parts(written(image, "JPEG"), "it")[0].block(CLOSE)["source"]["data"])
    assert data.count(b"\xff\xd8\xff") == data.count(b"\xff\xd9") == 2
    assert leaves.count(b"\xff\xd8\xff") == leaves.count(b"\xff\xd9") == 1
    assert b"MPF\0" in data
    assert b"MPF\0" not in leaves
    assert part.summary(CLOSE) == "500x300, 198 tokens"
    assert unpacked(lambda: sent(data)) == 0


@pytest.mark.parametrize("form", ["bytes", "an image"])
def test_a_jpeg_with_a_second_picture_shrinks_like_any(form: str) -> None:
    data = mpo(corners())  # few colours: only its format says that it is a photograph
    value: Any = data if form == "bytes" else Image.open(io.BytesIO(data))
    (part,) = to_parts(value, "it")
    assert opened(part, TINY).format == "JPEG"
    assert b"MPF\0" not in base64.b64decode(part.block(TINY)["source"]["data"])
    assert "frame" not in str(part.summary(TINY))
    assert calls(lambda: sent(data, TINY), JpegImagePlugin.JpegImageFile.draft) == 1


def test_a_broken_pointer_to_a_second_picture_is_ignored() -> None:
    data = mpo(photograph())
    at = data.index(b"MPF\0") + 4
    broken = data[:at] + b"XX" + data[at + 2 :]
    assert sent(broken).tobytes() == sent(data).tobytes()


# What is transparent nowhere


@pytest.mark.parametrize("limits", [CLOSE, TINY], ids=["as large", "shrunk"])
@pytest.mark.parametrize("form", ["an image", "an array", "a PNG"])
def test_an_opaque_photograph_is_a_photograph(form: str, limits: ImageLimits) -> None:
    image = photograph("RGBA")
    value: Any = {"an image": image, "an array": np.asarray(image), "a PNG": written(image, "PNG")}[form]
    shown = sent(value, limits)
    if form == "a PNG" and limits is CLOSE:
        assert (shown.format, shown.mode) == ("PNG", "RGBA")  # the file itself
    else:
        assert (shown.format, shown.mode) == ("JPEG", "RGB")
        assert shown.tobytes() == sent(image.convert("RGB"), limits).tobytes()


def test_one_transparent_pixel_is_kept() -> None:
    image = photograph("RGBA")
    image.putpixel((7, 5), (1, 2, 3, 254))
    shown = sent(image)
    assert (shown.format, shown.mode) == ("PNG", "RGBA")
    assert shown.tobytes() == image.tobytes()


def test_an_opaque_graphic_goes_without_its_transparency() -> None:
    shown = sent(corners().convert("RGBA"))
    assert (shown.format, shown.mode) == ("PNG", "RGB")
    assert shown.tobytes() == corners().tobytes()
