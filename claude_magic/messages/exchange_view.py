"""What a server answered, to be looked at: the response with the message that its events make, and the events."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from claude_magic.messages.blocks import Block, TextBlock, ThinkingBlock
from claude_magic.messages.code_samples import abridged, compact, pretty
from claude_magic.messages.errors import ClaudeError
from claude_magic.messages.exchange import Exchange, without_keys
from claude_magic.messages.sse import read_json
from claude_magic.messages.text import code_fence

_FIRST, _LAST = 30, 15
"""Events that a table shows of very many."""
_WIDEST = 58


class Event(NamedTuple):
    """One event of an answer.

    Attributes
    ----------
    seconds : float
        Since the request was sent.
    name : str
        Its type; empty for what is no event of the API's.
    data : dict or str
    """

    seconds: float
    name: str
    data: Any


class Events(tuple[Event, ...]):
    """The events of an answer; they show as a table."""

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
        Without those that may be secret.
    request_id : str or None
        Under which the server knows the request.
    body : dict or str
        The message that the events make, as the API gives it to those who do not stream; of an
        error its body.
    cut : bool
        Whether more came than is kept.
    """

    status: int
    headers: Mapping[str, str]
    request_id: str | None
    body: Any
    cut: bool = False

    def __repr__(self) -> str:
        head = [f"HTTP {self.status}", *(f"{name}: {value}" for name, value in self.headers.items())]
        body = self.body if isinstance(self.body, str) else pretty(abridged(self.body))
        more = ["", "(More came than is kept.)"] if self.cut else []
        return "\n".join([*head, "", body, *more])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/markdown": code_fence(repr(self), "http"), "text/plain": repr(self)}


def events(transmission: Exchange) -> Events:
    """The events of a response, parsed."""
    found = []
    for seconds, raw in transmission.events() if transmission.is_stream else ():
        data = read_json(without_keys(raw.decode("utf-8", "replace")).encode())
        name = str(data.get("type", "")) if isinstance(data, dict) else ""
        found.append(Event(seconds, name, raw.decode("utf-8", "replace") if data is None else data))
    return Events(found)


def response(transmission: Exchange, request_id: str | None) -> Response | None:
    """A response with its body as one object; None if there was none."""
    if transmission.status is None:
        return None
    body: Any
    if transmission.is_stream:
        body = message(event.data for event in events(transmission) if isinstance(event.data, dict))
    else:
        text = without_keys(transmission.received.decode("utf-8", "replace"))
        found = read_json(text.encode())
        body = text if found is None else found
    return Response(transmission.status, transmission.headers, request_id, body, transmission.cut)


def message(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The message that events make."""
    from claude_magic.messages.reply import Reply

    reply, whole, usage = Reply(), dict[str, Any](), dict[str, Any]()
    for event in found:
        try:
            reply.apply(event)
        except ClaudeError:
            whole["error"] = event.get("error")
        if event.get("type") == "message_start" and isinstance(start := event.get("message"), dict):
            whole |= start
        if event.get("type") == "message_delta" and isinstance(delta := event.get("delta"), dict):
            whole |= delta
        for place in (event, event.get("message")):
            if isinstance(place, dict) and isinstance(counts := place.get("usage"), dict):
                usage |= {name: count for name, count in counts.items() if count is not None or name not in usage}
    return {**whole, "content": [_content(block) for block in reply.blocks], "usage": usage}


def _content(block: Block) -> Any:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text, **({"citations": block.citations} if block.citations else {})}
    if isinstance(block, ThinkingBlock):
        return {"type": "thinking", "thinking": block.text, "signature": block.signature}
    return block.to_wire() or {"type": block.type, "cut": True}


def _row(event: Event) -> str:
    return f"{event.seconds:7.3f} s  {event.name:19}  {_line(event.data)}"


def _line(data: Any) -> str:
    """What an event says; of a delta in the middle of very many only the piece."""
    if isinstance(data, dict):
        data = {name: value for name, value in data.items() if name != "type"}
        if (
            data.keys() == {"index", "delta"}
            and isinstance(delta := data["delta"], dict)
            and "type" in delta
            and len(delta) == 2
        ):
            kind, piece = delta.get("type"), next(value for name, value in delta.items() if name != "type")
            text = f"{data['index']}  {kind}  {compact(abridged(piece))}"
        else:
            text = compact(abridged(data))
    else:
        text = data if isinstance(data, str) else compact(data)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
