"""``{{ expr }}`` in a question: replaced in a single pass, so that inserted text is never evaluated."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

from claude_magic.content import local_files
from claude_magic.content.values import Named, Text
from claude_magic.messages.credentials import KEY_IN_TEXT
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line

_ESCAPE = "Nothing was sent. To send braces as they are: --verbatim."
_EXTRA = {"text": Text, "Path": Path}
"""Names in expressions that the user's variables may hide; the notebook adds ``error``, ``previous`` and ``cells``."""


def render(source: str, namespace: Mapping[str, Any]) -> list[str | Named]:
    """Split a question into text and values.

    An expression ends at the first ``}}`` that makes it valid Python.

    Parameters
    ----------
    source : str
    namespace : mapping
        The notebook's variables. ``text`` and ``Path`` are predefined, but may be overwritten.

    Returns
    -------
    list of str or Named

    Raises
    ------
    BadInput
        For braces that are not closed, and for an expression that is invalid or fails.
    """
    parts: list[str | Named] = []
    for text, expression, code in split_expressions(source):
        if text:
            parts.append(text)
        if code is not None:
            name = one_line(expression, 60)
            parts.append(_inline(name, evaluate(code, f"{{{{ {name} }}}}", namespace)))
    return parts


def render_text(source: str, namespace: Mapping[str, Any]) -> str:
    """Fill in the ``{{ }}`` of a text option; the values have to be text or numbers."""
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
    """Evaluate an expression with the notebook's variables; errors show it as `label`.

    Raises
    ------
    BadInput
        If the expression raises an error, which the message names.
    """
    try:
        return eval(code, {**_EXTRA, **namespace})  # noqa: S307  (the user's own code, in the user's own kernel)
    except Exception as error:  # noqa: BLE001  (the user's code may raise anything)
        message = KEY_IN_TEXT.sub("sk-ant-…", one_line(str(error), 300)).rstrip(".")
        escape = _ESCAPE if label.startswith("{{") else "Nothing was sent."
        raise BadInput(f"{label}: {type(error).__name__}: {message}. {escape}") from None


def split_expressions(source: str) -> Iterator[tuple[str, str, CodeType | None]]:
    """Yield text, the expression that follows it, and its code; the last text has no expression.

    Raises
    ------
    BadInput
        For braces that are not closed, or an invalid expression.
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
        if (code := compile_expression(expression)) is not None:
            return expression, code, closing + 2
        closing = source.find("}}", closing + 1)
    line = source.count("\n", 0, opening) + 1
    if first < 0:
        raise BadInput(f"{{{{ on line {line} of the question is never closed. {_ESCAPE}")
    shown = " ".join(source[opening : first + 2].split())
    raise BadInput(f"{shown} on line {line} of the question is not a Python expression. {_ESCAPE}")


def compile_expression(expression: str) -> CodeType | None:
    """Compile a Python expression; None if it is not valid."""
    if not expression:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(expression, "<{{ }}>", "eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _inline(expression: str, value: Any) -> Named:
    if local_files.names_image_or_pdf(value):
        raise BadInput(
            f"{{{{ {expression} }}}} is a string and would be sent as text. Use {{{{ Path({expression}) }}}} to send "
            f"the file, or {{{{ text({expression}) }}}} to send its name."
        )
    return Named(expression, value)
