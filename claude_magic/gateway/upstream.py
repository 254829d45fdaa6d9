"""The way on to the API: the server's key is added here, and nothing else of the caller's goes along."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2
from tornado.httputil import HTTPHeaders

from claude_magic.gateway.refusal import Refusal
from claude_magic.messages import gateway_environment, network
from claude_magic.messages.client import DEFAULT_BASE_URL, DEFAULT_VERSION, Sign
from claude_magic.messages.credentials import Credentials, SimulatorCredentials, custom_headers

_IDLE = 240.0
_CONNECT = 10.0
_REQUEST_HEADERS = ("anthropic-version", "anthropic-beta", "user-agent")
_RESPONSE_HEADERS = ("content-type", "request-id", "retry-after", "retry-after-ms", "x-should-retry", "x-simulator")
_LONGEST_ERROR = 64 * 1024
_SOON = 2


class NothingSent(Refusal):
    """The API was not reached, so nothing can have been billed."""


class Upstream:
    """The API behind the gateway.

    Parameters
    ----------
    environ : mapping
        ``ANTHROPIC_API_KEY``, ``ANTHROPIC_AUTH_TOKEN``, ``ANTHROPIC_CUSTOM_HEADERS`` and
        ``ANTHROPIC_BASE_URL`` of the server; the same rules hold as in a notebook without a gateway.
    simulator : str, optional
        The address of a simulator that is asked instead, without a key.
    timeout : float
        Seconds without a byte.

    Raises
    ------
    BadInput
        If the base URL, the proxy or the certificates are of no use.
    """

    def __init__(self, environ: Mapping[str, str], simulator: str = "", timeout: float = 600.0) -> None:
        self.simulated = bool(simulator)
        self.credentials = SimulatorCredentials() if simulator else Credentials(environ)
        url = simulator or environ.get("ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL
        self.base_url, login = network.parse_base_url(url)
        custom = functools.partial(custom_headers, {} if simulator else environ)
        self._auth = Sign(self.credentials, login, required=True, custom=custom)
        self._timeout = httpx2.Timeout(timeout, connect=_CONNECT, pool=None)
        self._transport = network.async_transport(self.base_url, _IDLE)

    @property
    def host(self) -> str:
        """Who answers in the end."""
        return gateway_environment.SIMULATOR if self.simulated else urlsplit(self.base_url).hostname or ""

    @functools.cached_property
    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=self._transport, auth=self._auth, timeout=self._timeout, trust_env=False)

    @asynccontextmanager
    async def send(
        self, method: str, path: str, headers: HTTPHeaders, body: bytes | None = None
    ) -> AsyncIterator[httpx2.Response]:
        """Send a request, and read the answer as it comes; leaving early ends the connection.

        Parameters
        ----------
        method, path : str
        headers : HTTPHeaders
            Of the caller; few of them go on.
        body : bytes, optional

        Raises
        ------
        Refusal
            If nobody answers, or no more; :class:`NothingSent` if nobody was reached.
        """
        sent = {name: headers[name] for name in _REQUEST_HEADERS if name in headers}
        sent.setdefault("anthropic-version", DEFAULT_VERSION)
        sent |= {"accept": "application/json", "accept-encoding": "identity"}
        if body is not None:
            sent["content-type"] = "application/json"
        try:
            async with self._http.stream(method, self.base_url + path, headers=sent, content=body) as response:
                yield response
        # Nothing of the transport's stays behind the errors: its frames know the key.
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            reason = self.credentials.hide(str(error)) or type(error).__name__
            raise NothingSent(
                502, "api_error", f"The Jupyter server does not reach {self.host} ({reason}).", retry_after=_SOON
            ) from None
        except httpx2.TimeoutException:
            silent = f"{self.host} was silent for {self._timeout.read:.0f} s."
            raise Refusal(504, "timeout_error", silent) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            reason = self.credentials.hide(str(error)) or type(error).__name__
            raise Refusal(
                502, "api_error", f"The Jupyter server lost its connection to {self.host} ({reason})."
            ) from None

    def headers(self, response: httpx2.Response) -> dict[str, str]:
        """What of an answer's headers goes back to the caller."""
        return {name: response.headers[name] for name in _RESPONSE_HEADERS if name in response.headers}

    async def error(self, response: httpx2.Response) -> bytes:
        """The body of an answer that is an error, without the key: some servers quote it back.

        Raises
        ------
        Refusal
            If the fault is not the caller's, but lies between this server and the API.
        """
        if response.status_code == 401:
            raise Refusal(
                502, "api_error", f"{self.host} does not accept this server's key. Tell whoever runs the Jupyter server"
            )
        if response.status_code < 400:
            raise Refusal(502, "api_error", f"{self.host} redirects elsewhere; the key is not carried along")
        text = bytearray()
        async for chunk in response.aiter_bytes():
            text += chunk
            if len(text) > _LONGEST_ERROR:
                break
        return self.credentials.hide(text[:_LONGEST_ERROR].decode("utf-8", "replace")).encode()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
