"""Metadata is removed from image files; the compressed image stays, byte for byte."""

from __future__ import annotations

import functools
import io
import random
import re
import struct
import sys
import zlib
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from claude_magic.content import image_metadata
from claude_magic.content.image_metadata import strip_metadata
from tests.content.test_originals import chunk, written

_NAMES = "exif gps thumbnail xmp iptc comment jfxx jfif icc text ztext itxt time behind second plain app"
PLANTED = [b"planted-" + name.encode() for name in _NAMES.split()]
EXIF, GPS, THUMBNAIL, XMP, IPTC, COMMENT, JFXX, JFIF, ICC, TEXT, ZTEXT, ITXT, TIME, BEHIND, SECOND, PLAIN, APP = PLANTED


@functools.cache
def picture(mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Slopes with noise, of an odd size, partly transparent where the mode allows it."""
    noise = random.Random(seed)
    size = (61, 47)
    pixels = [
        (x * 4, y * 5, (x * y) % 256 ^ noise.randrange(32), 255 if x > 20 else x * 12)
        for y in range(size[1])
        for x in range(size[0])
    ]
    image = Image.new("RGBA", size)
    image.putdata(pixels)
    return image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)


def pixels(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    """What is seen: also the transparent colour, which some modes keep beside the pixels."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.mode, image.size, image.convert("RGBA").tobytes() + image.tobytes()


def exif() -> bytes:
    """A description, a position, and a second directory with a small picture."""
    small = written(picture("L").resize((8, 6)), "JPEG", comment=THUMBNAIL)
    description, place = EXIF + b"\0", GPS + b"\0"
    texts = 8 + 30 + 18 + 30
    entry = struct.Struct(">HHII").pack
    tiff = b"MM\0*" + struct.pack(">I", 8)
    tiff += struct.pack(">H", 2) + entry(0x010E, 2, len(description), texts) + entry(0x8825, 4, 1, 38)
    tiff += struct.pack(">I", 8 + 30 + 18)
    tiff += struct.pack(">H", 1) + entry(0x001D, 2, len(place), texts + len(description)) + bytes(4)
    at = texts + len(description) + len(place)
    tiff += struct.pack(">H", 2) + entry(0x0201, 4, 1, at) + entry(0x0202, 4, 1, len(small)) + bytes(4)
    return b"Exif\0\0" + tiff + description + place + small


def profile() -> bytes:
    return b"\0\0\0\x80" + ICC.ljust(124, b"\0")


def check(dirty: bytes) -> bytes:
    """What holds for every file that is cleaned."""
    clean = strip_metadata(dirty)
    assert clean is not None
    assert not any(word in clean for word in (*PLANTED, b"Exif", b"ICC", b"<x:xmpmeta", b"Photoshop"))
    assert pixels(clean) == pixels(dirty)
    assert strip_metadata(clean) == clean
    return clean


# JPEG


JPEGS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("RGB", {}),
    "grey": ("L", {}),
    "cmyk": ("CMYK", {}),
    "worst": ("RGB", {"quality": 1}),
    "best": ("RGB", {"quality": 100, "subsampling": 0}),
    "4:2:2": ("RGB", {"subsampling": "4:2:2"}),
    "4:2:0": ("RGB", {"subsampling": "4:2:0"}),
    "optimised": ("RGB", {"optimize": True}),
    "progressive": ("RGB", {"progressive": True}),
    "progressive grey": ("L", {"progressive": True, "quality": 95}),
    "progressive cmyk": ("CMYK", {"progressive": True}),
    "restarts": ("RGB", {"restart_marker_blocks": 1}),
    "restarts by rows": ("RGB", {"restart_marker_rows": 1}),
    "progressive restarts": ("RGB", {"progressive": True, "restart_marker_blocks": 2}),
    "16-bit tables": ("RGB", {"qtables": [[300] * 64, [999] * 64]}),
    "rgb": ("RGB", {"keep_rgb": True}),
}


