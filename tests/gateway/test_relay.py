"""Requests through the gateway, valid and invalid ones."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from claude_magic.gateway.auth import Caller
from claude_magic.messages.errors import (
    AnswerBroken,
    AuthenticationFailed,
    ClaudeError,
    InvalidRequest,
    NotFound,
    RequestTooLarge,
    ServerError,
    ServerTimedOut,
)
from claude_magic.messages.usage import Usage
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.gateway.serving import PATIENCE, Served, serving
from tests.messages.servers import HELLO, START, TEXT, ask, endless, http, raw, sse
from tests.processes import eventually

MEGABYTE = 1024 * 1024


@pytest.fixture
def served(simulator: Simulator, tmp_path: Path) -> Iterator[Served]:
    with serving(simulator.url, tmp_path) as running:
        yield running


def text_of(served: Served, token: str | None = None, **fields: Any) -> str:
    stream = served.client(token, max_retries=0).stream(ask(**fields))
    list(stream)
    return stream.reply.text


def exchange(served: Served, sent: bytes) -> bytes:
    """What comes back for these bytes, until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        if b"Connection: close" not in sent:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def wire(**fields: Any) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(bytes(ask(**fields)))
    return result


# What is forwarded


def test_an_answer_goes_through_as_the_api_wrote_it(served: Served, simulator: Simulator) -> None:
    direct = httpx2.post(
        simulator.url + "/v1/messages",
        json=wire(),
        headers={"x-api-key": "any", "anthropic-version": "2023-06-01"},
    )
    passed = served.post(wire())
    assert passed.status_code == 200
    assert passed.headers["content-type"] == direct.headers["content-type"]
    assert passed.headers["x-simulator"] == "claude_magic"
    strip = [line for line in direct.text.splitlines() if '"id"' not in line]
    assert [line for line in passed.text.splitlines() if '"id"' not in line] == strip
    (row,) = served.rows()
    reply = json.loads(
        next(line for line in passed.text.splitlines() if "message_start" in line and "data" in line)[5:]
    )
    assert row["input_tokens"] == reply["message"]["usage"]["input_tokens"]
    assert (row["user"], row["kernel"], row["state"], row["at_least"]) == ("ada", "kernel-1", "whole", 0)
    assert row["promised_tokens"] == row["promised_cost"] == 0
    assert row["output_tokens"] > 1
    usage = Usage(input_tokens=row["input_tokens"], output_tokens=row["output_tokens"])
    cost = usage.cost("claude-sonnet-5-5")
    assert cost is not None
    assert row["cost"] == round(cost * 10**9)


def test_an_answer_streams_and_ends_when_its_reader_leaves(served: Served, simulator: Simulator) -> None:
    simulator.faults.append("fault=stall; after=3; deltas=50")
    stream = served.client().stream(ask())
    changes = iter(stream)  # keeps the connection open while it exists
    while len(stream.reply.text) < 12:
        next(changes)
    assert len(stream.reply.text) == 12  # three deltas of four characters, and the API has not ended yet
    assert len(simulator.working) == 1
    (row,) = served.rows()
    assert (row["state"], row["at_least"]) == ("open", 1)
    stream.abort()
    eventually(lambda: not simulator.working)
    eventually(lambda: served.rows()[0]["state"] == "broken")
    (row,) = served.rows()
    assert (row["at_least"], row["output_tokens"], row["promised_tokens"]) == (1, 3, 0)


def test_a_whole_answer_is_counted_too(served: Served) -> None:
    answer = served.post(wire(stream=False))
    (row,) = served.rows()
    assert row["state"] == "whole"
    assert row["output_tokens"] == answer.json()["usage"]["output_tokens"]


def test_counting_and_models_cost_nothing(served: Served, simulator: Simulator) -> None:
    client = served.client()
    body = {name: value for name, value in wire().items() if name not in ("stream", "max_tokens")}
    counted = served.post(body, "/v1/messages/count_tokens")
    assert counted.json()["input_tokens"] > 0
    assert len(client.models()) > 5
    assert client.call("GET", "/v1/models/claude-haiku-4-5")["type"] == "model"
    assert len(client.call("GET", "/v1/models?limit=2&token=x")["data"]) == 2
    assert served.rows() == []
    assert "token" not in simulator.requests[-1].query


def test_the_key_of_the_server_goes_on_and_little_of_the_caller(served: Served, simulator: Simulator) -> None:
    secrets = {"cookie": "session=1", "x-forwarded-for": "10.0.0.1", "x-api-key": "mine", "anthropic-workspace-id": "w"}
    more = {"anthropic-beta": "files-api-2025-04-14", "user-agent": "notebook"}
    served.post(wire(), **secrets, **more)
    (got,) = simulator.requests
    names = {name.lower() for name in got.headers}
    assert not names & {"cookie", "x-forwarded-for", "authorization", "anthropic-workspace-id"}
    assert got.credential == "x-api-key"
    simulator.keys = {KEY}
    assert served.post(wire(), **secrets).status_code == 200
    assert got.headers["anthropic-beta"] == "files-api-2025-04-14"
    assert got.headers["user-agent"] == "notebook"
    assert got.headers["host"] == simulator.url.removeprefix("http://")


