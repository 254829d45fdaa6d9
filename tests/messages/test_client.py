"""The client over real HTTP: what it sends, when it tries again, how it is stopped."""

from __future__ import annotations

import email.utils
import gzip
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from claude_magic.messages import retry
from claude_magic.messages.client import Client
from claude_magic.messages.credentials import Credentials
from claude_magic.messages.errors import (
    AnswerBroken,
    APIError,
    AuthenticationFailed,
    BadInput,
    ConnectionFailed,
    Interrupted,
    NoCredentials,
    NotTheMessagesAPI,
    RateLimited,
    ServerError,
    TimedOut,
)
from claude_magic.messages.exchange import RequestBody
from claude_magic.messages.network import is_loopback
from claude_magic.messages.platform import AnthropicAPI
from claude_magic.messages.retry import Wait
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.messages.conftest import Connect
from tests.messages.servers import (
    COUNTED,
    HELLO,
    START,
    STOP,
    TAIL,
    TEXT,
    Got,
    Raw,
    answer,
    ask,
    endless,
    http,
    raw,
    sse,
)

OK = http(HELLO)


def sent(connect: Connect, **options: Any) -> Got:
    """What one request looks like on the wire."""
    with raw(OK) as server:
        assert answer(connect(server.url, **options)).text == "Hello!"
        return server.got[0]


