"""Documents: PDFs, text files, notebooks and passages, checked before they are sent."""

from __future__ import annotations

import base64
import dataclasses
import os
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from claude_magic.content import disk, notebooks, pdf
from claude_magic.content.parts import Part
from claude_magic.content.pdf import check_pages
from claude_magic.messages.errors import BadInput
from claude_magic.messages.files import File
from claude_magic.messages.limits import MAX_REQUEST_BYTES
from claude_magic.messages.text import pluralize

__all__ = ["Document", "check_pages", "from_document"]

MOST_BYTES = (MAX_REQUEST_BYTES - 2**20) * 3 // 4
"""Bytes of a document: base64 makes four of three, and some room is for the rest of the request."""


@dataclasses.dataclass(frozen=True, eq=False)
class Document:
    """Something to read, and how it is sent.

    Parameters
    ----------
    value : path, bytes, file, str, or list of str
        A PDF or any text file, by path, as bytes, open for reading, or uploaded; an http(s) address
        of a PDF, which the API fetches itself; a notebook (``.ipynb``), of which the cells and their
        printed output are sent; or a list of passages, each of which can be cited for itself.
    title : str, optional
        What it is called in the question; the name of the file if left out.
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
        taken = isinstance(self.value, str | bytes | bytearray | memoryview | os.PathLike | list | tuple | File)
        if not taken and not callable(getattr(self.value, "read", None)):
            raise BadInput(
                f"Document takes a path, an http(s) address, bytes, a file or a list of passages, "
                f"not this {type(self.value).__name__}."
            )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class DocumentPart(Part):
    """A document block.

    Attributes
    ----------
    name : str
        Its title if the user gave one, else how the user called it.
    """

    name: str


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
    inner, name = document.value, document.title or name
    if isinstance(inner, list | tuple):
        found = _of_passages(inner, name)
    elif isinstance(inner, str) and re.match("https?://", inner, re.IGNORECASE):
        found = _of_address(inner)
    elif isinstance(inner, File):
        found = _of_upload(inner, name)
    elif isinstance(inner, str | os.PathLike):
        found = _of_path(inner, document.pages)
    else:
        from claude_magic.content.pictures import of_stream

        data = of_stream(inner, name) if hasattr(inner, "read") else bytes(inner)
        found = _of_bytes(data, name, None, document.pages)
    if document.pages is not None and not found.selected:
        raise BadInput(
            f"{found.filename or name}: pages can only be chosen of a PDF that is on this machine or in memory."
        )
    wire: dict[str, Any] = {"type": "document", "source": found.source}
    if title := _joined(document.title or found.title, found.selected):
        wire["title"] = title
    if document.context is not None:
        wire["context"] = document.context
    if document.citations:
        wire["citations"] = {"enabled": True}
    about = ", ".join(filter(None, [found.filename, found.size]))
    return [DocumentPart(wire, about, pages=found.pages, name=name)]


@dataclasses.dataclass(frozen=True)
class _Found:
    """A source in the API's form, and what is said of it."""

    source: dict[str, Any]
    size: str
    filename: str = ""
    title: str | None = None
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
    return _Found({"type": "url", "url": url}, "by its address", name)


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
    return _Found({"type": "content", "content": content}, pluralize(len(content), "passage"))


def _of_upload(file: File, name: str) -> _Found:
    from claude_magic.content.uploads import from_upload

    (part,) = from_upload(file, name)
    if part.is_picture:
        raise BadInput(f"{name}: {file!r} is a picture. Send it without Document.")
    return _Found(part.wire["source"], part.about or "")


def _of_path(value: str | os.PathLike[Any], pages: Any) -> _Found:
    hint = "For a text itself, send it as text." if isinstance(value, str) else ""
    path = disk.checked(disk.located(value), hint)
    if pages is None:
        _check_size(path.stat().st_size, path.name)
    called = path.name.encode("utf-8", "replace").decode()
    found = _of_bytes(disk.read(path, hint), called, path.suffix.lower(), pages)
    return dataclasses.replace(found, filename=called, title=called)


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
        size = pluralize(len(text.splitlines()), "line")
    if not text.strip():
        raise BadInput(f"{name} is empty.")
    return _Found({"type": "text", "media_type": "text/plain", "data": text}, size)


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
        size = f"PDF of {len(data) / 2**20:.1f} MB" if count is None else pluralize(count, "page")
    else:
        data, numbers, total = pdf.extract(data, name, wanted)
        _check_size(len(data), name)
        count, selected = len(numbers), f"{pdf.in_words(numbers)} of {total:,}"
        size = f"{count:,} of {pluralize(total, 'page')}"
    if count == 0:
        raise BadInput(f"{name} has no pages.")
    if count is not None:
        check_pages(count, name=name)
    source = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(data).decode("ascii")}
    return _Found(source, size, pages=count, selected=selected)
