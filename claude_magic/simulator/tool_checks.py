"""Check ``tools`` and ``tool_choice``."""

from __future__ import annotations

import re

from . import simulated_tools
from .api_errors import bad_request
from .field_checks import Types, check_choice, check_object, check_type, spec
from .message_request import JSON, MessageRequest
from .parameter_checks import check_cache_mark
from .schema_checks import check_strict_schema

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CUSTOM = spec(
    "type description strict input_examples cache_control defer_loading allowed_callers eager_input_streaming",
    name=str,
    input_schema=dict,
)
_SERVER = "cache_control defer_loading allowed_callers strict"
_WEB = f"{_SERVER} max_uses allowed_domains blocked_domains response_inclusion"
_SERVER_TOOLS = {
    "web_search": spec(f"{_WEB} user_location", type=str, name=str),
    "web_fetch": spec(f"{_WEB} citations max_content_tokens use_cache url_sources", type=str, name=str),
    "code_execution": spec(_SERVER, type=str, name=str),
}
_MAX_STRICT = 20
_TYPED_TOOLS = re.compile(
    r"(web_search|web_fetch|code_execution|tool_search_tool_(?:regex|bm25)|advisor|bash|text_editor|memory"
    r"|computer|browser|computer_toolset|browser_toolset)_\d{8}|mcp_toolset|tool_search_tool_(?:regex|bm25)"
)
"""Tools that the API defines itself, by ``type``."""
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_WITHOUT_NAME = ("computer_toolset", "browser_toolset", "mcp_toolset")


def check_tool(tool: object, path: str) -> None:
    """Check one definition: of a tool that the API defines, or of the client's own."""
    if not isinstance(tool, dict):
        raise bad_request(f"{path}: Input should be a valid object")
    kind = tool.get("type")
    if kind not in (None, "custom"):
        if not isinstance(kind, str) or not _TYPED_TOOLS.fullmatch(kind):
            raise bad_request(f"{path}: Input tag '{kind}' found using 'type' does not match any known tool")
        if "name" not in tool and not kind.startswith(_WITHOUT_NAME):
            raise bad_request(f"{path}.{kind}.name: Field required")
        if (name := simulated_tools.kind(tool)) is not None:
            _check_server_tool(tool, name, f"{path}.{kind}")
        return
    inner = f"{path}.custom"
    check_object(tool, _CUSTOM, inner)
    if not NAME.fullmatch(tool["name"]):
        raise bad_request(f"{inner}.name: String should match pattern '^{NAME.pattern}$'")
    if tool["input_schema"].get("type") != "object":
        raise bad_request(f"{inner}.input_schema.type: Input should be 'object'")
    _check_schema(tool["input_schema"], f"{inner}.input_schema")
    if not all(map(_PROPERTY.fullmatch, tool["input_schema"].get("properties") or ())):
        raise bad_request(
            f"{inner}.input_schema.properties: Property keys should match pattern '^{_PROPERTY.pattern}$'"
        )
    if tool.get("description") is not None:
        check_type(tool["description"], str, f"{inner}.description")
    if tool.get("cache_control") is not None:
        if tool.get("defer_loading"):
            raise bad_request(f"{inner}: cache_control cannot be combined with defer_loading.")
        check_cache_mark(tool["cache_control"], f"{inner}.cache_control")
    if tool.get("strict"):
        check_strict_schema(tool["input_schema"], f"{inner}.input_schema")


def _check_server_tool(tool: JSON, name: str, path: str) -> None:
    """A server tool has a fixed name, and domains are either allowed or blocked."""
    check_object(tool, _SERVER_TOOLS[name], path)
    check_choice(tool["name"], (name,), f"{path}.name")
    if tool.get("citations") is not None:
        check_object(tool["citations"], spec("enabled"), f"{path}.citations")
    if tool.get("allowed_domains") and tool.get("blocked_domains"):
        raise bad_request(f"{path}: allowed_domains and blocked_domains cannot both be given.")


_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


def _check_schema(schema: JSON, path: str) -> None:
    """Refuse an input schema whose top level is plainly not JSON Schema draft 2020-12."""
    properties, required = schema.get("properties", {}), schema.get("required", [])
    valid = isinstance(properties, dict) and all(isinstance(p, (dict, bool)) for p in properties.values())
    valid = valid and isinstance(required, list) and all(isinstance(name, str) for name in required)
    if valid:
        kinds = [p.get("type", "object") for p in properties.values() if isinstance(p, dict)]
        valid = all(kind in _TYPES for each in kinds for kind in (each if isinstance(each, list) else [each]))
    if not valid:
        raise bad_request(f"{path}: JSON schema is invalid. It must match JSON Schema draft 2020-12.")


def check(request: MessageRequest) -> None:
    """Check all tools (unique names, at most 20 strict ones), then ``tool_choice``."""
    names: set[str] = set()
    if sum(bool(tool.get("strict")) for tool in request.tools if isinstance(tool, dict)) > _MAX_STRICT:
        raise bad_request(f"tools: at most {_MAX_STRICT} tools may be strict.")
    for i, tool in enumerate(request.tools):
        check_tool(tool, f"tools.{i}")
        name = tool.get("name")
        if name in names:
            raise bad_request("tools: Tool names must be unique.")
        names |= {name} if name else set()
    choice = request.body.get("tool_choice")
    if choice is not None:
        _check_tool_choice(request, choice, names)


def _check_tool_choice(request: MessageRequest, choice: JSON, names: set[str]) -> None:
    """It needs tools; forcing one needs a model that allows it, a known name, and thinking switched off."""
    kind = choice.get("type")
    check_choice(kind, ("auto", "any", "tool", "none"), "tool_choice.type")
    named: dict[str, Types] = {"name": str} if kind == "tool" else {}
    parallel = "" if kind == "none" else "disable_parallel_tool_use"
    check_object(choice, spec(parallel, type=str, **named), "tool_choice")
    if not request.tools and kind != "none":
        raise bad_request("tool_choice: may only be specified while providing tools.")
    if kind not in ("any", "tool"):
        return
    if not request.model.forced_tool_choice:
        raise bad_request('tool_choice: type "tool" and "any" are not supported for this model.')
    if kind == "tool" and choice["name"] not in names:
        raise bad_request(f"tool_choice.tool.name: Tool '{choice['name']}' not found in provided tools")
    if request.thinking_type != "disabled" and request.body.get("thinking"):
        raise bad_request("Thinking may not be enabled when tool_choice forces tool use.")
