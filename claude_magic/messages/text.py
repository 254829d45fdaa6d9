"""Words around a value: counts, lists of names, and text kept short."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence


def pluralize(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def count_of(shown: int, total: int, noun: str) -> str:
    """A number of a larger one, or only that if it is the same."""
    return f"{'' if shown == total else f'{shown:,} of '}{pluralize(total, noun)}"


def join_names(names: Sequence[str], room: int = 400) -> str:
    """As many names as there is room for, at least one, and how many more there are; empty for none."""
    sizes = itertools.accumulate(len(name) + 2 for name in names)
    shown = max(1, sum(size <= room for size in sizes))
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more:,} more" if more > 0 else "")


def truncate(text: str, limit: int) -> str:
    """No more than some characters, with … at the end if there were more."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str, limit: int = 100) -> str:
    """The first words of a text, without line breaks, in characters that can be encoded."""
    return truncate(replace_surrogates(" ".join(text[: 20 * limit].split())), limit)


def replace_surrogates(text: str) -> str:
    """Text that can be encoded: what cannot is written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def code_fence(text: str, language: str = "") -> str:
    """Text as a fenced code block in Markdown, whatever it contains."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
