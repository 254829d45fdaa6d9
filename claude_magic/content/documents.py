"""Documents: PDFs, text files, notebooks and passages, checked before they are sent."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from claude_magic.content import notebooks, pdf
from claude_magic.content.part import Part
from claude_magic.content.pdf import check_pages
from claude_magic.content.words import counted, shortened
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import MAX_REQUEST_BYTES

__all__ = ["Document", "DocumentPart", "check_pages", "from_document"]

MOST_BYTES = (MAX_REQUEST_BYTES - 2**20) * 3 // 4
"""Bytes of a document: base64 makes four of three, and some room is for the rest of the request."""


@dataclasses.dataclass(frozen=True, eq=False)
class Document:
    """Something to read, and how it is sent.

    Parameters
    ----------
    value : path, bytes, str, or list of str
        A PDF or any text file, by path or as bytes; an http(s) address of a PDF, which the API
        fetches itself; a notebook (``.ipynb``), of which the cells and their printed output are sent;
        or a list of passages, each of which can be cited for itself.
    title : str, optional
        The name of the file if left out.
    context : str, optional
        What Claude should know about the document, but not quote from.
    citations : bool, optional
        Whether the answer points to places in it. The API wants this for all documents of a
        request or for none.
    pages : tuple, list, range, int or slice, optional
        Of a PDF: ``(first, last)``, both included; a list of page numbers, of which 1 is the first
        page; one page number; or a slice, which counts like those of Python's lists. Needs pypdf.

    Raises
    ------
    BadInput
        If an argument is not of these types.
    """

    value: Any
    _: dataclasses.KW_ONLY
    title: str | None = None
    context: str | None = None
    citations: bool = False
    pages: Any = None

    def __post_init__(self) -> None:
        for name, text in (("title", self.title), ("context", self.context)):
            if text is not None and (not isinstance(text, str) or not text.strip()):
                raise BadInput(f"Document({name}={text!r}): {name} has to be some text, or left out.")
        if not isinstance(self.value, str | bytes | bytearray | memoryview | os.PathLike | list | tuple):
            raise BadInput(
                f"Document takes a path, an http(s) address, bytes or a list of passages, "
                f"not this {type(self.value).__name__}."
            )


@dataclasses.dataclass(frozen=True, eq=False)
class DocumentPart(Part):
    """A document block.

    Attributes
    ----------
    pages : int or None
        Of a PDF, if they could be counted.
    """

    pages: int | None = None


def from_document(value: Any, name: str) -> list[Part]:
    """A document block.

    Parameters
    ----------
    value : object
        A :class:`Document`, or whatever one can be made of.
    name : str
        How the user called it.

    Raises
    ------
    BadInput
        If it cannot be read, or the API would not take it; nothing is sent then.
    """
    document = value if isinstance(value, Document) else Document(value)
    inner, title = document.value, document.title
    if isinstance(inner, list | tuple):
        found = _of_passages(inner, name)
    elif isinstance(inner, str) and re.match("https?://", inner, re.IGNORECASE):
        found = _of_address(inner)
    elif isinstance(inner, bytes | bytearray | memoryview):
        found = _of_bytes(bytes(inner), name, None, document.pages)
    else:
        path = _file(os.fspath(inner))
        data = _read(path, whole=document.pages is None)
        called = path.name.encode("utf-8", "replace").decode()
        found = _of_bytes(data, called, path.suffix.lower(), document.pages)
        title = title or called
    if document.pages is not None and not found.selected:
        raise BadInput(f"{found.called}: pages can only be chosen of a PDF that is on this machine or in memory.")
    wire: dict[str, Any] = {"type": "document", "source": found.source}
    if title := _joined(title, found.selected):
        wire["title"] = title
    if document.context is not None:
        wire["context"] = document.context
    if document.citations:
        wire["citations"] = {"enabled": True}
    return [DocumentPart(wire, f"{found.called}, {found.size}", found.pages)]


@dataclasses.dataclass(frozen=True)
class _Found:
    """A source in the API's form, and what is said of it."""

    source: dict[str, Any]
    called: str
    size: str
    pages: int | None = None
    selected: str = ""


def _joined(title: str | None, selected: str) -> str | None:
    """Says of a part of a PDF which pages these were, for Claude sees them numbered from 1."""
    return f"{title} ({selected})" if title and selected else title or selected or None


