"""Values as content blocks: what is sent, in which form, and what is refused."""

from __future__ import annotations

import base64
import datetime
import enum
import io
import os
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import matplotlib.figure
import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from claude_magic.content.convert import register, to_parts
from claude_magic.content.documents import Document
from claude_magic.content.parts import Part, compose, text_part
from claude_magic.content.picture import Picture
from claude_magic.content.values import RemotePicture, Text
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import ImageLimits, lookup
from tests.content.test_originals import written

HIGH = lookup("claude-sonnet-5-5").image_tier
SMALL = lookup("claude-haiku-4-5").image_tier
PNG = written(Image.new("RGB", (3, 2)), "PNG")


class Colour(enum.Enum):
    RED = 1


def sent(value: object, limits: ImageLimits = HIGH) -> tuple[Image.Image, Part]:
    """The picture as the API gets it."""
    (part,) = to_parts(value, "picture")
    source = part.block(limits)["source"]
    assert source["type"] == "base64"
    image = Image.open(io.BytesIO(base64.b64decode(source["data"], validate=True)))
    image.load()
    assert Image.MIME[image.format or ""] == source["media_type"]
    return image, part


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("words", "words"),
        (5, "5"),
        (1.5, "1.5"),
        (True, "True"),
        (None, "None"),
        (2 + 1j, "(2+1j)"),
        (Decimal("1.10"), "1.10"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        ([1, 2], "[1, 2]"),
        (Colour.RED, "Colour.RED"),
        (ValueError("no such row"), "ValueError: no such row"),
        (Text("a.png"), "a.png"),
    ],
)
def test_values_sent_as_text(value: object, text: str) -> None:
    (part,) = to_parts(value, "x")
    assert part.text == text


@pytest.mark.parametrize("value", [object(), print, io, Part, (x for x in ""), lambda: 1])
def test_values_whose_text_is_only_a_memory_address_are_refused(value: object) -> None:
    with pytest.raises(BadInput, match="thing is a .* cannot be shown to a model"):
        to_parts(value, "thing")


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"]
)
def test_pictures_of_every_mode(mode: str) -> None:
    image, part = sent(Image.new(mode, (30, 20)))
    assert image.size == (30, 20)
    assert part.summary(HIGH) == "30x20, 2 tokens"


def test_transparency_stays() -> None:
    image, _ = sent(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))
    assert image.getchannel("A").getpixel((0, 0)) == 0


def test_deep_grey_is_brought_to_eight_bits() -> None:
    image = Image.new("I;16", (2, 1))
    image.putpixel((1, 0), 65535)
    assert sent(image)[0].getextrema() == (0, 255)
    float_image = Image.new("F", (2, 1))
    float_image.putpixel((1, 0), 0.25)
    assert sent(float_image)[0].getextrema() == (0, 255)


def test_the_summary_of_a_picture_has_the_size_sent() -> None:
    assert sent(Image.new("L", (1920, 1080)), SMALL)[1].summary(SMALL) == "1920x1080 sent as 1456x819, 1,560 tokens"
    assert sent(Image.new("L", (5, 5)), SMALL)[1].summary(SMALL) == "5x5, 1 token"


def test_photographs_go_as_jpeg_and_graphics_as_png() -> None:
    noise = Image.effect_noise((200, 200), 80)
    photo = Image.merge("RGB", [noise, noise.rotate(90), noise.rotate(180)])
    assert sent(photo)[0].format == "JPEG"
    drawing = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(drawing).line((0, 0, 200, 200), "black", 3)
    assert sent(drawing)[0].format == "PNG"


