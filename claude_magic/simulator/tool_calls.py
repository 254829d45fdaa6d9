"""Which tools an answer calls, and with what input."""

from __future__ import annotations

import json
import re
from typing import Any

from .answer import Part
from .call import JSON, Call
from .plan import Plan
from .schemas import Sampler

_PIECE = 12
_FIXED: dict[str, JSON] = {
    "bash": {"command": "echo simulated"},
    "str_replace_based_edit_tool": {"command": "view", "path": "/"},
    "str_replace_editor": {"command": "view", "path": "/"},
    "memory": {"command": "view", "path": "/memories"},
}
"""Input for tools that come without a schema."""


def _mentioned(name: str, question: str) -> re.Match[str] | None:
    """Where a question names a tool: ``get_weather``, ``get weather``, or its last word, ``weather``."""
    last = name.rsplit("_", 1)[-1]
    ways = [re.escape(name), re.escape(name.replace("_", " "))] + [re.escape(last)] * (len(last) > 3)
    return re.search(rf"\b({'|'.join(ways)})\b", question, re.IGNORECASE)


def _names(call: Call, plan: Plan) -> list[str]:
    if plan.tools:
        return list(plan.tools)
    choice = call.body.get("tool_choice") or {"type": "auto"}
    names = [tool["name"] for tool in call.tools if "input_schema" in tool or tool.get("name") in _FIXED]
    if choice["type"] == "tool":
        return [choice["name"]]
    if not names or choice["type"] == "none" or (call.results and choice["type"] == "auto"):
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


def _input(name: str, call: Call, plan: Plan, sampler: Sampler) -> JSON:
    if plan.input is not None:
        return plan.input
    given = _given(name, call.question)
    if isinstance(given, dict):
        return given
    schema = next((tool.get("input_schema") for tool in call.tools if tool.get("name") == name), None)
    made = sampler.value(schema) if schema else _FIXED.get(name, {})
    return made if isinstance(made, dict) else {}


def part(kind: str, identifier: str, name: str, value: JSON) -> Part:
    """A block that calls a tool."""
    text = json.dumps(value, ensure_ascii=False)
    pieces = tuple(text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
    start = {"type": kind, "id": identifier, "name": name, "input": {}, "caller": {"type": "direct"}}
    return Part(start, pieces if value else ())


def choose(call: Call, plan: Plan) -> list[tuple[str, JSON]]:
    """Names and inputs of the calls an answer makes, in order; often none."""
    sampler = Sampler(call.question)
    return [(name, _input(name, call, plan, sampler)) for name in _names(call, plan)]
