"""``GET /v1/models``: the table of models in the shape of the API."""

from __future__ import annotations

from collections.abc import Sequence

from ..messages import limits
from .call import JSON
from .fields import one_of
from .problem import Problem, invalid

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_THINKING = ("adaptive", "between_tools", "disabled", "enabled")
_LIFECYCLES = ("active", "deprecated", "retired")
_LIMIT = 20


def _flag(supported: object) -> JSON:
    return {"supported": bool(supported)}


def _flags(*names: str) -> JSON:
    return {name: {"supported": True} for name in names}


def _display_name(model: limits.Model) -> str:
    _, line, *version = model.id.split("-")
    return f"Claude {line.title()} {'.'.join(version)}" if version[0].isdigit() else model.id.replace("-", " ").title()


def _capabilities(model: limits.Model) -> JSON:
    edits = _flags("clear_thinking_20251015", "clear_tool_uses_20250919", "compact_20260112")
    return {
        **_flags("batch", "citations", "code_execution", "image_input", "pdf_input"),
        "structured_outputs": _flag(model.structured_output),
        "context_management": {"supported": True, **edits},
        "effort": {
            **_flag(model.effort),
            **{level: _flag(level in model.effort) for level in _EFFORTS},
        },
        "server_tools": {"supported": True, **_flags("web_search", "code_execution")},
        "thinking": {"supported": True, "types": {kind: _flag(kind in model.thinking) for kind in _THINKING}},
    }


def info(model: limits.Model) -> JSON:
    """One model as the API describes it."""
    deprecated = model.status == "deprecated"
    return {
        "type": "model",
        "id": model.id,
        "display_name": _display_name(model),
        "created_at": f"{model.released}T00:00:00Z",
        "lifecycle": "deprecated" if deprecated else "active",
        "deprecated_at": None,
        "retires_at": f"{model.retires}T00:00:00Z" if deprecated and model.retires else None,
        "line": model.line,
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "capabilities": _capabilities(model),
    }


def one(name: str) -> JSON:
    """The model with this id, or with an alias of it."""
    for model in limits.models():
        if name in (model.id, *model.aliases):
            return info(model)
    raise Problem(404, f"model: {name}")


def page(limit: str | None, after: str | None, before: str | None, lifecycles: Sequence[str]) -> JSON:
    """One page of the list, newest first."""
    if limit is not None and not (limit.isdigit() and 1 <= int(limit) <= 1000):
        raise invalid("limit: Input should be between 1 and 1000")
    for name in lifecycles:
        one_of(name, _LIFECYCLES, "lifecycle")
    wanted, count = lifecycles or ("active", "deprecated"), int(limit or _LIMIT)
    newest_first = sorted(limits.models(), key=lambda model: model.released, reverse=True)
    found = [entry for entry in map(info, newest_first) if entry["lifecycle"] in wanted]
    ids = [entry["id"] for entry in found]
    for cursor in filter(None, (after, before)):
        if cursor not in ids:
            raise invalid(f"cursor: no model {cursor} in this list")
    first = ids.index(after) + 1 if after else 0
    last = ids.index(before) if before else len(ids)
    if before and not after:
        first = max(0, last - count)
    data = found[first : min(last, first + count)]
    return {
        "data": data,
        "has_more": first > 0 if before and not after else first + len(data) < last,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }
