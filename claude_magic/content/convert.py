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
import itertools
import numbers
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from claude_magic.content.parts import Part, text_part
from claude_magic.content.values import RemotePicture, Text
from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    pass


Converter = Callable[[Any, str], "list[Part]"]

_BY_NAME = {
    "claude_magic.content.values.RemotePicture": "pictures:from_any",
    "claude_magic.content.picture.Picture": "pictures:from_picture",
    "PIL.Image.Image": "pictures:from_any",
    "matplotlib.artist.Artist": "pictures:from_any",
    "matplotlib.container.Container": "pictures:from_any",
    "seaborn.Grid": "pictures:from_any",
    "plotly.BaseFigure": "pictures:from_any",
    "altair.TopLevelMixin": "pictures:from_any",
    "folium.Map": "pictures:from_any",
    "bokeh.LayoutDOM": "pictures:from_any",
    "numpy.ndarray": "arrays:from_array",
    "claude_magic.content.tables.table.Table": "tables.table:from_table",
    "claude_magic.content.documents.Document": "documents:from_document",
    "claude_magic.messages.files.File": "uploads:from_upload",
    "pandas.DataFrame": "tables.table:from_frame",
    "pandas.Series": "tables.table:from_frame",
    "polars.DataFrame": "tables.table:from_frame",
    "polars.Series": "tables.table:from_frame",
    "pyarrow.Table": "tables.table:from_frame",
    "duckdb.DuckDBPyRelation": "tables.table:from_frame",
}
"""Which converter takes which class; a class may be defined deeper than where it is offered."""

_registered: dict[type, Callable[[Any], object]] = {}


def register(type_: type, convert: Callable[[Any], object]) -> None:
    """Teach the content layer a type of yours.

    Parameters
    ----------
    type_ : type
        Its subclasses are meant, too.
    convert : callable
        Takes the value and returns one that is known: text, a picture, a table, or a list of these.
    """
    _registered[type_] = convert


def to_parts(value: object, name: str) -> list[Part]:
    """A value as content blocks.

    Parameters
    ----------
    value : object
        Text and numbers; PIL images, arrays, plots, paths and bytes of pictures; tables; exceptions;
        anything with a ``__claude__`` method or a notebook's ``_repr_png_`` and the like; lists of these.
    name : str
        How the user called it; errors and the "sent" line use it.

    Returns
    -------
    list of Part

    Raises
    ------
    BadInput
        If it cannot be shown to a model, with what to do instead.
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
    if isinstance(value, PurePath | bytes | bytearray | memoryview) or callable(getattr(type(value), "read", None)):
        from claude_magic.content import file_types

        return file_types.from_file(value, name)
    if isinstance(value, BaseException):
        return [text_part(f"{type(value).__name__}: {value}")]
    if isinstance(value, list | tuple) and _is_plot(value):
        from claude_magic.content import pictures

        return pictures.from_any(value, name)
    if is_record(value):
        from claude_magic.content.tables import records

        return records.from_record(value, name)
    if isinstance(value, _CONTAINERS) and _is_more_than_text(value):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [part for key, item in items for part in to_parts(item, f"{name}[{key!r}]")]
    if (shown := _as_a_notebook_shows_it(value)) is not None:
        return to_parts(shown, name)
    return [text_part(_as_text(value, name))]


def is_record(value: object) -> bool:
    """Whether a value is plain data that goes as JSON, in part if it is large.

    A dict, a dataclass instance, a pydantic model, or a list too long to be read as a whole; not if
    there are pictures, tables or files in it.
    """
    if _has_its_own_form(type(value)):
        return False
    if isinstance(value, _CONTAINERS):
        return (isinstance(value, dict) or _is_long(value)) and not _is_more_than_text(value)
    return (dataclasses.is_dataclass(value) and not isinstance(value, type)) or hasattr(type(value), "model_dump")


def _is_plot(value: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a list is what a plotting call returned: artists of one figure, perhaps with its numbers."""
    from claude_magic.content import plots

    if not value or plots.figure_of(value) is None:
        return False
    rest = [item for item in value if plots.figure_of(item) is None]
    return isinstance(value, tuple) or not rest


def _converter(type_: type) -> Converter | None:
    for base in type_.__mro__:
        package = base.__module__.partition(".")[0].lstrip("_")
        for known in (f"{base.__module__}.{base.__qualname__}", f"{package}.{base.__name__}"):
            if known in _BY_NAME:
                module, _, function = _BY_NAME[known].partition(":")
                converter: Converter = getattr(importlib.import_module(f"claude_magic.content.{module}"), function)
                return converter
    return None


_CONTAINERS = (dict, list, tuple)
_MOST_ITEMS = 10_000
"""Items of a list up to which it goes as text, and pictures and tables are looked for among them."""
_MOST_IN_ALL = 10 * _MOST_ITEMS
"""Items of all lists at one depth that are looked at."""


def _is_more_than_text(value: object) -> bool:
    """Whether there is anything in a list or dict that does not go as text."""
    return any(_has_its_own_form(kind) for items in _levels(value) for kind in {type(item) for item in items})


def _is_long(value: object) -> bool:
    """Whether there are too many items in a list, and in those within it, for a text."""
    inner = (item for items in _levels(value) for item in items if isinstance(item, _CONTAINERS))
    return sum(map(len, inner)) > _MOST_ITEMS


def _levels(value: object) -> Iterator[list[object]]:
    """A list or dict, what is in it, what is in that, and so on; huge ones are not looked into."""
    items = [value]
    for _ in range(6):
        yield items
        inner = [item for item in items if isinstance(item, _CONTAINERS) and len(item) <= _MOST_ITEMS]
        every = itertools.chain.from_iterable(item.values() if isinstance(item, dict) else item for item in inner)
        items = list(itertools.islice(every, _MOST_IN_ALL))


def _has_its_own_form(type_: type) -> bool:
    return (
        _converter(type_) is not None
        or issubclass(type_, PurePath | bytes | bytearray | Part | Text)
        or any(base in _registered for base in type_.__mro__)
        or hasattr(type_, "__claude__")
    )


def _as_a_notebook_shows_it(value: object) -> object | None:
    """Bytes of a picture, or Markdown, that an object offers to notebooks."""
    kind = type(value)
    bundle: Any = None
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
_ADDRESS = re.compile(r"<\w[^\n]{0,300} at 0x[0-9a-fA-F]+|^<(module|class|built-in) [^\n]*>$")


def _as_text(value: object, name: str) -> str:
    if isinstance(value, _PLAIN):
        return str(value)
    text = str(value)
    if _ADDRESS.search(text):
        raise BadInput(
            f"{name} is a {type(value).__name__}, which cannot be shown to a model. Send what it holds: "
            f"text, a number, a table, a picture, a path; or give its class a __claude__ method."
        )
    return text
