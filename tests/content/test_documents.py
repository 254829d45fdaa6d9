"""Documents: text files, notebooks, passages; what is refused before it is sent, and why."""

from __future__ import annotations

import datetime
import io
import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from PIL import Image

from claude_magic.content.convert import to_parts
from claude_magic.content.documents import Document, DocumentPart, from_document
from claude_magic.content.uploads import to_upload
from claude_magic.conversation.conversation import Conversation
from claude_magic.messages.errors import BadInput
from claude_magic.messages.files import File
from claude_magic.simulator import Simulator


def sent(value: Any, **options: Any) -> tuple[dict[str, Any], str]:
    """The block, and the short word on it."""
    (part,) = from_document(Document(value, **options), "doc")
    assert isinstance(part, DocumentPart)
    assert part.wire["type"] == "document"
    json.dumps(part.wire).encode()
    return part.wire, part.about or ""


def refused(value: Any, **options: Any) -> str:
    with pytest.raises(BadInput) as caught:
        sent(value, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def file(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


# Addresses and passages.


def test_an_address() -> None:
    block, about = sent("https://example.org/papers/some%20paper.pdf?v=2")
    assert block == {
        "type": "document",
        "source": {"type": "url", "url": "https://example.org/papers/some%20paper.pdf?v=2"},
    }
    assert about == "some paper.pdf, by URL"
    assert sent("HTTP://example.org")[1] == "example.org, by URL"


@pytest.mark.parametrize("url", ["https://", "https:///a.pdf", "https://example.org/a b.pdf", "http://[::1/x"])
def test_an_incomplete_address(url: str) -> None:
    assert "not a complete http(s) URL" in refused(url)


def test_passages() -> None:
    block, about = sent(["One.", "Two."], title="Notes", citations=True)
    assert block["source"] == {
        "type": "content",
        "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}],
    }
    assert about == "2 passages"
    assert sent(("One.",))[1] == "1 passage"


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ([], "doc is an empty list"),
        (["a", " \n"], "doc[1] is empty"),
        (["a", 5], "doc[1] is of type int"),
        (["x" * 2**25], "MB"),
    ],
)
def test_passages_that_cannot_be_sent(value: Any, line: str) -> None:
    assert line in refused(value)


# Text and notebooks.


@pytest.mark.parametrize("name", ["notes.txt", "notes.md", "code.py", "table.csv", "Makefile"])
def test_text_files(tmp_path: Path, name: str) -> None:
    block, about = sent(file(tmp_path, name, "\ufeffé: one\ntwo\n"), citations=True)
    assert block == {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "é: one\ntwo\n"},
        "title": name,
        "citations": {"enabled": True},
    }
    assert about == f"{name}, 2 lines"


def test_text_in_bytes() -> None:
    block, about = sent("höflich".encode())
    assert block["source"]["data"] == "höflich"
    assert about == "1 line"


def test_a_title_is_the_name(tmp_path: Path) -> None:
    def part_of(value: object) -> DocumentPart:
        (part,) = to_parts(value, "report")
        assert isinstance(part, DocumentPart)
        return part

    untitled = part_of(Document(b"a\nb"))
    assert (untitled.name, untitled.about) == ("report", "2 lines")
    assert "title" not in untitled.wire
    titled = part_of(Document(b"a\nb", title="Q3 figures"))
    assert (titled.name, titled.about, titled.wire["title"]) == ("Q3 figures", "2 lines", "Q3 figures")
    path = file(tmp_path, "a.txt", "a")
    of_file = part_of(path)
    assert (of_file.name, of_file.about, of_file.wire["title"]) == ("report", "a.txt, 1 line", "a.txt")
    both = part_of(Document(path, title="Q3 figures"))
    assert (both.name, both.about, both.wire["title"]) == ("Q3 figures", "a.txt, 1 line", "Q3 figures")
    with pytest.raises(BadInput, match="^Q3 figures is empty"):
        to_parts(Document(b" ", title="Q3 figures"), "report")


def test_values_that_hold_a_document(tmp_path: Path) -> None:
    path = file(tmp_path, "a.txt", "words")
    with path.open("rb") as opened:
        values = [path, str(path), b"words", bytearray(b"words"), memoryview(b"words"), io.BytesIO(b"words"), opened]
        assert [sent(value, citations=True)[0]["source"]["data"] for value in values] == ["words"] * 7
    with path.open() as opened:
        assert "is a text file. Open it with mode 'rb'" in refused(opened)
    assert "looks like a picture" in refused(io.BytesIO(b"\x89PNG\r\n\x1a\n\0"))


# Uploaded files.


