"""What a text says in its own words, what it brings along, and how words are shown as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BROUGHT = re.compile(r"^(?:`{3}|~{3}|\|[ :|-]*-{3}|Traceback\b)", re.MULTILINE)
"""How a line begins that only code, a table or a traceback has."""
_CODE = re.compile(r"^(`{3,}|~{3,}).*?(?:^\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_ROWS = re.compile(r"^\|.*$", re.MULTILINE)
_MARKUP = re.compile(r"[\\`*_<>\[\]$~&|#]|://")
_MOST = 60


def sorted_out(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which of several texts are the user's words, and which were attached to them.

    Parameters
    ----------
    texts : sequence of str
        Text blocks of one turn. One with code, a table or a traceback in it is attached, unless all
        are like that.
    """
    said = [text for text in texts if not _BROUGHT.search(text)]
    return (said, [text for text in texts if _BROUGHT.search(text)]) if said else (list(texts), [])


def without_quotations(text: str) -> str:
    """A text without the code and the tables in it."""
    return _ROWS.sub("", _CODE.sub("", text))


def as_they_are(line: str) -> str:
    """One line in quotation marks, or as code where Markdown would read something into it."""
    if not _MARKUP.search(line):
        return f"“{line}”"
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room}{fence}"


def first(text: str, most: int = _MOST) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return as_they_are(line if len(line) <= most else f"{line[:most].rsplit(' ', 1)[0]}…")
