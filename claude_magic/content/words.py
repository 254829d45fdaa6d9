"""Words around a value: counts, lists of names, and text kept short."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from claude_magic.messages.words import fenced as fenced  # noqa: PLC0414  (one of these, for all above)


def counted(number: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def part_of(shown: int, total: int, noun: str) -> str:
    """A number of a larger one, or only that if it is the same."""
    return f"{'' if shown == total else f'{shown:,} of '}{counted(total, noun)}"


def listed(names: Sequence[str], room: int = 400) -> str:
    """As many names as there is room for, at least one, and how many more there are; empty for none."""
    sizes = itertools.accumulate(len(name) + 2 for name in names)
    shown = max(1, sum(size <= room for size in sizes))
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more:,} more" if more > 0 else "")


def shortened(text: str, limit: int) -> str:
    """No more than some characters, with … at the end if there were more."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str, limit: int = 100) -> str:
    """The first words of a text, without line breaks, in characters that can be encoded."""
    return shortened(without_surrogates(" ".join(text[: 20 * limit].split())), limit)


def without_surrogates(text: str) -> str:
    """Text that can be encoded: what cannot is written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()