def segments(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Code, segment and the scan behind it, read in another way than the code under test does."""
    found = []
    at = 2
    while data[at + 1] != 0xD9:
        if data[at + 1] == 0xFF:
            at += 1
            continue
        assert data[at] == 0xFF
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        following = end
        if data[at + 1] == 0xDA:
            while data[following] != 0xFF or data[following + 1] in (0, 0xFF, *range(0xD0, 0xD8)):
                following += 1
        found.append((data[at + 1], data[at:end], data[end:following]))
        at = following
    assert data[at:] == b"\xff\xd9"
    return found


def segment(code: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(content) + 2) + content


def dirty_jpeg(mode: str, options: dict[str, Any]) -> bytes:
    """With everything that can stand in a JPEG, at its beginning, in its middle and behind its end."""
    extra = segment(0xED, b"Photoshop 3.0\0" + IPTC) + segment(0xEE, b"Adobf" + APP + bytes(9))
    data = written(
        picture(mode), "JPEG", exif=exif(), comment=COMMENT, xmp=b"<x:xmpmeta" + XMP, icc_profile=profile(),
        extra=extra, **options,
    )  # fmt: skip
    if data[2:4] == b"\xff\xe0":
        with_thumbnail = b"JFIF\0\1\2\1\1\x2c\1\x2c\x03\x02" + JFIF.ljust(18, b"\0")
        data = data[:2] + segment(0xE0, with_thumbnail) + data[20:]
    others = b"".join(segment(code, APP) for code in (0xE0, *range(0xE3, 0xED), 0xEF, 0xFE))
    parts = [(code, head + scan) for code, head, scan in segments(data)]
    tables = [code for code, _ in parts].index(0xDB)
    parts.insert(tables, (0, segment(0xE0, b"JFXX\0\x10" + JFXX) + others))
    parts.insert(-1, (0, segment(0xFE, COMMENT)))
    data = data[:2] + b"".join(part for _, part in parts) + b"\xff\xd9"
    return data + BEHIND + written(picture(seed=1), "JPEG", comment=SECOND)


class TestJPEG:
    @pytest.mark.parametrize("name", JPEGS)
    def test_all_metadata_goes_and_nothing_else(self, name: str) -> None:
        mode, options = JPEGS[name]
        dirty = dirty_jpeg(mode, options)
        assert not [word for word in (EXIF, GPS, THUMBNAIL, XMP, IPTC, COMMENT, JFXX, ICC) if word not in dirty]
        assert check(dirty) == written(picture(mode), "JPEG", **options)

    def test_only_known_segments_are_left(self) -> None:
        found = segments(check(dirty_jpeg("RGB", {"progressive": True, "restart_marker_rows": 1})))
        assert {code for code, _, _ in found} == {0xE0, 0xDB, 0xC2, 0xC4, 0xDD, 0xDA}
        assert sum(code == 0xDA for code, _, _ in found) > 5

    def test_ycck_keeps_its_marker(self) -> None:
        plain = written(picture("CMYK"), "JPEG")
        at = plain.index(b"Adobe") + 11
        ycck = plain[:at] + b"\2" + plain[at + 1 :]
        assert pixels(ycck) != pixels(plain)
        assert check(ycck) == ycck
        longer = ycck.replace(ycck[at - 15 : at + 1], segment(0xEE, ycck[at - 11 : at + 1] + APP))
        assert APP in longer
        assert check(longer) == ycck

    def test_without_jfif_other_colours_would_be_meant(self) -> None:
        renamed = bytearray(written(picture(), "JPEG", comment=COMMENT))
        for code, first, step in ((b"\xff\xc0", 10, 3), (b"\xff\xda", 5, 2)):  # the components are called R, G and B
            at = renamed.index(code) + first
            renamed[at : at + 3 * step : step] = b"RGB"
        data = bytes(renamed)
        assert pixels(data) == pixels(written(picture(), "JPEG"))
        assert pixels(data) != pixels(data[:2] + data[20:])
        check(data)

    def test_fill_bytes(self) -> None:
        plain = written(picture(), "JPEG", progressive=True)
        filled = b"".join(b"\xff\xff\xff" + head + scan for _, head, scan in segments(plain))
        clean = check(b"\xff\xd8" + filled + b"\xff\xff\xd9")
        assert [found[:2] for found in segments(clean)] == [found[:2] for found in segments(plain)]

    def test_fill_bytes_before_a_restart(self) -> None:
        plain = written(picture(), "JPEG", restart_marker_blocks=1, exif=exif())
        filled = plain.replace(b"\xff\xd3", b"\xff\xff\xff\xd3")
        assert len(filled) > len(plain)
        scans = [scan for code, _, scan in segments(filled) if code != 0xE1]
        assert [scan for _, _, scan in segments(check(filled))] == scans

    def test_the_second_picture_of_an_mpo(self) -> None:
        mpo = written(picture(), "MPO", save_all=True, append_images=[picture(seed=1)])
        assert b"MPF" in mpo
        assert check(mpo) == written(picture(), "JPEG")

    def test_a_large_one_takes_few_steps(self) -> None:
        head, end = written(picture(), "JPEG", exif=exif())[:-2], b"\xff\xd9"
        large = head + random.Random(0).randbytes(20 * 2**20).replace(b"\xff", b"\xff\0\xff\xd3") + end
        steps = 0

        def count(frame: FrameType, event: str, _: object) -> Any:
            nonlocal steps
            steps += event == "line" and frame.f_code.co_filename == image_metadata.__file__
            return count

        before = sys.gettrace()
        sys.settrace(count)
        try:
            clean = strip_metadata(large)
        finally:
            sys.settrace(before)
        assert clean is not None
        assert clean[-(20 * 2**20) :] == large[-(20 * 2**20) :]
        assert 50 < steps < 1000

    @pytest.mark.parametrize(
        "broken",
        {
            "no end": lambda data: data[:-2],
            "no scan": lambda data: data[: data.index(b"\xff\xda")] + b"\xff\xd9",
            "no frame": lambda data: data.replace(segments(data)[3][1], b""),
            "two frames": lambda data: data.replace(segments(data)[3][1], segments(data)[3][1] * 2),
            "frame behind the scan": lambda data: (
                data.replace(segments(data)[3][1], b"")[:-2] + segments(data)[3][1] + data[-2:]
            ),
            "lossless": lambda data: data.replace(b"\xff\xc0", b"\xff\xc3"),
            "bytes between": lambda data: data.replace(b"\xff\xdb", b"x\xff\xdb", 1),
            "unknown marker": lambda data: data.replace(b"\xff\xdb", segment(0xF0, b"") + b"\xff\xdb", 1),
            "second beginning": lambda data: data[:2] + data,
            "length of 1": lambda data: data.replace(b"\xff\xdb", b"\xff\xfe\0\1\xff\xdb", 1),
            "12 bits": lambda data: data.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
        }.items(),
        ids=lambda item: item[0],
    )
    def test_doubtful_files_are_not_cleaned(self, broken: Any) -> None:
        plain = written(picture(), "JPEG")
        assert segments(plain)[3][0] == 0xC0
        assert broken[1](plain) != plain
        assert strip_metadata(broken[1](plain)) is None

    @pytest.mark.parametrize("code", [0xC0, 0xC4, 0xDA, 0xDB, 0xDD])
    def test_nothing_can_hide_behind_a_table(self, code: int) -> None:
        plain = written(picture(), "JPEG", restart_marker_blocks=1)
        head = next(head for found, head, _ in segments(plain) if found == code)
        assert strip_metadata(plain.replace(head, segment(code, head[4:] + TEXT))) is None


# PNG


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    found = []
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4])
        found.append((data[at + 4 : at + 8], data[at : at + length + 12]))
        at += length + 12
    return found


def png(colour: int, depth: int, interlaced: bool = False, pieces: int = 1) -> bytes:
    """A PNG by hand, for what PIL does not write."""
    noise = random.Random(colour)
    width, height = 13, 9
    steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b""
    for left, top, over, down in steps if interlaced else [(0, 0, 1, 1)]:
        across = len(range(left, width, over))
        bits = across * depth * {0: 1, 2: 3, 6: 4}[colour]
        rows += b"".join(b"\0" + noise.randbytes((bits + 7) // 8) for _ in range(top, height, down) if across)
    packed = zlib.compress(rows)
    size = -(-len(packed) // pieces)
    parts = [chunk(b"IDAT", packed[at : at + size]) for at in range(0, len(packed), size)]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    return b"".join([b"\x89PNG\r\n\x1a\n", head, *parts, chunk(b"IEND", b"")])


PNGS = {
    **{mode: written(picture(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")},
    "optimised": written(picture(), "PNG", optimize=True),
    "stored": written(picture(), "PNG", compress_level=0),
    "2 bits": written(picture().quantize(4), "PNG", bits=2),
    "palette with transparency": written(picture().quantize(16), "PNG", transparency=bytes(range(0, 160, 10))),
    "transparent grey": written(picture("L"), "PNG", transparency=100),
    "transparent colour": written(picture(), "PNG", transparency=(0, 0, 5)),
    "interlaced": png(6, 8, interlaced=True),
    "interlaced bits": png(0, 1, interlaced=True),
    "48 bits": png(2, 16),
    "pieces": png(2, 8, pieces=5),
}


def dirty_png(plain: bytes) -> bytes:
    first, *rest = [part for _, part in chunks(plain)]
    said = [
        chunk(b"iCCP", b"name\0\0" + zlib.compress(profile())),
        chunk(b"eXIf", exif()[6:]),
        chunk(b"tEXt", b"Comment\0" + TEXT),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(ZTEXT, 0)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP + ITXT),
        chunk(b"pHYs", struct.pack(">IIB", 3000, 3000, 1)),
        chunk(b"gAMA", struct.pack(">I", 30000)),
        chunk(b"prVt", APP),
    ]
    behind = [chunk(b"tIME", b"\x07\xe8\1\1\1\1\1"), chunk(b"tEXt", b"Author\0" + TEXT), chunk(b"eXIf", exif()[6:])]
    return b"".join([plain[:8], first, *said, *rest[:-1], *behind, rest[-1], BEHIND, plain])


class TestPNG:
    @pytest.mark.parametrize("name", PNGS)
    def test_all_metadata_goes_and_nothing_else(self, name: str) -> None:
        dirty = dirty_png(PNGS[name])
        assert not [word for word in (EXIF, GPS, THUMBNAIL, XMP, TEXT, ZTEXT, ITXT, APP) if word not in dirty]
        assert check(dirty) == PNGS[name]

    def test_metadata_written_by_pil_is_removed(self) -> None:
        info = PngImagePlugin.PngInfo()
        info.add_text("a", TEXT.decode())
        info.add_text("b", ZTEXT.decode(), zip=True)
        info.add_itxt("c", ITXT.decode())
        dirty = written(picture(), "PNG", pnginfo=info, exif=exif(), icc_profile=profile(), dpi=(300, 300))
        assert check(dirty) == PNGS["RGB"]

    def test_the_frames_of_an_apng(self) -> None:
        animated = written(picture(), "PNG", save_all=True, append_images=[picture(seed=1)], duration=50)
        assert {b"acTL", b"fcTL", b"fdAT"} <= {kind for kind, _ in chunks(animated)}
        assert check(animated) == PNGS["RGB"]

    @pytest.mark.parametrize(
        ("name", "broken"),
        [
            ("RGB", lambda parts: [*parts[:-1]]),
            ("RGB", lambda parts: parts[1:]),
            ("RGB", lambda parts: [parts[0], parts[-1]]),
            ("RGB", lambda parts: [parts[0], *parts]),
            ("RGB", lambda parts: [parts[0], chunk(b"NEWS", b"x"), *parts[1:]]),
            ("RGB", lambda parts: [*parts[:-1], chunk(b"IEND", TEXT)]),
            ("RGB", lambda parts: [chunk(b"IHDR", parts[0][8:-4] + TEXT), *parts[1:]]),
            ("RGB", lambda parts: [parts[0], parts[1][:-1] + bytes([parts[1][-1] ^ 1]), *parts[2:]]),
            ("RGB", lambda parts: [chunk(b"tEXt", b"a\0b")[:-1] + b"\0", *parts]),
            ("RGB", lambda parts: [parts[0], chunk(b"PLTE", bytes(4)), *parts[1:]]),
            ("P", lambda parts: [parts[0], parts[1], *parts[1:]]),
            ("P", lambda parts: [parts[0], chunk(b"tRNS", TEXT), *parts[1:]]),
            ("P", lambda parts: [*parts[:-1], chunk(b"tRNS", TEXT), parts[-1]]),
            ("pieces", lambda parts: [*parts[:2], chunk(b"tEXt", b"a\0b"), *parts[2:]]),
        ],
    )
    def test_doubtful_files_are_not_cleaned(self, name: str, broken: Any) -> None:
        parts = [part for _, part in chunks(PNGS[name])]
        assert strip_metadata(PNGS[name][:8] + b"".join(parts)) is not None
        assert strip_metadata(PNGS[name][:8] + b"".join(broken(parts))) is None


# GIF


def blocks(label: int, *contents: bytes) -> bytes:
    return bytes([0x21, label]) + b"".join(bytes([len(part)]) + part for part in contents) + b"\0"


GIFS = {
    "palette": written(picture("P"), "GIF", interlace=0),
    "interlaced": written(picture("P"), "GIF", interlace=1),
    "grey": written(picture("L"), "GIF"),
    "two colours": written(picture("1"), "GIF"),
    "transparent": written(picture("RGBA"), "GIF"),
    "transparent index": written(picture().quantize(32), "GIF", transparency=3),
}


def dirty_gif(plain: bytes) -> bytes:
    """Words before and behind the picture, and another picture."""
    head = 13 + 3 * 2 ** ((plain[10] & 7) + 1)
    said = blocks(0xFE, COMMENT, COMMENT) + blocks(0xFF, b"XMP DataXMP", XMP) + blocks(0xFF, b"NETSCAPE2.0", APP)
    second = blocks(0xF9, b"\0\5\0\0") + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x4c\1\0"
    text = blocks(0x01, bytes(12), PLAIN)
    return plain[:head] + said + plain[head:-1] + second + text + blocks(0xFE, SECOND) + b";" + BEHIND


class TestGIF:
    @pytest.mark.parametrize("name", GIFS)
    def test_all_metadata_goes_and_nothing_else(self, name: str) -> None:
        dirty = dirty_gif(GIFS[name])
        with Image.open(io.BytesIO(dirty)) as image:
            assert getattr(image, "n_frames", 1) == 2
        assert check(dirty) == GIFS[name]

    @pytest.mark.parametrize("mode", ["P", "RGBA", "L"])
    def test_the_first_picture_of_an_animation(self, mode: str) -> None:
        others = [picture(mode, seed) for seed in (1, 2)]
        animated = written(picture(mode), "GIF", save_all=True, append_images=others, loop=0, comment=COMMENT)
        clean = check(animated)
        with Image.open(io.BytesIO(clean)) as image:
            assert getattr(image, "n_frames", 1) == 1
        assert b"NETSCAPE" in animated
        assert b"NETSCAPE" not in clean

    def test_colours_of_its_own(self) -> None:
        colours = bytes(range(12))
        frame = b"\x2c" + struct.pack("<HHHHB", 1, 1, 2, 2, 0x81) + colours + b"\2\2\x4c\1\0"
        plain = b"GIF87a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0) + frame + b";"
        assert strip_metadata(plain) == plain
        assert strip_metadata(plain[:13] + blocks(0xFE, COMMENT) + plain[13:] + BEHIND) == plain

    @pytest.mark.parametrize(
        "broken",
        [
            lambda head, rest: head + rest[:-1],
            lambda head, rest: head + b";",
            lambda head, rest: head + blocks(0x01, bytes(12), PLAIN) + rest,
            lambda head, rest: head + blocks(0xF9, b"\1\0\0\1") * 2 + rest,
            lambda head, rest: head + blocks(0xF9, b"\1\0\0\1" + TEXT) + rest,
            lambda head, rest: head + b"\0" + rest,
        ],
    )
    def test_doubtful_files_are_not_cleaned(self, broken: Any) -> None:
        plain = GIFS["palette"]
        head = 13 + 3 * 2 ** ((plain[10] & 7) + 1)
        assert strip_metadata(broken(plain[:head], plain[head:])) is None


# WebP


WEBPS: dict[str, tuple[str, dict[str, Any]]] = {
    "lossy": ("RGB", {}),
    "worst": ("RGB", {"quality": 0, "method": 0}),
    "best": ("RGB", {"quality": 100, "method": 6}),
    "lossless": ("RGB", {"lossless": True}),
    "lossy alpha": ("RGBA", {}),
    "packed alpha": ("RGBA", {"alpha_quality": 20}),
    "lossless alpha": ("RGBA", {"lossless": True}),
    "exact": ("RGBA", {"lossless": True, "exact": True}),
    "grey": ("L", {"quality": 50}),
}


def riff(data: bytes) -> dict[bytes, bytes]:
    assert data[:4] + data[8:12] == b"RIFFWEBP"
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    found = {}
    at = 12
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        found[data[at : at + 4]] = data[at + 8 : at + 8 + length]
        assert length % 2 == 0 or data[at + 8 + length] == 0
        at += 8 + length + length % 2
    return found


def webp(*parts: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2) for kind, content in parts
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


class TestWebP:
    @pytest.mark.parametrize("name", WEBPS)
    def test_all_metadata_goes_and_nothing_else(self, name: str) -> None:
        mode, options = WEBPS[name]
        said = {"exif": exif(), "xmp": XMP * 3, "icc_profile": profile()}
        dirty = written(picture(mode), "WEBP", **said, **options)
        before = riff(dirty)
        assert {b"VP8X", b"EXIF", b"XMP ", b"ICCP"} <= set(before)
        clean = check(webp(*before.items(), (b"NEWS", APP)) + BEHIND)
        after = riff(clean)
        assert list(after) == [kind for kind in before if kind in {b"VP8X", b"ALPH", b"VP8 ", b"VP8L"}]
        assert all(after[kind] == before[kind] for kind in after if kind != b"VP8X")
        assert after[b"VP8X"][1:] == before[b"VP8X"][1:]
        assert after[b"VP8X"][0] == before[b"VP8X"][0] & 0x10
        assert bool(after[b"VP8X"][0]) == (mode == "RGBA")

    def test_reserved_bytes(self) -> None:
        found = riff(written(picture(), "WEBP", exif=exif()))
        head = found.pop(b"VP8X")
        clean = check(webp((b"VP8X", head[:1] + b"abc" + head[4:]), *found.items()))
        assert riff(clean)[b"VP8X"][:4] == bytes(4)

    def test_an_animation_has_to_be_encoded_again(self) -> None:
        animated = written(picture(), "WEBP", save_all=True, append_images=[picture(seed=1)])
        assert b"ANMF" in riff(animated)
        assert strip_metadata(animated) is None

    @pytest.mark.parametrize(
        "broken",
        [
            lambda head, frame: [(b"VP8X", head)],
            lambda head, frame: [(b"VP8X", head), (b"VP8 ", frame), (b"VP8 ", frame)],
            lambda head, frame: [(b"VP8 ", frame), (b"VP8X", head)],
            lambda head, frame: [(b"VP8X", head + TEXT), (b"VP8 ", frame)],
            lambda head, frame: [(b"VP8X", head[:-1]), (b"VP8 ", frame)],
            lambda head, frame: [(b"VP8X", bytes([head[0] | 2]) + head[1:]), (b"VP8 ", frame)],
            lambda head, frame: [(b"VP8X", head), (b"ANMF", frame)],
            lambda head, frame: [(b"VP8X", head), (b"ANMF", frame), (b"VP8 ", frame)],
            lambda head, frame: [(b"VP8X", head[:4] + b"\1\0\0\1\0\0"), (b"VP8 ", frame)],
            lambda head, frame: [(b"VP8 ", frame), (b"VP8L", frame)],
            lambda head, frame: [(b"VP8 ", b"nothing of the kind")],
        ],
    )
    def test_doubtful_files_are_not_cleaned(self, broken: Any) -> None:
        found = riff(written(picture(), "WEBP", exif=exif()))
        head, frame = found[b"VP8X"], found[b"VP8 "]
        assert strip_metadata(webp((b"VP8X", head), (b"VP8 ", frame))) is not None
        assert strip_metadata(webp(*broken(head, frame))) is None

    def test_the_last_byte_may_be_missing_where_it_only_fills(self) -> None:
        found = riff(written(picture(), "WEBP"))
        whole = webp((b"VP8 ", found[b"VP8 "] + bytes(1 - len(found[b"VP8 "]) % 2)))
        short = whole[:4] + struct.pack("<I", len(whole) - 9) + whole[8:-1]
        assert strip_metadata(short) == whole

    def test_sizes_that_do_not_fit(self) -> None:
        plain = written(picture(), "WEBP")
        for size in (0, 4, 11, len(plain) - 9, len(plain) - 7, 2**32 - 1):
            assert strip_metadata(plain[:4] + struct.pack("<I", size) + plain[8:]) is None


# All kinds


CLEAN = {
    **{f"JPEG {name}": written(picture(mode), "JPEG", **options) for name, (mode, options) in JPEGS.items()},
    **{f"PNG {name}": data for name, data in PNGS.items()},
    **{f"GIF {name}": data for name, data in GIFS.items()},
    **{f"WebP {name}": written(picture(mode), "WEBP", **options) for name, (mode, options) in WEBPS.items()},
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_file_without_metadata_stays_as_it_is(name: str) -> None:
    assert check(CLEAN[name]) == CLEAN[name]


@functools.cache
def valid() -> list[tuple[bytes, int]]:
    """Files of all kinds with metadata, and where their picture ends."""
    files = [dirty_jpeg("RGB", {"progressive": True}), dirty_jpeg("CMYK", {}), dirty_jpeg("RGB", {"keep_rgb": True})]
    files += [dirty_png(PNGS[name]) for name in ("P", "palette with transparency", "pieces", "interlaced")]
    files += [dirty_gif(GIFS[name]) for name in ("palette", "transparent")]
    for options in ({"lossless": True}, {}):
        files.append(written(picture("RGBA"), "WEBP", exif=exif(), **options) + BEHIND)
    return [(data, data.index(BEHIND)) for data in files]


@pytest.mark.parametrize("number", range(11))
def test_no_cut_goes_unnoticed(number: int) -> None:
    data, end = valid()[number]
    assert strip_metadata(data[:end]) == strip_metadata(data) is not None
    cuts = {*range(min(end, 600)), *range(end - 300, end), *range(0, end, 37)}
    assert [cut for cut in sorted(cuts) if strip_metadata(data[:cut]) is not None] == []


def survives(data: bytes) -> None:
    clean = strip_metadata(data)
    if clean is not None:
        Image.open(io.BytesIO(clean)).close()
        assert strip_metadata(clean) == clean
        try:
            before = pixels(data)
        except Exception:
            return
        assert pixels(clean) == before


BEGINNINGS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"GIF87a", b"RIFF\x20\0\0\0WEBP"]


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=400))
def test_any_bytes(beginning: bytes, data: bytes) -> None:
    survives(beginning + data)


@pytest.mark.slow
@settings(max_examples=400)
@given(st.data())
def test_any_damage(choose: st.DataObject) -> None:
    data, end = choose.draw(st.sampled_from(valid()))
    for _ in range(choose.draw(st.integers(1, 4))):
        at = choose.draw(st.integers(0, end) | st.integers(0, 700))
        gone = choose.draw(st.sampled_from([0, 1, 1, 2, 4, 30]))
        data = data[:at] + choose.draw(st.binary(max_size=4)) + data[at + gone :]
    survives(data)


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM", "PDF", "ICO"])
def test_other_kinds(kind: str) -> None:
    assert strip_metadata(written(picture(), kind)) is None


def test_nothing_and_names_alone() -> None:
    assert [strip_metadata(data) for data in (b"", b"RIFF", b"RIFF\x04\0\0\0WAVE", b"\xff\xd8\xff\xd9")] == [None] * 4
    assert re.fullmatch(rb"GIF8[79]a", GIFS["palette"][:6])
