"""``{{ expr }}`` in a question: one pass, and nothing that was put in is looked at again."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

from claude_magic.content import disk
from claude_magic.content.values import Named, Text
from claude_magic.messages.credentials import KEY_IN_TEXT
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line

_ESCAPE = "Nothing was sent. To send braces as they are: --verbatim."
_EXTRA = {"text": Text, "Path": Path}
"""Exist in an expression unless the user has them; the notebook adds ``error``, ``previous`` and ``cells``."""


def render(source: str, namespace: Mapping[str, Any]) -> list[str | Named]:
    """Split a question into words and values.

    An expression ends at the first ``}}`` where what stands between is Python.

    Parameters
    ----------
    source : str
    namespace : mapping
        The notebook's variables. ``text`` and ``Path`` exist beside them unless the user has them.

    Returns
    -------
    list of str or Named

    Raises
    ------
    BadInput
        For braces that are not closed, something that is no expression, or one that fails.
    """
    parts: list[str | Named] = []
    for text, expression, code in pieces(source):
        if text:
            parts.append(text)
        if code is not None:
            name = one_line(expression, 60)
            parts.append(_inline(name, evaluate(code, f"{{{{ {name} }}}}", namespace)))
    return parts


def text_of(source: str, namespace: Mapping[str, Any]) -> str:
    """A text option with its ``{{ }}`` filled in; only what has a text can stand there."""
    words = []
    for part in render(source, namespace):
        if isinstance(part, Named):
            if not isinstance(part.value, str | int | float | Text):
                raise BadInput(f"{{{{ {part.name} }}}} is a {type(part.value).__name__}; an option takes text.")
            words.append(part.value.value if isinstance(part.value, Text) else str(part.value))
        else:
            words.append(part)
    return "".join(words)


def evaluate(code: CodeType, label: str, namespace: Mapping[str, Any]) -> Any:
    """The value of an expression in the notebook.

    Parameters
    ----------
    code : code
    label : str
        What the error calls it.
    namespace : mapping

    Raises
    ------
    BadInput
        With what went wrong in it.
    """
    try:
        return eval(code, {**_EXTRA, **namespace})  # noqa: S307  (the user's own code, in the user's own kernel)
    except Exception as error:  # noqa: BLE001  (whatever the user's code raises)
        said = KEY_IN_TEXT.sub("sk-ant-…", one_line(str(error), 300)).rstrip(".")
        escape = _ESCAPE if label.startswith("{{") else "Nothing was sent."
        raise BadInput(f"{label}: {type(error).__name__}: {said}. {escape}") from None


def pieces(source: str) -> Iterator[tuple[str, str, CodeType | None]]:
    """Text, and the expression that follows it; the last piece has none.

    Raises
    ------
    BadInput
        For braces that are not closed, or something that is no expression.
    """
    at = 0
    while (opening := source.find("{{", at)) >= 0:
        expression, code, end = _first_expression(source, opening)
        yield source[at:opening], expression, code
        at = end
    yield source[at:], "", None


def _first_expression(source: str, opening: int) -> tuple[str, CodeType, int]:
    closing = source.find("}}", opening + 2)
    first = closing
    while closing >= 0:
        expression = source[opening + 2 : closing].strip()
        if (code := compiled(expression)) is not None:
            return expression, code, closing + 2
        closing = source.find("}}", closing + 1)
    line = source.count("\n", 0, opening) + 1
    if first < 0:
        raise BadInput(f"{{{{ on line {line} of the question is never closed. {_ESCAPE}")
    shown = " ".join(source[opening : first + 2].split())
    raise BadInput(f"{shown} on line {line} of the question is no Python expression. {_ESCAPE}")


def compiled(expression: str) -> CodeType | None:
    """The code of an expression; None if it is not one."""
    if not expression:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(expression, "<{{ }}>", "eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _inline(expression: str, value: Any) -> Named:
    if disk.names_a_picture(value):
        raise BadInput(
            f"{{{{ {expression} }}}} is a string and would be sent as text. Use {{{{ Path({expression}) }}}} to send "
            f"the file, {{{{ text({expression}) }}}} to send the name."
        )
    return Named(expression, value)
