"""Requests shown in Anthropic's documentation, and the answers shown with them (``documentation_examples.json``).

Some name models that have since been retired. Only for exactly these requests a retired model still
answers, so that readers can follow the pages to the letter; any other request to it gets a 404.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from importlib import resources

from .message_request import JSON, as_blocks
from .simulated_message import Blocks, SimulatedBlock, text_block

_PAGE_KEYS = frozenset({"model", "max_tokens", "messages", "stream", "tools"})
_KEYS_THAT_CHANGE_ANSWERS = ("system", "stop_sequences", "tool_choice", "output_config")
_IMAGE_QUESTION = "What is in the above image?"
PAGE_MAX_TOKENS = 1024
"""``max_tokens`` on most pages of the documentation."""


@dataclasses.dataclass(frozen=True)
class Example:
    """Messages and tools of a request in the documentation, and its answer.

    ``max_tokens`` is the only limit for which the page shows this answer, or None if any will do.
    """

    messages: list[JSON]
    tools: list[JSON]
    id: str
    blocks: Blocks
    input_tokens: int
    output_tokens: int
    stop_reason: str
    max_tokens: int | None

    def fits(self, max_tokens: int) -> bool:
        """Whether ``max_tokens`` leaves room for the answer as shown."""
        if self.max_tokens is not None:
            return max_tokens == self.max_tokens
        return max_tokens >= self.output_tokens


def _blocks(row: JSON) -> Blocks:
    blocks = []
    for block in row["content"]:
        if block["type"] == "tool_use":
            blocks.append(SimulatedBlock.tool_call("tool_use", block["id"], block["name"], block["input"]))
        else:
            blocks.append(text_block(*row.get("pieces", [block["text"]])))
    return tuple(blocks)


def _example(row: JSON) -> Example:
    input_tokens, output_tokens = row["usage"]
    return Example(
        messages=_normalized(row["messages"]),
        tools=row.get("tools", []),
        id=row["id"],
        blocks=_blocks(row),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        stop_reason=row.get("stop_reason", "end_turn"),
        max_tokens=row.get("max_tokens"),
    )


@functools.cache
def _examples() -> tuple[Example, ...]:
    text = resources.files(__package__).joinpath("documentation_examples.json").read_text("utf-8")
    return tuple(_example(row) for row in json.loads(text))


def _normalized(messages: list[object]) -> list[JSON]:
    """Messages with content as blocks and without ``cache_control``, so that equal ones compare equal."""
    return [
        {
            "role": message.get("role"),
            "content": [
                {key: value for key, value in block.items() if key != "cache_control"}
                for block in as_blocks(message.get("content"))
            ],
        }
        for message in messages
        if isinstance(message, dict)
    ]


def find(body: JSON) -> Example | None:
    """The example that a request matches, if any."""
    messages, max_tokens = body.get("messages"), body.get("max_tokens")
    if not isinstance(messages, list) or len(messages) > 3 or not isinstance(max_tokens, int):
        return None
    if any(body.get(key) for key in _KEYS_THAT_CHANGE_ANSWERS):
        return None
    normalized, tools = _normalized(messages), body.get("tools") or []
    for example in _examples():
        if example.messages == normalized and example.tools == tools and example.fits(max_tokens):
            return example
    return None


def is_page(body: JSON) -> bool:
    """Whether a documentation page shows exactly this request, so that a retired model may answer it."""
    if not body.keys() <= _PAGE_KEYS:
        return False
    example = find(body)
    if example is not None:
        return bool(body["max_tokens"] == (example.max_tokens or PAGE_MAX_TOKENS))
    return body.get("max_tokens") == PAGE_MAX_TOKENS and _is_image_page(body.get("messages"))


def _is_image_page(messages: object) -> bool:
    """Whether it is the page on vision: its question, about any one image."""
    normalized = _normalized(messages) if isinstance(messages, list) else []
    if len(normalized) != 1 or [block.get("type") for block in normalized[0]["content"]] != ["image", "text"]:
        return False
    image, question = normalized[0]["content"]
    source = image.get("source")
    return question.get("text") == _IMAGE_QUESTION and isinstance(source, dict) and source.get("type") == "base64"