def test_no_metadata_leaves(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET-DESCRIPTION"
    exif[0x013B] = "SECRET-ARTIST"
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "SECRET-COMMENT")
    image = Image.effect_noise((50, 40), 80).convert("RGB")
    image.save(tmp_path / "a.jpg", exif=exif, comment=b"SECRET-COMMENT", icc_profile=b"SECRET-PROFILE")
    image.save(tmp_path / "a.png", exif=exif, pnginfo=info)
    image.save(tmp_path / "a.webp", exif=exif)
    for path in tmp_path.iterdir():
        for value in (path, path.read_bytes(), Image.open(path)):
            (part,) = to_parts(value, "picture")
            assert b"SECRET" not in base64.b64decode(part.block(HIGH)["source"]["data"])


def test_a_picture_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert sent(tmp_path / "a.jpg")[0].size == (20, 40)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_files_are_known_by_their_bytes_not_by_their_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture.txt"
    Image.new("RGB", (12, 8), "red").save(path, kind)
    for value in (path, path.read_bytes(), bytearray(path.read_bytes())):
        image, _ = sent(value)
        assert image.size == (12, 8)
        red, green, blue = image.convert("RGB").crop((5, 5, 6, 6)).tobytes()
        assert red > 240
        assert green < 20 > blue


def test_the_users_picture_is_not_changed(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 2000), "red").save(tmp_path / "a.jpg")
    image = Image.open(tmp_path / "a.jpg")
    image.info["mine"] = 1
    to_parts(image, "picture")
    assert image.size == (3000, 2000)
    assert image.info["mine"] == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "picture is empty"),
        (b"\x00no picture at all", "picture is not an image .* PNG, JPEG, GIF or WebP"),
        (Path("gone.png"), "There is no file 'gone.png'"),
        (Path(), "is a folder"),
        (RemotePicture("file:///etc/passwd"), r"http\(s\)"),
        (RemotePicture("https://"), r"http\(s\)"),
        (RemotePicture("data:image/png;base64"), "incomplete data: URL"),
        (RemotePicture("data:image/png;base64,%%%"), "invalid base64"),
        (Image.new("RGB", (0, 5)), "has no pixels"),
        (matplotlib.figure.Figure(), "empty figure"),
        (Path("x" * 5000 + ".png"), "There is no file 'xxx"),
        (Picture("a\0.png"), "There is no file"),
        (Picture("~nobody-of-this-name/a.png"), "There is no file"),
        (Picture(b""), "picture is empty"),
        (RemotePicture("data:image/png;base64,"), "picture is empty"),
    ],
)
def test_invalid_pictures_are_refused_in_one_line(value: object, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        to_parts(value, "picture")
    assert len(str(caught.value)) < 500


@pytest.mark.skipif(os.name != "posix", reason="devices and permissions of POSIX")
def test_files_that_never_end_or_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"zero' is not a regular file"):
        to_parts(Path("/dev/zero"), "picture")
    path = tmp_path / "mine.png"
    path.write_bytes(PNG)
    path.chmod(0)
    user = os.geteuid()
    try:
        os.seteuid(user or 65534)  # the superuser may read everything
        for value in (path, Picture(path), Picture(str(path)), Document(path)):
            with pytest.raises(BadInput, match=r"permission to read .*mine.png"):
                to_parts(value, "picture")
    finally:
        os.seteuid(user)


@pytest.mark.slow
def test_a_picture_that_would_unpack_to_gigabytes_is_not_unpacked() -> None:
    data = written(Image.new("1", (30_000, 30_000)), "PNG")
    assert len(data) < 1_000_000
    with pytest.raises(BadInput, match="picture would need too much memory"):
        to_parts(data, "picture")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><rect width="30" height="20" fill="red"/></svg>'


def test_an_svg_is_drawn() -> None:
    pytest.importorskip("cairosvg", reason="draws SVG", exc_type=ImportError)
    assert sent(SVG)[0].convert("RGB").getpixel((5, 5)) == (255, 0, 0)
    for broken in (SVG[:-10], b"<svg/>", SVG.replace(b'"30"', b'"9999999"')):
        with pytest.raises(BadInput, match="picture is an SVG that cannot be drawn: ") as caught:
            to_parts(broken, "picture")
        assert "\n" not in str(caught.value)


