"""PDFs: counting their pages, and extracting some of them as a smaller PDF."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import one_line, pluralize

Pages = int | slice | Sequence[int]
"""A selection of pages, as ``Document(…, pages=…)`` takes it."""
MAX_PAGES = 600
"""Pages of all PDFs in a request (Anthropic); 100 for models with a context window of 200,000 tokens."""
_PARSE_ERRORS = (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, RecursionError, OSError)
"""What pypdf raises for broken files, besides its own errors."""


def check_pages(count: int, limit: int = MAX_PAGES, name: str = "The request") -> None:
    """Refuse more pages than a request may hold.

    Parameters
    ----------
    count : int
        Pages of one PDF, or of all PDFs in a request.
    limit : int, optional
        The limit of the model: 600, or 100 if its context window has 200,000 tokens.
    name : str, optional
        What has these pages, for the error.

    Raises
    ------
    BadInput
    """
    if count > limit:
        raise BadInput(
            f"{name} has {count:,} PDF pages; the limit is {limit} per request. "
            f"Send some of them, for example Document(…, pages=(1, {limit}))."
        )


def count_pages(data: bytes, name: str) -> int | None:
    """Count the pages of a PDF; None if that is impossible."""
    with _quiet():
        reader = _opened(data, name)
        if reader is not None:
            with contextlib.suppress(_pypdf().errors.PyPdfError, *_PARSE_ERRORS):
                return len(reader.pages)
    return _count_in_objects(data)


def extract_pages(data: bytes, name: str, wanted: Pages) -> tuple[bytes, list[int], int]:
    """Extract pages as a PDF; also returns their numbers, from 1, and the number of all pages."""
    if (pypdf := _pypdf()) is None:
        raise BadInput("pages= needs pypdf: run `%pip install pypdf`, or send the whole document.")
    with _quiet():
        try:
            reader = _opened(data, name)
            if reader is None:
                raise BadInput(f"{name} is damaged, so pages cannot be extracted. Save it again, or send all of it.")
            total = len(reader.pages)
            numbers = _numbers(wanted, total, name)
            writer = pypdf.PdfWriter()
            for number in numbers:
                writer.add_page(reader.pages[number - 1])
            buffer = io.BytesIO()
            writer.write(buffer)
        except BadInput:
            raise
        except (pypdf.errors.PyPdfError, *_PARSE_ERRORS) as error:
            raise BadInput(
                f"{name} is damaged: {one_line(str(error), 200)}. Save it again, or send all of it."
            ) from None
    return buffer.getvalue(), numbers, total


def describe_pages(numbers: list[int]) -> str:
    """Page numbers in words, for example ``pages 3 to 7``."""
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 1:
        return f"page {first}"
    if numbers == list(range(first, last + 1)):
        return f"pages {first} to {last}"
    return f"pages {', '.join(map(str, numbers))}" if len(numbers) <= 20 else f"{len(numbers)} selected pages"


def _numbers(wanted: object, total: int, name: str) -> list[int]:
    """The wanted pages as numbers from 1."""
    numbers: list[object] = [None]
    if isinstance(wanted, slice):
        with contextlib.suppress(TypeError, ValueError):
            numbers = list(range(1, total + 1)[wanted])
    elif isinstance(wanted, tuple) and len(wanted) == 2:
        first, last = wanted
        if _is_number(first) and _is_number(last):
            numbers = list(range(first, min(last, total + 1) + 1))  # one page too many is enough for the error
    elif isinstance(wanted, list | tuple | range):
        numbers = list(wanted[: total + MAX_PAGES])
    elif _is_number(wanted):
        numbers = [wanted]
    whole = [number for number in numbers if _is_number(number)]
    if len(whole) < len(numbers):
        raise BadInput(f"pages={wanted!r}: give (first, last), a list of page numbers, or a slice.")
    if not whole:
        raise BadInput(f"pages={wanted!r} selects no pages of {name}, which has {pluralize(total, 'page')}.")
    if outside := [number for number in whole if not 1 <= number <= total]:
        raise BadInput(f"{name} has {pluralize(total, 'page')}, numbered from 1; there is no page {outside[0]}.")
    return whole


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _opened(data: bytes, name: str) -> Any:
    """A pypdf reader; None if pypdf is not installed or cannot parse the file, so that the API has to judge it."""
    if (pypdf := _pypdf()) is None:
        if _looks_encrypted(data):
            raise _locked(name)
        return None
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        encrypted = reader.is_encrypted
    except pypdf.errors.DependencyError:  # a cipher that needs another package
        encrypted = True
    except (pypdf.errors.PyPdfError, *_PARSE_ERRORS):
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
    """Silence the warnings of pypdf about files with small errors, which it reads nevertheless."""
    logger = logging.getLogger("pypdf")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _locked(name: str) -> BadInput:
    return BadInput(f"{name} is encrypted or protected by a password. Save a copy without protection, and send that.")


def _looks_encrypted(data: bytes) -> bool:
    """Whether a trailer refers to an encryption dictionary."""
    return re.search(rb"/Encrypt\s*(?:\d+\s+\d+\s+R\b|<<)", data) is not None


def _count_in_objects(data: bytes) -> int | None:
    """Count pages without a PDF library, from the objects in the file; None if that is impossible."""
    inflated, view = [], memoryview(data)
    for found in re.finditer(rb"/ObjStm\b.{0,300}?stream\r?\n", data, re.DOTALL):
        with contextlib.suppress(zlib.error):
            inflated.append(zlib.decompressobj().decompress(view[found.end() :], 2**24))
    objects = b"\n".join([data, *inflated])
    # The root of the page tree holds the number of pages. If there are several revisions, the last one counts.
    roots = [
        int(number[1])
        for node in re.finditer(
            rb"<<(?:(?!<<|>>|/Parent\b).)*?/Type\s*/Pages\b(?:(?!<<|>>|/Parent\b).)*>>", objects, re.DOTALL
        )
        if (number := re.search(rb"/Count\s+(\d+)", node[0]))
    ]
    return roots[-1] if roots else None
