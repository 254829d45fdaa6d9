"""Sending one HTTP request: headers, signature, clear errors, and aborting it from any thread."""

from __future__ import annotations

import functools
import socket
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import httpx2

from claude_magic.messages import network
from claude_magic.messages.errors import (
    APIError,
    BadInput,
    ClaudeError,
    ConnectionFailed,
    Interrupted,
    NotTheMessagesAPI,
    TimedOut,
    api_error,
)
from claude_magic.messages.exchange import Exchange, OutgoingRequest, RequestBody
from claude_magic.messages.platform import Platform
from claude_magic.messages.retry import retry_after, should_retry
from claude_magic.messages.sse import read_json

_MAX_ERROR_BYTES = 64 * 1024
_KEEP_ALIVE = 240.0
"""Seconds an idle connection is kept, so that the next cell needs no new handshake."""


class Payload(Protocol):
    """A request body: its chunks, as often as needed, their total length, and their media type."""

    content_type: str

    def __iter__(self) -> Iterator[bytes]: ...

    def __len__(self) -> int: ...


class PendingRequest:
    """A request, through all its attempts, that :meth:`Transport.abort` can stop.

    Attributes
    ----------
    aborted : threading.Event
    socket : socket or None
        The connection in use, once it is known.
    reused : bool
        Whether the last attempt went over a kept connection and got no response.
    """

    def __init__(self) -> None:
        self.aborted = threading.Event()
        self.socket: socket.socket | None = None
        self.reused = False

    def trace(self, sockets: weakref.WeakSet[socket.socket], event: str, info: Mapping[str, Any]) -> None:
        """Follow the connection that httpx2 picks or opens."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            if (sock := info["return_value"].get_extra_info("socket")) is not None:
                self.socket = sock
                sockets.add(sock)
                if self.aborted.is_set():
                    network.shut_down(sock)
        elif event.endswith(".send_request_headers.started"):
            self.reused = self.socket is None


class Transport:
    """Sends requests to a platform, over connections that are kept between requests."""

    def __init__(self, platform: Platform, timeout: float, connect_timeout: float) -> None:
        self.platform = platform
        self.simulated = False  # whether the simulator wrote the latest answer
        self._timeout = httpx2.Timeout(timeout, connect=connect_timeout)
        self._pending: weakref.WeakSet[PendingRequest] = weakref.WeakSet()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    @functools.cached_property
    def _http(self) -> httpx2.Client:
        transport = network.transport(httpx2.HTTPTransport, self.platform.base_url, _KEEP_ALIVE)
        return httpx2.Client(transport=transport, auth=self.platform.auth, timeout=self._timeout, trust_env=False)

    @contextmanager
    def send(
        self,
        method: str,
        path: str,
        body: Payload | None = None,
        pending: PendingRequest | None = None,
        exchange: Exchange | None = None,
    ) -> Iterator[httpx2.Response]:
        """Send a request; in the body of the ``with`` statement, read the response.

        Another thread can abort it through ``pending``. The head of the response, and the body of an
        error, are recorded in ``exchange``.
        """
        headers = self.headers()
        if body is not None:
            headers |= {"content-type": body.content_type, "content-length": str(len(body))}
        pending = pending or PendingRequest()
        pending.reused = False
        self._pending.add(pending)
        trace = {"trace": functools.partial(pending.trace, self._sockets)}
        try:
            with self._http.stream(
                method, self.platform.url(path), content=body, headers=headers, extensions=trace
            ) as response:
                pending.socket = response.extensions["network_stream"].get_extra_info("socket")
                pending.reused = False
                if exchange is not None:
                    exchange.start_response(response.status_code, response.headers, self.platform.credentials.hide)
                if response.status_code != 200:
                    raise self._error_in(response, exchange)
                yield response
        # No exception of the HTTP library is chained to these errors: its frames hold the key.
        except (httpx2.LocalProtocolError, UnicodeError):
            raise BadInput(
                "A request header contains invalid characters. Check ANTHROPIC_CUSTOM_HEADERS, version and betas."
            ) from None
        except BadInput as error:  # raised by a body that could not be read
            raise error.with_traceback(None) from None
        except httpx2.HTTPError as error:
            raise self._connection_error(error) from None
        except httpx2.InvalidURL:
            raise BadInput(f"{self.platform.base_url} is not a valid URL. Set base_url to an https:// URL.") from None
        except APIError as error:
            hide = self.platform.credentials.hide
            if exchange is not None:
                exchange.redact(hide)
            error.message = hide(error.message)
            error.args = (error.message,)
            raise
        except KeyboardInterrupt:
            raise Interrupted("Stopped.") from None
        finally:
            pending.socket = None

    def outgoing(self, body: RequestBody) -> OutgoingRequest:
        """A request as it would be sent, without secrets."""
        return OutgoingRequest(self.platform.base_url, self.platform.headers(), body)

    def headers(self) -> dict[str, str]:
        """The headers of a request without a body, except secret ones."""
        return self.platform.headers() | {
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": f"claude_magic/{_version()}",
        }

    def abort(self, pending: PendingRequest) -> None:
        """Stop a request, from any thread.

        The socket itself is shut down, because closing a response does not wake its reader. Before
        the response begins, httpx2 does not say which kept connection carries the request, so all
        that no other request is known to use are shut down; an idle one is simply replaced later.
        """
        pending.aborted.set()
        if pending.socket is not None:
            network.shut_down(pending.socket)
            return
        busy = {other.socket for other in self._pending if other is not pending}
        for sock in list(self._sockets):
            if sock not in busy:
                network.shut_down(sock)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        if (http := self.__dict__.pop("_http", None)) is not None:
            http.close()

    def _error_in(self, response: httpx2.Response, exchange: Exchange | None) -> ClaudeError:
        if response.has_redirect_location:
            return NotTheMessagesAPI(
                f"{self.platform.base_url} redirects to another address, where the key is not sent. "
                "Set base_url to the final address."
            )
        raw = bytearray()
        try:
            for chunk in response.iter_bytes():
                raw += chunk
                if exchange is not None:
                    exchange.add(chunk)
                if len(raw) > _MAX_ERROR_BYTES:
                    break
        except httpx2.HTTPError:
            pass  # the status is enough
        if "html" in response.headers.get("content-type", ""):
            body: object = f"the server sent a web page ({response.reason_phrase or 'no reason given'})"
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

    def _connection_error(self, error: httpx2.HTTPError) -> ConnectionFailed:
        reason, server = str(error) or type(error).__name__, self.platform.base_url
        if isinstance(error, httpx2.ConnectTimeout):
            return TimedOut(f"{server} did not answer within {self._timeout.connect:.0f} s. Check the network.")
        if isinstance(error, httpx2.TimeoutException):
            return TimedOut(f"{server} sent nothing for {self._timeout.read:.0f} s. Run the cell again.")
        if "CERTIFICATE" in reason.upper():
            problem = f"The certificate of {server} is not trusted here."
            return ConnectionFailed(f"{problem} Set SSL_CERT_FILE to your organisation's certificates.")
        if isinstance(error, httpx2.ProxyError):
            return ConnectionFailed(f"The proxy refused to connect to {server} ({reason}). Check HTTPS_PROXY.")
        if isinstance(error, httpx2.ConnectError):
            return ConnectionFailed(self.platform.unreachable(reason))
        return ConnectionFailed(f"The connection to {server} was lost ({reason}). Run the cell again.")


def request_id(headers: Mapping[str, str]) -> str | None:
    """The id under which the server logged the request."""
    return headers.get("request-id") or headers.get("x-amzn-requestid")


@functools.cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("claude_magic")
    except PackageNotFoundError:
        return "0"
