"""Removing metadata from image files without encoding the image again.

Nothing is searched for and deleted. Instead, a new file is built from the few parts that are needed
to decode the image, in their original bytes. Anything unknown or suspicious ends the attempt.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import NoReturn

_PNG_BEGINNING = b"\x89PNG\r\n\x1a\n"


class _UnsureError(Exception):
    """The file is damaged, or contains something unknown."""


def strip_metadata(data: bytes) -> bytes | None:
    """Remove everything from an image file except the image.

    Parameters
    ----------
    data : bytes
        Any file.

    Returns
    -------
    bytes or None
        For a JPEG, PNG, GIF or WebP, the same compressed image without position, owner,
        thumbnails, comments, colour profile, further images (the first frame of a GIF stays) or
        data behind its end. None for other formats, for damaged files, and if it is not certain
        that all of this would be removed: such an image has to be decoded and encoded again.

    Notes
    -----
    The orientation is removed, too; read it before if you need it.
    """
    clean = next((clean for beginning, clean in _CLEANERS.items() if data.startswith(beginning)), None)
    if clean is None:
        return None
    try:
        cleaned = b"".join(clean(data))
    except (_UnsureError, IndexError, struct.error):  # the last two if the file ends too early
        return None
    return cleaned if _opens(cleaned) else None


def _opens(data: bytes) -> bool:
    """Whether PIL can open the file; the pixels are not decoded."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "GIF", "WEBP")).close()
    except Exception:  # noqa: BLE001  (each decoder raises errors of its own)
        return False
    return True


def _unsure() -> NoReturn:
    raise _UnsureError


def _part(data: bytes, start: int, end: int) -> bytes:
    """A complete slice; a file that ends too early is refused."""
    if end > len(data):
        _unsure()
    return data[start:end]


_CODE = re.compile(rb"\xff+([^\x00\xff])")
"""A marker, with the fill bytes that may precede it."""
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""A marker that ends a scan. Within a scan, FF is followed by 0, a restart number, or FF as filler."""
_DHT, _EOI, _SOS, _DQT, _DRI, _APP0, _APP14, _COM = 0xC4, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xEE, 0xFE
_FRAMES = {0xC0, 0xC1, 0xC2}
"""Baseline, extended and progressive; few programs can read the other kinds."""
_METADATA_SEGMENTS = {*range(_APP0, 0xF0), _COM}
# A JFIF header may determine the colour space, so it is kept, with minimal content:
# version 1.1, square pixels, no thumbnail.
_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"


def _jpeg(data: bytes) -> Iterator[bytes | memoryview]:
    yield data[:2]
    at = 2
    frames = scans = 0
    while True:
        marker = _CODE.match(data, at) or _unsure()
        code, at = marker[1][0], marker.end()
        if code == _EOI:
            break
        (length,) = struct.unpack_from(">H", data, at)
        content = _part(data, at + 2, at + length)
        at += length
        if code == _APP0 and len(content) >= 14 and content.startswith(b"JFIF\0"):
            yield _JFIF
        elif code == _APP14 and len(content) >= 12 and content.startswith(b"Adobe"):
            yield b"\xff\xee\x00\x0e" + content[:12]  # the colour space, without what may follow
        elif code not in _METADATA_SEGMENTS:
            if length != 2 + _implied_length(code, content):
                _unsure()
            yield struct.pack(">BBH", 0xFF, code, length) + content
        frames += code in _FRAMES
        if code == _SOS:
            end = (_AFTER_SCAN.search(data, at) or _unsure()).start()
            yield memoryview(data)[at:end]  # nearly all of the file, so it is not copied
            at, scans = end, scans + 1
    if frames != 1 or not scans:
        _unsure()
    yield b"\xff\xd9"


def _implied_length(code: int, content: bytes) -> int:
    """The length of a segment as its content implies it, so that nothing can hide behind the content."""
    if code in _FRAMES:
        return 6 + 3 * content[5]
    if code == _SOS:
        return 4 + 2 * content[0]
    if code == _DRI:
        return 2
    if code not in (_DHT, _DQT):
        _unsure()
    at = 0
    while at < len(content):  # one table after the other
        at += 17 + sum(content[at + 1 : at + 17]) if code == _DHT else 129 if content[at] >> 4 else 65
    return at


_PNG_LENGTHS = {
    b"IHDR": range(13, 14),
    b"PLTE": range(3, 769, 3),
    b"tRNS": range(1, 257),
    b"IDAT": range(2**31),
    b"IEND": range(1),
}
"""The chunks that make up an image, and the lengths that each may have."""
_PNG_ORDERS = (
    [b"IHDR", b"IDAT", b"IEND"],
    [b"IHDR", b"PLTE", b"IDAT", b"IEND"],
    [b"IHDR", b"tRNS", b"IDAT", b"IEND"],
    [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"],
)


def _png(data: bytes) -> Iterator[bytes]:
    yield _PNG_BEGINNING
    at = len(_PNG_BEGINNING)
    order: list[bytes] = []
    previous = kind = b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = _part(data, at, at + length + 12)
        at += len(chunk)
        if zlib.crc32(memoryview(chunk)[4:-4]) != int.from_bytes(chunk[-4:]):
            _unsure()
        if kind in _PNG_LENGTHS:
            if length not in _PNG_LENGTHS[kind]:
                _unsure()
            if not kind == previous == b"IDAT":  # consecutive ones count as one
                order.append(kind)
            yield chunk
        elif kind[:1].isupper():  # critical: a decoder may not ignore it
            _unsure()
        previous = kind
    if order not in _PNG_ORDERS:
        _unsure()


def _gif(data: bytes) -> Iterator[bytes]:
    at = 13 + _colours(_part(data, 0, 13)[10])
    yield _part(data, 0, at)
    control = b""
    frames = 0
    while (kind := data[at]) != 0x3B:
        start = at
        if kind == 0x2C:
            at += 10 + _colours(data[at + 9])
            at = _blocks_end(data, at + 1)  # one byte before the blocks: the initial code size
            if not frames:
                yield control + data[start:at]
            frames += 1
        elif kind == 0x21:
            label = data[at + 1]
            at = _blocks_end(data, at + 2)
            if label == 0xF9:
                if at - start != 8 or (control and not frames):  # a second one would be ambiguous
                    _unsure()
                control = data[start:at]
            elif label == 0x01 and not frames:  # text drawn on the image; the control belongs to it
                _unsure()
        else:
            _unsure()
    yield b"\x3b"


def _colours(flags: int) -> int:
    """The size of the colour table that these flags announce, in bytes."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks_end(data: bytes, at: int) -> int:
    while length := data[at]:
        at += length + 1
    return at + 1


