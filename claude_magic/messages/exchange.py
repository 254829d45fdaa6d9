"""What really went over the wire for one message: the request, and the bytes that came back, with their times.

Keeping it costs a copy of the bytes and two numbers for each piece; it is read only when somebody
looks. The body of a request is kept by reference. Nothing that is secret gets here: a key is added
to a request below this, and an answer that quotes it is cleaned before it is kept.
"""

from __future__ import annotations

import collections
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from claude_magic.messages.credentials import KEY_IN_TEXT
from claude_magic.messages.sse import SSEReader

MOST_RECEIVED = 8 * 1024 * 1024
"""Bytes that are kept of one answer: several times what the longest takes."""
MOST_BYTES = 32 * 1024 * 1024
MOST_MESSAGES = 100
"""What is kept in all. The latest message is kept whatever its size."""

_LEFT_OUT = frozenset({"set-cookie", "www-authenticate", "proxy-authenticate", "anthropic-organization-id"})
"""Headers that may be secret, or tell whose account it is in a notebook that is passed on."""


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
    """A request, but for what is secret.

    Attributes
    ----------
    base_url, version : str
    betas : tuple of str
    body : RequestBody
    """

    base_url: str
    version: str
    betas: tuple[str, ...]
    body: RequestBody


class Exchange:
    """A request and what came back.

    Parameters
    ----------
    outgoing : OutgoingRequest

    Attributes
    ----------
    outgoing : OutgoingRequest or None
        None once it is no longer kept.
    status : int or None
        Of the response; None if there was none.
    headers : dict
        Of the response, without those that may be secret.
    cut : bool
        Whether more came than is kept.
    """

    def __init__(self, outgoing: OutgoingRequest) -> None:
        self.outgoing: OutgoingRequest | None = outgoing
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.cut = False
        self._started = time.monotonic()
        self._received = bytearray()
        self._ends = array("Q")
        self._times = array("d")

    def answered(self, status: int, headers: Mapping[str, str], hide: Callable[[str], str]) -> None:
        """The head of the response is there."""
        self.status = status
        kept = {name: value for name, value in headers.items() if name.lower() not in _LEFT_OUT}
        # All at once, before the first word of the answer: each time, the key is looked up anew.
        self.headers = dict(zip(kept, hide("\n".join(kept.values())).split("\n"), strict=False))

    def add(self, chunk: bytes) -> None:
        """Bytes of the response have arrived."""
        if self.cut:
            return
        room = MOST_RECEIVED - len(self._received)
        self.cut = len(chunk) > room
        self._received += chunk[:room] if self.cut else chunk
        self._ends.append(len(self._received))
        self._times.append(time.monotonic() - self._started)

    def clean(self, hide: Callable[[str], str]) -> None:
        """Take a key out of an error's text: some servers quote it back."""
        if self.is_stream:
            pieces = [(seconds, b"data: " + _hidden(data, hide) + b"\n\n") for seconds, data in self.events()]
        else:
            pieces = [(self._times[-1], _hidden(bytes(self._received), hide))] if self._times else []
        self._received = bytearray(b"".join(data for _, data in pieces))
        self._times = array("d", (seconds for seconds, _ in pieces))
        self._ends, end = array("Q"), 0
        for _, data in pieces:
            end += len(data)
            self._ends.append(end)

    def forget(self) -> None:
        """Keep nothing but that there was something."""
        self.outgoing = None
        self._received, self._ends, self._times = bytearray(), array("Q"), array("d")

    @property
    def is_stream(self) -> bool:
        """Whether the response is a stream of events."""
        return "event-stream" in self.headers.get("content-type", "")

    @property
    def received(self) -> bytes:
        """The bytes of the response."""
        return bytes(self._received)

    def events(self) -> Iterator[tuple[float, bytes]]:
        """Seconds since sending, and the data of each event."""
        reader, begin, seconds = SSEReader(), 0, 0.0
        for end, seconds in zip(self._ends, self._times, strict=True):
            for data in reader.feed(bytes(self._received[begin:end])):
                yield seconds, data
            begin = end
        for data in () if self.cut else reader.close():
            yield seconds, data

    def __len__(self) -> int:
        """Bytes that are kept."""
        own = len(self._received) + 16 * len(self._ends)
        return own + (len(self.outgoing.body) if self.outgoing else 0)

    def __bool__(self) -> bool:
        return True


class RecentExchanges:
    """The latest transmissions, within a number of bytes; older ones are emptied."""

    def __init__(self) -> None:
        self._kept: collections.deque[Exchange] = collections.deque()
        self._lock = threading.Lock()

    def add(self, transmission: Exchange) -> None:
        """Keep one more."""
        with self._lock:
            self._kept.append(transmission)
            total = sum(map(len, self._kept))
            while len(self._kept) > 1 and (total > MOST_BYTES or len(self._kept) > MOST_MESSAGES):
                oldest = self._kept.popleft()
                total -= len(oldest)
                oldest.forget()


def _hidden(data: bytes, hide: Callable[[str], str]) -> bytes:
    return hide(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def without_keys(text: str) -> str:
    """A text in which nothing looks like a key."""
    return KEY_IN_TEXT.sub("***", text)
