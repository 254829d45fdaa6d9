"""The HTTP client of the Messages API: synchronous, streaming, with retries that are told."""

from __future__ import annotations

import functools
import hashlib
import os
import socket
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2

from claude_magic.messages import gateway_environment, network
from claude_magic.messages.credentials import Credentials, custom_headers
from claude_magic.messages.errors import (
    APIError,
    BadInput,
    ClaudeError,
    ConnectionFailed,
    Interrupted,
    NoCredentials,
    NotTheMessagesAPI,
    TimedOut,
    api_error,
)
from claude_magic.messages.exchange import Exchange, OutgoingRequest, RecentExchanges, RequestBody
from claude_magic.messages.reply import Reply
from claude_magic.messages.retry import pause, retry_after, should_retry, wait_before
from claude_magic.messages.sse import read_json
from claude_magic.messages.stream import Listener, Stream, request_id

DEFAULT_BASE_URL = network.DEFAULT_BASE_URL
DEFAULT_VERSION = "2023-06-01"
_LONGEST_ERROR = 64 * 1024
_IDLE = 240.0


class Payload(Protocol):
    """Anything that can be sent: pieces, as often as needed, their length in all, and their type."""

    content_type: str

    def __iter__(self) -> Iterator[bytes]: ...

    def __len__(self) -> int: ...


class Sign(httpx2.Auth):
    """Adds what is secret at the moment of sending, so that no object of ours holds it.

    A custom header that carries a key takes the place of ours: two are never sent.
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
        """The headers that are secret.

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
                name, value = "x-api-key", "none"  # servers on this machine take any key, but some want one
            headers[name] = value
        if self._login is not None:
            headers.setdefault("authorization", self._login())
        return headers

    def auth_flow(self, request: httpx2.Request) -> Any:
        """Sign a request that is about to go out."""
        request.headers.update(self.headers())
        yield request


