"""File types, recognized by the first bytes instead of the name."""

from __future__ import annotations

import codecs

HEAD = 4096
"""Bytes from the beginning of a file that are enough for these functions."""


def is_svg(data: bytes) -> bool:
    """Whether a file is an SVG image."""
    head = data[:1000].lstrip()
    return head.startswith(b"<svg") or (
        head.startswith((b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in data[:5000]
    )


def document_type(head: bytes) -> str | None:
    """The media type of a file that is sent as a document: a PDF or UTF-8 text; None for all other files."""
    if not head or is_svg(head):
        return None
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    if b"\0" in head:
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be incomplete
    except UnicodeDecodeError:
        return None
    return "text/plain"
