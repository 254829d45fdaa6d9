"""Reading what a request said."""

from __future__ import annotations

from typing import Any

from claude_magic.simulator import Simulator


def questions(simulator: Simulator, index: int = -1) -> list[str]:
    """The text of the user's messages of one request."""
    return [text(message) for message in body(simulator, index)["messages"] if message["role"] == "user"]


def answers(simulator: Simulator, index: int = -1) -> list[str]:
    """The text of the earlier answers of one request."""
    return [text(message) for message in body(simulator, index)["messages"] if message["role"] == "assistant"]


def thinks(simulator: Simulator, index: int = -1) -> list[bool]:
    """For each earlier answer of a request, whether its thinking went along."""
    return [
        any(block["type"] == "thinking" for block in message["content"] if isinstance(block, dict))
        for message in body(simulator, index)["messages"]
        if message["role"] == "assistant"
    ]


def body(simulator: Simulator, index: int = -1) -> dict[str, Any]:
    found = simulator.requests[index].body
    assert found is not None
    return found


def text(message: dict[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(block.get("text", "") for block in content)
