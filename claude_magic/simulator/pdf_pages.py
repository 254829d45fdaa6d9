"""Count the pages of a PDF without parsing it."""

from __future__ import annotations

import base64
import functools
import re
import zlib

_PAGE = re.compile(rb"/Type\s*/Page\b")
_OBJECT_STREAM = re.compile(rb"/ObjStm\b.{0,300}?stream\r?\n", re.DOTALL)
_MAX_UNPACKED = 2**24
"""Bytes per stream; protects against decompression bombs."""


@functools.lru_cache(maxsize=16)
def pages(encoded: str) -> int:
    """The number of page objects in a base64 PDF, also in compressed object streams; 0 if none are found."""
    data = base64.b64decode(encoded)
    view = memoryview(data)
    texts = [data, *(_decompressed(view[found.end() :]) for found in _OBJECT_STREAM.finditer(data))]
    return sum(len(_PAGE.findall(text)) for text in texts)


def _decompressed(data: memoryview) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MAX_UNPACKED)
    except zlib.error:
        return b""
