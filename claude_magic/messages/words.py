"""Text for people."""

from __future__ import annotations

import re


def fenced(text: str, language: str = "") -> str:
    """A block of code in Markdown, whatever is in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
