"""One answer on its way: reading it, trying again before it has begun, stopping it from any thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from claude_magic.messages import network
from claude_magic.messages.errors import (
    AnswerBroken,
    APIError,
    ClaudeError,
    ConnectionFailed,
    Interrupted,
    NotTheMessagesAPI,
    TimedOut,
)
from claude_magic.messages.exchange import Exchange
from claude_magic.messages.reply import Reply, ReplyUpdate
from claude_magic.messages.retry import LONGEST_WAIT, Wait, pause, wait_before
from claude_magic.messages.sse import SSEReader, read_json

if TYPE_CHECKING:
    import httpx2

    from claude_magic.messages.client import Client
    from claude_magic.messages.exchange import RequestBody

Listener = Callable[[Wait], None]


class Stream:
    """One answer on its way; iterating gives the :class:`Change` of each event.

    Failures before the first content are tried again as :mod:`claude_magic.messages.retry` says;
    later ones are not, since text that was shown cannot be unsaid. A kept connection that the
    server had closed meanwhile is no failure: a new one is opened at once.

    Attributes
    ----------
    reply : Reply
        What has arrived.
    """

    def __init__(
        self, client: Client, body: RequestBody, prefill: str, earlier: tuple[Reply, ...], on_wait: Listener | None
    ) -> None:
        self._client = client
        self._body = body
        self._prefill = prefill
        self._earlier = earlier
        self._on_wait = on_wait
        self._stopped = threading.Event()
        self._socket: socket.socket | None = None
        self._reused = False
        self.reply = Reply(prefill, earlier)

    def __iter__(self) -> Iterator[ReplyUpdate]:
        attempt = 1
        while True:
            try:
                yield from self._attempt()
                if self._stopped.is_set() and not self.reply.ended:
                    raise Interrupted("Stopped.")  # to a reader of some streams, a shut socket is their end
                return
            except ClaudeError as error:
                if self._stopped.is_set():
                    raise Interrupted("Stopped.") from None
                if self.reply.blocks:
                    raise _broken(error) from None
                if self._was_closed_meanwhile(error):
                    continue
                wait = wait_before(error, attempt) if attempt <= self._client.max_retries else None
                if wait is None:
                    _say_when(error)
                    raise
            try:
                if self._on_wait is not None:
                    self._on_wait(wait)
                self._pause(wait.seconds)
            except KeyboardInterrupt:
                raise Interrupted("Stopped.") from None
            attempt = wait.attempt

    def abort(self) -> None:
        """Stop reading, from any thread; whoever iterates gets :class:`Interrupted`.

        The socket itself is shut down: closing a response does not wake its reader. Before the
        response has begun it is not known which of the kept connections carries the request, so
        all of those are shut down that no other answer is using; an idle one is simply replaced.
        """
        self._stopped.set()
        if self._socket is not None:
            network.shut_down(self._socket)
            return
        busy = {stream._socket for stream in self._client._streams if stream is not self}
        for sock in list(self._client._sockets):
            if sock not in busy:
                network.shut_down(sock)

    def _attempt(self) -> Iterator[ReplyUpdate]:
        self.reply = Reply(self._prefill, self._earlier)
        self._reused = False
        if self._stopped.is_set():
            raise Interrupted("Stopped.")
        transmission = self.reply.transmission = self._client.record(self._body)
        try:
            with self._client._send("POST", "/v1/messages", self._body, self._trace, transmission) as response:
                self._socket = response.extensions["network_stream"].get_extra_info("socket")
                self._reused = False
                yield from self._read(response, transmission)
        finally:
            self._socket = None

    def _read(self, response: httpx2.Response, transmission: Exchange) -> Iterator[ReplyUpdate]:
        self.reply.request_id = request_id(response.headers)
        self.reply.simulated = self._client.simulated = "x-simulator" in response.headers
        kind = response.headers.get("content-type", "no content type").lower()
        reader = SSEReader()
        if "html" not in kind:
            for chunk in _pieces(response):
                transmission.add(chunk)
                for data in reader.feed(chunk):
                    yield from self._fold(data)
            for data in reader.close():
                if read_json(data) is not None:  # else the end fell into an event; what came before it counts
                    yield from self._fold(data)
        if self.reply.blocks or self.reply.ended:
            return
        if self.reply.id or self.reply.model:
            raise ConnectionFailed(f"{self._client.where} ended the answer before it began. Run the cell again.")
        raise NotTheMessagesAPI(
            f"{self._client.where} answered, but not as the Messages API does ({kind}). Check base_url."
        )

    def _fold(self, data: bytes) -> Sequence[ReplyUpdate]:
        event = read_json(data)
        if not isinstance(event, dict):
            if data.strip() == b"[DONE]":
                return ()
            raise AnswerBroken("The answer arrived damaged (an event that is no JSON object).")
        if "content" in event and event.get("type", "message") == "message":
            return self.reply.take(event)  # this server does not stream
        change = self.reply.apply(event)
        return () if change is None else (change,)

    def _pause(self, seconds: float) -> None:
        pause(seconds, self._stopped)

    def _was_closed_meanwhile(self, error: ClaudeError) -> bool:
        """Whether the request went to a kept connection of which nothing came back."""
        return self._reused and isinstance(error, ConnectionFailed) and not isinstance(error, TimedOut)

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            if (sock := info["return_value"].get_extra_info("socket")) is not None:
                self._socket = sock
                self._client._sockets.add(sock)
                if self._stopped.is_set():
                    network.shut_down(sock)
        elif event.endswith(".send_request_headers.started"):
            self._reused = self._socket is None


def _pieces(response: httpx2.Response) -> Iterator[bytes]:
    """The body as it comes: of many small pieces, each layer it passes through costs as much as reading it."""
    stream = response.stream
    if "content-encoding" in response.headers or not isinstance(stream, Iterable):
        return response.iter_bytes()  # this server compresses although it was asked not to
    return iter(stream)


def request_id(headers: Mapping[str, str]) -> str | None:
    """The id under which the server knows the request."""
    return headers.get("request-id") or headers.get("x-amzn-requestid")


def _broken(error: ClaudeError) -> ClaudeError:
    """The same error as it looks when a part of the answer is there."""
    if isinstance(error, ConnectionFailed):
        return AnswerBroken(str(error))
    return error


def _say_when(error: ClaudeError) -> None:
    if isinstance(error, APIError) and error.retry_after is not None and error.retry_after > LONGEST_WAIT:
        minutes = round(error.retry_after / 60)
        error.advice = f"The server asks to wait {minutes} min." if minutes > 1 else "Wait a minute or two."
