"""The shapes of a request on the wire, and a check for content blocks that come from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, TypedDict

JSONObject: TypeAlias = dict[str, Any]
"""A JSON object of which only some fields are known."""


class CacheControl(TypedDict, total=False):
    """A cache breakpoint: everything up to it is cached; ``ttl`` defaults to five minutes."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"]


class ThinkingConfig(TypedDict, total=False):
    """Whether and how the model thinks before it answers."""

    type: str
    budget_tokens: int
    display: Literal["summarized", "omitted"]


class ToolChoice(TypedDict, total=False):
    """Whether the model may, must, or must not call tools."""

    type: Literal["auto", "any", "tool", "none"]
    name: str
    disable_parallel_tool_use: bool


class OutputConfig(TypedDict, total=False):
    """How much effort the answer takes, and the JSON schema it follows."""

    effort: str
    format: JSONObject


class MessageParam(TypedDict):
    """One message of the history."""

    role: Literal["user", "assistant"]
    content: str | list[JSONObject]


class MessageCreateParams(TypedDict, total=False):
    """What the official SDK takes as named arguments of ``messages.create``."""

    model: str
    max_tokens: int
    system: str | list[JSONObject]
    messages: list[MessageParam]
    tools: list[JSONObject]
    tool_choice: ToolChoice
    thinking: ThinkingConfig
    output_config: OutputConfig
    stop_sequences: list[str]
    cache_control: CacheControl
    diagnostics: JSONObject
    container: str | JSONObject
    metadata: JSONObject
    service_tier: str
    speed: str
    inference_geo: str
    stream: bool


class RequestFields(MessageCreateParams, total=False):
    """The fields of ``POST /v1/messages``."""

    temperature: float
    top_p: float
    top_k: int


REQUIRED_FIELDS: dict[str, dict[str, type]] = {
    "text": {"text": str},
    "image": {"source": dict},
    "document": {"source": dict},
    "search_result": {"source": str, "title": str, "content": list},
    "tool_result": {"tool_use_id": str},
    "tool_use": {"id": str, "name": str, "input": dict},
    "server_tool_use": {"id": str, "name": str, "input": dict},
    "mcp_tool_use": {"id": str, "name": str, "input": dict},
    "thinking": {"thinking": str, "signature": str},
    "redacted_thinking": {"data": str},
}
"""By type of block; blocks of other types are not checked."""
_SOURCES = {
    "base64": ("media_type", "data"),
    "url": ("url",),
    "file": ("file_id",),
    "text": ("media_type", "data"),
    "content": ("content",),
}


def object_at(parent: Mapping[str, object], key: str) -> JSONObject:
    """A member that should be an object; an empty one if it is not."""
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def text_at(parent: Mapping[str, object], key: str) -> str:
    """A member that should be a string; an empty one if it is not."""
    value = parent.get(key)
    return value if isinstance(value, str) else ""


def block_problem(block: object) -> str:
    """What is wrong with a content block; empty if nothing is."""
    if not isinstance(block, dict) or not isinstance(kind := block.get("type"), str):
        return "it has no type"
    for key, type_ in REQUIRED_FIELDS.get(kind, {}).items():
        if not isinstance(block.get(key), type_):
            return f"a block of type {kind} needs {key!r}, as {type_.__name__}"
    if kind in ("image", "document"):
        return _source_problem(block["source"])
    inner = block.get("content")
    if kind in ("search_result", "tool_result") and isinstance(inner, list):
        return next(filter(None, map(block_problem, inner)), "")
    return ""


def _source_problem(source: JSONObject) -> str:
    required = _SOURCES.get(str(source.get("type")))
    if required is None:
        return f"its source must have one of the types {', '.join(_SOURCES)}, not {source.get('type')!r}"
    for key in required:
        value = source.get(key)
        if not isinstance(value, list if key == "content" and not isinstance(value, str) else str):
            return f"its source needs {key!r}"
    return ""
