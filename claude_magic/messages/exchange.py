"""The recorded exchange for one message: the request, and the bytes of the response with their times.

Recording costs a copy of the bytes and two numbers per chunk; parsing happens only when somebody
looks. Request bodies are kept by reference. No secret gets here: the key is added to a request
further down, and an error that quotes it is redacted.
"""

from __future__ import annotations

import collections
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from claude_magic.messages.sse import SSEReader

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""Bytes kept of one response: several times the longest answer."""
MAX_TOTAL_BYTES = 32 * 1024 * 1024
MAX_EXCHANGES = 100
"""What is kept overall. The latest exchange is kept whatever its size."""

_PRIVATE_HEADERS = frozenset({"set-cookie", "www-authenticate", "proxy-authenticate", "anthropic-organization-id"})
"""Response headers that may be secret, or reveal the account in a notebook that is shared."""


class RequestBody:
    """A request body in pieces, sent one after the other and as often as needed.

    Parameters
    ----------
    pieces : sequence of bytes
        Joined they are the JSON of the request; large ones are not copied.
    """

    content_type = "application/json"

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces)


class OutgoingRequest(NamedTuple):
    """A request to ``/v1/messages``, without secrets: its headers are the API version and the betas."""

    base_url: str
    headers: Mapping[str, str]
    body: RequestBody


class Exchange:
    """A request and its response.

    Attributes
    ----------
    outgoing : OutgoingRequest or None
        None once the exchange is no longer kept.
    status : int or None
        None if there was no response.
    headers : dict
        Of the response, without private ones.
    cut : bool
        Whether the response is longer than what is kept of it.
    """

    def __init__(self, outgoing: OutgoingRequest) -> None:
        self.outgoing: OutgoingRequest | None = outgoing
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.cut = False
        self._started = time.monotonic()
        self._discard_response()

    def _discard_response(self) -> None:
        self._received, self._ends, self._times = bytearray(), array("Q"), array("d")

    def start_response(self, status: int, headers: Mapping[str, str], hide: Callable[[str], str]) -> None:
        """Record the head of the response."""
        self.status = status
        kept = {name: value for name, value in headers.items() if name.lower() not in _PRIVATE_HEADERS}
        # All values at once, because each call looks up the key again, and the first word of the answer waits.
        self.headers = dict(zip(kept, hide("\n".join(kept.values())).split("\n"), strict=False))

    def add(self, chunk: bytes) -> None:
        """Record bytes of the response as they arrive."""
        if not self.cut:
            room = MAX_RESPONSE_BYTES - len(self._received)
            self.cut = len(chunk) > room
            self._append(chunk[:room] if self.cut else chunk, time.monotonic() - self._started)

    def _append(self, chunk: bytes, seconds: float) -> None:
        self._received += chunk
        self._ends.append(len(self._received))
        self._times.append(seconds)

    def redact(self, hide: Callable[[str], str]) -> None:
        """Remove the key from the text of an error: some servers quote it."""
        if self.is_stream:
            pieces = [(seconds, b"data: " + _redacted(data, hide) + b"\n\n") for seconds, data in self.events()]
        else:
            pieces = [(self._times[-1], _redacted(self.received, hide))] if self._times else []
        self._discard_response()
        for seconds, data in pieces:
            self._append(data, seconds)

    def forget(self) -> None:
        """Drop both request and response, to free memory."""
        self.outgoing = None
        self._discard_response()

    @property
    def is_stream(self) -> bool:
        """Whether the response is a stream of events."""
        return "event-stream" in self.headers.get("content-type", "")

    @property
    def received(self) -> bytes:
        """The bytes of the response."""
        return bytes(self._received)

    def events(self) -> Iterator[tuple[float, bytes]]:
        """Seconds since sending, and the data, for each event."""
        reader, begin, seconds = SSEReader(), 0, 0.0
        for end, seconds in zip(self._ends, self._times, strict=True):
            for data in reader.feed(bytes(self._received[begin:end])):
                yield seconds, data
            begin = end
        for data in () if self.cut else reader.close():
            yield seconds, data

    def __len__(self) -> int:
        """Bytes of memory."""
        own = len(self._received) + 16 * len(self._ends)
        return own + (len(self.outgoing.body) if self.outgoing else 0)

    def __bool__(self) -> bool:
        return True


class ExchangeLog(Protocol):
    """Somewhere to keep exchanges."""

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange whose request is about to be sent; its response is added later."""


class RecentExchanges:
    """Keeps the latest exchanges, within a limit of bytes; older ones are emptied."""

    def __init__(self) -> None:
        self._kept: collections.deque[Exchange] = collections.deque()
        self._lock = threading.Lock()

    def add(self, exchange: Exchange) -> None:
        """See :class:`ExchangeLog`."""
        with self._lock:
            self._kept.append(exchange)
            total = sum(map(len, self._kept))
            while len(self._kept) > 1 and (total > MAX_TOTAL_BYTES or len(self._kept) > MAX_EXCHANGES):
                oldest = self._kept.popleft()
                total -= len(oldest)
                oldest.forget()


def _redacted(data: bytes, hide: Callable[[str], str]) -> bytes:
    return hide(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