def _of_address(url: str) -> _Found:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or url != url.strip() or any(character.isspace() for character in url):
        raise BadInput(f"{url!r} is no complete http(s) address.")
    name = unquote(PurePosixPath(parts.path).name) or host
    return _Found({"type": "url", "url": url}, name, "by its address")


def _of_passages(passages: Iterable[object], name: str) -> _Found:
    content = []
    for number, passage in enumerate(passages):
        if not isinstance(passage, str):
            raise BadInput(f"{name}[{number}] is of type {type(passage).__name__}; the passages have to be strings.")
        if not passage.strip():
            raise BadInput(f"{name}[{number}] is empty. Leave empty passages out.")
        content.append({"type": "text", "text": passage})
    if not content:
        raise BadInput(f"{name} is an empty list: there is no passage in it.")
    _check_size(sum(len(passage["text"].encode("utf-8", "replace")) for passage in content), name)
    return _Found({"type": "content", "content": content}, name, counted(len(content), "passage"))


# Files.


def _file(path: str | bytes) -> Path:
    found = Path(os.fsdecode(path))
    with contextlib.suppress(RuntimeError):  # there is no such user
        found = found.expanduser()
    return found


def _read(path: Path, *, whole: bool) -> bytes:
    shown = repr(shortened(" ".join(str(path).split()), 200))
    try:
        if path.is_dir():
            raise BadInput(f"{shown} is a folder. Name a file in it.")
        if not path.exists():
            raise FileNotFoundError
        if not path.is_file():
            raise BadInput(f"{shown} is no regular file. Copy what comes out of it to one.")
        if whole:
            _check_size(path.stat().st_size, path.name)
        return path.read_bytes()
    except BadInput:
        raise
    except (FileNotFoundError, ValueError):  # a name with a null character is a ValueError
        hint = "" if path.is_absolute() else f" in {Path.cwd()}"
        raise BadInput(f"There is no file {shown}{hint}. For a text itself, send it as text.") from None
    except PermissionError:
        raise BadInput(f"{shown} may not be read by you. Change its permissions, or send a copy.") from None
    except OSError as error:
        if "name too long" in (error.strerror or "").lower():
            raise BadInput(f"There is no file {shown}. For a text itself, send it as text.") from None
        raise BadInput(f"{shown} cannot be read: {error.strerror or error}.") from None


def _of_bytes(data: bytes, name: str, suffix: str | None, pages: Any) -> _Found:
    if not data.strip():
        raise BadInput(f"{name} is empty.")
    if data.startswith(b"%PDF"):
        return _of_pdf(data, name, pages)
    if suffix == ".pdf":
        raise BadInput(f"{name} is no PDF, in spite of its name: it does not begin with %PDF.")
    _check_size(len(data), name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise BadInput(f"{name} is neither a PDF nor text in UTF-8. {_advice(data)}")
    if suffix == ".ipynb":
        text, size = notebooks.as_text(text, name)
    else:
        size = counted(len(text.splitlines()), "line")
    if not text.strip():
        raise BadInput(f"{name} is empty.")
    return _Found({"type": "text", "media_type": "text/plain", "data": text}, name, size)


def _advice(data: bytes) -> str:
    if data.startswith(b"PK\x03\x04"):
        return "Word, Excel and other office files can be sent when saved as PDF."
    if data.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8")) or data[8:12] == b"WEBP":
        return "It looks like a picture: send it as one, without Document."
    return "Save it as PDF, or as text in UTF-8."


def _check_size(size: int, name: str) -> None:
    if size > MOST_BYTES:
        raise BadInput(
            f"{name} has {size / 2**20:.1f} MB, and {MOST_BYTES / 2**20:.1f} MB are the most. "
            "Send a part of it (of a PDF: pages=(first, last))."
        )


# PDF.


def _of_pdf(data: bytes, name: str, wanted: Any) -> _Found:
    count: int | None
    if wanted is None:
        _check_size(len(data), name)
        count, selected = pdf.count_pages(data, name), ""
        size = f"PDF of {len(data) / 2**20:.1f} MB" if count is None else counted(count, "page")
    else:
        data, numbers, total = pdf.extract(data, name, wanted)
        _check_size(len(data), name)
        count, selected = len(numbers), f"{pdf.in_words(numbers)} of {total:,}"
        size = f"{count:,} of {counted(total, 'page')}"
    if count == 0:
        raise BadInput(f"{name} has no pages.")
    if count is not None:
        check_pages(count, name=name)
    source = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(data).decode("ascii")}
    return _Found(source, name, size, count, selected)