class TestHeaders:
    """The headers of a request."""

    def test_all_of_them(self, key: str, connect: Connect) -> None:
        got = sent(connect)
        names = [name for name, _ in got.headers]
        assert len(names) == len(set(names))
        known = {name: value for name, value in got.headers if name not in ("host", "user-agent", "content-length")}
        assert known == {
            "x-api-key": KEY,
            "anthropic-version": "2023-06-01",
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "connection": "keep-alive",
        }
        assert (got.header("user-agent") or "").startswith("claude_magic/")

    def test_version_and_betas(self, key: str, connect: Connect) -> None:
        got = sent(connect, version="2026-10-21", betas=["a-2026-01-01", "b-2026-02-02"])
        assert got.header("anthropic-version") == "2026-10-21"
        assert got.header("anthropic-beta") == "a-2026-01-01,b-2026-02-02"

    @pytest.mark.parametrize(
        ("variables", "credential"),
        [
            ({"ANTHROPIC_API_KEY": "some-key"}, ("some-key", None)),
            ({"ANTHROPIC_AUTH_TOKEN": "some-token"}, (None, "Bearer some-token")),
            ({"ANTHROPIC_API_KEY": "some-key", "ANTHROPIC_AUTH_TOKEN": "some-token"}, ("some-key", None)),
            ({"ANTHROPIC_API_KEY": " ", "ANTHROPIC_AUTH_TOKEN": " some-token\n"}, (None, "Bearer some-token")),
            ({"ANTHROPIC_API_KEY": "a", "ANTHROPIC_CUSTOM_HEADERS": "X-Api-Key: other"}, ("other", None)),
            ({"ANTHROPIC_AUTH_TOKEN": "a", "ANTHROPIC_CUSTOM_HEADERS": "x-api-key: other"}, ("other", None)),
            ({"ANTHROPIC_API_KEY": "a", "ANTHROPIC_CUSTOM_HEADERS": "Authorization: Custom"}, (None, "Custom")),
            ({}, ("none", None)),  # servers on this machine take any key, but some want one
        ],
    )
    def test_exactly_one_credential(
        self,
        variables: dict[str, str],
        credential: tuple[str | None, str | None],
        connect: Connect,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        got = sent(connect)
        assert (got.header("x-api-key"), got.header("authorization")) == credential

    def test_the_key_is_looked_up_at_each_send(self, connect: Connect) -> None:
        environ = {"ANTHROPIC_API_KEY": "first"}
        with raw(OK) as server:
            client = connect(server.url, Credentials(environ))
            answer(client)
            environ["ANTHROPIC_API_KEY"] = "second"
            answer(client)
            client.credentials.set_key("third")
            answer(client)
            client.credentials.forget()
            answer(client)
        assert [got.header("x-api-key") for got in server.got] == ["first", "second", "third", "second"]

    def test_custom_headers(self, key: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = "X-Team: data: science\n\nno header\n: nothing\nANTHROPIC-Version: 2026-10-21\r\nx-empty:"
        monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", lines)
        got = sent(connect)
        assert got.header("x-team") == "data: science"
        assert got.header("anthropic-version") == "2026-10-21"
        assert got.header("x-api-key") == KEY
        assert got.header("x-empty") is None

    @pytest.mark.parametrize("line", ["x-bad: sécret", "x bad: secret"])
    def test_custom_headers_that_cannot_be_sent(
        self, line: str, connect: Connect, pauses: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", line)
        with raw(OK) as server, pytest.raises(BadInput, match="ANTHROPIC_CUSTOM_HEADERS, version and betas") as caught:
            answer(connect(server.url))
        assert "cret" not in str(caught.value)
        assert (server.got, pauses) == ([], [])

    @pytest.mark.parametrize("version", ["2023\n06", "ä"])
    def test_a_version_that_cannot_be_sent(self, version: str, connect: Connect) -> None:
        with raw(OK) as server, pytest.raises(BadInput, match="version and betas"):
            answer(connect(server.url, version=version))

    def test_without_a_key_nothing_is_sent_anywhere_else(self, connect: Connect) -> None:
        with pytest.raises(NoCredentials, match=r"claude\.login\(\)"):
            answer(connect("http://192.0.2.1"))
        with pytest.raises(NoCredentials):
            connect("http://192.0.2.1").require_credentials()
        connect("http://127.0.0.1:9").require_credentials()


class TestBaseUrl:
    """All the ways to write an address."""

    @pytest.mark.parametrize(
        ("path", "line"),
        [
            ("", "POST /v1/messages HTTP/1.1"),
            ("/", "POST /v1/messages HTTP/1.1"),
            ("/v1", "POST /v1/messages HTTP/1.1"),
            ("/v1/", "POST /v1/messages HTTP/1.1"),
            ("/anthropic", "POST /anthropic/v1/messages HTTP/1.1"),
            ("/a/b/v1", "POST /a/b/v1/messages HTTP/1.1"),
        ],
    )
    def test_paths(self, path: str, line: str, connect: Connect) -> None:
        with raw(OK) as server:
            answer(connect(f" {server.url}{path} "))
        assert server.got[0].line == line

    def test_the_environment_names_it(self, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        assert connect().base_url == "https://api.anthropic.com"
        assert connect().is_anthropic
        monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:8000/v1/")
        assert connect().base_url == "http://127.0.0.1:8000"
        assert not connect().is_anthropic
        assert connect("http://localhost:1").base_url == "http://localhost:1"

    @pytest.mark.parametrize(
        "url",
        [
            "nowhere",
            "localhost:8080",
            "ftp://host",
            "http://",
            "https:///path",
            "http://[::1",
            "http://host:port",
            "http://host:99999",
            "http://host/?key=1",
            "http://host/#part",
            "http://ho st",
            "http://host/a\nb",
            KEY,
        ],
    )
    def test_no_address(self, url: str) -> None:
        with pytest.raises(BadInput, match="base_url must begin with http") as caught:
            Client(url)
        assert KEY not in str(caught.value)

    def test_a_name_and_password_are_sent_and_never_shown(self, key: str, connect: Connect) -> None:
        with raw(OK) as server:
            client = connect(server.url.replace("//", "//user:pass%20word@"))
            answer(client)
            client.credentials.forget()
        assert client.base_url == server.url
        assert "user" not in repr(client) + repr(vars(client))
        got = server.got[0]
        assert got.header("authorization") == "Basic dXNlcjpwYXNzIHdvcmQ="
        assert got.header("x-api-key") == KEY

    def test_a_token_comes_before_a_name_and_password(self, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "some-token")
        with raw(OK) as server:
            answer(connect(server.url.replace("//", "//user:word@")))
        assert server.got[0].header("authorization") == "Bearer some-token"

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "claude.localhost"])
    def test_loopback(self, host: str) -> None:
        assert is_loopback(host)

    @pytest.mark.parametrize("host", ["", "localhost.example.org", "10.0.0.1", "127.0.0.1.nip.io", "example.org"])
    def test_elsewhere(self, host: str) -> None:
        assert not is_loopback(host)

    def test_a_platform_decides_on_addresses_and_headers(self, key: str, connect: Connect) -> None:
        class Hosted(AnthropicAPI):
            def url(self, path: str) -> str:
                return f"{self.base_url}/hosted{path}"

            def headers(self) -> dict[str, str]:
                return {"x-region": "north"}

        with raw(OK) as server:
            client = connect(platform=Hosted(server.url))
            answer(client)
        assert server.got[0].line == "POST /hosted/v1/messages HTTP/1.1"
        assert (server.got[0].header("x-region"), server.got[0].header("x-api-key")) == ("north", key)
        assert client.outgoing(ask()).headers == {"x-region": "north"}

    def test_redirects_are_not_followed(self, connect: Connect, pauses: list[float]) -> None:
        with (
            raw(OK) as elsewhere,
            raw(http(b"", status="307 Moved", location=elsewhere.url)) as server,
            pytest.raises(NotTheMessagesAPI, match="redirects to another address"),
        ):
            answer(connect(server.url))
        assert (elsewhere.got, len(server.got), pauses) == ([], 1, [])


class TestProxies:
    """The proxies of the environment."""

    @pytest.fixture
    def proxy(self) -> Any:
        with raw(OK) as server:
            yield server

    @pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
    @pytest.mark.parametrize("scheme", ["http://", ""])
    def test_a_remote_host_is_reached_through_it(
        self, name: str, scheme: str, proxy: Raw, key: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(name, f"{scheme}127.0.0.1:{proxy.port}")
        assert answer(connect("http://api.example.test/claude")).text == "Hello!"
        assert proxy.got[0].line == "POST http://api.example.test/claude/v1/messages HTTP/1.1"

    def test_loopback_is_direct(self, proxy: Raw, key: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        with raw(OK) as server:
            answer(connect(server.url))
            answer(connect(server.url.replace("127.0.0.1", "localhost")))
        assert (len(server.got), proxy.got) == (2, [])

    def test_no_proxy_is_heeded(self, proxy: Raw, key: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "example.test")
        with pytest.raises(ConnectionFailed, match="Cannot connect to http://api.example.test"):
            answer(connect("http://api.example.test", max_retries=0))
        assert proxy.got == []

    def test_one_that_refuses(self, key: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        with raw(http(b"", status="403 Forbidden")) as proxy:
            monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:secret@"))
            with pytest.raises(ConnectionFailed, match=r"The proxy refused .*\(403 Forbidden\)") as caught:
                answer(connect("https://api.example.test", max_retries=0))
        assert proxy.got[0].line == "CONNECT api.example.test:443 HTTP/1.1"
        assert proxy.got[0].header("x-api-key") is None
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(("proxy", "says"), [("ftp://a", "proxy address"), ("socks5://127.0.0.1:9", "socksio")])
    def test_unusable(self, proxy: str, says: str, key: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(BadInput, match=says):
            answer(connect("http://api.example.test"))


class TestBody:
    """What is sent."""

    def test_its_length_is_said_and_its_pieces_go_one_by_one(self, connect: Connect) -> None:
        body = RequestBody([b'{"a":"', b"x" * 100_000, b'"}'])
        with raw(None, OK) as server:
            list(connect(server.url, max_retries=1).stream(body))
        for got in server.got:  # the second try sends them once more
            assert got.body == bytes(body)
            assert got.header("content-length") == str(len(body)) == "100008"
            assert got.header("transfer-encoding") is None

    def test_large_pieces_are_not_copied(self, connect: Connect) -> None:
        body = RequestBody([b'{"a":"', b"x" * 30_000_000, b'"}'])

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                left, buffer = len(body), bytearray(65536)
                while b"\r\n\r\n" not in (head := connection.recv(65536, socket.MSG_PEEK)):
                    pass
                left += head.index(b"\r\n\r\n") + 4
                while left > 0:
                    left -= connection.recv_into(buffer)
                connection.sendall(OK)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve)
            thread.start()
            tracemalloc.start()
            try:
                list(connect(f"http://127.0.0.1:{listener.getsockname()[1]}").stream(body))
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
                thread.join()
        assert peak < 15_000_000


STATUSES = {
    **dict.fromkeys((400, 401, 402, 403, 404, 413), 1),
    **dict.fromkeys((408, 409, 429, 500, 503, 504, 529), 3),
}


class TestRetries:
    """What is tried again, how often, and after how long."""

    @pytest.mark.parametrize(("status", "requests"), STATUSES.items())
    def test_which_statuses(
        self, status: int, requests: int, simulator: Simulator, connect: Connect, pauses: list[float]
    ) -> None:
        simulator.faults.append(f"{status}; times=9")
        with pytest.raises(APIError) as caught:
            answer(connect(simulator.url))
        assert caught.value.status == status
        assert len(simulator.requests) == requests
        assert len(pauses) == requests - 1

    @pytest.mark.parametrize(("word", "status", "requests"), [("true", 400, 3), ("false", 529, 1), ("TRUE", 404, 3)])
    def test_x_should_retry(self, word: str, status: int, requests: int, connect: Connect, pauses: list[float]) -> None:
        with (
            raw(http(b"{}", "application/json", f"{status} No", x_should_retry=word)) as server,
            pytest.raises(APIError),
        ):
            answer(connect(server.url))
        assert len(server.got) == requests

    @pytest.mark.parametrize(("retries", "requests"), [(0, 1), (1, 2), (4, 5)])
    def test_how_often(
        self, retries: int, requests: int, simulator: Simulator, connect: Connect, pauses: list[float]
    ) -> None:
        simulator.faults.append("529; times=9")
        with pytest.raises(APIError):
            answer(connect(simulator.url, max_retries=retries))
        assert len(simulator.requests) == requests

    def test_the_answer_that_comes_at_last(self, simulator: Simulator, connect: Connect, pauses: list[float]) -> None:
        for fault in ("529", "429; retry-after=7"):
            simulator.faults.append(fault)
        assert answer(connect(simulator.url)).complete
        assert len({recorded.raw for recorded in simulator.requests}) == 1
        assert len(simulator.requests) == 3
        assert pauses[1] == 7

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry_after": "2"}, 2.0),
            ({"retry_after": "1.5"}, 1.5),
            ({"retry_after": "60"}, 60.0),
            ({"retry_after_ms": "250"}, 0.25),
            ({"retry_after_ms": "250", "retry_after": "2"}, 0.25),
            ({"retry_after_ms": "soon", "retry_after": "2"}, 2.0),
            ({"retry_after": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
            ({"retry_after": "soon"}, None),
            ({"retry_after": "0"}, None),
            ({"retry_after": "-5"}, None),
            ({"retry_after": "nan"}, None),
            ({"retry_after": "inf"}, None),
            ({"retry_after_ms": "1e400"}, None),
            ({}, None),
        ],
    )
    def test_delay(self, headers: dict[str, str], seconds: float | None, connect: Connect, pauses: list[float]) -> None:
        with raw(http(b"{}", "application/json", "529 Busy", **headers), OK) as server:
            answer(connect(server.url))
        if seconds is None:
            assert 0.375 <= pauses[0] <= 0.5
        else:
            assert pauses == [seconds]

    def test_until_a_date(self, connect: Connect, pauses: list[float]) -> None:
        date = email.utils.formatdate(time.time() + 30, usegmt=True)
        with raw(http(b"{}", "application/json", "529 Busy", retry_after=date), OK) as server:
            answer(connect(server.url))
        assert 20 < pauses[0] <= 30

    @pytest.mark.parametrize(("asked", "says"), [("61", "Wait a minute or two."), ("3600", "asks to wait 60 min.")])
    def test_too_long(self, asked: str, says: str, simulator: Simulator, connect: Connect, pauses: list[float]) -> None:
        simulator.faults.append(f"429; retry-after={asked}")
        with pytest.raises(RateLimited, match=says) as caught:
            answer(connect(simulator.url))
        assert caught.value.retry_after == float(asked)
        assert (len(simulator.requests), pauses) == (1, [])

    def test_without_a_word_the_waits_double_and_differ(self, monkeypatch: pytest.MonkeyPatch) -> None:
        error = ServerError("No.", status=500, type="api_error")
        for chance, factor in ((0.0, 1.0), (1.0, 0.75)):
            monkeypatch.setattr("random.random", lambda chance=chance: chance)
            waits = [wait for attempt in range(1, 8) if (wait := retry.backoff(error, attempt)) is not None]
            assert [wait.seconds / factor for wait in waits] == [0.5, 1, 2, 4, 8, 8, 8]
            assert [wait.attempt for wait in waits] == list(range(2, 9))

    def test_every_wait_is_reported(self, simulator: Simulator, connect: Connect) -> None:
        for fault in ("hangup", "529; retry-after-ms=1", "429; retry-after-ms=2", "503; retry-after-ms=3"):
            simulator.faults.append(fault)
        waits: list[Wait] = []
        stream = connect(simulator.url, max_retries=4).stream(ask(), on_wait=waits.append)
        list(stream)
        assert [(wait.reason, wait.attempt) for wait in waits] == [
            ("no connection", 2),
            ("overloaded", 3),
            ("rate limit", 4),
            ("server error 503", 5),
        ]
        assert [wait.seconds for wait in waits[1:]] == [0.001, 0.002, 0.003]
        assert str(Wait("overloaded", 2.4, 2)) == "overloaded, again in 2 s"
        assert str(waits[1]) == "overloaded, trying again"

    def test_an_error_event_before_content(self, simulator: Simulator, connect: Connect, pauses: list[float]) -> None:
        for fault in ("fault=error; after=0", "fault=error; after=0; type=invalid_request_error"):
            simulator.faults.append(fault)
        with pytest.raises(APIError) as caught:
            answer(connect(simulator.url))
        assert caught.value.type == "invalid_request_error"
        assert str(caught.value.request_id).startswith("req_")
        assert len(pauses) == 1

    @pytest.mark.parametrize("fault", ["fault=error", "fault=cut"])
    def test_never_after_content(self, fault: str, simulator: Simulator, connect: Connect, pauses: list[float]) -> None:
        simulator.faults.append(f"{fault}; after=1; deltas=9")
        stream = connect(simulator.url).stream(ask())
        with pytest.raises((AnswerBroken, APIError)):
            list(stream)
        assert stream.reply.text
        assert not stream.reply.complete
        assert (len(simulator.requests), pauses) == (1, [])

    @pytest.mark.parametrize("beginning", [b"", sse(START)])
    def test_a_stream_lost_before_any_content(self, beginning: bytes, connect: Connect, pauses: list[float]) -> None:
        lost = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n" + beginning
        with (
            raw(lambda connection: (connection.sendall(lost), connection.shutdown(socket.SHUT_RDWR))) as server,
            pytest.raises(ConnectionFailed),
        ):
            answer(connect(server.url))
        assert (len(server.got), len(pauses)) == (3, 2)


class TestConnections:
    """Kept, lost, refused."""

    def test_one_serves_many_requests(self, connect: Connect) -> None:
        with raw(OK) as server:
            client = connect(server.url)
            for _ in range(3):
                answer(client)
            assert (len(server.got), server.connections) == (3, 1)
            client.close()
            answer(client)
            assert server.connections == 2

    def test_also_after_an_error(self, simulator: Simulator, connect: Connect) -> None:
        with raw(http(b'{"error": "No."}', "application/json", "400 Bad"), OK) as server:
            client = connect(server.url)
            with pytest.raises(APIError):
                answer(client)
            answer(client)
        assert server.connections == 1

    def test_a_kept_one_closed_by_the_server_is_replaced_silently(self, connect: Connect, pauses: list[float]) -> None:
        with raw(OK, None, OK) as server:
            client = connect(server.url, max_retries=0)
            answer(client)
            assert answer(client).complete  # the second request found the connection closing
        assert (len(server.got), server.connections, pauses) == (3, 2, [])

    def test_one_that_broke_in_a_new_connection_is_a_failure(self, connect: Connect, pauses: list[float]) -> None:
        with raw(None) as server, pytest.raises(ConnectionFailed, match="was lost"):
            answer(connect(server.url))
        assert (len(server.got), len(pauses)) == (3, 2)

    def test_nobody_listens(self, connect: Connect, pauses: list[float]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ConnectionFailed, match=f"Cannot connect to {url} .*ANTHROPIC_BASE_URL"):
            answer(connect(url))
        assert len(pauses) == 2

    def test_silence_ends(self, connect: Connect) -> None:
        with raw(lambda connection: None) as server:
            client = connect(server.url, timeout=0.05, max_retries=1)
            waits: list[Wait] = []
            with pytest.raises(TimedOut, match="sent nothing"):
                list(client.stream(ask(), on_wait=waits.append))
        assert [wait.reason for wait in waits] == ["no answer"]

    def test_silence_in_the_middle(self, connect: Connect, pauses: list[float]) -> None:
        with raw(lambda connection: connection.sendall(endless(START, TEXT))) as server:
            stream = connect(server.url, timeout=0.05).stream(ask())
            with pytest.raises(AnswerBroken, match="sent nothing"):
                list(stream)
        assert (stream.reply.text, pauses) == ("Hello!", [])

    def test_patience(self) -> None:
        """A model may think for minutes without a byte; a server that is there connects in seconds."""
        timeout = Client("http://127.0.0.1:1")._transport._timeout
        assert (timeout.read or 0) >= 600
        assert 0 < (timeout.connect or 0) <= 15

    def test_only_what_is_needed_is_read_of_an_error(self, connect: Connect) -> None:
        def endless_error(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 400 Bad\r\ncontent-type: text/plain\r\n\r\n")
            while True:
                connection.sendall(b"No. " * 1000)

        with raw(endless_error) as server, pytest.raises(APIError, match=r"No\. No\."):
            answer(connect(server.url))

    def test_an_error_whose_body_breaks_off_is_still_that_error(self, connect: Connect) -> None:
        short = b"HTTP/1.1 401 No\r\nrequest-id: req_1\r\ncontent-length: 99\r\n\r\n"
        with (
            raw(lambda connection: (connection.sendall(short), connection.shutdown(socket.SHUT_RDWR))) as server,
            pytest.raises(AuthenticationFailed) as caught,
        ):
            answer(connect(server.url))
        assert caught.value.request_id == "req_1"


WHOLE: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
WHOLE |= {"content": [{"type": "text", "text": "Hello!"}], "usage": {"input_tokens": 3, "output_tokens": 2}}
UNTYPED = {name: value for name, value in WHOLE.items() if name != "type"}


class TestAnswers:
    """Answers of every form."""

    @pytest.mark.parametrize(
        "plan",
        [
            "",
            "crlf",
            "cr",
            "bom",
            "comments",
            "data-only",
            "done",
            "no-final-blank",
            "multiline-data",
            "bytes=7",
            "gateway",
            "bare-json",
            "late-stops",
            "index-gap",
            "untyped-deltas",
            "ping-first",
            "as=json",
        ],
    )
    def test_the_simulators_ways_to_write_one(self, plan: str, simulator: Simulator, connect: Connect) -> None:
        simulator.faults.append(f"{plan}; say=Hello there." if plan else "say=Hello there.")
        reply = answer(connect(simulator.url))
        assert (reply.text, reply.complete, reply.simulated) == ("Hello there.", True, True)
        assert str(reply.request_id).startswith("req_")

    @pytest.mark.parametrize("message", [WHOLE, UNTYPED])
    @pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "text/plain", ""])
    @pytest.mark.parametrize("indent", [None, 2])
    def test_a_whole_message(self, message: dict[str, Any], kind: str, indent: int | None, connect: Connect) -> None:
        body = json.dumps(message, indent=indent).encode()
        with raw(http(body, kind)) as server:
            reply = answer(connect(server.url))
        assert (reply.text, reply.complete, reply.usage.output_tokens) == ("Hello!", True, 2)

    def test_a_compressed_answer(self, connect: Connect) -> None:
        with raw(http(gzip.compress(HELLO), content_encoding="gzip")) as server:
            assert answer(connect(server.url)).text == "Hello!"

    def test_compression_that_is_none(self, connect: Connect, pauses: list[float]) -> None:
        with raw(http(HELLO, content_encoding="gzip")) as server, pytest.raises(ConnectionFailed):
            answer(connect(server.url))

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"<!DOCTYPE html>\n<script>\n{ var a }\n</script>", "text/html; charset=utf-8"),
            (b"<html>data: {}</html>", "Text/HTML"),
            (b"Welcome!", "text/plain"),
            (b"", "text/event-stream"),
            (b"[1, 2]", "application/json"),
            (b'{"object": "chat.completion", "choices": []}', "application/json"),
            (b"data: [DONE]\n\n", "text/event-stream"),
        ],
    )
    def test_what_is_no_answer(self, body: bytes, kind: str, connect: Connect, pauses: list[float]) -> None:
        with (
            raw(http(body, kind)) as server,
            pytest.raises(NotTheMessagesAPI, match=r"did not answer as the Messages API does .*Check base_url"),
        ):
            answer(connect(server.url))
        assert (len(server.got), pauses) == (1, [])

    def test_an_error_with_status_200(self, connect: Connect, pauses: list[float]) -> None:
        body = json.dumps({"error": {"message": "No such model", "type": "not_found_error", "code": None}}).encode()
        with (
            raw(http(body, "application/json", request_id="req_7")) as server,
            pytest.raises(APIError, match=r"No such model \(404 not_found_error, req_7\)"),
        ):
            answer(connect(server.url))

    def test_a_web_page_for_an_error(self, simulator: Simulator, connect: Connect) -> None:
        simulator.faults.append("503; body=html; x-should-retry=false")
        with pytest.raises(ServerError, match=r"^the server sent a web page \(.*\) \(503 api_error, req_"):
            answer(connect(simulator.url))

    @pytest.mark.parametrize("shape", ["json", "openai", "empty", "no-outer-type", "string"])
    def test_errors_of_every_shape(self, shape: str, simulator: Simulator, connect: Connect) -> None:
        simulator.faults.append(f"400; body={shape}; message=Nope.")
        with pytest.raises(APIError, match="Nope" if shape != "empty" else "without saying why") as caught:
            answer(connect(simulator.url))
        assert (caught.value.status, str(caught.value.request_id)[:4]) == (400, "req_")

    def test_damaged(self, connect: Connect, pauses: list[float]) -> None:
        with raw(http(sse(START, TEXT) + b"data: {oops}\n\n" + sse(TAIL, STOP))) as server:
            stream = connect(server.url).stream(ask())
            with pytest.raises(AnswerBroken, match="damaged"):
                list(stream)
        assert stream.reply.text == "Hello!"

    @pytest.mark.parametrize(
        "rest", [b"", b"data: [DONE]\n\n", b'event: message_delta\ndata: {"type":"message_del', b"da"]
    )
    def test_an_end_that_nobody_announced(self, rest: bytes, connect: Connect) -> None:
        with raw(http(sse(START, TEXT) + rest)) as server:
            reply = answer(connect(server.url))
        assert (reply.text, reply.ended, reply.complete) == ("Hello!", False, False)

    def test_an_answer_without_content(self, connect: Connect) -> None:
        with raw(http(sse(START, TAIL, STOP))) as server:
            reply = answer(connect(server.url))
        assert (reply.text, reply.complete, reply.blocks) == ("", True, [])

    def test_the_request_id_of_another_cloud(self, connect: Connect) -> None:
        with raw(http(HELLO, x_amzn_requestid="aws-1")) as server:
            assert answer(connect(server.url)).request_id == "aws-1"

    def test_the_first_words_are_there_before_the_last(self, connect: Connect) -> None:
        go_on = threading.Event()

        def slowly(connection: socket.socket) -> None:
            connection.sendall(endless(START, TEXT))
            assert go_on.wait(30)
            connection.sendall(sse(TAIL, STOP))
            connection.shutdown(socket.SHUT_RDWR)

        with raw(slowly) as server:
            stream = connect(server.url).stream(ask(), prefill="Say: ")
            changes = iter(stream)
            assert next(changes).text == "Hello!"
            go_on.set()
            assert list(changes) == []
        assert (stream.reply.text, stream.reply.complete) == ("Say: Hello!", True)


class TestOtherCalls:
    """Counting, and the list of models."""

    def test_models(self, simulator: Simulator, connect: Connect) -> None:
        ids = [entry["id"] for entry in connect(simulator.url).models()]
        assert ids[0] == "claude-fable-5-2"
        assert simulator.requests[0].path == "/v1/models"

    def test_models_of_another_server(self, connect: Connect) -> None:
        with raw(http(b'{"object": "list", "data": [{"id": "llama"}, null]}', "application/json")) as server:
            assert connect(server.url).models() == [{"id": "llama"}]

    @pytest.mark.parametrize("body", [b"[]", b'{"models": []}', b"Hello", b'{"data": null}'])
    def test_models_of_something_else(self, body: bytes, connect: Connect) -> None:
        with raw(http(body, "application/json")) as server, pytest.raises(NotTheMessagesAPI):
            connect(server.url).models()

    def test_tokens(self, simulator: Simulator, connect: Connect) -> None:
        assert connect(simulator.url).count_tokens(COUNTED) > 0
        with (
            raw(http(b"{}", "application/json")) as server,
            pytest.raises(NotTheMessagesAPI, match="no token count"),
        ):
            connect(server.url).count_tokens(COUNTED)

    def test_a_wrong_key(self, simulator: Simulator, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "wrong-key")
        with pytest.raises(AuthenticationFailed):
            connect(simulator.url).models()


def soon(what: Callable[[], None], after: threading.Event) -> threading.Thread:
    """Does something in another thread once something has happened here."""

    def run() -> None:
        assert after.wait(30)
        what()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


class TestStopping:
    """An answer can be stopped wherever it is, from any thread and by Ctrl-C."""

    def test_before_it_begins(self, connect: Connect) -> None:
        with raw(OK) as server:
            stream = connect(server.url).stream(ask())
            stream.abort()
            with pytest.raises(Interrupted):
                next(iter(stream))
        assert server.got == []

    def test_in_a_wait(self, simulator: Simulator, connect: Connect) -> None:
        simulator.faults.append("529; retry-after=59; times=9")
        client, waiting = connect(simulator.url), threading.Event()
        thread = soon(client.abort, waiting)
        began = time.monotonic()
        with pytest.raises(Interrupted):
            list(client.stream(ask(), on_wait=lambda wait: waiting.set()))
        thread.join()
        assert time.monotonic() - began < 30
        assert len(simulator.requests) == 1

    def test_in_a_silent_stream(self, connect: Connect) -> None:
        with raw(lambda connection: connection.sendall(endless(START, TEXT))) as server:
            client, reading = connect(server.url), threading.Event()
            stream = client.stream(ask())
            thread = soon(client.abort, reading)
            changes = iter(stream)
            assert next(changes).text == "Hello!"
            reading.set()
            with pytest.raises(Interrupted):
                next(changes)
            thread.join()
            assert stream.reply.text == "Hello!"
            assert len(server.got) == 1

    @pytest.mark.parametrize("used_before", [False, True])
    def test_while_nothing_has_come_yet(self, used_before: bool, connect: Connect) -> None:
        arrived = threading.Event()
        with raw(*[OK] * used_before, lambda connection: arrived.set()) as server:
            client = connect(server.url)
            if used_before:
                answer(client)
            thread = soon(client.abort, arrived)
            with pytest.raises(Interrupted):
                answer(client)
            thread.join()
            assert (len(server.got), server.connections) == (1 + used_before, 1)
            server.answers = [OK]
            assert answer(client).complete

    def test_only_the_one_that_is_meant(self, connect: Connect) -> None:
        """Another answer of the same client goes on, whichever connection it reads from."""
        arrived, go_on = threading.Event(), threading.Event()

        def slowly(connection: socket.socket) -> None:
            connection.sendall(http(HELLO)[: -len(sse(TAIL, STOP))])
            assert go_on.wait(30)
            connection.sendall(sse(TAIL, STOP))

        with raw(OK, slowly, OK, lambda connection: arrived.set()) as server:
            client = connect(server.url)
            answer(client)
            other = client.stream(ask())
            changes = iter(other)
            assert next(changes).text == "Hello!"
            answer(client)
            meant = client.stream(ask())
            thread = soon(meant.abort, arrived)
            with pytest.raises(Interrupted):
                list(meant)
            thread.join()
            go_on.set()
            assert list(changes) == []
            assert other.reply.complete

    def test_ctrl_c_in_a_wait(self, simulator: Simulator, connect: Connect) -> None:
        simulator.faults.append("529; retry-after=59; times=9")
        began = time.monotonic()
        with ctrl_c() as press:
            list(connect(simulator.url).stream(ask(), on_wait=lambda wait: press.set()))
        assert time.monotonic() - began < 30
        assert len(simulator.requests) == 1

    @pytest.mark.parametrize("words", [True, False])
    def test_ctrl_c_in_a_silent_stream(self, words: bool, connect: Connect) -> None:
        with ctrl_c() as press:

            def silent(connection: socket.socket) -> None:
                connection.sendall(endless(START, *[TEXT] * words))
                press.set()

            with raw(silent) as server:
                answer(connect(server.url))
        assert len(server.got) == 1


@contextmanager
def ctrl_c() -> Iterator[threading.Event]:
    """Presses Ctrl-C, really, when the event is set; again if it was not felt. It must end in Interrupted."""
    press, felt = threading.Event(), threading.Event()

    def run() -> None:
        press.wait(30)
        while not felt.wait(0.1):  # who reads or waits has begun to by then
            os.kill(os.getpid(), signal.SIGINT)
            felt.wait(2)

    thread = threading.Thread(target=run)
    thread.start()
    with pytest.raises(Interrupted) as caught:  # noqa: PT012
        try:
            yield press
        finally:
            felt.set()
    thread.join()
    assert isinstance(caught.value, KeyboardInterrupt)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate, and a server's context with it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", *request, *files, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


class TestTLS:
    """Certificates."""

    def test_untrusted(self, certificate: tuple[Path, ssl.SSLContext], connect: Connect, pauses: list[float]) -> None:
        with (
            raw(OK, context=certificate[1]) as server,
            pytest.raises(ConnectionFailed, match=r"certificate .* not trusted here\. Set SSL_CERT_FILE"),
        ):
            answer(connect(server.url))
        assert server.got == []

    def test_one_that_the_environment_trusts(
        self, certificate: tuple[Path, ssl.SSLContext], connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        silent = threading.Event()

        def stop_speaking(connection: socket.socket) -> None:
            connection.sendall(endless(START, TEXT))
            silent.set()

        with raw(OK, OK, stop_speaking, context=certificate[1]) as server:
            client = connect(server.url)
            assert answer(client).text == answer(client).text == "Hello!"
            assert server.connections == 1
            thread = soon(client.abort, silent)
            with pytest.raises(Interrupted):
                answer(client)
            thread.join()

    @pytest.mark.parametrize("content", [None, "no certificate"])
    def test_certificates_that_cannot_be_read(
        self, content: str | None, tmp_path: Path, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if content is not None:
            (tmp_path / "cert.pem").write_text(content)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        with pytest.raises(BadInput, match="SSL_CERT_FILE or SSL_CERT_DIR cannot be read"):
            answer(connect("https://127.0.0.1:9"))

    def test_a_server_that_speaks_no_tls(self, connect: Connect, pauses: list[float]) -> None:
        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(OK)
                connection.recv(65536)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=greet)
            thread.start()
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            with pytest.raises(ConnectionFailed, match=f"Cannot connect to {url} "):
                answer(connect(url, max_retries=0))
            thread.join()
