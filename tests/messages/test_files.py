"""The Files API as our client speaks it: what goes over the wire, what is read, what never leaves."""

from __future__ import annotations

import email
import email.policy
import hashlib
import json
import os
import socket
import threading
import traceback
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from claude_magic.messages import files
from claude_magic.messages.errors import (
    AuthenticationFailed,
    BadInput,
    InvalidRequest,
    NotFound,
    NotTheMessagesAPI,
    RequestTooLarge,
)
from claude_magic.messages.files import File
from claude_magic.simulator import Simulator
from tests.judges import description, running_steady
from tests.messages.conftest import Connect
from tests.messages.servers import Got, http, raw

MB = 1024 * 1024
SAID = b'{"id":"file_1","type":"file","filename":"a.txt","mime_type":"text/plain","size_bytes":5}'


def parts(got: Got) -> dict[str, tuple[dict[str, str | None], bytes]]:
    """The parts of a multipart request, read by a library that is not ours."""
    head = f"content-type: {got.header('content-type')}\r\n\r\n".encode()
    message = email.message_from_bytes(head + got.body, policy=email.policy.HTTP)
    found = {}
    for part in message.iter_parts():
        about = {"type": part.get_content_type(), "filename": part.get_filename()}
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found[str(part.get_param("name", header="content-disposition"))] = (about, content)
    return found


def test_an_upload_is_a_form(key: str, connect: Connect) -> None:
    with raw(http(SAID, "application/json")) as server:
        file = files.upload(connect(server.url), b"\r\n--a--\0\xff", "Umlaut ä.txt", "text/plain", expires=3600)
    (got,) = server.got
    assert got.line == "POST /v1/files HTTP/1.1"
    assert got.header("content-length") == str(len(got.body))
    assert got.header("transfer-encoding") is None
    assert got.header("x-api-key") == key
    assert got.header("anthropic-version") == "2023-06-01"
    assert parts(got) == {
        "expires_in_seconds": ({"type": "text/plain", "filename": None}, b"3600"),
        "file": ({"type": "text/plain", "filename": "Umlaut ä.txt"}, b"\r\n--a--\0\xff"),
    }
    assert file == File("file_1", "a.txt", "text/plain", 5)


def test_from_upload_to_deletion(simulator: Simulator, connect: Connect, tmp_path: Path) -> None:
    client = connect(simulator.url)
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.4 and so on")
    first = files.upload(client, path, "a.pdf", "application/pdf", expires=files.LONGEST_LIFE)
    second = files.upload(client, b"text", "b.txt", "text/plain")
    assert (first.filename, first.mime_type, first.size_bytes) == ("a.pdf", "application/pdf", 18)
    assert first.expires_at is not None
    assert first.created_at is not None
    assert (first.expires_at - first.created_at).total_seconds() == files.LONGEST_LIFE
    assert (second.expires_at, second.downloadable, second.expired, first.expired) == (None, False, False, False)
    assert files.get(client, first.id) == first
    assert files.list_all(client) == [second, first]
    files.delete(client, first.id)
    assert files.list_all(client) == [second]
    with pytest.raises(NotFound, match=first.id):
        files.get(client, first.id)
    with pytest.raises(NotFound):
        files.delete(client, first.id)
    assert [(request.method, request.path) for request in simulator.requests[:3]] == [
        ("POST", "/v1/files"),
        ("POST", "/v1/files"),
        ("GET", f"/v1/files/{first.id}"),
    ]


