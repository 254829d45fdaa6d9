"""HTML cut into chunks, so that only the chunks that change are sent again."""

from __future__ import annotations

import re

CHUNK_SIZE = 160
"""Characters of HTML that are resent, at least, when one of them changes."""
_UNIT = re.compile(r'<(?:[^">]|"[^"]*")*>|&[^;\s<]*;|[^<&]{1,80}|.', re.DOTALL)
"""What must not be cut, so that chunks of two states, put together, are still whole tags and texts."""


def split_html(html: str) -> list[str]:
    """Cut HTML into chunks that stay the same when something is appended.

    Parameters
    ----------
    html : str
        As the sanitizer writes it.
    """
    chunks: list[str] = []
    chunk: list[str] = []
    size = 0
    for unit in _UNIT.findall(html):
        chunk.append(unit)
        size += len(unit)
        if size >= CHUNK_SIZE:
            chunks.append("".join(chunk))
            chunk, size = [], 0
    return [*chunks, "".join(chunk)] if chunk else chunks
