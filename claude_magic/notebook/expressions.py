"""Option values that are Python expressions: attachments, tools and schemas."""

from __future__ import annotations

import builtins
import typing
from collections.abc import Mapping

from claude_magic.content import local_files
from claude_magic.content.template import compile_expression, evaluate
from claude_magic.content.values import Named, RemotePicture
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line
from claude_magic.notebook.lexer import Word
from claude_magic.tools.server_tool import FORMS, ServerTool


def attachments(word: Word, namespace: Mapping[str, object]) -> list[Named]:
    """The values of an ``-i``: URLs, variables, files or expressions, separated by commas.

    Parameters
    ----------
    word : Word
    namespace : mapping

    Raises
    ------
    BadInput
        If one is none of these.
    """
    text = word.text.strip()
    items = [text] if word.quoted else [item for item in _split_at_commas(text) if item] or [text]
    if items != [text] and len(text.split()) == 1 and (found := _attachment(text, namespace)):
        return [found]  # the name of a file may contain commas
    found_first = [_attachment(item, namespace) for item in items]
    return [one or _expression(item, namespace) for item, one in zip(items, found_first, strict=True)]


def tools(word: Word, namespace: Mapping[str, object]) -> list[object]:
    """The tools of a ``-t``: variables, server tools or expressions, separated by commas.

    Raises
    ------
    BadInput
        If one is none of these.
    """
    return [_tool(item, namespace) for item in _split_at_commas(word.text) if item]


def schema(word: Word, namespace: Mapping[str, object]) -> object:
    """The type or JSON schema of a ``--schema``.

    Raises
    ------
    BadInput
        If it is not a Python expression, or evaluating it fails.
    """
    text = _bare(word.text)
    code = compile_expression(text)
    if code is None:
        raise BadInput(f"--schema {text}: this is neither a type nor a Python expression.")
    names = {**vars(builtins), **vars(typing), **namespace}  # list[Literal["a", "b"]] needs no import
    return evaluate(code, f"--schema {one_line(text, 60)}", names)


def _tool(text: str, namespace: Mapping[str, object]) -> object:
    text = _bare(text)
    if text in namespace:
        return namespace[text]
    if text.isidentifier():
        try:
            return ServerTool(text)
        except BadInput:
            raise BadInput(
                f"-t {text}: there is no function or server tool ({', '.join(FORMS)}) of that name."
            ) from None
    code = compile_expression(text)
    if code is None:
        raise BadInput(f"-t {text}: this is neither a tool nor a Python expression.")
    return evaluate(code, f"-t {one_line(text, 60)}", namespace)


def _bare(text: str) -> str:
    text = text.strip()
    return text.removeprefix("{{").removesuffix("}}").strip() if text.startswith("{{") else text


def _attachment(text: str, namespace: Mapping[str, object]) -> Named | None:
    """A URL, a variable or a file; None if it is none of these."""
    if text.startswith(("http://", "https://", "data:")):
        return Named(text if len(text) <= 60 else text[:59] + "…", RemotePicture(text))
    if text in namespace:
        return Named(text, _attachable(namespace[text]))
    if text and (path := local_files.existing_path(text)) is not None:
        return Named(text, path)
    return None


def _expression(text: str, namespace: Mapping[str, object]) -> Named:
    text = _bare(text)
    if "://" in text.partition(" ")[0]:
        raise BadInput(f"-i {text}: only http(s) and data: URLs can be sent.")
    code = compile_expression(text)
    if code is None or text.isidentifier():
        raise BadInput(f"-i {text}: there is no variable or file of that name, and it is not an expression.")
    return Named(one_line(text, 60), _attachable(evaluate(code, f"-i {one_line(text, 60)}", namespace)))


def _attachable(value: object) -> object:
    """The value to attach: a string may be a URL or the name of a file."""
    if not isinstance(value, str):
        return value
    if value.startswith(("http://", "https://", "data:")):
        return RemotePicture(value)
    return local_files.existing_path(value) or value


def _split_at_commas(text: str) -> list[str]:
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
