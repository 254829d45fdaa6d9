"""What can be said about a PDF at a glance: how many pages it has."""

from __future__ import annotations

import base64
import functools
import re
import zlib

_PAGE = re.compile(rb"/Type\s*/Page\b")
_PACKED = re.compile(rb"/ObjStm\b.{0,300}?stream\r?\n", re.DOTALL)
_MOST = 2**24
"""Bytes that a packed stream is unpacked to, at most."""


@functools.lru_cache(maxsize=16)
def pages(encoded: str) -> int:
    """The number of page objects in a base64 PDF, packed ones too; 0 if none can be seen."""
    data = base64.b64decode(encoded)
    view = memoryview(data)
    texts = [data, *(_unpacked(view[found.end() :]) for found in _PACKED.finditer(data))]
    return sum(len(_PAGE.findall(text)) for text in texts)


def _unpacked(data: memoryview) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MOST)
    except zlib.error:
        return b""
