"""PDFs, whole and in part: their pages, their protection, and what is refused before it is sent."""

from __future__ import annotations

import base64
import io
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from claude_magic.content.documents import MAX_BYTES, from_document
from claude_magic.content.pdf import check_pages
from claude_magic.messages.errors import BadInput
from tests.content.test_documents import file, refused, sent

PYPDF = "pages are chosen, and passwords recognised for certain, with pypdf"


def pdf(count: int, extra: bytes = b"") -> bytes:
    """A PDF of empty pages; `extra` goes into its trailer."""
    kids = b" ".join(b"%d 0 R" % (number + 3) for number in range(count))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count)]
    objects += [b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d 100] >>" % (100 + number) for number in range(count)]
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % place for place in places)
    return data + b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, extra, start)


@pytest.fixture(params=["with pypdf", "without pypdf"])
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "with pypdf":
        pytest.importorskip("pypdf", reason=PYPDF)
    else:
        monkeypatch.setattr("claude_magic.content.pdf._pypdf", lambda: None)


either_way = pytest.mark.usefixtures("_either_way")


@either_way
@pytest.mark.parametrize("as_text", [True, False])
def test_a_pdf_by_its_path(tmp_path: Path, as_text: bool) -> None:
    path = file(tmp_path, "report.pdf", pdf(12))
    block, about = sent(str(path) if as_text else path)
    assert block == {
        "type": "document",
        "source": {
            "type": "base64",
            "media_type": "application/pdf",
            "data": base64.b64encode(pdf(12)).decode(),
        },
        "title": "report.pdf",
    }
    assert about == "report.pdf, 12 pages"
    assert from_document(path, "doc")[0].pages == 12


@either_way
def test_title_context_and_citations() -> None:
    block, about = sent(bytearray(pdf(1)), title="T", context="C", citations=True)
    assert (block["title"], block["context"], block["citations"]) == ("T", "C", {"enabled": True})
    assert about == "1 page"
    assert sent(pdf(1))[0].keys() == {"type", "source"}


@either_way
def test_a_pdf_as_matplotlib_writes_it() -> None:
    pdf_pages = pytest.importorskip("matplotlib.backends.backend_pdf", reason="another writer of PDFs").PdfPages
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with pdf_pages(buffer) as pages:
        for _ in range(3):
            figure = Figure()
            figure.add_subplot().plot([1, 2])
            pages.savefig(figure)
    assert sent(buffer.getvalue())[1] == "3 pages"


@either_way
def test_too_many_pages(tmp_path: Path) -> None:
    line = refused(file(tmp_path, "long.pdf", pdf(700)))
    assert line.startswith("long.pdf has 700 PDF pages; the limit is 600")
    assert "pages=(1, 600)" in line
    assert sent(pdf(600))[1] == "600 pages"


@either_way
def test_no_pages() -> None:
    assert refused(pdf(0)) == "doc has no pages."


@either_way
@pytest.mark.parametrize("extra", [b"/Encrypt 5 0 R", b"/Encrypt << /Filter /Standard /V 1 /R 2 >>"])
def test_a_protected_pdf(extra: bytes) -> None:
    assert "protected by a password. Save a copy without" in refused(pdf(2, extra))


