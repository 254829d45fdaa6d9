"""A recorded response for display: its head, its events, and the message they add up to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from claude_magic.messages.blocks import Block, TextBlock, ThinkingBlock
from claude_magic.messages.code_samples import abridged, compact, pretty
from claude_magic.messages.credentials import without_keys
from claude_magic.messages.errors import ClaudeError
from claude_magic.messages.exchange import Exchange
from claude_magic.messages.incoming_message import IncomingMessage
from claude_magic.messages.sse import read_json
from claude_magic.messages.text import code_fence, truncate
from claude_magic.messages.wire import JSONObject

_FIRST, _LAST = 30, 15
"""Events shown of a long list."""
_WIDTH = 58
"""Characters shown of an event's data."""


class Event(NamedTuple):
    """One event of an answer.

    Attributes
    ----------
    seconds : float
        Since the request was sent.
    name : str
        Its type; empty if it is not an event of the API.
    data : dict or str
    """

    seconds: float
    name: str
    data: Any


class Events(tuple[Event, ...]):
    """The events of an answer, displayed as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self:
            return "No events."
        if (more := len(self) - _FIRST - _LAST) <= 1:
            return "\n".join(map(_row, self))
        return "\n".join([*map(_row, self[:_FIRST]), f"{'…':>7}    {more:,} more", *map(_row, self[-_LAST:])])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/markdown": code_fence(repr(self), "text"), "text/plain": repr(self)}


@dataclasses.dataclass(frozen=True, repr=False)
class Response:
    """A response.

    Attributes
    ----------
    status : int
    headers : dict
        Without private ones.
    request_id : str or None
        Under which the server logged the request.
    body : dict or str
        The message that the events add up to, as the API sends it without streaming; for an error,
        its body.
    cut : bool
        Whether the response is longer than what is kept of it.
    """

    status: int
    headers: Mapping[str, str]
    request_id: str | None
    body: Any
    cut: bool = False

    def __repr__(self) -> str:
        head = [f"HTTP {self.status}", *(f"{name}: {value}" for name, value in self.headers.items())]
        body = self.body if isinstance(self.body, str) else pretty(abridged(self.body))
        more = ["", "(The rest of this response was not kept.)"] if self.cut else []
        return "\n".join([*head, "", body, *more])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/markdown": code_fence(repr(self), "http"), "text/plain": repr(self)}


def events(exchange: Exchange) -> Events:
    """The events of a response, parsed."""
    found = []
    for seconds, raw in exchange.events() if exchange.is_stream else ():
        text = without_keys(raw.decode("utf-8", "replace"))
        data = read_json(text.encode())
        name = str(data.get("type", "")) if isinstance(data, dict) else ""
        found.append(Event(seconds, name, text if data is None else data))
    return Events(found)


def response(exchange: Exchange, request_id: str | None) -> Response | None:
    """The response with its body as one object; None if there was none."""
    if exchange.status is None:
        return None
    body: Any
    if exchange.is_stream:
        body = message(event.data for event in events(exchange) if isinstance(event.data, dict))
    else:
        text = without_keys(exchange.received.decode("utf-8", "replace"))
        found = read_json(text.encode())
        body = text if found is None else found
    return Response(exchange.status, exchange.headers, request_id, body, exchange.cut)


def message(found: Iterable[Mapping[str, object]]) -> JSONObject:
    """The message that events add up to."""
    incoming, whole, usage = IncomingMessage(), JSONObject(), JSONObject()
    for event in found:
        try:
            incoming.apply(event)
        except ClaudeError:
            whole["error"] = event.get("error")
        if event.get("type") == "message_start" and isinstance(start := event.get("message"), dict):
            whole |= start
        if event.get("type") == "message_delta" and isinstance(delta := event.get("delta"), dict):
            whole |= delta
        for place in (event, event.get("message")):
            if isinstance(place, dict) and isinstance(counts := place.get("usage"), dict):
                usage |= {name: count for name, count in counts.items() if count is not None or name not in usage}
    return {**whole, "content": [_content(block) for block in incoming.blocks], "usage": usage}


def _content(block: Block) -> Any:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text, **({"citations": block.citations} if block.citations else {})}
    if isinstance(block, ThinkingBlock):
        return {"type": "thinking", "thinking": block.text, "signature": block.signature}
    return block.to_wire() or {"type": block.type, "cut": True}


def _row(event: Event) -> str:
    return f"{event.seconds:7.3f} s  {event.name:19}  {_line(event.data)}"


def _line(data: Any) -> str:
    """An event on one line; of a plain delta, just the index, kind and piece."""
    if not isinstance(data, dict):
        return truncate(data if isinstance(data, str) else compact(data), _WIDTH)
    data = {name: value for name, value in data.items() if name != "type"}
    delta = data.get("delta")
    if data.keys() == {"index", "delta"} and isinstance(delta, dict) and "type" in delta and len(delta) == 2:
        piece = next(value for name, value in delta.items() if name != "type")
        return truncate(f"{data['index']}  {delta['type']}  {compact(abridged(piece))}", _WIDTH)
    return truncate(compact(abridged(data)), _WIDTH)
