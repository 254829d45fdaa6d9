"""Tell a user's own words from attached text, and quote text in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ATTACHED = re.compile(r"^(?:`{3}|~{3}|\|[ :|-]*-{3}|Traceback\b)", re.MULTILINE)
"""The start of a line found only in code, a table or a traceback."""
_CODE = re.compile(r"^(`{3,}|~{3,}).*?(?:^\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_ROWS = re.compile(r"^\|.*$", re.MULTILINE)
_MARKUP = re.compile(r"[\\`*_<>\[\]$~&|#]|://")
_MAX_LENGTH = 60


def split_attachments(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the text blocks of one turn into the user's own words and the texts attached to them.

    A text that contains code, a table or a traceback counts as attached, unless all of them do.
    """
    words = [text for text in texts if not _ATTACHED.search(text)]
    return (words, [text for text in texts if _ATTACHED.search(text)]) if words else (list(texts), [])


def without_code(text: str) -> str:
    """A text without its code blocks and tables."""
    return _ROWS.sub("", _CODE.sub("", text))


def quoted(line: str) -> str:
    """One line in quotation marks, or as inline code if Markdown would interpret any of it."""
    if not _MARKUP.search(line):
        return f"“{line}”"
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def excerpt(text: str, max_length: int = _MAX_LENGTH) -> str:
    """The beginning of a text, quoted on one line."""
    line = " ".join(text.split())
    return quoted(line if len(line) <= max_length else f"{line[:max_length].rsplit(' ', 1)[0]}…")
