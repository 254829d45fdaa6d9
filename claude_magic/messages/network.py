"""Reaching a server: its address, proxies, certificates and sockets."""

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
_INVALID_URL = f"base_url must begin with http:// or https:// and name a server. Example: {DEFAULT_BASE_URL}"


def parse_base_url(url: str) -> tuple[str, Callable[[], str] | None]:
    """Normalize a base URL, and separate the login it may contain.

    Parameters
    ----------
    url : str
        With or without a path, a trailing slash, the ``/v1`` that other programs expect, and a name
        and password before an ``@``, as some gateways require.

    Returns
    -------
    base_url : str
        Without secrets.
    login : callable or None
        Returns the ``authorization`` header for the name and password.

    Raises
    ------
    BadInput
        If it is not an http(s) URL. The message does not repeat it: it may be a key pasted by mistake.
    """
    url = url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port or IPv6 address
        known = False
    if not known or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise BadInput(_INVALID_URL)
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


def transport(kind: Callable[..., _Transport], base_url: str, idle: float) -> _Transport:
    """The transport of httpx2, of this kind, for requests to a server.

    Parameters
    ----------
    kind : type
        ``httpx2.HTTPTransport`` or ``httpx2.AsyncHTTPTransport``.
    base_url : str
    idle : float
        Seconds that an unused connection is kept.

    Raises
    ------
    BadInput
        If the certificates or the proxy named in the environment cannot be used.
    """
    try:
        certificates: ssl.SSLContext | bool = base_url.startswith("https:") and httpx2.create_ssl_context()
    except OSError as error:
        raise BadInput(
            f"The certificates in SSL_CERT_FILE or SSL_CERT_DIR cannot be read ({error}). Check the path."
        ) from None
    try:
        return kind(
            verify=certificates,
            limits=httpx2.Limits(keepalive_expiry=idle),
            proxy=proxy_for(base_url),
            socket_options=_socket_options(),
        )
    except (ValueError, httpx2.InvalidURL):
        raise BadInput("The proxy address in the environment is not valid. Check HTTPS_PROXY and ALL_PROXY.") from None
    except ImportError:
        raise BadInput("The SOCKS proxy in the environment needs one more package: pip install socksio.") from None


def proxy_for(url: str) -> str | None:
    """The proxy that the environment sets for an address; None for a direct connection."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _socket_options() -> list[tuple[int, int, int]]:
    wanted = [("SOL_SOCKET", "SO_KEEPALIVE", 1), ("IPPROTO_TCP", "TCP_NODELAY", 1)]
    wanted += [("IPPROTO_TCP", "TCP_KEEPIDLE", 30), ("IPPROTO_TCP", "TCP_KEEPINTVL", 10)]
    wanted += [("IPPROTO_TCP", "TCP_KEEPCNT", 3), ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 60_000)]
    return [
        (getattr(socket, level), getattr(socket, name), value) for level, name, value in wanted if hasattr(socket, name)
    ]


def shut_down(sock: socket.socket) -> None:
    """End a connection that another thread may be reading from."""
    try:
        # Only the TCP socket below TLS: SSLSocket.shutdown must not be called from another thread.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass  # already closed
