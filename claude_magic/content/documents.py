"""``Document``: PDFs, text files, notebooks and passages, checked before they are sent."""

from __future__ import annotations

import base64
import dataclasses
import os
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from claude_magic.content import local_files, notebook_text, pdf
from claude_magic.content.file_reference import from_file_reference
from claude_magic.content.parts import Block, Part
from claude_magic.content.pdf import Pages
from claude_magic.messages.errors import BadInput
from claude_magic.messages.files import File
from claude_magic.messages.limits import MAX_REQUEST_BYTES
from claude_magic.messages.text import pluralize

if TYPE_CHECKING:
    from _typeshed import SupportsRead

MAX_BYTES = (MAX_REQUEST_BYTES - 2**20) * 3 // 4
"""Bytes of a document: base64 turns three into four, and some space is for the rest of the request."""


@dataclasses.dataclass(frozen=True, eq=False)
class Document:
    """A document for Claude to read, and how it is sent.

    Parameters
    ----------
    value : path, bytes, file, str, or list of str
        A PDF or any text file, by path, as bytes, open for reading, or uploaded; an http(s) URL
        of a PDF, which the API downloads; a notebook (``.ipynb``), of which the cells and their
        printed output are sent; or a list of passages, each of which can be cited on its own.
    title : str, optional
        What it is called in the question; the default is the name of the file.
    context : str, optional
        What Claude should know about the document, but not quote from.
    citations : bool, optional
        Whether the answer cites passages of it. The API requires this of all documents of a
        request or of none.
    pages : tuple, list, range, int or slice, optional
        Pages of a PDF: ``(first, last)``, both included; a list of page numbers, starting at 1; one
        page number; or a slice, which counts as those of Python lists do. Needs pypdf.

    Raises
    ------
    BadInput
        If an argument has the wrong type.
    """

    value: object
    _: dataclasses.KW_ONLY
    title: str | None = None
    context: str | None = None
    citations: bool = False
    pages: Pages | None = None

    def __post_init__(self) -> None:
        for name, text in (("title", self.title), ("context", self.context)):
            if text is not None and (not isinstance(text, str) or not text.strip()):
                raise BadInput(f"Document({name}={text!r}): {name} has to be a non-empty string, or left out.")
        accepted = isinstance(self.value, str | bytes | bytearray | memoryview | os.PathLike | list | tuple | File)
        if not accepted and not callable(getattr(self.value, "read", None)):
            raise BadInput(
                f"Document takes a path, an http(s) URL, bytes, a file or a list of passages, "
                f"not this {type(self.value).__name__}."
            )


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class DocumentPart(Part):
    """A document block; ``name`` is the title if the user gave one, else the user's expression."""

    name: str


def from_document(value: object, name: str) -> list[Part]:
    """Convert a :class:`Document`, or anything that one can be made of, to a document block.

    Raises
    ------
    BadInput
        If it cannot be read, or the API would not accept it.
    """
    document = value if isinstance(value, Document) else Document(value)
    inner, name = document.value, document.title or name
    if isinstance(inner, list | tuple):
        found = _of_passages(inner, name)
    elif isinstance(inner, str) and re.match("https?://", inner, re.IGNORECASE):
        found = _of_url(inner)
    elif isinstance(inner, File):
        found = _of_upload(inner, name)
    elif isinstance(inner, str | os.PathLike):
        found = _of_path(inner, document.pages)
    elif isinstance(inner, bytes | bytearray | memoryview):
        found = _of_bytes(bytes(inner), name, None, document.pages)
    else:
        data = local_files.read_stream(cast("SupportsRead[object]", inner), name)
        found = _of_bytes(data, name, None, document.pages)
    if document.pages is not None and not found.selected:
        raise BadInput(
            f"{found.filename or name}: pages can only be chosen of a PDF that is on this machine or in memory. "
            "Leave pages out."
        )
    wire: Block = {"type": "document", "source": found.source}
    if title := _with_pages(document.title or found.title, found.selected):
        wire["title"] = title
    if document.context is not None:
        wire["context"] = document.context
    if document.citations:
        wire["citations"] = {"enabled": True}
    about = ", ".join(filter(None, [found.filename, found.size]))
    return [DocumentPart(wire, about, pages=found.pages, name=name)]