def test_without_a_library_for_it_an_svg_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cairosvg", None)  # as Python says that there is no such module
    with pytest.raises(BadInput, match="picture is an SVG, .*%pip install cairosvg, or save it as PNG"):
        to_parts(SVG, "picture")


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    noise = Image.effect_noise((300, 300), 80).convert("RGB")
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        data = written(noise, kind)
        with pytest.raises(BadInput, match="is damaged|is not an image"):
            sent(data[: len(data) // 2])


def test_an_address_goes_as_an_address() -> None:
    (part,) = to_parts(RemotePicture("https://example.com/a.png"), "picture")
    assert part.wire == {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    data = base64.b64encode(PNG).decode()
    assert sent(RemotePicture(f"data:image/png;base64,{data}"))[0].size == (3, 2)


def test_a_figure_is_sent_as_it_looks_and_stays_as_it_was() -> None:
    figure = matplotlib.figure.Figure(figsize=(4, 3), dpi=100)
    figure.subplots().plot([1, 2])
    image, part = sent(figure)
    assert image.size == (400, 300)
    assert part.summary(HIGH) == "400x300, 165 tokens"
    assert figure.get_dpi() == 100
    assert tuple(figure.get_size_inches()) == (4, 3)


def test_lists_of_pictures_and_objects_that_convert_themselves() -> None:
    class Mine:
        def __claude__(self) -> list[object]:
            return [Image.new("L", (28, 28)), "and a word"]

    parts = to_parts(Mine(), "mine")
    assert [part.block(HIGH)["type"] for part in parts] == ["image", "text"]


def test_users_can_register_a_class() -> None:
    class Chart:
        pass

    class Finer(Chart):
        pass

    register(Chart, lambda chart: "a chart")
    for value in (Chart(), Finer(), [Chart()], {"c": [Finer()]}):
        assert to_parts(value, "c")[0].text == "a chart"


class Counted(list):  # type: ignore[type-arg]
    """A list that knows how much of it was looked at."""

    seen = 0

    def __iter__(self) -> Iterator[object]:
        for item in super().__iter__():
            Counted.seen += 1
            yield item


def test_a_long_list_is_sent_in_part_and_not_read_completely() -> None:
    Counted.seen = 0
    many = Counted([7] * 1_000_000)
    for value, called in ((many, "list"), ({"rows": many}, "dict"), ([[many]] * 9_000, "list")):
        (part,) = to_parts(value, "many")
        assert (part.about or "").startswith("Counted, 1,000,000 items" if value is many else called)
        assert len(part.wire["text"]) <= 6_000
        assert " more" in part.wire["text"]
    assert Counted.seen < 50_000


def test_only_short_lists_are_sent_as_text() -> None:
    for short in ([7] * 10_000, [[7] * 99] * 100):
        assert to_parts(short, "x")[0].text == str(short)
    for long in ([7] * 10_001, ([7] * 100,) * 100):
        (part,) = to_parts(long, "x")
        assert part.text is None
        assert (part.about or "").endswith("shortened")


def test_a_picture_beside_a_long_list_is_found() -> None:
    kinds = [part.block(HIGH)["type"] for part in to_parts({"n": [7] * 20_000, "p": Image.new("L", (9, 9))}, "x")]
    assert kinds == ["text", "image"]


def test_adjacent_text_is_joined_and_empty_text_dropped() -> None:
    picture = Part({"type": "image", "source": {}}, "a picture")
    table = Part({"type": "text", "text": "| a |"}, "a table")
    composed = compose([text_part(" a "), text_part("b"), picture, text_part("\n "), picture, table, text_part("c")])
    assert [part.wire.get("text", "picture") for part in composed] == ["a b", "picture", "picture", "| a |", "c"]
    assert compose([text_part("  "), text_part("\n")]) == ()
