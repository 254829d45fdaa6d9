"""Option values that are expressions of the notebook: attachments, tools and schemas."""

from __future__ import annotations

import builtins
import typing
from collections.abc import Mapping
from typing import Any

from claude_magic.content import local_files
from claude_magic.content.template import compile_expression, evaluate
from claude_magic.content.values import Named, RemotePicture
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line
from claude_magic.notebook.lexer import Word
from claude_magic.tools.server_tool import FORMS, ServerTool


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
    code = compile_expression(text)
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
    code = compile_expression(text)
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
    if text and (path := local_files.existing_path(text)) is not None:
        return Named(text, path)
    return None


def _expression(text: str, namespace: Mapping[str, Any]) -> Named:
    text = _bare(text)
    if "://" in text.partition(" ")[0]:
        raise BadInput(f"-i {text}: of addresses only http(s) and data: ones can be sent.")
    code = compile_expression(text)
    if code is None or text.isidentifier():
        raise BadInput(f"-i {text}: there is no variable and no file of that name, and it is no expression.")
    return Named(one_line(text, 60), _meant(evaluate(code, f"-i {one_line(text, 60)}", namespace)))


def _meant(value: Any) -> Any:
    """What a string names, where something is to be attached."""
    if not isinstance(value, str):
        return value
    if value.startswith(("http://", "https://", "data:")):
        return RemotePicture(value)
    return local_files.existing_path(value) or value


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