@pytest.mark.parametrize("opened_by", ["", "secret"])
@either_way
def test_a_pdf_with_a_password(opened_by: str) -> None:
    pypdf = pytest.importorskip("pypdf", reason=PYPDF)
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf(2)))
    writer.encrypt(opened_by, "owner", algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    assert "protected by a password" in refused(buffer.getvalue())


@either_way
def test_an_encryption_dictionary_alone_is_not_protection() -> None:
    assert sent(pdf(1, b"/EncryptMetadata true"))[1] == "1 page"


def test_pages_in_compressed_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_magic.content.pdf._pypdf", lambda: None)
    stream = zlib.compress(b"1 0 2 40 <</Type/Catalog/Pages 2 0 R>> <</Kids[3 0 R]/Count 9/Type/Pages>> <</Type/Page>>")
    head = b"%%PDF-1.5\n4 0 obj\n<</Type/ObjStm/N 2/First 9/Filter/FlateDecode/Length %d>>\nstream\r\n" % len(stream)
    assert sent(head + stream + b"\nendstream")[1] == "9 pages"
    assert sent(b"%PDF-1.5\nnothing that is known")[1] == "PDF of 0.0 MB"


@either_way
def test_a_broken_pdf_is_for_the_api_to_judge() -> None:
    part = from_document(b"%PDF-1.7\n" + b"garbage " * 50, "doc")[0]
    assert part.pages is None


@either_way
def test_a_large_pdf(tmp_path: Path) -> None:
    path = file(tmp_path, "huge.pdf", b"%PDF-1.4")
    os.truncate(path, 40 * 2**20)
    assert refused(path).startswith("huge.pdf has 40.0 MB; the limit is 23.2 MB.")
    assert "the limit is 23.2 MB" in refused(pdf(1) + b"%" * 30 * 2**20)
    whole = len(base64.b64encode(bytes(MAX_BYTES)))
    assert 31 * 2**20 <= whole + 2**20 // 2 <= 32 * 2**20


@pytest.mark.slow
def test_a_large_pdf_of_which_some_pages_are_sent(tmp_path: Path) -> None:
    pytest.importorskip("pypdf", reason=PYPDF)
    path = file(tmp_path, "huge.pdf", pdf(3) + b"%" * 30 * 2**20)
    assert sent(path, pages=(1, 2))[1] == "huge.pdf, 2 of 3 pages"


@pytest.mark.parametrize(
    ("pages", "widths", "said"),
    [
        ((2, 4), [101, 102, 103], "pages 2 to 4 of 700"),
        ((5, 5), [104], "page 5 of 700"),
        ([1, 700], [100, 799], "pages 1, 700 of 700"),
        ([3, 1], [102, 100], "pages 3, 1 of 700"),
        (7, [106], "page 7 of 700"),
        (range(1, 3), [100, 101], "pages 1 to 2 of 700"),
        (slice(0, 2), [100, 101], "pages 1 to 2 of 700"),
        (slice(-1, None), [799], "page 700 of 700"),
        (
            slice(None, None, 100),
            [100 * number for number in range(1, 8)],
            "pages 1, 101, 201, 301, 401, 501, 601 of 700",
        ),
    ],
)
def test_some_pages(tmp_path: Path, pages: Any, widths: list[int], said: str) -> None:
    pypdf = pytest.importorskip("pypdf", reason=PYPDF)
    block, about = sent(file(tmp_path, "long.pdf", pdf(700)), pages=pages)
    reader = pypdf.PdfReader(io.BytesIO(base64.b64decode(block["source"]["data"])))
    assert [int(page.mediabox.width) for page in reader.pages] == widths
    assert block["title"] == f"long.pdf ({said})"
    assert about == f"long.pdf, {len(widths)} of 700 pages"
    assert sent(pdf(3), pages=2)[0]["title"] == "page 2 of 3"
    assert sent(pdf(3), pages=2, title="Mine")[0]["title"] == "Mine (page 2 of 3)"


@pytest.mark.parametrize(
    ("pages", "line"),
    [
        ((2, 5), "doc has 3 pages, numbered from 1; there is no page 4."),
        ((0, 1), "there is no page 0."),
        ([-1], "there is no page -1."),
        ((3, 2), "pages=(3, 2) selects no pages of doc, which has 3 pages."),
        ([], "pages=[] selects no page"),
        (slice(5, 9), "selects no page"),
        ("1-2", "pages='1-2': give (first, last), a list of page numbers, or a slice."),
        ((1, None), "give (first, last)"),
        ([True], "give (first, last)"),
        ((1, 10**12), "there is no page 4."),
        (range(1, 10**12), "there is no page 4."),
        (slice("a"), "give (first, last)"),
        (slice(0, 2, 0), "give (first, last)"),
    ],
)
def test_pages_that_are_not_there(pages: Any, line: str) -> None:
    pytest.importorskip("pypdf", reason=PYPDF)
    assert line in refused(pdf(3), pages=pages)


def test_more_pages_chosen_than_may_be_sent() -> None:
    pytest.importorskip("pypdf", reason=PYPDF)
    assert "601 PDF pages" in refused(pdf(700), pages=(1, 601))


def test_choosing_pages_without_pypdf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_magic.content.pdf._pypdf", lambda: None)
    assert "pip install pypdf" in refused(pdf(3), pages=(1, 2))


@pytest.mark.parametrize("value", [b"text", "https://example.org/a.pdf", ["a", "b"]])
def test_pages_of_documents_that_have_none(value: Any) -> None:
    assert "pages can only be chosen of a PDF" in refused(value, pages=(1, 2))


def test_pages_are_checked_against_a_models_limit() -> None:
    check_pages(100, 100)
    with pytest.raises(BadInput, match=r"101 PDF pages; the limit is 100.*pages=\(1, 100\)"):
        check_pages(101, 100)
