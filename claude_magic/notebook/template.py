"""``{{ expr }}`` in a question: one pass, and nothing that was put in is looked at again."""

from __future__ import annotations

import builtins
import typing
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

from claude_magic.content import Named, RemotePicture, Text, disk
from claude_magic.content.words import one_line
from claude_magic.messages.credentials import KEY_IN_TEXT
from claude_magic.messages.errors import BadInput
from claude_magic.notebook.words import Word
from claude_magic.tools.server import FORMS, ServerTool

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


def attachments(word: Word, namespace: Mapping[str, Any]) -> list[Named]:
    """What an ``-i`` names: an address, a variable, a file, an expression, or several with commas.

    Parameters
    ----------
    word : Word
    namespace : mapping

    Raises
    ------
    BadInput
        If it is none of these; the line says what was tried.
    """
    text = word.text.strip()
    several_words = not word.quoted and any(character.isspace() for character in text)
    found = None if several_words and len(_at_commas(text)) > 1 else _attachment(text, namespace)
    if found is not None:
        return [found]
    if not word.quoted:
        items = [item for item in _at_commas(text) if item]
        if len(items) > 1:
            several = [_attachment(item, namespace) for item in items]
            return [
                one if one is not None else _expression(item, namespace)
                for item, one in zip(items, several, strict=True)
            ]
        text = items[0] if items else text
        found = _attachment(text, namespace)
    return [found if found is not None else _expression(text, namespace)]


def tools(word: Word, namespace: Mapping[str, Any]) -> list[object]:
    """What a ``-t`` names: variables, the server's own tools, expressions; several with commas.

    Raises
    ------
    BadInput
        If one is none of these.
    """
    return [_tool(item, namespace) for item in _at_commas(word.text) if item]


def schema(word: Word, namespace: Mapping[str, Any]) -> Any:
    """The type or JSON schema that a ``--schema`` names.

    Raises
    ------
    BadInput
        If it names nothing.
    """
    text = _bare(word.text)
    code = _compiled(text)
    if code is None:
        raise BadInput(f"--schema {text}: that is no type and no expression.")
    names = {**vars(builtins), **vars(typing), **namespace}  # list[Literal["a", "b"]] needs no import
    return evaluate(code, f"--schema {one_line(text, 60)}", names)


def _tool(text: str, namespace: Mapping[str, Any]) -> object:
    text = _bare(text)
    if text in namespace:
        return namespace[text]
    if text.isidentifier():
        try:
            return ServerTool(text)
        except BadInput:
            raise BadInput(
                f"-t {text}: there is no function of that name here, and no tool of the server ({', '.join(FORMS)})."
            ) from None
    code = _compiled(text)
    if code is None:
        raise BadInput(f"-t {text}: that is no function, no tool of the server, and no expression.")
    return evaluate(code, f"-t {one_line(text, 60)}", namespace)


def _bare(text: str) -> str:
    text = text.strip()
    return text.removeprefix("{{").removesuffix("}}").strip() if text.startswith("{{") else text


def _attachment(text: str, namespace: Mapping[str, Any]) -> Named | None:
    """An address, a variable or a file; None if it is none of these."""
    if text.startswith(("http://", "https://", "data:")):
        return Named(text if len(text) <= 60 else text[:59] + "…", RemotePicture(text))
    if text in namespace:
        return Named(text, _meant(namespace[text]))
    if text and (path := disk.named_by(text)) is not None:
        return Named(text, path)
    return None


def _expression(text: str, namespace: Mapping[str, Any]) -> Named:
    text = _bare(text)
    if "://" in text.partition(" ")[0]:
        raise BadInput(f"-i {text}: of addresses only http(s) and data: ones can be sent.")
    code = _compiled(text)
    if code is None or text.isidentifier():
        raise BadInput(f"-i {text}: there is no variable and no file of that name, and it is no expression.")
    return Named(one_line(text, 60), _meant(evaluate(code, f"-i {one_line(text, 60)}", namespace)))


def _meant(value: Any) -> Any:
    """What a string names, where something is to be attached."""
    if not isinstance(value, str):
        return value
    if value.startswith(("http://", "https://", "data:")):
        return RemotePicture(value)
    return disk.named_by(value) or value


def _at_commas(text: str) -> list[str]:
    items, depth, start, quote = [], 0, 0, ""
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and not depth:
            items.append(text[start:at].strip())
            start = at + 1
    return [*items, text[start:].strip()]


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
        if (code := _compiled(expression)) is not None:
            return expression, code, closing + 2
        closing = source.find("}}", closing + 1)
    line = source.count("\n", 0, opening) + 1
    if first < 0:
        raise BadInput(f"{{{{ on line {line} of the question is never closed. {_ESCAPE}")
    shown = " ".join(source[opening : first + 2].split())
    raise BadInput(f"{shown} on line {line} of the question is no Python expression. {_ESCAPE}")


def _compiled(expression: str) -> CodeType | None:
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
