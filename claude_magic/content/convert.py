"""How a Python value becomes content blocks.

Everything goes through :func:`to_parts`. A class may know how to show itself (``__claude__``, or a function given to
:func:`register`); these return simpler values, which go through :func:`to_parts` again. Otherwise ``_CONVERTERS`` is
searched for the class and its bases: it names one function ``from_…`` for each kind of value, which takes the value
and the user's expression, and returns parts. What is not in the table is recognized by what it can do: open files,
plain data, lists, objects that draw themselves in a notebook. Everything else is sent as ``str`` returns it. To
support another class, write a function and add a line to the table.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import importlib
import itertools
import numbers
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any, cast

from claude_magic.content.class_lookup import find_by_class
from claude_magic.content.parts import Part, text_part
from claude_magic.content.plots import is_plot
from claude_magic.content.values import RemotePicture, Text
from claude_magic.messages.errors import BadInput

Converter = Callable[[object, str], list[Part]]

_CONVERTERS = {
    "claude_magic.content.values.RemotePicture": "picture:from_picture",
    "claude_magic.content.picture.Picture": "picture:from_picture",
    "PIL.Image.Image": "picture:from_picture",
    "matplotlib.artist.Artist": "picture:from_picture",
    "matplotlib.container.Container": "picture:from_picture",
    "seaborn.Grid": "picture:from_picture",
    "plotly.BaseFigure": "picture:from_picture",
    "altair.TopLevelMixin": "picture:from_picture",
    "folium.Map": "picture:from_picture",
    "bokeh.LayoutDOM": "picture:from_picture",
    "numpy.ndarray": "array_content:from_array",
    "claude_magic.content.tables.table.Table": "tables.table:from_table",
    "pandas.DataFrame": "tables.table:from_table",
    "pandas.Series": "tables.table:from_table",
    "polars.DataFrame": "tables.table:from_table",
    "polars.Series": "tables.table:from_table",
    "pyarrow.Table": "tables.table:from_table",
    "duckdb.DuckDBPyRelation": "tables.table:from_table",
    "claude_magic.content.documents.Document": "documents:from_document",
    "claude_magic.messages.files.File": "file_reference:from_file_reference",
    "pathlib.PurePath": "file_content:from_file",
    "builtins.bytes": "file_content:from_file",
    "builtins.bytearray": "file_content:from_file",
    "builtins.memoryview": "file_content:from_file",
}
"""Classes, and the functions in this package that convert them.

