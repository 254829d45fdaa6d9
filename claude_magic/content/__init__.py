"""Python values as content blocks: one door, :func:`to_parts`.

Which function turns which type into blocks is a table. Types of optional packages stand in it by
name, so that nothing is imported that the user has not imported.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import importlib
import numbers
import os
import re
import uuid
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any

from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import Model

__all__ = ["Named", "Part", "RemotePicture", "Text", "compose", "register", "to_parts"]


@dataclasses.dataclass(frozen=True)
class Part:
    """One content block, ready to be sent.

    Attributes
    ----------
    wire : dict
        The block in the API's form.
    summary : str or None
        What it is in a few words, for the line that says what was sent; None for plain text.
    """

    wire: dict[str, Any]
    summary: str | None = None


@dataclasses.dataclass(frozen=True)
class Named:
    """A value and the expression it came from."""

    name: str
    value: object


@dataclasses.dataclass(frozen=True)
class Text:
    """A string that is to be sent as text whatever it may name."""

    value: str


@dataclasses.dataclass(frozen=True)
class RemotePicture:
    """An http(s) address of a picture, which the API fetches itself."""

    url: str


Converter = Callable[[Any, str, Model], "list[Part]"]

_BY_NAME = {
    "PIL.Image.Image": "pictures:from_pil",
    "matplotlib.figure.FigureBase": "pictures:from_figure",
    "pandas.DataFrame": "tables:from_pandas",
    "pandas.Series": "tables:from_pandas",
}
_registered: dict[type, Converter] = {}


def register(type_: type, convert: Converter) -> None:
    """Teach the content layer a type of yours.

    Parameters
    ----------
    type_ : type
        Its subclasses are meant, too.
    convert : callable
        Takes the value, its name and the :class:`~claude_magic.messages.limits.Model` that will
        read it; returns a list of :class:`Part`.
    """
    _registered[type_] = convert


def to_parts(value: object, name: str, model: Model) -> list[Part]:
    """A value as content blocks.

    Parameters
    ----------
    value : object
        Text and numbers; PIL images, matplotlib figures, paths of pictures, image bytes; pandas
        frames and series; exceptions; anything with a ``__claude__`` method, which returns such a
        value; lists of these.
    name : str
        How the user called it; errors and the "sent" line use it.
    model : Model
        Decides how large a picture may be.

    Returns
    -------
    list of Part

    Raises
    ------
    BadInput
        If it cannot be shown to a model, with what to do instead.
    """
    if callable(special := getattr(type(value), "__claude__", None)):
        return to_parts(special(value), name, model)
    if (convert := _converter(type(value))) is not None:
        return convert(value, name, model)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Text):
        return _text(value.value)
    if isinstance(value, RemotePicture | PurePath | bytes | bytearray | memoryview):
        from claude_magic.content import pictures

        return pictures.from_reference(value, name, model)
    if isinstance(value, BaseException):
        return _text(f"{type(value).__name__}: {value}")
    if isinstance(value, list | tuple) and any(_is_more_than_text(item) for item in value):
        return [part for number, item in enumerate(value) for part in to_parts(item, f"{name}[{number}]", model)]
    return _text(_as_text(value, name))


def compose(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts of a message: neighbouring text joined, empty text left out."""
    composed: list[Part] = []
    text: list[str] = []

    def flush() -> None:
        if (words := "".join(text)).strip():
            composed.append(Part({"type": "text", "text": words.strip()}))
        text.clear()

    for part in parts:
        if part.wire["type"] == "text" and part.summary is None:
            text.append(part.wire["text"])
        else:  # a table, too, keeps its place and stands alone
            flush()
            composed.append(part)
    flush()
    return tuple(composed)


def _converter(type_: type) -> Converter | None:
    for base in type_.__mro__:
        if base in _registered:
            return _registered[base]
        # A class may be defined deeper than where it is offered (pandas.core.frame.DataFrame).
        for known in (f"{base.__module__}.{base.__qualname__}", f"{base.__module__.partition('.')[0]}.{base.__name__}"):
            if known in _BY_NAME:
                module, _, function = _BY_NAME[known].partition(":")
                converter: Converter = getattr(importlib.import_module(f"{__name__}.{module}"), function)
                return converter
    return None


def _is_more_than_text(value: object) -> bool:
    return (
        _converter(type(value)) is not None
        or isinstance(value, RemotePicture | PurePath | bytes | bytearray)
        or hasattr(type(value), "__claude__")
    )


def _text(text: str) -> list[Part]:
    return [Part({"type": "text", "text": text})]


_PLAIN = (
    numbers.Number,
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    uuid.UUID,
    enum.Enum,
    bool,
    type(None),
)
_ADDRESS = re.compile(r"<.* at 0x[0-9a-fA-F]+.*>|<(module|function|class|generator|built-in).*>", re.DOTALL)


def _as_text(value: object, name: str) -> str:
    if isinstance(value, _PLAIN):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value) if isinstance(os.fspath(value), str) else repr(value)
    text = str(value)
    if _ADDRESS.fullmatch(text.strip()):
        raise BadInput(
            f"{name} is a {type(value).__name__}, which cannot be shown to a model. Send what it holds: "
            f"text, a number, a table, a picture, a path; or give its class a __claude__ method."
        )
    return text