# Authentication


@pytest.mark.parametrize("token", ["", "not-one", KEY])
def test_nobody_asks_without_a_token(served: Served, simulator: Simulator, token: str) -> None:
    answer = served.post(wire(), authorization=f"Bearer {token}".strip())
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"
    assert answer.headers["x-should-retry"] == "false"
    assert simulator.requests == []


def test_a_token_is_billed_to_whom_it_belongs_whatever_else_is_said(served: Served) -> None:
    served.post(wire(metadata={"user_id": "ada"}), authorization=f"Bearer {served.bob}", **{"x-api-key": served.ada})
    assert [(row.user, row.answers) for row in served.usage()] == [("bob", 1)]


def test_a_token_ends_with_its_kernel(served: Served) -> None:
    assert text_of(served)
    again = served.do(lambda gateway: gateway.tokens.issue(Caller("ada", "kernel-1")))
    assert again == served.ada  # a kernel that is restarted
    served.do(lambda gateway: gateway.tokens.revoke("kernel-1"))
    with pytest.raises(AuthenticationFailed, match=r"Who are you\? \(401 authentication_error\)\.$"):
        text_of(served)
    assert text_of(served, served.bob)


# What is not forwarded


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_forty_megabytes_are_too_much(served: Served, simulator: Simulator, chunked: bool) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b" " * MEGABYTE for _ in range(40))

    client = served.client(max_retries=0)
    if chunked:
        headers = {"authorization": f"Bearer {served.ada}"}
        answer = httpx2.post(served.url + "/v1/messages", content=pieces(), headers=headers, timeout=PATIENCE)
        assert answer.status_code == 413
        assert answer.json()["error"]["type"] == "request_too_large"
    else:
        body = ask()
        body.pieces = [*pieces()]
        with pytest.raises(RequestTooLarge, match="larger than 32 MB"):
            list(client.stream(body))
    assert simulator.requests == []
    assert served.rows() == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b"\xff\xfe{}", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (b"{}", "model: Field required"),
        (b'{"model": 5}', "model: Field required"),
        (b'{"model": "claude-haiku-4-5", "model": "claude-opus-5-5"}', "repeats the key model"),
        (b'{"model": "m", "messages": [{"role": "user", "role": "assistant"}]}', "repeats the key role"),
    ],
)
def test_an_invalid_body_is_not_forwarded(served: Served, simulator: Simulator, body: bytes, said: str) -> None:
    answer = served.post(body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert said in answer.json()["error"]["message"]
    assert simulator.requests == []


@pytest.mark.parametrize(
    "path",
    [
        "../api/kernels",
        "v1/../../api/kernels",
        "v1/models/..",
        "v1/models/../messages",
        "v1/models/%2e%2e/files",
        "v1/models/x%2f..%2f..",
        "v1//messages",
        "v1/messages/",
        "v1/models/%00",
        "v1/organizations/usage_report",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_paths_are_not_forwarded(served: Served, simulator: Simulator, method: str, path: str) -> None:
    head = f"{method} /claude/{path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {served.ada}\r\n"
    answer = exchange(served, f"{head}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
    assert answer.split(b" ")[1] in (b"404", b"400")
    assert simulator.requests == []


@pytest.mark.parametrize("path", ["/v1/files", "/v1/files/file_1/content", "/v1/messages/batches"])
def test_files_and_batches_are_rejected_with_a_reason(served: Served, simulator: Simulator, path: str) -> None:
    with pytest.raises(NotFound, match=r"does not forward files and batches.*claude\.login\(\).*not_found_error\)\.$"):
        served.client().call("GET", path)
    assert simulator.requests == []


def test_other_methods_are_rejected_in_the_same_format(served: Served) -> None:
    headers = {"authorization": f"Bearer {served.ada}"}
    answer = httpx2.request("DELETE", served.url + "/v1/messages", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (405, "error")


HIDDEN = b"POST /claude/v1/messages HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        b"Content-Length: 2\r\nContent-Length: 80\r\n\r\n{}" + HIDDEN,
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
        b"Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
        b"Content-Length: +2\r\n\r\n{}" + HIDDEN,
        b"anthropic-beta: a\rx-api-key: b\r\nContent-Length: 2\r\n\r\n{}",
        b"anthropic-beta: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_smuggled_headers_reach_nobody(served: Served, simulator: Simulator, headers: bytes) -> None:
    start = f"POST /claude/v1/messages HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {served.ada}\r\n".encode()
    answer = exchange(served, start + headers)
    assert b"HTTP/1.1 200" not in answer
    assert simulator.requests == []
    assert served.rows() == []
    assert text_of(served)  # and the server still works


# Many, slow, and silent


@pytest.mark.slow
def test_two_hundred_streams_at_once(served: Served, simulator: Simulator) -> None:
    together = threading.Barrier(200, timeout=120)

    def one(number: int) -> str:
        client = served.client(max_retries=0)
        stream = client.stream(ask(messages=[{"role": "user", "content": f"simulate: say=answer {number}"}]))
        together.wait()
        try:
            list(stream)
        finally:
            client.close()
        return stream.reply.text

    with ThreadPoolExecutor(200) as pool:
        assert list(pool.map(one, range(200))) == [f"answer {number}" for number in range(200)]
    (row,) = served.usage()
    assert (row.answers, row.open, row.at_least) == (200, 0, False)


def test_a_slow_reader_holds_the_api_back(tmp_path: Path) -> None:
    large = sse({**TEXT, "delta": {"type": "text_delta", "text": "x" * 65_000}})
    stuck, freed, sent = threading.Event(), threading.Event(), []

    def much(connection: socket.socket) -> None:
        connection.sendall(endless(START))
        connection.settimeout(2)
        for _ in range(4000):  # 260 MB
            try:
                connection.sendall(large)
            except TimeoutError:
                break
            sent.append(len(large))
        stuck.set()
        freed.wait(PATIENCE)
        connection.close()

    with raw(much) as api, serving(api.url, tmp_path) as served:
        head = f"POST /claude/v1/messages HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {served.ada}\r\n"
        body = bytes(ask())
        with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as reader:
            reader.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            assert reader.recv(12) == b"HTTP/1.1 200"
            assert stuck.wait(120)
            assert sum(sent) < 50 * MEGABYTE
        freed.set()
        eventually(lambda: served.rows()[0]["state"] == "broken")


def test_a_silent_api_times_out(tmp_path: Path) -> None:
    def silent(connection: socket.socket) -> None:
        api.over.wait(PATIENCE)

    with raw(silent) as api, serving(api.url, tmp_path, timeout=0.5) as served:
        with pytest.raises(ServerTimedOut, match="was silent for 0 s"):
            text_of(served)
        (row,) = served.rows()
        assert (row["state"], row["at_least"]) == ("broken", 1)  # it may have been billed
        assert row["input_tokens"] > 0


def test_an_api_that_stops_midway_leaves_no_answer_that_looks_complete(tmp_path: Path) -> None:
    def stall(connection: socket.socket) -> None:
        connection.sendall(endless(START, TEXT))
        api.over.wait(PATIENCE)

    with raw(stall) as api, serving(api.url, tmp_path, timeout=0.5) as served:
        stream = served.client(max_retries=0).stream(ask())
        with pytest.raises(AnswerBroken):
            list(stream)
        assert stream.reply.text == "Hello!"
        (row,) = served.rows()
        assert (row["state"], row["at_least"], row["input_tokens"], row["output_tokens"]) == ("broken", 1, 3, 2)


def test_an_unreachable_api_costs_nothing(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with serving(url, tmp_path) as served:
            with pytest.raises(ServerError, match=r"cannot reach 127\.0\.0\.1"):
                text_of(served)
            assert served.rows() == []


def test_errors_of_the_api_go_through_and_cost_nothing(served: Served, simulator: Simulator) -> None:
    simulator.faults.append("529")
    simulator.faults.append("400; message=too odd")
    answer = served.post(wire())
    assert (answer.status_code, answer.json()["error"]["type"]) == (529, "overloaded_error")
    with pytest.raises(InvalidRequest, match="too odd"):
        text_of(served)
    assert served.rows() == []


def test_a_key_that_the_api_rejects_or_quotes_is_not_shown(tmp_path: Path) -> None:
    refused = http(b'{"type": "error"}', "application/json", "401 Unauthorized")
    quoted = http(f'{{"error": {{"message": "no {KEY}!"}}}}'.encode(), "application/json", "400 Bad Request")
    moved = http(b"", "text/html", "302 Found", location="http://127.0.0.1:1/")
    with raw(refused, quoted, moved, http(HELLO)) as api, serving(api.url, tmp_path) as served:
        with pytest.raises(ServerError, match="does not accept this server's key"):
            text_of(served)
        assert served.post(wire()).json() == {"error": {"message": "no ***!"}}
        with pytest.raises(ServerError, match="redirects elsewhere"):
            text_of(served)
        assert text_of(served) == "Hello!"
        assert {got.header("x-api-key") for got in api.got} == {KEY}
        assert served.rows()[0]["input_tokens"] == 3


def test_what_the_gateway_prints_of_itself_holds_no_secret(served: Served) -> None:
    shown = repr([served.gateway, vars(served.gateway), vars(served.gateway.upstream), served.gateway.tokens])
    assert KEY not in shown
    assert served.ada not in shown
    with pytest.raises(ClaudeError) as caught:
        served.client("x").models()
    assert KEY not in str(caught.value)
