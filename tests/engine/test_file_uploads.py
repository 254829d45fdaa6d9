"""``claude.files``: what is uploaded of which value, how often, and how it comes into a question."""

from __future__ import annotations

import datetime
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from claude_magic.content.documents import Document
from claude_magic.content.picture import Picture
from claude_magic.content.values import Named, RemotePicture
from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.messages import files
from claude_magic.messages.errors import BadInput, NoCredentials, NotFound
from claude_magic.messages.files import File
from claude_magic.simulator import Simulator, start
from tests.conftest import KEY
from tests.conversation.wire import body
from tests.images import encoded

PDF = b"%PDF-1.4\n1 0 obj<</Type/Pages/Count 1>>endobj\n"
RED = Image.new("RGB", (30, 20), "red")


def asked(simulator: Simulator, method: str = "POST") -> int:
    """Requests to the Files API."""
    return sum(r.path.startswith("/v1/files") and r.method == method for r in simulator.requests)


def stored(simulator: Simulator, file: File) -> bytes:
    return simulator.files.get(file.id).data


def test_a_picture_is_uploaded_once_and_asked_about(claude: Conversation, simulator: Simulator) -> None:
    file = claude.files.upload(RED)
    assert claude.files.upload(RED.copy()) is file
    assert (file.filename, file.mime_type) == ("picture.png", "image/png")
    reply = claude("What is it?", file)
    assert "PNG, 30 x 20 pixels, mostly red" in reply.text
    block, _ = body(simulator)["messages"][-1]["content"]
    assert block == {"type": "image", "source": {"type": "file", "file_id": file.id}}
    assert reply.sent == (f"value 1 ({file.id} by ID)",)
    before = asked(simulator)
    assert "mostly red" in claude("And now?", claude.files.upload(RED)).text
    assert asked(simulator) == before


def test_the_same_content_is_uploaded_once(claude: Conversation, simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"words")
    (tmp_path / "b.txt").write_bytes(b"words")
    first = claude.files.upload(tmp_path / "a.txt")
    assert claude.files.upload(str(tmp_path / "b.txt")) is first
    assert claude.files.upload(b"words") is first
    assert claude["other"].files.upload(bytearray(b"words")) is first
    assert claude.files.upload(first) is first
    assert claude.fork().files is claude.files is claude["other"].files
    assert asked(simulator) == 1
    (tmp_path / "a.txt").write_bytes(b"other words")
    assert claude.files.upload(tmp_path / "a.txt") is not first
    assert asked(simulator) == 2


def test_a_template_takes_files(claude: Conversation, simulator: Simulator) -> None:
    text, picture = claude.files.upload(b"words"), claude.files.upload(RED)
    reply = claude.ask(["Compare ", Named("notes", text), " and ", Named("plots", [picture])])
    kinds = [block["type"] for block in body(simulator)["messages"][-1]["content"]]
    assert kinds == ["text", "document", "text", "image"]
    assert [f"{file.id} by ID" in said for file, said in zip((text, picture), reply.sent, strict=True)] == [True] * 2
    assert "plain text, 5 characters" in reply.text


