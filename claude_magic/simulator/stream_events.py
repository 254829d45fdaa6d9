"""The events of a streamed answer, and the faults that interrupt the stream."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

from .api_errors import ErrorResponse
from .message_request import JSON
from .plan import Plan
from .simulated_message import SimulatedBlock, SimulatedMessage

DELTA_KEYS = ("text", "thinking", "partial_json")


@dataclasses.dataclass(frozen=True)
class StreamAction:
    """Something that happens between two events: ``cut``, ``stall``, ``wait`` or ``end``."""

    name: str
    seconds: float = 0.0


StreamItem = JSON | StreamAction


def is_content(event: StreamItem) -> bool:
    """Whether it is a delta that carries content; signatures and citations do not count."""
    if isinstance(event, StreamAction) or event.get("type") != "content_block_delta":
        return False
    return any(key in event["delta"] for key in DELTA_KEYS)


def events_of(message: SimulatedMessage) -> Iterator[JSON]:
    """All events of a well-formed stream."""
    yield {"type": "message_start", "message": message.opening()}
    yield {"type": "ping"}
    for index, block in enumerate(message.blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block.start}
        for delta in _deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    # The API sends these only once, in message_start.
    keys = ("cache_creation", "inference_geo", "service_tier", "speed")
    usage = {key: value for key, value in message.usage.items() if key not in keys}
    yield {"type": "message_delta", "delta": message.stop(), "usage": usage, **message.extras()}
    yield {"type": "message_stop"}


def _deltas(block: SimulatedBlock) -> Iterator[JSON]:
    if block.kind == "text":
        for piece in block.pieces:
            yield {"type": "text_delta", "text": piece}
        for citation in block.citations:
            yield {"type": "citations_delta", "citation": citation}
    elif block.kind == "thinking":
        for piece in block.pieces:
            yield {"type": "thinking_delta", "thinking": piece}
        if block.signature:
            yield {"type": "signature_delta", "signature": block.signature}
    elif block.is_tool_call:
        for piece in ("", *block.pieces):
            yield {"type": "input_json_delta", "partial_json": piece}


def error_event(plan: Plan) -> JSON:
    """The ``error`` event that a plan asks for."""
    kind = plan.type or "overloaded_error"
    message = plan.message or ("Overloaded" if kind == "overloaded_error" else "Internal server error")
    if plan.body == "string":
        return {"type": "error", "error": message}
    return {"type": "error", "error": ErrorResponse(500, message, kind=kind).error()}


def _pausing(events: Iterable[JSON], seconds: float) -> Iterator[StreamItem]:
    """Pause before the first block that is not thinking."""
    waiting = seconds > 0
    for event in events:
        if waiting and event.get("content_block", {}).get("type", "thinking") != "thinking":
            yield StreamAction("wait", seconds)
            waiting = False
        yield event


def _before(events: Iterable[StreamItem], count: int) -> Iterator[StreamItem]:
    """Events up to and including the given number of content deltas; with 0 none at all."""
    if count == 0:
        return
    counter = itertools.count(1)
    for event in events:
        yield event
        if is_content(event) and next(counter) >= count:
            return


def with_faults(events: Iterable[JSON], plan: Plan) -> Iterator[StreamItem]:
    """Interrupt a stream as a plan says.

    Parameters
    ----------
    events : iterable of dict
        Of the complete stream.
    plan : Plan
        Which fault, and after how many deltas.

    Yields
    ------
    dict or StreamAction
    """
    items = _pausing(events, plan.think_delay)
    if plan.fault == "truncate" and plan.after is None:
        yield from (item for item in items if isinstance(item, StreamAction) or item["type"] != "message_stop")
    elif plan.fault in ("error", "cut", "stall", "truncate"):
        yield from _before(items, plan.after or 0)
        action = "end" if plan.fault == "truncate" else plan.fault
        yield error_event(plan) if plan.fault == "error" else StreamAction(action)
    else:
        yield from items
