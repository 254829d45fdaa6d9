"""From an answer to the events of a stream, and the faults that cut the stream short."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator

from .answer import Answer, Part
from .call import JSON
from .plan import Plan
from .problem import Problem

DELTA_KEYS = ("text", "thinking", "partial_json")


@dataclasses.dataclass(frozen=True)
class Act:
    """Something that happens between two events: ``cut``, ``stall``, ``wait``, ``end``."""

    name: str
    seconds: float = 0.0


Item = JSON | Act


def is_content(event: Item) -> bool:
    """Whether it is a delta that carries content (a signature does not)."""
    if isinstance(event, Act) or event.get("type") != "content_block_delta":
        return False
    return any(key in event["delta"] for key in DELTA_KEYS)


def stream(answer: Answer) -> Iterator[JSON]:
    """Every event of a well-formed stream."""
    yield {"type": "message_start", "message": answer.opening()}
    yield {"type": "ping"}
    for index, part in enumerate(answer.parts):
        yield {"type": "content_block_start", "index": index, "content_block": _opening(part)}
        for delta in _deltas(part):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    keys = ("cache_creation", "inference_geo", "service_tier", "speed")
    usage = {key: value for key, value in answer.usage.items() if key not in keys}
    yield {"type": "message_delta", "delta": answer.stop(), "usage": usage, **answer.extras()}
    yield {"type": "message_stop"}


def _opening(part: Part) -> JSON:
    if part.streams_json:
        return {**part.start, "input": {}}
    return {**part.start, "signature": ""} if part.kind == "thinking" else part.start


def _deltas(part: Part) -> Iterator[JSON]:
    if part.kind == "text":
        for piece in part.pieces:
            yield {"type": "text_delta", "text": piece}
        for citation in part.citations:
            yield {"type": "citations_delta", "citation": citation}
    elif part.kind == "thinking":
        for piece in part.pieces:
            yield {"type": "thinking_delta", "thinking": piece}
        if part.signature:
            yield {"type": "signature_delta", "signature": part.signature}
    elif part.streams_json:
        for piece in ("", *part.pieces):
            yield {"type": "input_json_delta", "partial_json": piece}


def error_event(plan: Plan) -> JSON:
    """The ``error`` event that a plan asks for."""
    kind = plan.type or "overloaded_error"
    message = plan.message or ("Overloaded" if kind == "overloaded_error" else "Internal server error")
    if plan.body == "string":
        return {"type": "error", "error": message}
    return {"type": "error", "error": Problem(500, message, kind=kind).error()}


def _pausing(events: Iterable[JSON], seconds: float) -> Iterator[Item]:
    """Think in silence before the first block that is not thinking."""
    waiting = seconds > 0
    for event in events:
        if waiting and event.get("content_block", {}).get("type", "thinking") != "thinking":
            yield Act("wait", seconds)
            waiting = False
        yield event


def _before(events: Iterable[Item], count: int) -> Iterator[Item]:
    """Events up to the so-manyth content delta; with 0 none at all."""
    if count == 0:
        return
    counter = itertools.count(1)
    for event in events:
        yield event
        if is_content(event) and next(counter) >= count:
            return


def with_faults(events: Iterable[JSON], plan: Plan) -> Iterator[Item]:
    """The events, as far as a plan lets them come.

    Parameters
    ----------
    events : iterable of dict
        Of a whole stream.
    plan : Plan
        Its fault, and where it strikes.

    Yields
    ------
    dict or Act
    """
    items = _pausing(events, plan.think_delay)
    if plan.fault == "truncate" and plan.after is None:
        yield from (item for item in items if isinstance(item, Act) or item["type"] != "message_stop")
    elif plan.fault in ("error", "cut", "stall", "truncate"):
        yield from _before(items, plan.after or 0)
        yield (error_event(plan) if plan.fault == "error" else Act("end" if plan.fault == "truncate" else plan.fault))
    else:
        yield from items
