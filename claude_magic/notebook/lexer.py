"""The lexer of an option line.

It splits a line as a shell does, except inside brackets and ``{{ }}``, so that a Python expression
needs no quotes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from IPython.core.error import UsageError


class Word(NamedTuple):
    """A word of the line without its quotes, whether any of it was in quotes, and the index of what follows it."""

    text: str
    quoted: bool
    end: int


def words(line: str) -> Iterator[Word]:
    """Split a line lazily, so that the rest of the line need not be valid.

    Raises
    ------
    UsageError
        For an unclosed quotation mark or bracket.
    """
    at = 0
    while True:
        while at < len(line) and line[at].isspace():
            at += 1
        if at == len(line):
            return
        word = _word(line, at)
        yield word
        at = word.end


_CLOSING = {"(": ")", "[": "]", "{": "}"}


def _word(line: str, start: int) -> Word:
    text: list[str] = []
    brackets: list[str] = []
    quote, quoted, at = "", False, start
    while at < len(line):
        char = line[at]
        if quote:
            if char == "\\" and quote == '"' and line[at + 1 : at + 2] in ('"', "\\") and not brackets:
                at += 1
                text.append(line[at])
            elif char == "\\" and brackets:
                text.append(line[at : at + 2])
                at += 1
            elif char == quote:
                quote = ""
                if brackets:
                    text.append(char)
            else:
                text.append(char)
        elif char in "'\"":
            quote = char
            if brackets:
                text.append(char)
            else:
                quoted = True
        elif char == "\\" and not brackets and (line[at + 1 : at + 2].isspace() or line[at + 1 : at + 2] in ("'", '"')):
            at += 1
            text.append(line[at])
        elif char.isspace() and not brackets:
            break
        else:
            if char in _CLOSING:
                brackets.append(_CLOSING[char])
            elif brackets and char == brackets[-1]:
                brackets.pop()
            text.append(char)
        at += 1
    if quote:
        raise UsageError(f"a quotation mark {quote} is never closed: {line[start:].strip()}")
    if brackets:
        raise UsageError(f"a bracket is never closed, {brackets[-1]} is missing: {line[start:].strip()}")
    return Word("".join(text), quoted, at)
