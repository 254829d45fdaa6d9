"""Filler text of any length, always the same: paragraphs, code, a table or one long line."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

_SENTENCES = (
    "Every sample is simulated, so the **numbers** mean nothing.",
    "A mean says little without its spread.",
    "Plot the data before you fit a line.",
    "The *median* does not mind an outlier.",
    "Correlation is not a cause, and `r` is not a slope.",
    "Two groups may differ by chance alone.",
    "A small sample needs a wide interval.",
    "Write down the question before you look at the answer.",
)


def _prose() -> Iterator[str]:
    for number in itertools.count(1):
        yield f"## Part {number}\n\n"
        for start in range(3):
            picked = [_SENTENCES[(number + start + step) % len(_SENTENCES)] for step in range(4)]
            yield " ".join(picked) + "\n\n"
        yield "".join(f"- {_SENTENCES[(number + step) % len(_SENTENCES)]}\n" for step in range(3)) + "\n"


def _code() -> Iterator[str]:
    yield "```python\n"
    for number in itertools.count(1):
        yield f"def step_{number}(value: float) -> float:\n    return value * {number} + {number % 7}\n\n\n"


def _table() -> Iterator[str]:
    yield "| row | value | square |\n|---|---|---|\n"
    for number in itertools.count(1):
        yield f"| {number} | {number / 2} | {number * number} |\n"


def _line() -> Iterator[str]:
    for number in itertools.count():
        yield _SENTENCES[number % len(_SENTENCES)] + " "


_SHAPES = {"prose": _prose, "code": _code, "table": _table, "line": _line}


def pieces(count: int, characters: int, shape: str = "prose") -> list[str]:
    """Filler text in pieces of equal length.

    Parameters
    ----------
    count : int
        Number of pieces.
    characters : int
        Characters in each piece.
    shape : str
        ``prose``, ``code``, ``table`` or ``line``.

    Returns
    -------
    list of str
    """
    length = count * characters
    text, parts = "", _SHAPES[shape]()
    while len(text) < length:
        text += next(parts)
    return [text[start : start + characters] for start in range(0, length, characters)]
