"""Which tools an answer calls, and with what input."""

from __future__ import annotations

import json
import re
from typing import Any

from . import server_tools
from .call import JSON, Call
from .plan import Plan, ToolCall
from .schemas import Sampler

_FIXED: dict[str, JSON] = {
    "bash": {"command": "echo simulated"},
    "str_replace_based_edit_tool": {"command": "view", "path": "/"},
    "str_replace_editor": {"command": "view", "path": "/"},
    "memory": {"command": "view", "path": "/memories"},
}
"""Input for tools that come without a schema."""


def _can_be_called(tool: JSON) -> bool:
    return "input_schema" in tool or tool.get("name") in _FIXED or server_tools.kind(tool) is not None


def _mentioned(name: str, question: str) -> re.Match[str] | None:
    """Where a question names a tool: ``get_weather``, ``get weather``, or its last word, ``weather``."""
    last = name.rsplit("_", 1)[-1]
    ways = [re.escape(name), re.escape(name.replace("_", " "))] + [re.escape(last)] * (len(last) > 3)
    return re.search(rf"\b({'|'.join(ways)})\b", question, re.IGNORECASE)


def _wanted(call: Call, plan: Plan) -> list[ToolCall]:
    """The planned calls, or else those of the tools that the question names and the request allows."""
    return list(plan.tools) or [ToolCall(name) for name in _names(call)]


def _names(call: Call) -> list[str]:
    choice = call.body.get("tool_choice") or {"type": "auto"}
    names = [tool["name"] for tool in call.tools if _can_be_called(tool)]
    if choice["type"] == "tool":
        return [choice["name"]]
    if not names or choice["type"] == "none" or (call.goes_on and choice["type"] == "auto"):
        return []
    named = [name for name in names if _mentioned(name, call.question)]
    if choice["type"] == "any":
        named = named or names[:1]
    return named[:1] if choice.get("disable_parallel_tool_use") else named


def _given(name: str, question: str) -> Any:
    """A JSON object that stands right after a tool's name: ``use add {"a": 1}``."""
    found = _mentioned(name, question)
    start = question.find("{", found.end()) if found else -1
    if found is None or start < 0 or start - found.end() > len(" with input: "):
        return None
    try:
        return json.JSONDecoder().raw_decode(question, start)[0]
    except ValueError:
        return None


def _input(name: str, call: Call, sampler: Sampler) -> JSON:
    given = _given(name, call.question)
    if isinstance(given, dict):
        return given
    tool = next((tool for tool in call.tools if tool.get("name") == name), {})
    if server_tools.kind(tool):
        return server_tools.sample(tool, call)
    schema = tool.get("input_schema")
    made = sampler.value(schema) if schema else _FIXED.get(name, {})
    return made if isinstance(made, dict) else {}


def choose(call: Call, plan: Plan) -> list[tuple[str, JSON]]:
    """Names and inputs of the calls an answer makes, in order; often none."""
    sampler = Sampler(call.question)
    made = []
    for name, own in _wanted(call, plan):
        given = plan.input if own is None else own
        made.append((name, _input(name, call, sampler) if given is None else given))
    return made