class Client:
    """Speaks to one server of the Messages API.

    Connections are kept for four minutes between uses, so that the next cell needs no new
    handshake; a connection that a sleeping laptop lost is noticed by the system, not by the read
    timeout. Loopback never goes through a proxy.

    Parameters
    ----------
    base_url : str, optional
        Defaults to ``ANTHROPIC_BASE_URL``, else Anthropic's own.
    credentials : Credentials, optional
        Defaults to those of the environment.
    version : str
        ``anthropic-version``.
    betas : sequence of str
        ``anthropic-beta``.
    timeout, connect_timeout : float
        Seconds without a byte (a model may think that long in silence), and until connected.
    max_retries : int
        Further tries after a failure that another try may mend.

    Raises
    ------
    BadInput
        If the base URL is none.
    """

    def __init__(
        self,
        base_url: str | None = None,
        credentials: Credentials | None = None,
        *,
        version: str = DEFAULT_VERSION,
        betas: Sequence[str] = (),
        timeout: float = 600.0,
        connect_timeout: float = 10.0,
        max_retries: int = 2,
    ) -> None:
        url = base_url or os.environ.get("ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL
        self.base_url, login = network.parse_base_url(url)
        self.credentials = credentials or Credentials()
        self.gateway = gateway_environment.gateway_from(os.environ, self.base_url)
        if self.gateway is not None and self.credentials.source != gateway_environment.TOKEN:
            self.base_url, self.gateway = DEFAULT_BASE_URL, None  # a key of the user's own is none of the server's
        self.version = version
        self.betas = tuple(betas)
        self.max_retries = max_retries
        self._timeout = httpx2.Timeout(timeout, connect=connect_timeout)
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._recent = RecentExchanges()
        host = urlsplit(self.base_url).hostname or ""
        self.is_anthropic = (self.gateway.upstream if self.gateway else host) == "api.anthropic.com"
        self.simulated = False  # until it says so
        self._auth = Sign(self.credentials, login, required=not network.is_loopback(host))

    @functools.cached_property
    def _http(self) -> httpx2.Client:
        transport = network.transport(self.base_url, _IDLE)
        return httpx2.Client(transport=transport, auth=self._auth, timeout=self._timeout, trust_env=False)

    def require_credentials(self) -> None:
        """Fail early where the server wants a key and there is none.

        Raises
        ------
        NoCredentials
        """
        self._auth.headers()

    def stream(
        self, body: RequestBody, *, prefill: str = "", earlier: tuple[Reply, ...] = (), on_wait: Listener | None = None
    ) -> Stream:
        """Ask, and read the answer as it is written.

        Parameters
        ----------
        body : RequestBody
            A request with ``"stream": true``.
        prefill : str
            What the request puts into Claude's mouth.
        earlier : tuple of Reply
            The messages that the same answer has already.
        on_wait : callable, optional
            Told of each :class:`Wait` before another try.

        Returns
        -------
        Stream
            To be iterated, once.
        """
        stream = Stream(self, body, prefill, earlier, on_wait)
        self._streams.add(stream)
        return stream

    def models(self) -> list[dict[str, Any]]:
        """The models that this key may use, newest first (``GET /v1/models``)."""
        data = self._again(lambda: self.call("GET", "/v1/models?limit=1000")).get("data")
        if not isinstance(data, list):
            raise NotTheMessagesAPI(f"{self.where} listed no models.")
        return [entry for entry in data if isinstance(entry, dict)]

    def count_tokens(self, body: RequestBody, on_wait: Listener | None = None) -> int:
        """Input tokens of a request, by the API's free counter.

        Parameters
        ----------
        body : RequestBody
            A request without what concerns the answer alone.
        on_wait : callable, optional
            Told of each :class:`Wait` before another try.
        """
        count = self._again(lambda: self.call("POST", "/v1/messages/count_tokens", body), on_wait).get("input_tokens")
        if not isinstance(count, int):
            raise NotTheMessagesAPI(f"{self.where} counted no tokens.")
        return count

    def call(self, method: str, path: str, body: Payload | None = None) -> dict[str, Any]:
        """Any request that is answered with one JSON object; it is not tried again.

        Parameters
        ----------
        method, path : str
            For instance ``GET`` and ``/v1/models``.
        body : Payload, optional
        """
        with self._send(method, path, body) as response:
            answer = read_json(response.read())
        if not isinstance(answer, dict):
            raise NotTheMessagesAPI(f"{self.where} answered, but not as the Messages API does.")
        return answer

    def _again(self, call: Callable[[], dict[str, Any]], on_wait: Listener | None = None) -> dict[str, Any]:
        """A call that changes nothing at the server, tried as often as a question is."""
        attempt = 1
        while True:
            try:
                return call()
            except ClaudeError as error:
                wait = wait_before(error, attempt) if attempt <= self.max_retries else None
                if wait is None:
                    raise
            try:
                if on_wait is not None:
                    on_wait(wait)
                pause(wait.seconds, threading.Event())
            except KeyboardInterrupt:
                raise Interrupted("Stopped.") from None
            attempt = wait.attempt

    def outgoing(self, body: RequestBody) -> OutgoingRequest:
        """A request as it would be sent, but for what is secret."""
        return OutgoingRequest(self.base_url, self.version, self.betas, body)

    def record(self, body: RequestBody) -> Exchange:
        """What a request that is now sent is recorded in, and what comes back."""
        transmission = Exchange(self.outgoing(body))
        self._recent.add(transmission)
        return transmission

    def identity(self) -> bytes:
        """A digest of the server and of who speaks to it; neither can be read from it.

        Raises
        ------
        NoCredentials
            If the server wants a key and there is none.
        """
        return hashlib.sha256(repr((self.base_url, sorted(self._auth.headers().items()))).encode()).digest()

    def abort(self) -> None:
        """Stop every answer that is being read, from any thread."""
        for stream in list(self._streams):
            stream.abort()

    def close(self) -> None:
        """Close the connections; the client can be used again."""
        if (http := self.__dict__.pop("_http", None)) is not None:
            http.close()

    @property
    def where(self) -> str:
        """The server, in words."""
        return self.base_url

    def headers(self) -> dict[str, str]:
        """The headers of a request, but for those that may be secret."""
        headers = {
            "anthropic-version": self.version,
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": f"claude_magic/{_version()}",
        }
        if self.betas:
            headers["anthropic-beta"] = ",".join(self.betas)
        return headers

    @contextmanager
    def _send(
        self,
        method: str,
        path: str,
        body: Payload | None = None,
        trace: Callable[..., None] | None = None,
        transmission: Exchange | None = None,
    ) -> Iterator[httpx2.Response]:
        headers = self.headers()
        if body is not None:
            headers["content-type"] = body.content_type
            headers["content-length"] = str(len(body))
        try:
            with self._http.stream(
                method,
                self.base_url + path,
                content=body,
                headers=headers,
                extensions={"trace": trace} if trace else None,
            ) as response:
                if transmission is not None:
                    transmission.answered(response.status_code, response.headers, self.credentials.hide)
                if response.status_code != 200:
                    raise self._refusal(response, transmission)
                yield response
        # Nothing of the transport's stays behind the errors: its frames know the key.
        except (httpx2.LocalProtocolError, UnicodeError):
            raise BadInput(
                "A header holds characters that none may have: see ANTHROPIC_CUSTOM_HEADERS, version and betas."
            ) from None
        except BadInput as error:  # of a body that turned out to be unreadable
            raise error.with_traceback(None) from None
        except httpx2.HTTPError as error:
            raise self._no_connection(error) from None
        except httpx2.InvalidURL:
            raise BadInput(f"{self.where} is no address. Set base_url to one that begins with https://.") from None
        except APIError as error:
            if transmission is not None:
                transmission.clean(self.credentials.hide)
            error.message = self.credentials.hide(error.message)
            error.args = (error.message,)
            raise
        except KeyboardInterrupt:
            raise Interrupted("Stopped.") from None

    def _refusal(self, response: httpx2.Response, transmission: Exchange | None) -> ClaudeError:
        if response.has_redirect_location:
            return NotTheMessagesAPI(
                f"{self.where} redirects elsewhere; the key is not carried along. Set base_url to the final address."
            )
        raw = bytearray()
        try:
            for chunk in response.iter_bytes():
                raw += chunk
                if transmission is not None:
                    transmission.add(chunk)
                if len(raw) > _LONGEST_ERROR:
                    break
        except httpx2.HTTPError:
            pass  # the status says enough
        if "html" in response.headers.get("content-type", ""):
            body: object = f"a web page came instead of an answer ({response.reason_phrase or 'no reason given'})"
        else:
            body = read_json(raw)
            body = raw.decode("utf-8", "replace") if body is None else body
        return api_error(
            body,
            status=response.status_code,
            request_id=request_id(response.headers),
            retry_after=retry_after(response.headers),
            should_retry=should_retry(response.headers),
        )

    def _no_connection(self, error: httpx2.HTTPError) -> ConnectionFailed:
        reason = str(error) or type(error).__name__
        if isinstance(error, httpx2.TimeoutException):
            if isinstance(error, httpx2.ConnectTimeout):
                return TimedOut(f"{self.where} did not answer in {self._timeout.connect:.0f} s. Check the network.")
            return TimedOut(f"{self.where} was silent for {self._timeout.read:.0f} s. Run the cell again.")
        if "CERTIFICATE" in reason.upper():
            return ConnectionFailed(
                f"{self.where}: its certificate is not trusted here. Set SSL_CERT_FILE to your organisation's "
                "certificates."
            )
        if isinstance(error, httpx2.ProxyError):
            return ConnectionFailed(f"The proxy on the way to {self.where} refused ({reason}). Check HTTPS_PROXY.")
        if isinstance(error, httpx2.ConnectError):
            if self.gateway is not None:
                return ConnectionFailed(self.gateway.gone())
            return ConnectionFailed(
                f"Nobody answers at {self.where} ({reason}). Check the network, or base_url and ANTHROPIC_BASE_URL."
            )
        return ConnectionFailed(f"The connection to {self.where} was lost ({reason}). Run the cell again.")

    def __repr__(self) -> str:
        return f"<Client of {self.where}, {self.credentials!r}>"


@functools.cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("claude_magic")
    except PackageNotFoundError:
        return "0"
