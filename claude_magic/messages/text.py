"""Text helpers: counts, lists of names, short forms, code fences."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence


def pluralize(number: int, noun: str) -> str:
    """A number with its noun, in the plural if needed: ``3 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def count_of(shown: int, total: int, noun: str) -> str:
    """``10 of 1,000 rows``; only the total if both are equal."""
    return f"{'' if shown == total else f'{shown:,} of '}{pluralize(total, noun)}"


def join_names(names: Sequence[str], room: int = 400) -> str:
    """As many names as fit, at least one, and how many more there are; empty without names."""
    sizes = itertools.accumulate(len(name) + 2 for name in names)
    shown = max(1, sum(size <= room for size in sizes))
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more:,} more" if more > 0 else "")


def truncate(text: str, limit: int) -> str:
    """At most ``limit`` characters, ending in … if text was cut off."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str, limit: int = 100) -> str:
    """The beginning of a text without line breaks and lone surrogates."""
    return truncate(replace_surrogates(" ".join(text[: 20 * limit].split())), limit)


def replace_surrogates(text: str) -> str:
    """Text that can be encoded, with lone surrogates written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def code_fence(text: str, language: str = "") -> str:
    """Text as a fenced code block in Markdown, whatever it contains."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
