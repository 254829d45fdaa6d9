"""Requests that documentation shows, and the answers it shows for them (``examples.json``).

Some name models that are retired by now. In exactly these requests such a model still answers, so
that the pages can be followed word by word; elsewhere it is not found.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from importlib import resources
from typing import Any

from .answer import Part, text_part
from .call import JSON, blocks

_PAGE_KEYS = frozenset({"model", "max_tokens", "messages", "stream", "tools"})
_CHANGING_KEYS = ("system", "stop_sequences", "tool_choice", "output_config")
_PICTURE_QUESTION = "What is in the above image?"
PAGE_MAX_TOKENS = 1024


@dataclasses.dataclass(frozen=True)
class Example:
    """One request of the documentation, and its answer."""

    messages: list[JSON]
    tools: list[JSON]
    id: str
    parts: tuple[Part, ...]
    usage: dict[str, int]
    stop_reason: str
    max_tokens: int | None

    def fits(self, max_tokens: int) -> bool:
        """Whether a limit lets this answer happen as it is shown."""
        if self.max_tokens is not None:
            return max_tokens == self.max_tokens
        return max_tokens >= self.usage["output_tokens"]


def _parts(row: JSON) -> tuple[Part, ...]:
    made = []
    for block in row["content"]:
        if block["type"] == "tool_use":
            made.append(Part.calling("tool_use", block["id"], block["name"], block["input"]))
        else:
            made.append(text_part(*row.get("pieces", [block["text"]])))
    return tuple(made)


def _example(row: JSON) -> Example:
    return Example(
        messages=_plain(row["messages"]),
        tools=row.get("tools", []),
        id=row["id"],
        parts=_parts(row),
        usage=dict(zip(("input_tokens", "output_tokens"), row["usage"], strict=True)),
        stop_reason=row.get("stop_reason", "end_turn"),
        max_tokens=row.get("max_tokens"),
    )


@functools.cache
def _examples() -> tuple[Example, ...]:
    text = resources.files(__package__).joinpath("examples.json").read_text("utf-8")
    return tuple(_example(row) for row in json.loads(text))


def _plain(messages: Any) -> list[JSON]:
    """Messages with their content as blocks, without cache marks."""
    return [
        {
            "role": message.get("role"),
            "content": [
                {key: value for key, value in block.items() if key != "cache_control"}
                for block in blocks(message.get("content"))
            ],
        }
        for message in messages
        if isinstance(message, dict)
    ]


def find(body: JSON) -> Example | None:
    """The example that a request is, if it is one."""
    messages, limit = body.get("messages"), body.get("max_tokens")
    if not isinstance(messages, list) or len(messages) > 3 or not isinstance(limit, int):
        return None
    if any(body.get(key) for key in _CHANGING_KEYS):
        return None
    plain, tools = _plain(messages), body.get("tools") or []
    for example in _examples():
        if example.messages == plain and example.tools == tools and example.fits(limit):
            return example
    return None


def is_page(body: JSON) -> bool:
    """Whether a request stands on a page just like this, so that a retired model may answer it."""
    if not body.keys() <= _PAGE_KEYS:
        return False
    example = find(body)
    if example is not None:
        return bool(body["max_tokens"] == (example.max_tokens or PAGE_MAX_TOKENS))
    return body.get("max_tokens") == PAGE_MAX_TOKENS and _is_picture_page(body.get("messages"))


def _is_picture_page(messages: Any) -> bool:
    """One picture of the reader's own, and the page's question."""
    plain = _plain(messages) if isinstance(messages, list) else []
    if len(plain) != 1 or [block.get("type") for block in plain[0]["content"]] != ["image", "text"]:
        return False
    image, question = plain[0]["content"]
    source = image.get("source")
    return question.get("text") == _PICTURE_QUESTION and isinstance(source, dict) and source.get("type") == "base64"