def big(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_a_big_file_is_read_in_pieces(
    simulator: Simulator, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lengths, read = big(tmp_path / "big.txt", 40 * MB + 7), [], files.pieces

    def counted(content: files.Content) -> Any:
        for piece in read(content):
            lengths.append(len(piece))
            yield piece

    monkeypatch.setattr(files, "pieces", counted)
    file = files.upload(connect(simulator.url), path, "big.txt", "text/plain")
    assert file.size_bytes == 40 * MB + 7
    assert lengths == [MB] * 40 + [7]


def test_a_big_file_is_never_in_memory(tmp_path: Path) -> None:
    form = files._Form(big(tmp_path / "big.bin", 100 * MB), "big.bin", "text/plain", None)
    for _ in range(2):  # and it can be sent again
        tracemalloc.start()
        sent = sum(map(len, form))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sent == len(form) > 100 * MB
        assert peak < 4 * MB


@pytest.mark.parametrize("change", [-1, 1, 3 * MB])
def test_a_file_that_changes(change: int, simulator: Simulator, key: str, connect: Connect, tmp_path: Path) -> None:
    path = big(tmp_path / "log.txt", 2 * MB)
    client = connect(simulator.url)
    form = files._Form(path, "log.txt", "text/plain", None)
    os.truncate(path, 2 * MB + change)
    with pytest.raises(BadInput, match=r"'log\.txt' changed while") as caught:
        client.call("POST", "/v1/files", form)
    assert simulator.requests == []
    assert_without(key, caught.value)
    assert files.list_all(client) == []  # and the client goes on


def test_a_file_that_vanishes(simulator: Simulator, key: str, connect: Connect, tmp_path: Path) -> None:
    form = files._Form(big(tmp_path / "log.txt", MB), "log.txt", "text/plain", None)
    (tmp_path / "log.txt").unlink()
    with pytest.raises(BadInput, match=r"cannot be read \(No such file") as caught:
        connect(simulator.url).call("POST", "/v1/files", form)
    assert_without(key, caught.value)


def assert_without(key: str, error: BaseException) -> None:
    """No frame that the error keeps knows the key."""
    frames = traceback.walk_tb(error.__traceback__)
    ours = [frame for frame, _ in frames if not frame.f_globals["__name__"].startswith("tests.")]
    assert ours
    for frame in ours:
        assert key not in repr(frame.f_locals), frame


@pytest.mark.parametrize(
    "name", ["", "x" * 256, "a/b", "a\\b", 'a"b', "a:b", "a?", "a*", "a|b", "<a>", "a\nb", "a\0b", "a\x7f", "\ud800"]
)
def test_names_that_are_refused(name: str, simulator: Simulator, connect: Connect) -> None:
    with pytest.raises(BadInput, match="cannot be the name") as caught:
        files.upload(connect(simulator.url), b"x", name, "text/plain")
    assert "\n" not in str(caught.value)
    str(caught.value).encode()
    assert simulator.requests == []


@pytest.mark.parametrize("expires", [0, -1, 3599, 7_776_001, 3600.0, True, "3600"])
def test_lives_that_are_refused(expires: Any, simulator: Simulator, connect: Connect) -> None:
    with pytest.raises(BadInput, match=r"3600 \(an hour\) and 7776000"):
        files.upload(connect(simulator.url), b"x", "a", "text/plain", expires=expires)
    assert simulator.requests == []


@pytest.mark.parametrize("kind", ["", "text", "text/plain\r\nx: y", "a b/c", "text/"])
def test_types_that_are_refused(kind: str, simulator: Simulator, connect: Connect) -> None:
    with pytest.raises(BadInput, match="not a media type"):
        files.upload(connect(simulator.url), b"x", "a", kind)
    assert simulator.requests == []


def test_files_that_are_refused(simulator: Simulator, connect: Connect, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused: list[tuple[files.Content, str]] = [
        (b"", "is empty"),
        (big(tmp_path / "empty", 0), "is empty"),
        (big(tmp_path / "huge", files.MAX_FILE_BYTES + 1), "is 500.0 MB, more than the limit of 500.0 MB"),
        (tmp_path / "nothing", "does not exist"),
        (Path("a\0b"), "does not exist"),
        (tmp_path, "not a regular file"),
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path / ("x" * 300), "name too long"),
    ]
    for content, text in refused:
        with pytest.raises(BadInput, match=text):
            files.upload(connect(simulator.url), content, "a", "text/plain")
    assert simulator.requests == []


@pytest.mark.parametrize("id", ["", "..", "../messages", "file_1/content", "file_1?x", "file 1", "ä", None, 1])
def test_ids_that_are_refused(id: Any, simulator: Simulator, connect: Connect) -> None:
    client = connect(simulator.url)
    for ask in (files.get, files.delete):
        with pytest.raises(BadInput, match="not a file id"):
            ask(client, id)
    assert simulator.requests == []


def page(**fields: Any) -> bytes:
    return http(json.dumps(fields).encode(), "application/json")


def entry(number: int) -> dict[str, Any]:
    return {"id": f"file_{number}"}


def test_all_pages_are_read(connect: Connect) -> None:
    pages = [
        page(data=[entry(1), entry(2)], next_page="page_a b"),
        page(data=[entry(3)], next_page="page_c"),
        page(data=[entry(4), "odd", {"id": 5}, {}], next_page=None),
    ]
    with raw(*pages) as server:
        found = files.list_all(connect(server.url))
    assert [file.id for file in found] == ["file_1", "file_2", "file_3", "file_4"]
    assert [got.line.split()[1] for got in server.got] == [
        "/v1/files?limit=1000",
        "/v1/files?limit=1000&page=page_a+b",
        "/v1/files?limit=1000&page=page_c",
    ]


def test_older_servers_have_pages_too(connect: Connect) -> None:
    first = page(data=[entry(1)], has_more=True, first_id="file_1", last_id="file_1")
    with raw(first, page(data=[entry(2)], has_more=False, last_id="file_2")) as server:
        assert [file.id for file in files.list_all(connect(server.url))] == ["file_1", "file_2"]
    assert server.got[1].line.split()[1] == "/v1/files?limit=1000&after_id=file_1"


def test_a_server_that_never_ends_its_list(connect: Connect) -> None:
    with raw(page(data=[entry(1)], next_page="page_1")) as server:
        files.list_all(connect(server.url))
    assert len(server.got) == 2


@pytest.mark.parametrize(
    ("data", "file"),
    [
        ({}, File("file_1")),
        ({"size_bytes": "5", "filename": None, "mime_type": 3, "created_at": 7, "expires_at": "soon"}, File("file_1")),
        ({"downloadable": True, "new": {}}, File("file_1", downloadable=True)),
        (
            {"created_at": "2026-11-22T01:02:03Z"},
            File("file_1", created_at=datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)),
        ),
        ({"created_at": "2026-11-22T01:02:03"}, File("file_1", created_at=datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC))),
    ],
)
def test_odd_descriptions_are_read(data: dict[str, Any], file: File) -> None:
    assert File.of({"id": "file_1", **data}) == file