@dataclasses.dataclass(frozen=True)
class _Found:
    """The source of a document block, and what to report about it."""

    source: Block
    size: str
    filename: str = ""
    title: str | None = None
    pages: int | None = None
    selected: str = ""


def _with_pages(title: str | None, selected: str) -> str | None:
    """Name the selected pages of a PDF in its title: Claude sees them numbered from 1."""
    return f"{title} ({selected})" if title and selected else title or selected or None


def _of_url(url: str) -> _Found:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or url != url.strip() or any(character.isspace() for character in url):
        raise BadInput(f"{url!r} is not a complete http(s) URL.")
    name = unquote(PurePosixPath(parts.path).name) or host
    return _Found({"type": "url", "url": url}, "by URL", name)


def _of_passages(passages: Iterable[object], name: str) -> _Found:
    content = []
    for number, passage in enumerate(passages):
        if not isinstance(passage, str):
            raise BadInput(f"{name}[{number}] is of type {type(passage).__name__}; passages have to be strings.")
        if not passage.strip():
            raise BadInput(f"{name}[{number}] is empty. Leave empty passages out.")
        content.append({"type": "text", "text": passage})
    if not content:
        raise BadInput(f"{name} is an empty list: it needs at least one passage.")
    _check_size(sum(len(passage["text"].encode("utf-8", "replace")) for passage in content), name)
    return _Found({"type": "content", "content": content}, pluralize(len(content), "passage"))


def _of_upload(file: File, name: str) -> _Found:
    (part,) = from_file_reference(file, name)
    if part.is_picture:
        raise BadInput(f"{name}: {file!r} is a picture. Send it without Document.")
    return _Found(part.wire["source"], part.about or "")


def _of_path(value: str | os.PathLike[str], pages: Pages | None) -> _Found:
    hint = "To send a string as text, leave out Document." if isinstance(value, str) else ""
    path = local_files.check_file(local_files.expand_path(value), hint)
    if pages is None:
        _check_size(path.stat().st_size, path.name)
    title = path.name.encode("utf-8", "replace").decode()
    found = _of_bytes(local_files.read_file(path, hint), title, path.suffix.lower(), pages)
    return dataclasses.replace(found, filename=title, title=title)


def _of_bytes(data: bytes, name: str, suffix: str | None, pages: Pages | None) -> _Found:
    if not data.strip():
        raise BadInput(f"{name} is empty.")
    if data.startswith(b"%PDF"):
        return _of_pdf(data, name, pages)
    if suffix == ".pdf":
        raise BadInput(f"{name} is not a PDF, despite its name: it does not begin with %PDF.")
    _check_size(len(data), name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise BadInput(f"{name} is neither a PDF nor UTF-8 text. {_advice(data)}")
    if suffix == ".ipynb":
        text, size = notebook_text.notebook_to_text(text, name)
    else:
        size = pluralize(len(text.splitlines()), "line")
    if not text.strip():
        raise BadInput(f"{name} is empty.")
    return _Found({"type": "text", "media_type": "text/plain", "data": text}, size)


def _advice(data: bytes) -> str:
    if data.startswith(b"PK\x03\x04"):
        return "Files of Word, Excel and other office programs can be sent if they are saved as PDF."
    if data.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8")) or data[8:12] == b"WEBP":
        return "It looks like a picture: send it without Document."
    return "Save it as PDF or as UTF-8 text."


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise BadInput(
            f"{name} has {size / 2**20:.1f} MB; the limit is {MAX_BYTES / 2**20:.1f} MB. "
            "Send part of it (of a PDF: pages=(first, last))."
        )


def _of_pdf(data: bytes, name: str, wanted: Pages | None) -> _Found:
    count: int | None
    if wanted is None:
        _check_size(len(data), name)
        count, selected = pdf.count_pages(data, name), ""
        size = f"PDF of {len(data) / 2**20:.1f} MB" if count is None else pluralize(count, "page")
    else:
        data, numbers, total = pdf.extract_pages(data, name, wanted)
        _check_size(len(data), name)
        count, selected = len(numbers), f"{pdf.describe_pages(numbers)} of {total:,}"
        size = f"{count:,} of {pluralize(total, 'page')}"
    if count == 0:
        raise BadInput(f"{name} has no pages.")
    if count is not None:
        pdf.check_pages(count, name=name)
    source = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(data).decode("ascii")}
    return _Found(source, size, pages=count, selected=selected)
