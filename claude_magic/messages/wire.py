"""Whether a block that comes from elsewhere is what it says."""

from __future__ import annotations

from typing import Any

_NEEDED: dict[str, dict[str, type]] = {
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
"""What the blocks that we know have to hold; others go as they are."""
_SOURCES = {
    "base64": ("media_type", "data"),
    "url": ("url",),
    "file": ("file_id",),
    "text": ("media_type", "data"),
    "content": ("content",),
}


def block_problem(block: Any) -> str:
    """What is wrong with a block; empty if nothing is."""
    if not isinstance(block, dict) or not isinstance(kind := block.get("type"), str):
        return "it has no type"
    for key, type_ in _NEEDED.get(kind, {}).items():
        if not isinstance(block.get(key), type_):
            return f"a block of type {kind} needs {key!r}, as {type_.__name__}"
    if kind in ("image", "document"):
        return _problem_of_source(block["source"])
    inner = block.get("content")
    if kind in ("search_result", "tool_result") and isinstance(inner, list):
        return next(filter(None, map(block_problem, inner)), "")
    return ""


def _problem_of_source(source: dict[str, Any]) -> str:
    needed = _SOURCES.get(str(source.get("type")))
    if needed is None:
        return f"the type of its source is one of {', '.join(_SOURCES)}, not {source.get('type')!r}"
    for key in needed:
        value = source.get(key)
        if not isinstance(value, list if key == "content" and not isinstance(value, str) else str):
            return f"its source needs {key!r}"
    return ""