@pytest.mark.parametrize(
    ("name", "data", "filename", "kind"),
    [
        ("a.pdf", PDF, "a.pdf", "application/pdf"),
        ("scan", PDF, "scan.pdf", "application/pdf"),
        ("a.csv", b"x,y\n1,2\n", "a.csv", "text/plain"),
        ("code.py", "é = 1".encode() * 3000, "code.py", "text/plain"),
        ("README", b"words", "README.txt", "text/plain"),
        ("a.png", encoded(RED, "PNG"), "a.png", "image/png"),
        ("a.JPEG", encoded(RED, "JPEG"), "a.JPEG", "image/jpeg"),
        ("a.bmp", encoded(RED, "BMP"), "a.png", "image/png"),
        ("no.ending", encoded(RED, "PNG"), "no.png", "image/png"),
        ("what?: a*b.txt", b"x", "what__ a_b.txt", "text/plain"),
    ],
)
def test_files_by_what_is_in_them(
    name: str, data: bytes, filename: str, kind: str, claude: Conversation, simulator: Simulator, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    file = claude.files.upload(tmp_path / name)
    assert (file.filename, file.mime_type, file.size_bytes) == (filename, kind, len(stored(simulator, file)))
    if not kind.startswith("image"):
        assert stored(simulator, file) == data
    claude("What is it?", file)


def test_a_name_that_is_no_text(claude: Conversation, tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"\xff.txt")  # noqa: PTH118  (pathlib has no bytes)
    Path(os.fsdecode(path)).write_bytes(b"x")
    assert claude.files.upload(Path(os.fsdecode(path))).filename == "_.txt"


def test_a_home_folder(claude: Conversation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.txt").write_bytes(b"x")
    assert claude.files.upload("~/a.txt").filename == "a.txt"


def test_pictures_are_made_ready(claude: Conversation, simulator: Simulator, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "taken at home"
    large = Image.effect_noise((4000, 3000), 50).convert("RGB")
    large.save(tmp_path / "photo.jpg", exif=exif)
    data = stored(simulator, claude.files.upload(tmp_path / "photo.jpg"))
    assert b"taken at home" not in data
    width, height = Image.open(io.BytesIO(data)).size
    assert width < height <= 2576
    small = claude.files.upload(Picture(tmp_path / "photo.jpg", detail="low"))
    assert max(Image.open(io.BytesIO(stored(simulator, small))).size) < 700
    assert asked(simulator) == 2


def test_documents(claude: Conversation, simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_bytes(b"# Words")
    file = claude.files.upload(Document(tmp_path / "notes.md"))
    assert (file.filename, file.mime_type, stored(simulator, file)) == ("notes.md", "text/plain", b"# Words")
    titled = claude.files.upload(Document(PDF, title="Q3: really?"))
    assert (titled.filename, titled.mime_type, stored(simulator, titled)) == (
        "Q3_ really_.pdf",
        "application/pdf",
        PDF,
    )
    assert claude.files.upload(Document(b"words")).filename == "document.txt"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "this int cannot be uploaded"),
        (None, "this NoneType cannot be uploaded"),
        ([RED, RED], "one at a time"),
        ({"a": 1}, "this dict cannot be uploaded"),
        (b"", "is empty"),
        (b"\0\1\2", "not an image"),
        ("no/such/file.pdf", "does not exist"),
        ("a\0b", "does not exist"),
        ("https://example.org/a.pdf", "is a URL"),
        ("data:image/png;base64,AA==", "is a URL"),
        (RemotePicture("https://example.org/a.png"), "this RemotePicture cannot be uploaded"),
        (Document("https://example.org/a.pdf"), "cannot be uploaded"),
        (Document(["one", "two"]), "cannot be uploaded"),
        (Document(PDF, citations=True), "citations belong to a question"),
        (Document(PDF, context="mine"), "citations belong to a question"),
        (".", "not a regular file"),
        (object(), "cannot be shown|cannot be uploaded"),
    ],
)
def test_values_that_are_refused(value: object, text: str, claude: Conversation, simulator: Simulator) -> None:
    with pytest.raises(BadInput, match=text) as caught:
        claude.files.upload(value)
    assert "\n" not in str(caught.value)
    assert simulator.requests == []


@pytest.mark.parametrize("expires", [5, 10**9, True, "soon", datetime.timedelta(minutes=59), datetime.timedelta(91)])
def test_lives_that_are_refused(expires: Any, claude: Conversation, simulator: Simulator) -> None:
    with pytest.raises(BadInput, match="A file must expire between 3600"):
        claude.files.upload(b"words", expires=expires)
    assert simulator.requests == []


def test_files_that_expire(claude: Conversation, simulator: Simulator) -> None:
    stays = claude.files.upload(b"words")
    goes = claude.files.upload(b"words", expires=datetime.timedelta(hours=1))
    assert claude.files.upload(b"words", expires=3600) is goes is not stays
    assert goes.created_at is not None
    assert goes.expires_at == goes.created_at + datetime.timedelta(hours=1)
    assert claude.files.upload(b"words") is stays
    assert asked(simulator) == 2


def test_a_file_whose_time_is_over_is_uploaded_anew(claude: Conversation, simulator: Simulator) -> None:
    clock = simulator.files._clock
    simulator.files._clock = lambda: clock() - 4000
    old = claude.files.upload(b"words", expires=3600)
    assert old.expired
    with pytest.raises(BadInput, match=r"value 1: <File .*expired"):
        claude("What is it?", old)
    simulator.files._clock = clock
    new = claude.files.upload(b"words", expires=3600)
    assert new.id != old.id
    assert [request.path for request in simulator.requests] == ["/v1/files", "/v1/files"]


@pytest.mark.parametrize("kind", ["text/csv", "application/zip", "image/tiff"])
def test_files_that_claude_does_not_read(kind: str, claude: Conversation, simulator: Simulator) -> None:
    with pytest.raises(BadInput, match=r"data: .*<File file_1.* neither a PDF"):
        claude.ask([Named("data", File("file_1", "a", kind)), "What?"])
    assert simulator.requests == []


def test_a_file_of_no_known_type_is_a_document(claude: Conversation, simulator: Simulator) -> None:
    with pytest.raises(NotFound, match="File not found: file_1"):
        claude("What is it?", File("file_1"))
    assert body(simulator)["messages"][0]["content"][0]["type"] == "document"


def test_the_list_and_deletion(claude: Conversation, simulator: Simulator) -> None:
    words, picture = claude.files.upload(b"words"), claude.files.upload(RED)
    assert claude.files.list() == [picture, words]
    assert words.id in repr(claude.files.delete(words))
    assert claude.files.list() == [picture]
    with pytest.raises(NotFound):
        claude.files.delete(words)
    assert claude.files.upload(b"words").id != words.id
    claude.files.delete(picture.id)
    assert claude.files.upload(RED).id != picture.id
    assert asked(simulator) == 4
    with pytest.raises(NotFound, match=picture.id):
        claude("What is it?", picture)
    assert len(claude.turns) == 0


@pytest.mark.parametrize("wrong", [None, 5, "", "../messages"])
def test_deletions_that_are_refused(wrong: Any, claude: Conversation, simulator: Simulator) -> None:
    with pytest.raises(BadInput):
        claude.files.delete(wrong)
    assert simulator.requests == []


def test_how_it_looks(claude: Conversation, simulator: Simulator) -> None:
    assert "0 uploaded" in repr(claude.files)
    file = claude.files.upload(b"words")
    sent = len(simulator.requests)
    assert repr(claude.files).splitlines()[1:] == [f"  <File {file.id}: file.txt, text/plain, 5 bytes>"]
    assert len(simulator.requests) == sent


def test_another_key_or_server_is_another_place(
    claude: Conversation, home: Conversations, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    first = claude.files.upload(b"words")
    home.credentials.set_key(KEY[::-1])
    assert claude.files.upload(b"words") is not first
    assert asked(simulator) == 2
    with start() as other:
        home.settings.base_url = other.url
        claude.files.upload(b"words")
        assert asked(other) == 1
        home.settings.base_url = simulator.url
        home.credentials.forget()
        assert claude.files.upload(b"words") is first


def test_nothing_shows_the_key(claude: Conversation, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    file = claude.files.upload(b"words")
    for thing in (file, claude.files, vars(claude.files), claude.files.list(), *simulator.requests):
        assert KEY not in repr(thing)


def test_without_a_key_nothing_is_sent(home: Conversations, claude: Conversation) -> None:
    home.settings.base_url = ""
    with pytest.raises(NoCredentials):
        claude.files.upload(b"words")


def test_a_failed_upload_is_not_remembered(claude: Conversation, simulator: Simulator) -> None:
    simulator.files.most_bytes = 3
    with pytest.raises(Exception, match="413"):
        claude.files.upload(b"words")
    simulator.files.most_bytes = 5
    assert claude.files.upload(b"words").size_bytes == 5


def test_two_threads_are_one_upload(claude: Conversation, simulator: Simulator) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(claude.files.upload, [b"words"] * 8))
    assert len({file.id for file in found}) == 1
    assert asked(simulator) == 1


def test_a_big_file_is_never_in_memory(
    claude: Conversation, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "big.txt").open("wb") as file:
        file.write(b" " * 5000)
        file.truncate(20 * 2**20)
    lengths: list[int] = []
    read = files.pieces

    def counted(content: files.Content) -> Any:
        for piece in read(content):
            lengths.append(len(piece))
            yield piece

    monkeypatch.setattr(files, "pieces", counted)
    claude.files.upload(tmp_path / "big.txt")
    assert lengths == [2**20] * 40  # once for the digest, once on its way
    claude.files.upload(tmp_path / "big.txt")
    assert len(lengths) == 60
    assert asked(simulator) == 1
