"""Send requests to the API with the server's key, and with few of the caller's headers."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2
from tornado.httputil import HTTPHeaders

from claude_magic.gateway.rejection import Rejection
from claude_magic.messages import gateway_environment, network
from claude_magic.messages.credentials import Credentials, SimulatorCredentials, custom_headers
from claude_magic.messages.network import DEFAULT_BASE_URL
from claude_magic.messages.platform import DEFAULT_VERSION, CredentialsAuth

_IDLE_TIMEOUT = 240.0
_CONNECT_TIMEOUT = 10.0
_REQUEST_HEADERS = ("anthropic-version", "anthropic-beta", "user-agent")
_RESPONSE_HEADERS = ("content-type", "request-id", "retry-after", "retry-after-ms", "x-should-retry", "x-simulator")
_MAX_ERROR_BYTES = 64 * 1024
_RETRY_SOON = 2


class Unreachable(Rejection):
    """There was no connection to the API, so nothing can have been billed."""


class Upstream:
    """The API behind the gateway.

    Parameters
    ----------
    environ : mapping
        The server's ``ANTHROPIC_API_KEY``, ``ANTHROPIC_AUTH_TOKEN``, ``ANTHROPIC_CUSTOM_HEADERS`` and
        ``ANTHROPIC_BASE_URL``, which mean the same as in a notebook without a gateway.
    simulator : str, optional
        The address of a simulator to use instead, without a key.
    timeout : float
        Seconds without a byte before giving up.

    Raises
    ------
    BadInput
        If the base URL, the proxy or the certificates cannot be used.
    """

    def __init__(self, environ: Mapping[str, str], simulator: str = "", timeout: float = 600.0) -> None:
        self.simulated = bool(simulator)
        self.credentials = SimulatorCredentials() if simulator else Credentials(environ)
        url = simulator or environ.get("ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL
        self.base_url, login = network.parse_base_url(url)
        custom = functools.partial(custom_headers, {} if simulator else environ)
        self._auth = CredentialsAuth(self.credentials, login, required=True, custom=custom)
        self._timeout = httpx2.Timeout(timeout, connect=_CONNECT_TIMEOUT, pool=None)
        self._transport = network.transport(httpx2.AsyncHTTPTransport, self.base_url, _IDLE_TIMEOUT)

    @property
    def host(self) -> str:
        """The host behind the gateway, or ``simulator``."""
        return gateway_environment.SIMULATOR if self.simulated else urlsplit(self.base_url).hostname or ""

    @functools.cached_property
    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=self._transport, auth=self._auth, timeout=self._timeout, trust_env=False)

    @asynccontextmanager
    async def send(
        self, method: str, path: str, headers: HTTPHeaders, body: bytes | None = None
    ) -> AsyncIterator[httpx2.Response]:
        """Send a request and stream the response; leaving the context early closes the connection.

        Parameters
        ----------
        method, path : str
        headers : HTTPHeaders
            The caller's, of which few are forwarded.
        body : bytes, optional

        Raises
        ------
        Rejection
            If the API does not answer, or stops; :class:`Unreachable` if there was no connection.
        """
        sent = {name: headers[name] for name in _REQUEST_HEADERS if name in headers}
        sent.setdefault("anthropic-version", DEFAULT_VERSION)
        sent |= {"accept": "application/json", "accept-encoding": "identity"}
        if body is not None:
            sent["content-type"] = "application/json"
        try:
            async with self._http.stream(method, self.base_url + path, headers=sent, content=body) as response:
                yield response
        # "from None": the frames of the transport's errors hold the key.
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            reason = self.credentials.hide(str(error)) or type(error).__name__
            raise Unreachable(
                502, f"The Jupyter server cannot reach {self.host} ({reason}).", retry_after=_RETRY_SOON
            ) from None
        except httpx2.TimeoutException:
            silent = f"{self.host} was silent for {self._timeout.read:.0f} s."
            raise Rejection(504, silent) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            reason = self.credentials.hide(str(error)) or type(error).__name__
            raise Rejection(502, f"The Jupyter server lost its connection to {self.host} ({reason}).") from None

    def headers(self, response: httpx2.Response) -> dict[str, str]:
        """Return the response headers that the caller gets."""
        return {name: response.headers[name] for name in _RESPONSE_HEADERS if name in response.headers}

    async def error(self, response: httpx2.Response) -> bytes:
        """Return the body of an error response without the key, which some servers quote.

        Raises
        ------
        Rejection
            If the caller is not to blame, but the key or the address of this server.
        """
        if response.status_code == 401:
            raise Rejection(502, f"{self.host} does not accept this server's key. Tell whoever runs the Jupyter server")
        if response.status_code < 400:
            raise Rejection(
                502,
                f"{self.host} redirects elsewhere, where the key is not sent. Tell whoever runs the Jupyter server",
            )
        text = bytearray()
        async for chunk in response.aiter_bytes():
            text += chunk
            if len(text) > _MAX_ERROR_BYTES:
                break
        return self.credentials.hide(text[:_MAX_ERROR_BYTES].decode("utf-8", "replace")).encode()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