def test_an_uploaded_document(claude: Conversation, simulator: Simulator) -> None:
    uploaded = claude.files.upload(b"one\ntwo")
    document = Document(uploaded, citations=True, title="Notes", context="Mine.")
    reply = claude("What is in it?", document)
    assert (simulator.requests[-1].body or {})["messages"][0]["content"][0] == {
        "type": "document",
        "source": {"type": "file", "file_id": uploaded.id},
        "title": "Notes",
        "context": "Mine.",
        "citations": {"enabled": True},
    }
    assert reply.sent == (f"Notes ({uploaded.id} by ID)",)
    assert reply.complete
    with pytest.raises(BadInput, match="is uploaded already"):
        claude.files.upload(document)


def test_uploaded_files_that_are_not_documents() -> None:
    assert "is a picture. Send it without Document." in refused(File("file_1", "a.png", "image/png"))
    assert "neither a PDF nor text/plain" in refused(File("file_1", "a.zip", "application/zip"))
    assert "pages can only be chosen" in refused(File("file_1", "a.pdf", "application/pdf"), pages=(1, 2))
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    assert "has expired" in refused(File("file_1", "a.pdf", "application/pdf", expires_at=long_ago))


def test_an_uploaded_picture_is_small_enough_for_requests_with_many() -> None:
    upload = to_upload(Image.new("L", (5000, 1000)))
    assert isinstance(upload.content, bytes)
    assert Image.open(io.BytesIO(upload.content)).size == (2000, 400)


def test_a_notebook(tmp_path: Path) -> None:
    figure = {"image/png": "SECRETBASE64", "text/plain": "<Figure>"}
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]},
        {"output_type": "display_data", "metadata": {}, "data": figure},
        {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["\x1b[31mlong"]},
        {"output_type": "stream", "name": "stdout", "text": "x" * 9000},
    ]
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "words"]},
        {"cell_type": "code", "metadata": {}, "execution_count": 7, "source": "plot()", "outputs": outputs},
    ]
    path = file(
        tmp_path, "work.ipynb", json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    block, about = sent(path)
    text = block["source"]["data"]
    assert block["title"] == "work.ipynb"
    assert about == "work.ipynb, 2 cells"
    assert "--- Cell 1 (markdown)\n# Title\nwords\n" in text
    assert "--- Cell 2 (code, run as 7)\nplot()\n--- Output of cell 2\na\nb\n" in text
    assert "<Figure>\n(a picture, left out)" in text
    assert "ValueError: no" in text
    assert "… 5,000 more characters left out" in text
    assert "SECRET" not in text
    assert "\x1b" not in text
    assert len(text) < 5000


@pytest.mark.parametrize("data", ["{", "[]", '{"worksheets": []}', '{"cells": [1]}', '{"cells": [{"source": ""}]}'])
def test_a_broken_notebook(tmp_path: Path, data: str) -> None:
    assert "not a notebook in the current format" in refused(file(tmp_path, "a.ipynb", data))


# What cannot be read.


def test_files_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        refused("lost.pdf")
        == f"There is no file 'lost.pdf' in {tmp_path}. To send a string as text, leave out Document."
    )
    for value in (tmp_path / "lost.pdf", "a long text\n" * 1000, "a\0b", "~nobody-of-this-name/x", "\n"):
        assert "There is no file" in refused(value)
    assert "is a folder" in refused("")


def test_folders_empty_files_and_devices(tmp_path: Path) -> None:
    assert ".glob('*.png'))" in refused(tmp_path)
    assert refused(file(tmp_path, "none.pdf", b"")) == "none.pdf is empty."
    assert refused(file(tmp_path, "blank.txt", " \n")) == "blank.txt is empty."
    assert refused(b"") == "doc is empty."
    assert refused(file(tmp_path, "bom.txt", "\ufeff")) == "bom.txt is empty."
    if os.name == "posix":
        assert "not a regular file" in refused("/dev/zero")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied"), "permission to read"),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error."),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, line: str) -> None:
    path = file(tmp_path, "mine.pdf", b"%PDF-1.4")
    monkeypatch.setattr(Path, "read_bytes", Mock(side_effect=error))
    assert line in refused(path)


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("a.pdf", b"<html>", "not a PDF, despite its name"),
        ("a.docx", b"PK\x03\x04\xff", "saved as PDF"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "looks like a picture"),
        ("a.txt", "é".encode("latin-1"), "UTF-8 text"),
        ("a.txt", "a".encode("utf-16"), "UTF-8 text"),
        ("a.bin", b"a\0b", "neither a PDF nor"),
    ],
)
def test_other_kinds_of_files(tmp_path: Path, name: str, data: bytes, line: str) -> None:
    assert line in refused(file(tmp_path, name, data))


@pytest.mark.parametrize(
    ("value", "options", "line"),
    [
        (5, {}, "not this int"),
        (None, {}, "not this NoneType"),
        (b"a", {"title": ""}, "title has to be a non-empty string"),
        (b"a", {"context": 5}, "context has to be a non-empty string"),
    ],
)
def test_wrong_arguments(value: Any, options: dict[str, Any], line: str) -> None:
    assert line in refused(value, **options)
