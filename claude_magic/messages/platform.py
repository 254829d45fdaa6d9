"""The service a client talks to: where requests go, which headers they carry and how they are signed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import httpx2

from claude_magic.messages import gateway_environment, network
from claude_magic.messages.credentials import Credentials, custom_headers
from claude_magic.messages.errors import NoCredentials

DEFAULT_VERSION = "2023-06-01"


class Platform(Protocol):
    """What a client needs to know about the service behind it.

    Attributes
    ----------
    base_url : str
        Free of secrets: shown in messages and code samples.
    credentials : Credentials
    is_anthropic : bool
        Whether Anthropic's own servers answer, and so support everything this package knows.
    """

    base_url: str
    credentials: Credentials
    is_anthropic: bool

    @property
    def auth(self) -> httpx2.Auth:
        """Signs each request as it is sent."""

    def url(self, path: str) -> str:
        """The full URL of a path such as ``/v1/messages``."""

    def headers(self) -> dict[str, str]:
        """The API version and betas, as headers without secrets."""

    def identity(self) -> bytes:
        """A digest of the server and the credentials, from which neither can be recovered.

        Raises
        ------
        NoCredentials
            If the server requires a key and there is none.
        """

    def unreachable(self, reason: str) -> str:
        """What to tell the user if no connection can be made."""


class AnthropicAPI:
    """The Messages API as Anthropic serves it, at any base URL: its own, a gateway, the simulator, a local server.

    The parameters are those of :class:`Client`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        credentials: Credentials | None = None,
        version: str = DEFAULT_VERSION,
        betas: Sequence[str] = (),
    ) -> None:
        url = base_url or os.environ.get("ANTHROPIC_BASE_URL") or network.DEFAULT_BASE_URL
        self.base_url, login = network.parse_base_url(url)
        self.credentials = credentials or Credentials()
        self.gateway = gateway_environment.gateway_from(os.environ, self.base_url)
        if self.gateway is not None and self.credentials.source != gateway_environment.TOKEN:
            self.base_url, self.gateway = network.DEFAULT_BASE_URL, None  # the gateway must never see the user's key
        host = urlsplit(self.base_url).hostname or ""
        self.is_anthropic = (self.gateway.upstream if self.gateway else host) == "api.anthropic.com"
        self.auth = CredentialsAuth(self.credentials, login, required=not network.is_loopback(host))
        self._version, self._betas = version, tuple(betas)

    def url(self, path: str) -> str:
        """See :class:`Platform`."""
        return self.base_url + path

    def headers(self) -> dict[str, str]:
        """See :class:`Platform`."""
        betas = {"anthropic-beta": ",".join(self._betas)} if self._betas else {}
        return {"anthropic-version": self._version, **betas}

    def identity(self) -> bytes:
        """See :class:`Platform`."""
        return hashlib.sha256(repr((self.base_url, sorted(self.auth.headers().items()))).encode()).digest()

    def unreachable(self, reason: str) -> str:
        """See :class:`Platform`."""
        if self.gateway is not None:
            return self.gateway.unreachable()
        return f"Cannot connect to {self.base_url} ({reason}). Check the network, or base_url and ANTHROPIC_BASE_URL."


class CredentialsAuth(httpx2.Auth):
    """Adds the secret headers at the moment of sending, so that no request object of ours holds them.

    A custom header that carries a key replaces ours: two keys are never sent. ``login`` returns the
    ``authorization`` header for a name and password in the base URL.
    """

    def __init__(
        self,
        credentials: Credentials,
        login: Callable[[], str] | None,
        *,
        required: bool,
        custom: Callable[[], dict[str, str]] = custom_headers,
    ) -> None:
        self._credentials = credentials
        self._login = login
        self._required = required
        self._custom = custom

    def headers(self) -> dict[str, str]:
        """The secret headers.

        Raises
        ------
        NoCredentials
            If the server wants a key and there is none.
        """
        headers = self._custom()
        if not {"x-api-key", "authorization"} & headers.keys():
            try:
                name, value = self._credentials.header()
            except NoCredentials:
                if self._required:
                    raise
                name, value = "x-api-key", "none"  # servers on this machine take any key, but some insist on one
            headers[name] = value
        if self._login is not None:
            headers.setdefault("authorization", self._login())
        return headers

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Sign a request that is about to be sent."""
        request.headers.update(self.headers())
        yield request
