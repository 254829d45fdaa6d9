"""Downloads from the public internet, but not from the local network (protection against SSRF).

The URL in a prompt may come from a stranger, and this machine may reach servers that the stranger
cannot. Therefore only public IP addresses are contacted, unless the user allows private ones. The
check is made on the connection, not on the URL: every connection, also after a redirect, goes to
the very address that was checked, and no name is resolved twice.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from typing import NoReturn

import httpcore2
import httpx2

from claude_magic.messages.errors import BadInput
from claude_magic.messages.network import proxy_for
from claude_magic.messages.text import one_line

_MAX_REDIRECTS = 5
_SILENCE_TIMEOUT = 10.0
"""Seconds without any data from the server."""
_REDIRECTS = {301, 302, 303, 307, 308}
_HEADERS = [
    ("accept", b"image/png, image/jpeg, image/webp, image/gif, application/pdf, */*;q=0.1"),
    ("accept-encoding", b"identity"),  # otherwise the size limit would count compressed bytes
    ("connection", b"close"),
    ("user-agent", b"claude_magic"),  # some sites refuse clients that do not identify themselves
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_FamilyAndAddress = tuple[socket.AddressFamily, tuple[object, ...]]


def download_file(url: str, *, allow_private: bool = False, limit: int = 32 * 2**20, timeout: float = 20.0) -> bytes:
    """Download a file.

    Parameters
    ----------
    url : str
        An http(s) URL. A user name and password in it are not sent.
    allow_private : bool
        Whether the server may be this machine or one in the local network.
    limit : int
        The largest size of the file in bytes.
    timeout : float
        Seconds for the whole download, redirects included. The time to resolve a name is up to the
        operating system, and through a proxy only silence and the transfer itself are timed.

    Raises
    ------
    BadInput
        If the URL is invalid or not allowed, or the download fails or is incomplete.
    """
    deadline = time.monotonic() + timeout
    address = _parsed(url)
    for _ in range(_MAX_REDIRECTS + 1):
        try:
            answer = _get(address, allow_private, limit, deadline)
        except ImportError:
            raise BadInput("The proxy in your environment variables needs a package: %pip install socksio.") from None
        except (TimeoutError, httpcore2.TimeoutException):
            slow = f"no data for {_SILENCE_TIMEOUT:g} seconds, or no complete file within {timeout:g}"
            raise BadInput(f"{address.host} is too slow: {slow}.") from None
        except (OSError, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError) as error:
            reason = one_line(str(error), 200).rstrip(".") or type(error).__name__
            raise BadInput(f"{address.host} could not be reached, or the connection broke: {reason}.") from None
        if isinstance(answer, bytes):
            return answer
        address = answer
    raise BadInput(
        f"More than {_MAX_REDIRECTS} redirects, the last to {address.host}. Give the URL of the file itself."
    )


def _parsed(url: str, base: httpx2.URL | None = None) -> httpx2.URL:
    """A valid URL. Errors do not quote it, as it may contain a key or a password."""
    try:
        parsed = base.join(url) if base else httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError, ValueError):
        raise BadInput("This is not a valid URL. Example: https://example.org/picture.png") from None
    impossible = parsed.port is not None and not 0 < parsed.port < 65536
    if parsed.scheme not in ("http", "https") or not parsed.host or impossible:
        raise BadInput("Only URLs that begin with http:// or https:// and name a server can be downloaded.")
    return parsed


def _get(url: httpx2.URL, allow_private: bool, limit: int, deadline: float) -> bytes | httpx2.URL:
    """The file, or the URL that the server redirects to."""
    seconds = min(_SILENCE_TIMEOUT, _left(deadline))
    proxy = _proxy_for(url)
    if proxy is not None and not allow_private:
        _check_for_proxy(url.host)
    pool = httpcore2.ConnectionPool(
        ssl_context=httpx2.create_ssl_context() if url.scheme == "https" else None,
        proxy=proxy,
        # Through a proxy it is the proxy that resolves names and makes the connections.
        network_backend=_Direct(allow_private, deadline) if proxy is None else None,
    )
    target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    timeouts = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)}
    sent = [("host", url.netloc), *_HEADERS]
    with pool, pool.stream("GET", target, headers=sent, extensions=timeouts) as response:
        headers = {name.lower(): value.decode(errors="replace") for name, value in response.headers}
        if response.status in _REDIRECTS and b"location" in headers:
            return _parsed(headers[b"location"], url)
        if response.status != 200:
            phrase = http.client.responses.get(response.status, "unknown status")
            raise BadInput(f"{url.host} answered {response.status} ({phrase}) instead of the file.")
        if headers.get(b"content-encoding", "identity").strip().lower() != "identity":
            # Not decompressed: a few bytes could expand to gigabytes.
            raise BadInput(f"{url.host} compressed the file although it was asked not to. Download it by hand.")
        too_large = BadInput(f"The file from {url.host} has more than {limit:,} bytes, which is too large.")
        if int(headers.get(b"content-length", 0)) > limit:
            raise too_large
        content = bytearray()
        for piece in response.iter_stream():
            content += piece
            if len(content) > limit:
                raise too_large
            _left(deadline)
        return bytes(content)


def _left(deadline: float) -> float:
    """Seconds until the deadline."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Direct(httpcore2.NetworkBackend):
    """Resolves a name once, and connects only if all of its addresses are allowed."""

    def __init__(self, allow_private: bool, deadline: float) -> None:
        self._allow_private = allow_private
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        addresses = _resolved(host, port)
        if not self._allow_private:
            _check(host, addresses)
        failure = OSError("its name has no address")
        for number, (family, address) in enumerate(addresses):
            try:
                # The first address does not get all the time: IPv6 addresses that lead nowhere are not rare.
                seconds = _left(self._deadline) / (len(addresses) - number)
                return _Stream(_connected(family, address, seconds), self._deadline)
            except OSError as error:
                failure = error
        raise failure


