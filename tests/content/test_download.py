"""Downloads are complete or fail, and never reach into the local network."""

from __future__ import annotations

import gzip
import ipaddress
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.content.download import download_file
from claude_magic.messages.errors import BadInput
from tests.messages.servers import Raw, raw
from tests.messages.servers import http as answer

PUBLIC, OTHER = "93.184.216.34", "8.8.4.4"
FILE = answer(b"a picture", "image/png")


class Internet:
    """Names and public addresses that lead to servers of the test, and a record of how it was used.

    The answers to a name are given one after the other, the last again and again.
    """

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.servers: dict[str, int] = {}
        self.asked: list[str] = []
        self.dialled: list[str] = []
        self.patience: list[float] = []

    def add(self, name: str, *answers: list[str]) -> None:
        self.names[name] = list(answers)

    def getaddrinfo(self, host: str, port: int, *_: Any, flags: int = 0, **__: Any) -> list[Any]:
        if host not in self.names or flags & socket.AI_NUMERICHOST:
            return real_getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags | socket.AI_NUMERICHOST)
        self.asked.append(host)
        answers = self.names[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [info for address in addresses for info in real_getaddrinfo(address, port, type=socket.SOCK_STREAM)]

    def connect(self, sock: socket.socket, address: Any) -> None:
        self.dialled.append(address[0])
        self.patience.append(sock.gettimeout() or 0.0)
        if address[0] in self.servers:
            address = ("127.0.0.1", self.servers[address[0]])
        elif address[0] not in ("127.0.0.1", "::1"):
            raise OSError("the test has no such server")
        real_connect(sock, address)


real_getaddrinfo = socket.getaddrinfo
real_connect = socket.socket.connect


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    internet = Internet()
    monkeypatch.setattr(socket, "getaddrinfo", internet.getaddrinfo)

    def connect(sock: socket.socket, address: Any) -> None:  # a function, to become a method
        internet.connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return internet


@pytest.fixture
def local() -> Iterator[Raw]:
    """A server in the local network."""
    with raw(FILE) as server:
        yield server


@pytest.fixture
def outside(internet: Internet) -> Iterator[Raw]:
    """The server ``pictures.example`` of the open internet."""
    with raw(FILE) as server:
        internet.add("pictures.example", [PUBLIC])
        internet.servers[PUBLIC] = server.port
        yield server


def refused(url: str, **options: Any) -> str:
    """Why it was not fetched: in one line, without what the address may hide."""
    with pytest.raises(BadInput) as caught:
        download_file(url, **options)
    line = str(caught.value)
    assert line.isprintable()
    assert line.endswith((".", ".png"))
    assert "secret" not in line
    assert caught.value.__cause__ is None
    return line


def moved(to: str, status: str = "302 Found", **headers: str) -> bytes:
    return answer(b"elsewhere", status=status, location=to, **headers)


def until_closed(connection: socket.socket) -> None:
    """Wait for the other side to end it."""
    while connection.recv(4096):
        pass


# What comes


class TestFetching:
    def test_the_request(self, outside: Raw, internet: Internet) -> None:
        assert download_file("http://me:secret@pictures.example/a%20b?c=d&e#f") == b"a picture"
        (got,) = outside.got
        assert got.line == "GET /a%20b?c=d&e HTTP/1.1"
        assert got.header("host") == "pictures.example"
        assert {name for name, _ in got.headers} == {"host", "accept", "accept-encoding", "connection", "user-agent"}
        assert (got.header("accept-encoding"), got.header("connection")) == ("identity", "close")
        assert (internet.asked, internet.dialled) == (["pictures.example"], [PUBLIC])

    def test_a_server_of_this_machine_if_allowed(self, local: Raw) -> None:
        assert download_file(f"{local.url}/a.png", allow_private=True) == b"a picture"
        assert download_file(f"http://0x7f.1:{local.port}", allow_private=True) == b"a picture"
        assert [got.header("host") for got in local.got] == [f"127.0.0.1:{local.port}", f"0x7f.1:{local.port}"]

    def test_ipv6(self) -> None:
        try:
            server = Raw(FILE, host="::1")
        except OSError:
            pytest.skip("no IPv6 here")
        host = f"[::1]:{server.port}"
        assert download_file(f"http://{host}/", allow_private=True) == b"a picture"
        assert "fetch_private=True" in refused(f"http://{host}/")
        server.stop()
        assert [got.header("host") for got in server.got] == [host]

    @pytest.mark.parametrize("size", [0, 1, 5, 1000])
    @pytest.mark.parametrize(
        "form", [answer, lambda body: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(body, b"")]
    )
    def test_up_to_the_limit(self, size: int, form: Callable[[bytes], bytes]) -> None:
        with raw(form(b"x" * size)) as server:
            assert download_file(server.url, allow_private=True, limit=size) == b"x" * size
            if size:
                assert "too large" in refused(server.url, allow_private=True, limit=size - 1)

    def test_the_next_address_if_the_first_is_dead(self, outside: Raw, internet: Internet) -> None:
        internet.add("pictures.example", ["2600::1", OTHER, PUBLIC])
        assert download_file("http://pictures.example/") == b"a picture"
        assert internet.dialled == ["2600::1", OTHER, PUBLIC]
        assert [round(patience) for patience in internet.patience] == [7, 10, 20]


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n" * (parts[-1] == b"")


# What does not


class TestTooMuch:
    def test_a_declared_length_is_enough(self) -> None:
        sent = []

        def large(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 33554433\r\n\r\n")
            until_closed(connection)
            sent.append("nothing of the body")

        with raw(large) as server:
            assert "more than 33,554,432 bytes" in refused(server.url, allow_private=True)
        assert sent == ["nothing of the body"]

    @pytest.mark.parametrize("head", [b"", b"transfer-encoding: chunked\r\n"])
    def test_an_endless_body(self, head: bytes) -> None:
        sent = 0

        def endless(connection: socket.socket) -> None:
            nonlocal sent
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
            while True:
                connection.sendall(chunked(bytes(65536)) if head else bytes(65536))
                sent += 65536

        with raw(endless) as server:
            assert "too large" in refused(server.url, allow_private=True, limit=10_000_000)
        assert 10_000_000 <= sent < 40_000_000  # what the operating system takes in advance is its own affair

    def test_a_packed_file_is_not_unpacked(self) -> None:
        bomb = gzip.compress(bytes(30_000_000))
        with raw(answer(bomb, content_encoding="gzip"), answer(b"as it is", content_encoding="Identity")) as server:
            assert "compressed" in refused(server.url, allow_private=True, limit=100_000)
            assert download_file(server.url, allow_private=True) == b"as it is"


class TestTooSlow:
    @pytest.mark.parametrize(
        ("beginning", "drop"),
        [
            (b"", b""),
            (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
            (b"HTTP/1.1 200 OK\r\na: ", b"x"),
            (b"HTTP/1.1 200 OK\r\n\r\n", b""),
            (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        ],
    )
    def test_drops(self, beginning: bytes, drop: bytes) -> None:
        def slow(connection: socket.socket) -> None:
            connection.sendall(beginning)
            while not server.over.wait(0.02):
                connection.sendall(drop)

        with raw(slow) as server:
            assert "too slow" in refused(server.url, allow_private=True, timeout=0.4)

    def test_redirects_have_no_time_of_their_own(self) -> None:
        def slow(connection: socket.socket) -> None:
            server.over.wait(0.2)
            connection.sendall(moved("/"))

        with raw(slow) as server:
            assert "too slow" in refused(server.url, allow_private=True, timeout=0.5)
        assert len(server.got) in (2, 3)

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_silence(self, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("claude_magic.content.download._SILENCE_TIMEOUT", 0.2)
        with raw(until_closed) as server:
            line = refused(f"{scheme}://127.0.0.1:{server.port}", allow_private=True, timeout=600)
        assert line == "127.0.0.1 is too slow: no data for 0.2 seconds, or no complete file within 600."


class TestNoFile:
    @pytest.mark.parametrize(
        ("status", "says"),
        [
            ("204 No Content", "204 (No Content)"),
            ("206 Partial Content", "206 (Partial Content)"),
            ("300 Multiple Choices", "300"),
            ("302 Found", "302 (Found)"),
            ("304 Not Modified", "304"),
            ("404 Whatever", "404 (Not Found)"),
            ("500 Oh", "500 (Internal Server Error)"),
            ("799 Odd", "799 (unknown status)"),
        ],
    )
    def test_other_answers(self, status: str, says: str) -> None:
        with raw(answer(b"", status=status)) as server:
            assert says in refused(server.url, allow_private=True)
        assert len(server.got) == 1

    @pytest.mark.parametrize(
        "broken",
        [
            None,
            b"220 ftp.example.org ready\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(b"abc"),
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000,
        ],
    )
    def test_broken_responses(self, broken: bytes | None) -> None:
        def say(connection: socket.socket) -> None:
            if broken is not None:
                connection.sendall(broken)
            connection.shutdown(socket.SHUT_WR)

        with raw(say) as server:
            assert "could not be reached" in refused(server.url, allow_private=True)

    def test_nobody_there(self) -> None:
        with raw(FILE) as server:
            pass
        assert "127.0.0.1 could not be reached" in refused(server.url, allow_private=True)
        for name in ("nobody.example", "a..example", "a" * 70 + ".example", ".example"):
            assert refused(f"http://me:secret@{name}/secret").startswith(f"The name {name!r}")

    @pytest.mark.parametrize(
        "url",
        [
            "", "x", "//pictures.example/a", "/a.png", "ftp://pictures.example/", "file:///etc/passwd", "data:,x",
            "http:", "http://", "http:///a", "http://me:secret@/", "http://pictures.example:0/", "javascript:secret",
            "http://pictures.example:99999/", "http://pictures.example:x/", "http://[::1/", "http://pictures.example\n/",
            "http://pictures.example/\0", "http://１２７.0.0.1/", "http://0177.0.0.1/", "http://0300.0250.1.1/", None,
        ],
    )  # fmt: skip
    def test_invalid_urls(self, url: Any, outside: Raw, internet: Internet) -> None:
        assert "http" in refused(url)
        assert internet.dialled == []

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://pictures.example/",
            "file:///etc/passwd",
            "data:,x",
            "http://pictures.example:0/",
            "http://[::1/",
            "a:b",
        ],
    )
    def test_redirects_to_invalid_urls(self, url: str, outside: Raw, internet: Internet) -> None:
        with raw(moved(url)) as server:
            assert "http" in refused(server.url, allow_private=True)
        assert internet.dialled == ["127.0.0.1"]

    @given(st.text(max_size=30), st.sampled_from(["", "http://", "https://", "http://x/", "http://[", "http://1."]))
    def test_any_text(self, text: str, beginning: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection"))
            patch.setattr(socket, "getaddrinfo", lambda host, *_, **__: real_getaddrinfo("127.0.0.1", 1))
            with pytest.raises(BadInput) as caught:
                download_file(beginning + text)
            assert "\n" not in str(caught.value)


# Where it does not go


LOCAL = [
    "127.0.0.1", "127.1", "0x7f.1", "0x7f.0.0.0x1", "2130706433", "0x7f000001", "127.255.255.254", "0.0.0.0", "0",
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.100.100.200", "169.254.169.254",
    "169.254.170.2", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16",
]  # fmt: skip
LOCAL_6 = [
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:db8::1", "2001:10::1",
    "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1",
    "ff02::1", "4000::1",
]  # fmt: skip


class TestLocalNetwork:
    @pytest.mark.parametrize("host", [*LOCAL, *(f"[{address}]" for address in LOCAL_6)])
    @pytest.mark.parametrize("before", ["", "me:secret@", "pictures.example@", "pictures.example:80@"])
    def test_its_addresses(self, host: str, before: str, local: Raw, internet: Internet) -> None:
        line = refused(f"http://{before}{host}:{local.port}/")
        assert line.startswith(host.strip("[]"))
        assert line.endswith("fetch_private=True).")
        assert (internet.dialled, local.connections) == ([], 0)

    @pytest.mark.parametrize("address", [*LOCAL[:1], *LOCAL[9:], *LOCAL_6])
    def test_names_that_lead_there(self, address: str, outside: Raw, internet: Internet) -> None:
        for answers in ([address], [PUBLIC, address], [address, PUBLIC]):
            internet.add("innocent.example", answers)
            line = refused("http://innocent.example/")
            assert line.startswith("innocent.example (")
            assert "fetch_private=True" in line
        assert (internet.dialled, outside.got) == ([], [])

    @pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost.", "a.localhost"])
    def test_its_names(self, name: str, local: Raw, internet: Internet) -> None:
        internet.add(name.lower(), ["127.0.0.1"])
        assert "fetch_private=True" in refused(f"http://{name}:{local.port}/")
        assert local.connections == 0

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "inside.example"])
    def test_a_redirect_there(self, status: int, host: str, local: Raw, internet: Internet) -> None:
        internet.add("inside.example", ["127.0.0.1"])
        internet.add("pictures.example", [PUBLIC])
        with raw(moved(f"http://{host}:{local.port}/", status=f"{status} Moved")) as server:
            internet.servers[PUBLIC] = server.port
            assert refused("http://pictures.example/").startswith(host)
            assert len(server.got) == 1
            assert (internet.dialled, local.connections) == ([PUBLIC], 0)
            assert download_file("http://pictures.example/", allow_private=True) == b"a picture"

    def test_a_name_that_changes_its_mind(self, outside: Raw, local: Raw, internet: Internet) -> None:
        internet.add("rebound.example", [PUBLIC], ["127.0.0.1"])
        assert download_file(f"http://rebound.example:{local.port}/") == b"a picture"
        assert (internet.asked, internet.dialled, local.connections) == (["rebound.example"], [PUBLIC], 0)

    def test_no_address_is_looked_up_again(self, outside: Raw, local: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = [PUBLIC]

        def once(_: str, port: int, **__: Any) -> Any:
            return real_getaddrinfo(answers.pop() if answers else "127.0.0.1", port, type=socket.SOCK_STREAM)

        monkeypatch.setattr(socket, "getaddrinfo", once)
        assert download_file(f"http://rebound.example:{local.port}/") == b"a picture"
        assert (answers, local.connections, len(outside.got)) == ([], 0, 1)

    def test_a_redirect_to_a_name_that_has_changed_its_mind(self, local: Raw, internet: Internet) -> None:
        internet.add("rebound.example", [PUBLIC], ["127.0.0.1"])
        with raw(moved("/again")) as server:
            internet.servers[PUBLIC] = server.port
            assert "fetch_private" in refused(f"http://rebound.example:{local.port}/")
        assert (internet.dialled, len(server.got), local.connections) == ([PUBLIC], 1, 0)

    @pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2600::1", "2a00:1450:4001::200e", "64:ff9b::8.8.8.8"])
    def test_open_addresses_are_tried(self, address: str, internet: Internet) -> None:
        internet.add("far.example", [address])
        assert "no such server" in refused("http://far.example/")
        assert [ipaddress.ip_address(dialled) for dialled in internet.dialled] == [ipaddress.ip_address(address)]


class TestRedirects:
    def test_five_and_no_more(self) -> None:
        with raw(*[moved("/next")] * 5, FILE) as server:
            assert download_file(server.url, allow_private=True) == b"a picture"
            assert len(server.got) == 6
        with raw(moved("/next")) as server:
            assert "More than 5 redirects" in refused(server.url, allow_private=True)
            assert len(server.got) == 6

    def test_letters_of_all_kinds(self) -> None:
        to = moved("/").replace(b"location: /", "location: /größe".encode())
        with raw(to, FILE) as server:
            assert download_file(server.url, allow_private=True) == b"a picture"
        assert server.got[1].line == "GET /gr%C3%B6%C3%9Fe HTTP/1.1"

    def test_nothing_is_carried_along(self, outside: Raw) -> None:
        to = "http://you:secret@pictures.example/b?d"
        with raw(moved("../a?c", set_cookie="a=secret; Path=/"), moved(to)) as server:
            assert download_file(f"http://me:secret@127.0.0.1:{server.port}/x/y", allow_private=True) == b"a picture"
        lines = [got.line for got in (*server.got, *outside.got)]
        assert lines == ["GET /x/y HTTP/1.1", "GET /a?c HTTP/1.1", "GET /b?d HTTP/1.1"]
        for got in (*server.got, *outside.got):
            assert "secret" not in str(got.headers)
            assert not {"cookie", "authorization", "referer"} & {name for name, _ in got.headers}


# Certificates


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run(["openssl", *request, *files, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


class TestCertificates:
    def test_they_are_for_the_name(self, tmp_path: Path, internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
        path, context = certificate(tmp_path, "pictures.example")
        names: list[str | None] = []
        context.sni_callback = lambda _, name, __: names.append(name)
        for name in ("pictures.example", "other.example"):
            internet.add(name, [PUBLIC])
        with raw(FILE, context=context) as server:
            internet.servers[PUBLIC] = server.port
            assert "CERTIFICATE_VERIFY_FAILED" in refused("https://pictures.example/")
            monkeypatch.setenv("SSL_CERT_FILE", str(path))
            assert download_file("https://pictures.example/") == b"a picture"
            assert "CERTIFICATE_VERIFY_FAILED" in refused("https://other.example/")
            assert "CERTIFICATE_VERIFY_FAILED" in refused(f"https://127.0.0.1:{server.port}/", allow_private=True)
        assert names == ["pictures.example", "pictures.example", "other.example", None]
        assert [got.header("host") for got in server.got] == ["pictures.example"]
        assert internet.dialled == [PUBLIC] * 3 + ["127.0.0.1"]


# Proxies


class TestProxies:
    @pytest.fixture
    def proxy(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Raw]:
        with raw(FILE) as server:
            for name in ("http_proxy", "https_proxy"):
                monkeypatch.setenv(name, server.url.replace("//", "//user:password@"))
            yield server

    def test_it_resolves(self, proxy: Raw, internet: Internet) -> None:
        assert download_file("http://me:secret@far.example/a") == b"a picture"
        (got,) = proxy.got
        assert got.line == "GET http://far.example/a HTTP/1.1"
        assert got.header("proxy-authorization") == "Basic dXNlcjpwYXNzd29yZA=="
        assert "secret" not in str(got.headers)
        assert (internet.asked, got.header("authorization")) == ([], None)

    def test_a_tunnel(self, proxy: Raw, internet: Internet) -> None:
        proxy.answers[:] = [answer(b"", status="403 Forbidden")]
        assert "far.example could not be reached" in refused("https://me:secret@far.example/secret")
        assert proxy.got[0].line == "CONNECT far.example:443 HTTP/1.1"

    @pytest.mark.parametrize(
        "host",
        [
            *LOCAL, *(f"[{address}]" for address in LOCAL_6), "router", "localhost.", "127.0.0.1.", "printer.local",
            "metadata.google.internal", "nas.home.arpa", "a.LOCALHOST.", "1.2.3.4.5", "127.0x1", "a.0x",
        ],
    )  # fmt: skip
    def test_what_can_be_seen_to_be_local(self, host: str, proxy: Raw, internet: Internet) -> None:
        assert "fetch_private=True" in refused(f"http://{host}/")
        assert proxy.connections == 0

    def test_local_names_if_allowed(self, proxy: Raw) -> None:
        assert download_file("http://printer.local/", allow_private=True) == b"a picture"
        assert len(proxy.got) == 1

    def test_a_redirect(self, proxy: Raw, local: Raw) -> None:
        proxy.answers[:] = [moved(local.url), FILE]
        assert "fetch_private=True" in refused("http://far.example/")
        assert (len(proxy.got), local.connections) == (1, 0)

    def test_exceptions(self, proxy: Raw, outside: Raw, local: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("no_proxy", "pictures.example")
        assert download_file("http://pictures.example/") == b"a picture"
        assert download_file(local.url, allow_private=True) == b"a picture"
        assert (len(outside.got), len(local.got), proxy.connections) == (1, 1, 0)

    def test_silence_and_drops(self, proxy: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
        def drops(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not proxy.over.wait(0.02):
                connection.sendall(b"x")

        proxy.answers[:] = [drops, until_closed]
        assert "too slow" in refused("http://far.example/", timeout=0.4)
        monkeypatch.setattr("claude_magic.content.download._SILENCE_TIMEOUT", 0.2)
        assert "too slow" in refused("http://far.example/", timeout=600)

    @pytest.mark.parametrize(
        ("value", "says"), [("gopher://127.0.0.1:9", "invalid URL"), ("socks5://127.0.0.1:9", "socksio")]
    )
    def test_useless_ones(self, value: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("all_proxy", value)
        monkeypatch.setitem(sys.modules, "socksio", None)
        monkeypatch.delitem(sys.modules, "httpcore2._sync.socks_proxy", raising=False)
        assert says in refused("http://far.example/")
