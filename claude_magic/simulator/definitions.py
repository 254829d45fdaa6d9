"""Rules for ``tools`` and ``tool_choice``."""

from __future__ import annotations

import re
from typing import Any

from . import server_tools
from .call import JSON, Call
from .fields import conform, one_of, shape, typed
from .parameters import cache_mark
from .problem import invalid
from .strictness import strict_schema

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CUSTOM = shape(
    "type description strict input_examples cache_control defer_loading allowed_callers eager_input_streaming",
    name=str,
    input_schema=dict,
)
_SERVER = "cache_control defer_loading allowed_callers strict"
_WEB = f"{_SERVER} max_uses allowed_domains blocked_domains response_inclusion"
_SERVER_TOOLS = {
    "web_search": shape(f"{_WEB} user_location", type=str, name=str),
    "web_fetch": shape(f"{_WEB} citations max_content_tokens use_cache url_sources", type=str, name=str),
    "code_execution": shape(_SERVER, type=str, name=str),
}
_MOST_STRICT = 20
_KINDS = re.compile(
    r"(web_search|web_fetch|code_execution|tool_search_tool_(?:regex|bm25)|advisor|bash|text_editor|memory"
    r"|computer|browser|computer_toolset|browser_toolset)_\d{8}|mcp_toolset|tool_search_tool_(?:regex|bm25)"
)
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_NAMELESS = ("computer_toolset", "browser_toolset", "mcp_toolset")


def check_tool(tool: Any, path: str) -> None:
    """Check one definition."""
    typed(tool, dict, path)
    kind = tool.get("type")
    if kind not in (None, "custom"):
        if not isinstance(kind, str) or not _KINDS.fullmatch(kind):
            raise invalid(f"{path}: Input tag '{kind}' found using 'type' does not match any known tool")
        if "name" not in tool and not kind.startswith(_NAMELESS):
            raise invalid(f"{path}.{kind}.name: Field required")
        if (own := server_tools.kind(tool)) is not None:
            _server_tool(tool, own, f"{path}.{kind}")
        return
    inner = f"{path}.custom"
    conform(tool, _CUSTOM, inner)
    if not NAME.fullmatch(tool["name"]):
        raise invalid(f"{inner}.name: String should match pattern '^{NAME.pattern}$'")
    if tool["input_schema"].get("type") != "object":
        raise invalid(f"{inner}.input_schema.type: Input should be 'object'")
    _schema(tool["input_schema"], f"{inner}.input_schema")
    if not all(map(_PROPERTY.fullmatch, tool["input_schema"].get("properties") or ())):
        raise invalid(f"{inner}.input_schema.properties: Property keys should match pattern '^{_PROPERTY.pattern}$'")
    if tool.get("description") is not None:
        typed(tool["description"], str, f"{inner}.description")
    if tool.get("cache_control") is not None:
        if tool.get("defer_loading"):
            raise invalid(f"{inner}: cache_control cannot be combined with defer_loading.")
        cache_mark(tool["cache_control"], f"{inner}.cache_control")
    if tool.get("strict"):
        strict_schema(tool["input_schema"], f"{inner}.input_schema")


def _server_tool(tool: JSON, kind: str, path: str) -> None:
    conform(tool, _SERVER_TOOLS[kind], path)
    one_of(tool["name"], (kind,), f"{path}.name")
    if tool.get("citations") is not None:
        conform(tool["citations"], shape("enabled"), f"{path}.citations")
    if tool.get("allowed_domains") and tool.get("blocked_domains"):
        raise invalid(f"{path}: allowed_domains and blocked_domains cannot both be given.")


_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


def _schema(schema: JSON, path: str) -> None:
    """Refuse what no JSON schema may hold, as far as it can be seen at a glance."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    sound = isinstance(properties, dict) and all(isinstance(p, (dict, bool)) for p in properties.values())
    sound = sound and isinstance(required, list) and all(isinstance(name, str) for name in required)
    if sound:
        kinds = [p.get("type", "object") for p in properties.values() if isinstance(p, dict)]
        sound = all(kind in _TYPES for each in kinds for kind in (each if isinstance(each, list) else [each]))
    if not sound:
        raise invalid(f"{path}: JSON schema is invalid. It must match JSON Schema draft 2020-12.")


def check(call: Call) -> None:
    """Check the tools of a request, and which of them must be used."""
    names: set[str] = set()
    if sum(bool(tool.get("strict")) for tool in call.tools if isinstance(tool, dict)) > _MOST_STRICT:
        raise invalid(f"tools: at most {_MOST_STRICT} tools may be strict.")
    for i, tool in enumerate(call.tools):
        check_tool(tool, f"tools.{i}")
        name = tool.get("name")
        if name in names:
            raise invalid("tools: Tool names must be unique.")
        names |= {name} if name else set()
    choice = call.body.get("tool_choice")
    if choice is not None:
        _choice(call, choice, names)


def _choice(call: Call, choice: JSON, names: set[str]) -> None:
    kind = choice.get("type")
    one_of(kind, ("auto", "any", "tool", "none"), "tool_choice.type")
    named: dict[str, Any] = {"name": str} if kind == "tool" else {}
    parallel = "" if kind == "none" else "disable_parallel_tool_use"
    conform(choice, shape(parallel, type=str, **named), "tool_choice")
    if not call.tools and kind != "none":
        raise invalid("tool_choice: may only be specified while providing tools.")
    if kind not in ("any", "tool"):
        return
    if not call.model.forced_tool_choice:
        raise invalid('tool_choice: type "tool" and "any" are not supported for this model.')
    if kind == "tool" and choice["name"] not in names:
        raise invalid(f"tool_choice.tool.name: Tool '{choice['name']}' not found in provided tools")
    if call.thinking != "disabled" and call.body.get("thinking"):
        raise invalid("Thinking may not be enabled when tool_choice forces tool use.")