def _connected(family: socket.AddressFamily, address: tuple[object, ...], seconds: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


class _Stream(httpcore2.NetworkStream):
    """A connection on which every read and write ends at the deadline, however slowly the data trickle in."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def _limit(self, timeout: float | None) -> None:
        left = _left(self._deadline)
        self._sock.settimeout(left if timeout is None else min(left, timeout))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._limit(timeout)
        return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._limit(timeout)
        self._sock.sendall(buffer)

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        try:
            self._limit(timeout)
            # The certificate has to be for the name in the URL, not for the IP address.
            secured = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        return _Stream(secured, self._deadline)


def _resolved(host: str, port: int = 0, flags: int = 0) -> list[_FamilyAndAddress]:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except (socket.gaierror, UnicodeError):
        raise BadInput(f"The name {host!r} cannot be resolved. Check the URL and your connection.") from None
    return [(family, address) for family, _, _, _, address in answers]


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in (
        # Python's own list has grown over the years; these are refused with any version of Python.
        "192.0.0.0/24",
        "192.88.99.0/24",
        "2001::/23",  # tunnels (Teredo) and other special uses
        "2002::/16",  # tunnels to an IPv4 address (6to4)
        "3fff::/20",
        "168.63.129.16/32",  # looks public, but belongs to the management service of Azure's virtual machines
    )
]


def _is_public(address: Address) -> bool:
    """Whether an IP address belongs to the public internet."""
    if address.version == 6 and address in _NAT64:
        # In networks with IPv6 only, all IPv4 servers look like this; the embedded address decides.
        return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.is_multicast or not address.is_global:
        return False
    return (address.version == 4 or address in _PUBLIC_IPV6) and not any(address in network for network in _NOT_PUBLIC)


def _check(host: str, addresses: Sequence[_FamilyAndAddress]) -> None:
    """Refuse a host if any of its addresses is not public."""
    for _, (address, *_) in addresses:
        if not _is_public(ipaddress.ip_address(str(address))):
            _refuse(host, f" ({address})" if address != host else "")


def _refuse(host: str, more: str = "") -> NoReturn:
    raise BadInput(
        f"{host}{more} is not on the public internet, and a prompt may not reach into the local network. "
        f"To allow it: Picture(…, fetch_private=True)."
    )


_LOCAL_NAME = re.compile(r"[^.]+|.*\.(localhost|local|internal|home\.arpa|\d+|0x[0-9a-f]*)", re.IGNORECASE)
"""Names that exist only in local networks, and addresses as numbers in unusual notation."""


def _check_for_proxy(host: str) -> None:
    """Refuse what is recognizably local without resolving the name: a proxy does that itself."""
    host = host.rstrip(".")
    try:
        addresses = _resolved(host, flags=socket.AI_NUMERICHOST)
    except BadInput:  # a name
        if _LOCAL_NAME.fullmatch(host):
            _refuse(host)
    else:
        _check(host, addresses)


def _proxy_for(url: httpx2.URL) -> httpcore2.Proxy | None:
    name = proxy_for(str(url))
    if not name:
        return None
    try:
        proxy = httpx2.Proxy(name)
    except (ValueError, httpx2.InvalidURL):
        raise BadInput("The proxy in your environment variables has an invalid URL.") from None
    return httpcore2.Proxy(str(proxy.url), auth=proxy.raw_auth)
