"""How streams of other servers deviate: each function rewrites the events of a well-formed stream."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Set

from .message_request import JSON

Events = Iterable[JSON]
Mutator = Callable[[Events], Iterator[JSON]]


def _each(change: Callable[[JSON], JSON]) -> Mutator:
    """A mutator that rewrites each event on its own."""
    return lambda events: map(change, events)


def _each_of(kind: str, change: Callable[[JSON], JSON]) -> Mutator:
    """A mutator that rewrites each event of one type."""
    return _each(lambda event: change(event) if event["type"] == kind else event)


def _without(drop: Callable[[JSON], bool]) -> Mutator:
    """A mutator that leaves out some events."""
    return lambda events: (event for event in events if not drop(event))


def _all_but(mapping: JSON, *keys: str) -> JSON:
    return {key: value for key, value in mapping.items() if key not in keys}


def _few_message_fields(event: JSON) -> JSON:
    return {**event, "message": {key: event["message"][key] for key in ("id", "type", "role", "model")}}


def _usage_in_delta(event: JSON) -> JSON:
    return {**_all_but(event, "usage"), "delta": {**event["delta"], "usage": event["usage"]}}


def _no_usage(event: JSON) -> JSON:
    if event["type"] == "message_start":
        return {**event, "message": _all_but(event["message"], "usage")}
    return _all_but(event, "usage")


def _null_usage(event: JSON) -> JSON:
    if event["type"] == "message_start":
        return {**event, "message": {**event["message"], "usage": dict.fromkeys(event["message"]["usage"])}}
    return {**event, "usage": dict.fromkeys(event["usage"])} if "usage" in event else event


def _bare_blocks(event: JSON) -> JSON:
    bare = _all_but(event["content_block"], "text", "input", "thinking", "signature", "citations")
    return {**event, "content_block": bare}


def _unknown_events(events: Events) -> Iterator[JSON]:
    """Add an unknown event, an unknown delta in every block, and an unknown block at the end."""
    blocks, unknown = 0, {"type": "future_delta", "future": True}
    for event in events:
        if event["type"] == "message_delta":
            yield {"type": "content_block_start", "index": blocks, "content_block": {"type": "future_block"}}
            yield {"type": "content_block_delta", "index": blocks, "delta": unknown}
            yield {"type": "content_block_stop", "index": blocks}
        yield event
        if event["type"] == "message_start":
            yield {"type": "future_event", "future": {"nested": [1, 2, 3]}}
        if event["type"] == "content_block_start":
            blocks += 1
            yield {"type": "content_block_delta", "index": event["index"], "delta": unknown}


def _late_stops(events: Events) -> Iterator[JSON]:
    """Interleave the deltas of all blocks, and stop the blocks only at the end."""
    lanes: dict[int, list[JSON]] = {}
    stops: list[JSON] = []
    for event in events:
        if event["type"] == "content_block_stop":
            stops.append(event)
        elif event["type"].startswith("content_block"):
            lanes.setdefault(event["index"], []).append(event)
        elif event["type"] == "message_delta":
            for row in itertools.zip_longest(*lanes.values()):
                yield from (item for item in row if item is not None)
            yield from stops
            yield event
        else:
            yield event


def _double_stops(events: Events) -> Iterator[JSON]:
    for event in events:
        yield event
        if event["type"] == "content_block_stop":
            yield event


def _index_gap(event: JSON) -> JSON:
    return {**event, "index": 2 * event["index"] + 1} if "index" in event else event


def _inputs(rewrite: Callable[[JSON, str], Iterator[JSON]]) -> Mutator:
    """A mutator that rewrites tool calls; ``rewrite`` gets the start event and the complete JSON of each."""

    def mutate(events: Events) -> Iterator[JSON]:
        start: JSON | None = None
        text: list[str] = []
        for event in events:
            if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use":
                start, text = event, []
            elif start is not None and event["type"] == "content_block_delta":
                text.append(event["delta"]["partial_json"])
            elif start is not None and event["type"] == "content_block_stop":
                yield from rewrite(start, "".join(text))
                yield event
                start = None
            else:
                yield event

    return mutate


def _input_delta(start: JSON, text: str) -> JSON:
    delta = {"type": "input_json_delta", "partial_json": text}
    return {"type": "content_block_delta", "index": start["index"], "delta": delta}


def _whole(start: JSON, text: str) -> Iterator[JSON]:
    yield {**start, "content_block": {**start["content_block"], "input": json.loads(text or "{}")}}


def _double_encoded(start: JSON, text: str) -> Iterator[JSON]:
    yield start
    yield _input_delta(start, json.dumps(text))


def _invalid(start: JSON, text: str) -> Iterator[JSON]:
    yield start
    yield _input_delta(start, text[:-1] + ",,")


def _missing(start: JSON, text: str) -> Iterator[JSON]:
    yield start


def _odd_tool_ids(event: JSON) -> JSON:
    block = event.get("content_block", {})
    if block.get("type") != "tool_use":
        return event
    return {**event, "content_block": {**block, "id": f"call.{event['index']}|{block['id']}=="}}


_OPENAI_STOP_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


def _stop_reason(change: Callable[[str], str | None]) -> Mutator:
    def rewrite(event: JSON) -> JSON:
        return {**event, "delta": {**event["delta"], "stop_reason": change(event["delta"]["stop_reason"])}}

    return _each_of("message_delta", rewrite)


def _double_message_delta(events: Events) -> Iterator[JSON]:
    """Send a ``message_delta`` with too many output tokens before the correct one; the last one counts."""
    for event in events:
        if event["type"] == "message_delta" and "usage" in event:
            usage = {**event["usage"], "output_tokens": event["usage"]["output_tokens"] + 7}
            yield {**event, "usage": usage}
        yield event


MUTATORS: dict[str, Mutator] = {
    "tool-input-whole": _inputs(_whole),
    "tool-input-double-encoded": _inputs(_double_encoded),
    "tool-input-invalid": _inputs(_invalid),
    "tool-input-missing": _inputs(_missing),
    "odd-tool-ids": _each(_odd_tool_ids),
    "no-signature": _without(lambda event: "signature" in event.get("delta", {})),
    "openai-stop-words": _stop_reason(lambda reason: _OPENAI_STOP_REASONS.get(reason, reason)),
    "no-stop-reason": _stop_reason(lambda reason: None),
    "double-message-delta": _double_message_delta,
    "unknown-events": _unknown_events,
    "late-stops": _late_stops,
    "double-stops": _double_stops,
    "no-block-starts": _without(lambda event: event["type"] == "content_block_start"),
    "no-block-stops": _without(lambda event: event["type"] == "content_block_stop"),
    "index-gap": _each(_index_gap),
    "bare-blocks": _each_of("content_block_start", _bare_blocks),
    "untyped-deltas": _each_of(
        "content_block_delta", lambda event: {**event, "delta": _all_but(event["delta"], "type")}
    ),
    "null-usage": _each(_null_usage),
    "usage-in-delta": _each_of("message_delta", _usage_in_delta),
    "no-usage": _each(_no_usage),
    "few-message-fields": _each_of("message_start", _few_message_fields),
    "no-message-fields": _each_of("message_start", lambda event: {**event, "message": {}}),
    "ping-first": lambda events: itertools.chain([{"type": "ping"}], events),
}
"""Mutators by their word in a plan, in the order of application: those that read a field come before
those that remove it."""


def mutate(events: Events, quirks: Set[str]) -> Events:
    """Apply the quirks to the events of a well-formed stream."""
    for name, mutator in MUTATORS.items():
        if name in quirks:
            events = mutator(events)
    return events
