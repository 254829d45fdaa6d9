"""From events to bytes: server-sent events as the API writes them, and as others do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .call import JSON
from .events import Act, Item, is_content
from .plan import Plan


class Frame(NamedTuple):
    """Bytes that go out together.

    Attributes
    ----------
    data : bytes
    paced : bool
        Whether they carry content, and so count for the pace.
    """

    data: bytes
    paced: bool = False


def _lines(event: JSON, plan: Plan) -> list[str]:
    """One event as lines, without the blank line after it."""
    if plan.has("bare-json"):
        return json.dumps(event, ensure_ascii=False, indent=2).split("\n")
    lines = [": keep-alive"] if plan.has("comments") else []
    if not plan.has("data-only"):
        lines.append(f"event: {event['type']}")
    spread = plan.has("multiline-data")
    text = json.dumps(event, ensure_ascii=False, **({"indent": 1} if spread else {"separators": (",", ":")}))
    return [*lines, *(f"data: {line}" for line in text.split("\n"))]


def _encode(lines: list[str], plan: Plan) -> bytes:
    end = "\r\n" if plan.has("crlf") else "\r" if plan.has("cr") else "\n"
    # Bare JSON objects follow one another; everything else ends with a blank line.
    return (end.join(lines) + (end if plan.has("bare-json") else end * 2)).encode()


def _framed(items: Iterable[Item], plan: Plan) -> Iterator[Frame | Act]:
    if plan.has("bom"):
        yield Frame(b"\xef\xbb\xbf")
    for item in items:
        if isinstance(item, Act):
            yield item
        else:
            yield Frame(_encode(_lines(item, plan), plan), is_content(item))
    if plan.has("done"):
        yield Frame(_encode(["data: [DONE]"], plan))


def _unfinished(frames: Iterator[Frame | Act]) -> Iterator[Frame | Act]:
    """The last frame without the line ends after it."""
    held: Frame | Act | None = None
    for frame in frames:
        if held is not None:
            yield held
        held = frame
    if isinstance(held, Frame):
        yield Frame(held.data.rstrip(b"\r\n"), held.paced)
    elif held is not None:
        yield held


def frames(items: Iterable[Item], plan: Plan) -> Iterator[Frame | Act]:
    """The bytes of a stream, and what happens between them."""
    framed = _framed(items, plan)
    return _unfinished(framed) if plan.has("no-final-blank") else framed
