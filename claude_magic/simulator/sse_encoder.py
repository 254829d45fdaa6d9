"""Encode events as server-sent events, as the API writes them or as other servers do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .message_request import JSON
from .plan import Plan
from .stream_events import StreamAction, StreamItem, is_content


class Frame(NamedTuple):
    """Bytes that are sent together; ``paced`` if they carry content, to which a plan's ``pace`` applies."""

    data: bytes
    paced: bool = False


def _lines(event: JSON, plan: Plan) -> list[str]:
    """The lines of one event, without the blank line that ends it."""
    if plan.has("bare-json"):
        return json.dumps(event, ensure_ascii=False, indent=2).split("\n")
    lines = [": keep-alive"] if plan.has("comments") else []
    if not plan.has("data-only"):
        lines.append(f"event: {event['type']}")
    multiline = plan.has("multiline-data")
    text = json.dumps(event, ensure_ascii=False, **({"indent": 1} if multiline else {"separators": (",", ":")}))
    return [*lines, *(f"data: {line}" for line in text.split("\n"))]


def _encode(lines: list[str], plan: Plan) -> bytes:
    end = "\r\n" if plan.has("crlf") else "\r" if plan.has("cr") else "\n"
    # Only server-sent events end with a blank line; bare JSON objects simply follow one another.
    return (end.join(lines) + (end if plan.has("bare-json") else end * 2)).encode()


def _framed(items: Iterable[StreamItem], plan: Plan) -> Iterator[Frame | StreamAction]:
    if plan.has("bom"):
        yield Frame(b"\xef\xbb\xbf")
    for item in items:
        if isinstance(item, StreamAction):
            yield item
        else:
            yield Frame(_encode(_lines(item, plan), plan), is_content(item))
    if plan.has("done"):
        yield Frame(_encode(["data: [DONE]"], plan))


def _without_final_blank(frames: Iterator[Frame | StreamAction]) -> Iterator[Frame | StreamAction]:
    """The last frame without its final line ends, as of a server that forgets them."""
    held: Frame | StreamAction | None = None
    for frame in frames:
        if held is not None:
            yield held
        held = frame
    if isinstance(held, Frame):
        yield Frame(held.data.rstrip(b"\r\n"), held.paced)
    elif held is not None:
        yield held


def frames(items: Iterable[StreamItem], plan: Plan) -> Iterator[Frame | StreamAction]:
    """The frames of a stream, with the actions between them."""
    framed = _framed(items, plan)
    return _without_final_blank(framed) if plan.has("no-final-blank") else framed