Classes are given by name, so that their packages are not imported; see ``class_lookup``.
"""

_registered: dict[type, Callable[[Any], object]] = {}


def register(type_: type, convert: Callable[[Any], object]) -> None:
    """Tell Claude Magic how to send objects of a class.

    Parameters
    ----------
    type_ : type
        The class; its subclasses are included.
    convert : callable
        Takes an object and returns something that can be sent: text, a picture, a table, or a list of these.
    """
    _registered[type_] = convert


def to_parts(value: object, name: str) -> list[Part]:
    """Convert a value to content blocks.

    Parameters
    ----------
    value : object
        Text and numbers; images, arrays, plots and tables; paths, bytes and open files; plain data; exceptions;
        anything with a ``__claude__`` method, or ``_repr_png_`` and the like; lists of these.
    name : str
        The user's expression, for errors and for the line that reports what was sent.

    Returns
    -------
    list of Part

    Raises
    ------
    BadInput
        If the value cannot be sent; the message says what to send instead.
    """
    if callable(special := getattr(type(value), "__claude__", None)):
        return to_parts(special(value), name)
    for base in type(value).__mro__:
        if base in _registered:
            return to_parts(_registered[base](value), name)
    if isinstance(value, Part):
        return [value]
    if isinstance(value, str | Text):
        return [text_part(value.value if isinstance(value, Text) else value)]
    if (convert := _converter(type(value))) is not None:
        return convert(value, name)
    if callable(getattr(type(value), "read", None)):
        return _load("file_content:from_file")(value, name)
    if isinstance(value, BaseException):
        return [text_part(f"{type(value).__name__}: {value}")]
    if isinstance(value, list | tuple) and is_plot(value):
        return _load("picture:from_picture")(value, name)
    if is_record(value):
        return _load("tables.records:from_record")(value, name)
    if isinstance(value, _CONTAINERS) and _is_more_than_text(value):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [part for key, item in items for part in to_parts(item, f"{name}[{key!r}]")]
    if (shown := _notebook_repr(value)) is not None:
        return to_parts(shown, name)
    return [text_part(_as_text(value, name))]


def is_record(value: object) -> bool:
    """Whether a value is plain data that is sent as JSON, shortened if it is large.

    That is a dict, a dataclass instance, a Pydantic model, or a list too long to be sent as text; but not if it
    contains pictures, tables or files.
    """
    if _has_converter(type(value)):
        return False
    if isinstance(value, _CONTAINERS):
        return (isinstance(value, dict) or _is_long(value)) and not _is_more_than_text(value)
    return (dataclasses.is_dataclass(value) and not isinstance(value, type)) or hasattr(type(value), "model_dump")


def _converter(type_: type) -> Converter | None:
    path = find_by_class(type_, _CONVERTERS)
    return None if path is None else _load(path)


def _load(path: str) -> Converter:
    """Import a converter on first use: it may need a large package."""
    module, _, function = path.partition(":")
    return cast("Converter", getattr(importlib.import_module(f"claude_magic.content.{module}"), function))


_CONTAINERS = (dict, list, tuple)
_MAX_ITEMS = 10_000
"""Items of a list that is sent as text, and that is searched for pictures and tables."""
_MAX_ITEMS_PER_LEVEL = 10 * _MAX_ITEMS
"""Items of all lists at one level that are searched."""


def _is_more_than_text(value: object) -> bool:
    """Whether a list or dict contains anything that is not sent as text."""
    return any(_has_converter(kind) for items in _levels(value) for kind in {type(item) for item in items})


def _is_long(value: object) -> bool:
    """Whether a list and the lists in it have too many items to be sent as text."""
    inner = (item for items in _levels(value) for item in items if isinstance(item, _CONTAINERS))
    return sum(map(len, inner)) > _MAX_ITEMS


def _levels(value: object) -> Iterator[list[object]]:
    """A value, the items of it, the items of these, and so on; huge lists are not searched."""
    items = [value]
    for _ in range(6):
        yield items
        inner = [item for item in items if isinstance(item, _CONTAINERS) and len(item) <= _MAX_ITEMS]
        every = itertools.chain.from_iterable(item.values() if isinstance(item, dict) else item for item in inner)
        items = list(itertools.islice(every, _MAX_ITEMS_PER_LEVEL))


def _has_converter(type_: type) -> bool:
    return (
        find_by_class(type_, _CONVERTERS) is not None
        or issubclass(type_, Part | Text)
        or any(base in _registered for base in type_.__mro__)
        or hasattr(type_, "__claude__")
    )


def _notebook_repr(value: object) -> object | None:
    """The picture or Markdown that an object shows in a notebook."""
    kind = type(value)
    bundle: object = None
    if callable(getattr(kind, "_repr_mimebundle_", None)):
        bundle = value._repr_mimebundle_(include=None, exclude=None)  # type: ignore[attr-defined]
        bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    bundle = bundle if isinstance(bundle, dict) else {}
    for mime in ("image/png", "image/jpeg", "image/svg+xml", "text/markdown"):
        method = "_repr_" + mime.rpartition("/")[2].partition("+")[0] + "_"
        found = bundle.get(mime)
        if found is None and callable(getattr(kind, method, None)):
            found = getattr(value, method)()
            found = found[0] if isinstance(found, tuple) else found
        if found is None:
            continue
        if mime == "text/markdown":
            return Text(str(found))
        if mime == "image/svg+xml":
            return found.encode() if isinstance(found, str) else found
        return RemotePicture(f"data:{mime};base64,{found.strip()}") if isinstance(found, str) else found
    return None


_PLAIN = (numbers.Number, datetime.date, datetime.time, datetime.timedelta, uuid.UUID, enum.Enum, type(None))
_ADDRESS = re.compile(r"<\w[^\n]{0,300} at 0x[0-9a-fA-F]+|^<(module|class|built-in) [^\n]*>$")


def _as_text(value: object, name: str) -> str:
    if isinstance(value, _PLAIN):
        return str(value)
    text = str(value)
    if _ADDRESS.search(text):
        raise BadInput(
            f"{name} is a {type(value).__name__}, which cannot be shown to a model. Send its contents: "
            f"text, a number, a table, a picture or a path; or give its class a __claude__ method."
        )
    return text
