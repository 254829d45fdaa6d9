"""Pieces of HTML that are sent again only where they change."""

from __future__ import annotations

import re

CHUNK = 160
"""Characters of HTML that are sent again at least when one of them changes."""
_UNIT = re.compile(r'<(?:[^">]|"[^"]*")*>|&[^;\s<]*;|[^<&]{1,80}|.', re.DOTALL)
"""What may not be cut: chunks of two states together are still a row of whole tags and texts."""


def chunks(html: str) -> list[str]:
    """HTML in chunks that stay the same when something is added behind them.

    Parameters
    ----------
    html : str
        As the sanitizer writes it.
    """
    found: list[str] = []
    chunk: list[str] = []
    size = 0
    for unit in _UNIT.findall(html):
        chunk.append(unit)
        size += len(unit)
        if size >= CHUNK:
            found.append("".join(chunk))
            chunk, size = [], 0
    return [*found, "".join(chunk)] if chunk else found