_WITH_ALPHA, _ANIMATED = 0x10, 0x02


def _webp(data: bytes) -> Iterator[bytes]:
    size, form = struct.unpack_from("<I4s", data, 4)
    if form != b"WEBP":
        _unsure()
    data = _part(data, 0, size + 8)
    kept: dict[bytes, bytes] = {}
    at = 12
    while at < len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        content = _part(data, at + 8, at + 8 + length)
        at += 8 + length + length % 2
        if kind in {b"VP8X", b"ALPH", b"VP8 ", b"VP8L"}:
            if kind in kept:
                _unsure()
            kept[kind] = content
        elif kind in {b"ANIM", b"ANMF"}:
            _unsure()
    if list(kept) not in (
        [b"VP8 "],
        [b"VP8L"],
        [b"VP8X", b"VP8 "],
        [b"VP8X", b"VP8L"],
        [b"VP8X", b"ALPH", b"VP8 "],
    ):
        _unsure()
    if head := kept.get(b"VP8X"):
        if len(head) != 10 or head[0] & _ANIMATED:
            _unsure()
        # The other flags announce parts that are removed. Then: three reserved bytes, width, height.
        kept[b"VP8X"] = bytes([head[0] & _WITH_ALPHA, 0, 0, 0]) + head[4:]
    chunks = [
        struct.pack("<4sI", kind, len(content)) + content + bytes(len(content) % 2) for kind, content in kept.items()
    ]
    yield struct.pack("<4sI4s", b"RIFF", 4 + sum(map(len, chunks)), b"WEBP")
    yield from chunks


_CLEANERS: dict[bytes, Callable[[bytes], Iterator[bytes | memoryview]]] = {
    b"\xff\xd8\xff": _jpeg,
    _PNG_BEGINNING: _png,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"RIFF": _webp,
}
