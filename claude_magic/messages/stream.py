"""One streamed answer: reading it, retrying until it begins, aborting it from any thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from claude_magic.messages.errors import (
    AnswerBroken,
    ClaudeError,
    ConnectionFailed,
    Interrupted,
    NotTheMessagesAPI,
    TimedOut,
)
from claude_magic.messages.exchange import Exchange, ExchangeLog, RequestBody
from claude_magic.messages.incoming_message import ReplyUpdate
from claude_magic.messages.reply import Reply
from claude_magic.messages.retry import Listener, Retries
from claude_magic.messages.sse import SSEReader, read_json
from claude_magic.messages.transport import PendingRequest, Transport, request_id

if TYPE_CHECKING:
    import httpx2


class Stream:
    """One answer as it arrives; iterating yields a :class:`ReplyUpdate` for each event.

    Failures before the first content are retried as :mod:`claude_magic.messages.retry` says; later
    ones are not, because text already shown cannot be taken back. If the server has closed a kept
    connection in the meantime, that is not a failure: a new one is opened at once.

    Attributes
    ----------
    reply : Reply
        What has arrived so far.
    """

    def __init__(
        self,
        transport: Transport,
        exchanges: ExchangeLog,
        body: RequestBody,
        max_retries: int,
        on_wait: Listener | None,
        prefill: str,
        earlier: tuple[Reply, ...],
    ) -> None:
        self._transport = transport
        self._exchanges = exchanges
        self._body = body
        self._prefill = prefill
        self._earlier = earlier
        self._pending = PendingRequest()
        self._retries = Retries(max_retries, on_wait, self._pending.aborted)
        self.reply = Reply(prefill, earlier)

    def __iter__(self) -> Iterator[ReplyUpdate]:
        while True:
            try:
                yield from self._attempt()
                if self._pending.aborted.is_set() and not self.reply.ended:
                    raise Interrupted("Stopped.")  # some readers take a socket that was shut down for the end
                return
            except ClaudeError as error:
                if self._pending.aborted.is_set():
                    raise Interrupted("Stopped.") from None
                if self.reply.blocks:
                    raise AnswerBroken(str(error)) if isinstance(error, ConnectionFailed) else error from None
                if self._was_stale(error):
                    continue
                if (wait := self._retries.after(error)) is None:
                    raise
            self._retries.wait(wait)

    def abort(self) -> None:
        """Stop reading, from any thread; whoever iterates gets :class:`Interrupted`."""
        self._transport.abort(self._pending)

    def _attempt(self) -> Iterator[ReplyUpdate]:
        self.reply = Reply(self._prefill, self._earlier)
        if self._pending.aborted.is_set():
            raise Interrupted("Stopped.")
        exchange = self.reply.transmission = Exchange(self._transport.outgoing(self._body))
        self._exchanges.add(exchange)
        with self._transport.send("POST", "/v1/messages", self._body, self._pending, exchange) as response:
            yield from self._read(response, exchange)

    def _read(self, response: httpx2.Response, exchange: Exchange) -> Iterator[ReplyUpdate]:
        self.reply.request_id = request_id(response.headers)
        self.reply.simulated = self._transport.simulated = "x-simulator" in response.headers
        kind = response.headers.get("content-type", "no content type").lower()
        reader = SSEReader()
        if "html" not in kind:
            for chunk in _chunks(response):
                exchange.add(chunk)
                for data in reader.feed(chunk):
                    yield from self._apply(data)
            for data in reader.close():
                if read_json(data) is not None:  # otherwise the stream ended inside an event; keep what came before
                    yield from self._apply(data)
        if self.reply.blocks or self.reply.ended:
            return
        server = self._transport.platform.base_url
        if self.reply.id or self.reply.model:
            raise ConnectionFailed(f"{server} ended the answer before any content. Run the cell again.")
        raise NotTheMessagesAPI(f"{server} did not answer as the Messages API does ({kind}). Check base_url.")

    def _apply(self, data: bytes) -> Sequence[ReplyUpdate]:
        event = read_json(data)
        if not isinstance(event, dict):
            if data.strip() == b"[DONE]":
                return ()
            raise AnswerBroken("The answer was damaged on the way: an event is not a JSON object. Run the cell again.")
        if "content" in event and event.get("type", "message") == "message":
            return self.reply.take(event)  # this server does not stream
        update = self.reply.apply(event)
        return () if update is None else (update,)

    def _was_stale(self, error: ClaudeError) -> bool:
        """Whether the request went over a kept connection that the server had closed."""
        return self._pending.reused and isinstance(error, ConnectionFailed) and not isinstance(error, TimedOut)


def _chunks(response: httpx2.Response) -> Iterator[bytes]:
    """The body as it arrives, bypassing layers that each cost as much per small chunk as parsing it."""
    stream = response.stream
    if "content-encoding" in response.headers or not isinstance(stream, Iterable):
        return response.iter_bytes()  # this server compresses although asked not to
    return iter(stream)
