"""Decide which tools an answer calls, and with what input."""

from __future__ import annotations

import contextlib
import json
import re

from . import simulated_tools
from .message_request import JSON, MessageRequest
from .plan import Plan, PlannedCall
from .schema_sampler import Sampler

_FIXED: dict[str, JSON] = {
    "bash": {"command": "echo simulated"},
    "str_replace_based_edit_tool": {"command": "view", "path": "/"},
    "str_replace_editor": {"command": "view", "path": "/"},
    "memory": {"command": "view", "path": "/memories"},
}
"""Input for tools that the API defines and the client runs; their definitions have no schema."""


def _can_be_called(tool: JSON) -> bool:
    return "input_schema" in tool or tool.get("name") in _FIXED or simulated_tools.kind(tool) is not None


def _mentioned(name: str, question: str) -> re.Match[str] | None:
    """Find a tool's name in a question: ``get_weather``, ``get weather``, or only its last word, ``weather``."""
    last = name.rsplit("_", 1)[-1]
    spellings = [re.escape(name), re.escape(name.replace("_", " "))] + [re.escape(last)] * (len(last) > 3)
    return re.search(rf"\b({'|'.join(spellings)})\b", question, re.IGNORECASE)


def _names(request: MessageRequest) -> list[str]:
    """The tools that the question mentions and ``tool_choice`` allows."""
    choice = request.body.get("tool_choice") or {"type": "auto"}
    names = [tool["name"] for tool in request.tools if _can_be_called(tool)]
    if choice["type"] == "tool":
        return [choice["name"]]
    if not names or choice["type"] == "none" or (request.continues_answer and choice["type"] == "auto"):
        return []
    mentioned = [name for name in names if _mentioned(name, request.question)]
    if choice["type"] == "any":
        mentioned = mentioned or names[:1]
    return mentioned[:1] if choice.get("disable_parallel_tool_use") else mentioned


def _input_in_question(name: str, question: str) -> object:
    """The JSON object right after a tool's name, as in ``use add {"a": 1}``."""
    found = _mentioned(name, question)
    start = question.find("{", found.end()) if found else -1
    if found is None or start < 0 or start - found.end() > len(" with input: "):
        return None
    with contextlib.suppress(ValueError):
        return json.JSONDecoder().raw_decode(question, start)[0]
    return None


def _input(name: str, request: MessageRequest, sampler: Sampler) -> JSON:
    value = _input_in_question(name, request.question)
    if isinstance(value, dict):
        return value
    tool = next((tool for tool in request.tools if tool.get("name") == name), {})
    if simulated_tools.kind(tool):
        return simulated_tools.sample(tool, request)
    schema = tool.get("input_schema")
    sampled = sampler.value(schema) if schema else _FIXED.get(name, {})
    return sampled if isinstance(sampled, dict) else {}


def choose(request: MessageRequest, plan: Plan) -> list[tuple[str, JSON]]:
    """The names and inputs of the tools that an answer calls, in order; often none."""
    sampler = Sampler(request.question)
    chosen = []
    for name, planned in plan.tools or map(PlannedCall, _names(request)):
        value = plan.input if planned is None else planned
        chosen.append((name, _input(name, request, sampler) if value is None else value))
    return chosen