@pytest.mark.parametrize("answer", [b"{}", b'{"id": ""}', b'{"id": 1}', b"[]", b"what?"])
def test_answers_that_describe_no_file(answer: bytes, connect: Connect) -> None:
    with raw(http(answer, "application/json")) as server, pytest.raises(NotTheMessagesAPI):
        files.get(connect(server.url), "file_1")


def test_a_list_that_is_none(connect: Connect) -> None:
    with raw(page(files=[])) as server, pytest.raises(NotTheMessagesAPI, match="no list of files"):
        files.list_all(connect(server.url))


def test_how_a_file_looks() -> None:
    assert repr(File("file_1")) == "<File file_1>"
    assert repr(File("file_1", "a.png", "image/png", 1)) == "<File file_1: a.png, image/png, 1 byte>"
    assert repr(File("file_1", "a.png", "image/png", 2048)) == "<File file_1: a.png, image/png, 2.0 kB>"
    over = datetime(2020, 1, 1, 12, tzinfo=UTC)
    assert "until 20" in repr(File("file_1", expires_at=over))
    assert File("file_1", expires_at=over).expired
    with pytest.raises(AttributeError):
        File("file_1").id = "file_2"  # type: ignore[misc]


def test_errors_are_the_usual_ones(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "wrong-key-of-mine-0123456789")
    for ask in (
        lambda: files.upload(connect(simulator.url), b"x", "a", "text/plain"),
        lambda: files.list_all(connect(simulator.url)),
    ):
        with pytest.raises(AuthenticationFailed) as caught:
            ask()
        assert_without("wrong-key-of-mine-0123456789", caught.value)


def test_a_refusal_before_the_end_of_the_file(connect: Connect, tmp_path: Path) -> None:
    """A server may say no after the headers, and close."""
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            error = b'{"type":"error","error":{"type":"request_too_large","message":"Too large"}}'
            connection.sendall(http(error, "application/json", "413 Too Large", connection="close"))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(MB):
                pass

    thread = threading.Thread(target=refuse)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with listener, pytest.raises(RequestTooLarge):
        files.upload(connect(url), big(tmp_path / "big", 30 * MB), "big", "text/plain")
    thread.join(10)


def test_who_asks_is_told_apart_but_not_told(key: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, elsewhere = connect("http://127.0.0.1:1"), connect("http://127.0.0.1:2")
    digest = mine.identity()
    assert digest == mine.identity() != elsewhere.identity()
    assert len(digest) == hashlib.sha256().digest_size
    monkeypatch.setenv("ANTHROPIC_API_KEY", key[::-1])
    assert mine.identity() != digest


def test_nothing_shows_the_key(simulator: Simulator, key: str, connect: Connect) -> None:
    client = connect(simulator.url)
    file = files.upload(client, b"x", "a.txt", "text/plain")
    for thing in (file, vars(file), vars(client), *simulator.requests, files._Form(b"x", "a", "a/b", None)):
        assert key not in repr(thing)


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The official libraries' mock server; its description is of the time when files were a beta."""
    folder = tmp_path_factory.mktemp("steady")
    described = json.loads(description().read_text("utf-8"))
    paths = {path.removesuffix("?beta=true"): told for path, told in described["paths"].items() if "/files" in path}
    (folder / "files.json").write_text(json.dumps({**described, "paths": paths}), "utf-8")
    with running_steady(folder / "files.json", folder) as url:
        yield url


def test_steady_takes_the_requests(steady: str, connect: Connect, tmp_path: Path) -> None:
    client = connect(steady)
    assert files.upload(client, b"%PDF-1.4", "a.pdf", "application/pdf").id
    assert files.upload(client, big(tmp_path / "big.txt", 3 * MB), "big.txt", "text/plain").id
    assert files.list_all(client)
    assert files.get(client, "file_1").id
    files.delete(client, "file_1")


def test_steady_would_refuse_others(steady: str, connect: Connect) -> None:
    client = connect(steady)
    form = files._Form(b"x", "a", "text/plain", None)
    form._head = form._head.replace(b'name="file"', b'name="fool"')
    with pytest.raises(InvalidRequest):
        client.call("POST", "/v1/files", form)
    with pytest.raises(InvalidRequest):
        client.call("GET", "/v1/files?limit=many")
