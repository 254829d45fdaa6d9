"""The way to a server: its address, proxies, certificates and sockets."""

from __future__ import annotations

import base64
import ipaddress
import socket
import ssl
import urllib.request
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import httpx2

from claude_magic.messages.errors import BadInput

DEFAULT_BASE_URL = "https://api.anthropic.com"
_Transport = TypeVar("_Transport")
_NO_ADDRESS = f"base_url has to begin with http:// or https:// and to name a server. Example: {DEFAULT_BASE_URL}"


def parse_base_url(url: str) -> tuple[str, Callable[[], str] | None]:
    """A base URL without what is added to it, and what it hides before an ``@``.

    Parameters
    ----------
    url : str
        With or without a path, a slash at its end, the ``/v1`` that other programs want there, and
        the name and password that a gateway may ask for.

    Returns
    -------
    base_url : str
        To be shown to anybody.
    login : callable or None
        Gives the value of the ``authorization`` header for that name and password.

    Raises
    ------
    BadInput
        If it is no http(s) address. The line does not repeat it: a key may have got there.
    """
    url = url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        known = False
    if not known or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise BadInput(_NO_ADDRESS)
    userinfo, at, server = parts.netloc.rpartition("@")
    shown = f"{parts.scheme}://{server}{parts.path}"
    return shown, (lambda: _basic(userinfo)) if at else None


def _basic(userinfo: str) -> str:
    name, _, password = userinfo.partition(":")
    return "Basic " + base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def transport(base_url: str, idle: float) -> httpx2.HTTPTransport:
    """What carries requests to a server.

    Parameters
    ----------
    base_url : str
    idle : float
        Seconds for which an unused connection is kept.

    Raises
    ------
    BadInput
        If certificates or a proxy that the environment names are of no use.
    """
    return _transport(httpx2.HTTPTransport, base_url, idle)


def async_transport(base_url: str, idle: float) -> httpx2.AsyncHTTPTransport:
    """The same as :func:`transport`, for an event loop."""
    return _transport(httpx2.AsyncHTTPTransport, base_url, idle)


def _transport(kind: Callable[..., _Transport], base_url: str, idle: float) -> _Transport:
    try:
        certificates: ssl.SSLContext | bool = base_url.startswith("https:") and httpx2.create_ssl_context()
    except OSError as error:
        raise BadInput(f"The certificates of SSL_CERT_FILE or SSL_CERT_DIR cannot be read ({error}).") from None
    try:
        return kind(
            verify=certificates,
            limits=httpx2.Limits(keepalive_expiry=idle),
            proxy=proxy_for(base_url),
            socket_options=_options(),
        )
    except (ValueError, httpx2.InvalidURL):
        raise BadInput("The proxy that the environment names has no address that can be used.") from None
    except ImportError:
        raise BadInput("The proxy that the environment names needs a package: pip install socksio.") from None


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address; None for a direct way."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _options() -> list[tuple[int, int, int]]:
    wanted = [("SOL_SOCKET", "SO_KEEPALIVE", 1), ("IPPROTO_TCP", "TCP_NODELAY", 1)]
    wanted += [("IPPROTO_TCP", "TCP_KEEPIDLE", 30), ("IPPROTO_TCP", "TCP_KEEPINTVL", 10)]
    wanted += [("IPPROTO_TCP", "TCP_KEEPCNT", 3), ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 60_000)]
    return [
        (getattr(socket, level), getattr(socket, name), value) for level, name, value in wanted if hasattr(socket, name)
    ]


def shut_down(sock: socket.socket) -> None:
    """End a connection under whoever reads from it, in any thread."""
    try:
        # Of a TLS socket only what is below: its own shutdown is not meant for another thread.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass  # already closed
