"""PDFs: how many pages they have, and some of these as a PDF of their own."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import re
import zlib
from collections.abc import Iterator
from typing import Any

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line, pluralize

MOST_PAGES = 600
"""Pages of all PDFs in a request; 100 for models with a context of 200,000 tokens."""
_MISREADINGS = (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, RecursionError, OSError)
"""What pypdf raises about broken files, besides its own errors."""


def check_pages(count: int, most: int = MOST_PAGES, name: str = "The request") -> None:
    """Refuse more pages than a request may hold.

    Parameters
    ----------
    count : int
        Pages of one PDF, or of all in a request.
    most : int, optional
        The limit of the model: 600, or 100 where the context has 200,000 tokens.
    name : str, optional
        What they are the pages of.

    Raises
    ------
    BadInput
    """
    if count > most:
        raise BadInput(
            f"{name} has {count:,} pages of PDF, and {most} are the most at once. "
            f"Send a part, for example Document(…, pages=(1, {most}))."
        )


def count_pages(data: bytes, name: str) -> int | None:
    """How many pages a PDF has; None if that is not clear."""
    with _quiet():
        reader = _opened(data, name)
        if reader is not None:
            with contextlib.suppress(_pypdf().errors.PyPdfError, *_MISREADINGS):
                return len(reader.pages)
    return _count_in_objects(data)


def extract(data: bytes, name: str, wanted: Any) -> tuple[bytes, list[int], int]:
    """A PDF of the wanted pages, their numbers, and of how many they are."""
    if (pypdf := _pypdf()) is None:
        raise BadInput("pages= needs pypdf: run `%pip install pypdf`, or send the whole document.")
    with _quiet():
        try:
            reader = _opened(data, name)
            if reader is None:
                raise BadInput(f"{name} is damaged, so no pages can be taken from it. Save it anew, or send it whole.")
            total = len(reader.pages)
            numbers = _numbers(wanted, total, name)
            writer = pypdf.PdfWriter()
            for number in numbers:
                writer.add_page(reader.pages[number - 1])
            buffer = io.BytesIO()
            writer.write(buffer)
        except BadInput:
            raise
        except (pypdf.errors.PyPdfError, *_MISREADINGS) as error:
            raise BadInput(f"{name} is damaged: {one_line(str(error), 200)}. Save it anew, or send it whole.") from None
    return buffer.getvalue(), numbers, total


def in_words(numbers: list[int]) -> str:
    """Which pages these are."""
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 1:
        return f"page {first}"
    if numbers == list(range(first, last + 1)):
        return f"pages {first} to {last}"
    return f"pages {', '.join(map(str, numbers))}" if len(numbers) <= 20 else f"{len(numbers)} pages, not in a row,"


def _numbers(wanted: Any, total: int, name: str) -> list[int]:
    """The wanted pages as numbers from 1."""
    numbers: list[Any] = [None]
    if isinstance(wanted, slice):
        with contextlib.suppress(TypeError, ValueError):
            numbers = list(range(1, total + 1)[wanted])
    elif isinstance(wanted, tuple) and len(wanted) == 2:
        first, last = wanted
        if _is_number(first) and _is_number(last):
            numbers = list(range(first, min(last, total + 1) + 1))  # one too many is enough for the error
    elif isinstance(wanted, list | tuple | range):
        numbers = list(wanted[: total + MOST_PAGES])
    elif _is_number(wanted):
        numbers = [wanted]
    if not all(map(_is_number, numbers)):
        raise BadInput(f"pages={wanted!r}: give (first, last), a list of page numbers, or a slice.")
    if not numbers:
        raise BadInput(f"pages={wanted!r} chooses no page of {name}, which has {pluralize(total, 'page')}.")
    if outside := [number for number in numbers if not 1 <= number <= total]:
        raise BadInput(f"{name} has {pluralize(total, 'page')}, numbered from 1; there is no page {outside[0]}.")
    return numbers


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _opened(data: bytes, name: str) -> Any:
    """A reader, or None if pypdf is not there or cannot make sense of the file, which the API then judges."""
    if (pypdf := _pypdf()) is None:
        if _looks_encrypted(data):
            raise _locked(name)
        return None
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        encrypted = reader.is_encrypted
    except pypdf.errors.DependencyError:  # a cipher that needs another package
        encrypted = True
    except (pypdf.errors.PyPdfError, *_MISREADINGS):
        encrypted, reader = _looks_encrypted(data), None
    if encrypted:
        raise _locked(name)
    return reader


def _pypdf() -> Any:
    try:
        return importlib.import_module("pypdf")
    except ImportError:
        return None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what pypdf says of files that are slightly wrong, and that can be read nevertheless."""
    logger = logging.getLogger("pypdf")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _locked(name: str) -> BadInput:
    return BadInput(f"{name} is protected by a password or encrypted. Save a copy without protection and send that.")


def _looks_encrypted(data: bytes) -> bool:
    """Whether a trailer refers to a dictionary of encryption."""
    return re.search(rb"/Encrypt\s*(?:\d+\s+\d+\s+R\b|<<)", data) is not None


def _count_in_objects(data: bytes) -> int | None:
    """Pages by a look at the objects of the file; None if that is not clear."""
    inflated, view = [], memoryview(data)
    for found in re.finditer(rb"/ObjStm\b.{0,300}?stream\r?\n", data, re.DOTALL):
        with contextlib.suppress(zlib.error):
            inflated.append(zlib.decompressobj().decompress(view[found.end() :], 2**24))
    objects = b"\n".join([data, *inflated])
    # The root of the tree of pages says how many there are. Of several revisions the last one counts.
    roots = [
        int(number[1])
        for node in re.finditer(
            rb"<<(?:(?!<<|>>|/Parent\b).)*?/Type\s*/Pages\b(?:(?!<<|>>|/Parent\b).)*>>", objects, re.DOTALL
        )
        if (number := re.search(rb"/Count\s+(\d+)", node[0]))
    ]
    return roots[-1] if roots else None
