"""``GET /v1/models``: the table of models as the API lists it."""

from __future__ import annotations

from collections.abc import Sequence

from ..messages import limits
from .api_errors import ErrorResponse, bad_request
from .field_checks import check_choice, check_page_limit
from .message_request import JSON

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_THINKING_TYPES = ("adaptive", "between_tools", "disabled", "enabled")
_LIFECYCLES = ("active", "deprecated", "retired")
_DEFAULT_LIMIT = 20


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
        "effort": {**_flag(model.effort), **{level: _flag(level in model.effort) for level in _EFFORTS}},
        "server_tools": {"supported": True, **_flags("web_search", "code_execution")},
        "thinking": {"supported": True, "types": {kind: _flag(kind in model.thinking) for kind in _THINKING_TYPES}},
    }


def model_object(model: limits.Model) -> JSON:
    """A model as the API describes it."""
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


def get(name: str) -> JSON:
    """The model with this id or alias; 404 if there is none."""
    for model in limits.models():
        if name in (model.id, *model.aliases):
            return model_object(model)
    raise ErrorResponse(404, f"model: {name}")


def page(limit: str | None, after: str | None, before: str | None, lifecycles: Sequence[str]) -> JSON:
    """One page of the list, newest first; by default of active and deprecated models.

    ``after`` and ``before`` are the ids of the models next to the page (``after_id``, ``before_id``).
    """
    count = check_page_limit(limit, _DEFAULT_LIMIT)
    for name in lifecycles:
        check_choice(name, _LIFECYCLES, "lifecycle")
    wanted = lifecycles or ("active", "deprecated")
    newest_first = sorted(limits.models(), key=lambda model: model.released, reverse=True)
    listed = [entry for entry in map(model_object, newest_first) if entry["lifecycle"] in wanted]
    ids = [entry["id"] for entry in listed]
    for cursor in filter(None, (after, before)):
        if cursor not in ids:
            raise bad_request(f"cursor: no model {cursor} in this list")
    first = ids.index(after) + 1 if after else 0
    last = ids.index(before) if before else len(ids)
    if before and not after:
        first = max(0, last - count)
    data = listed[first : min(last, first + count)]
    return {
        "data": data,
        "has_more": first > 0 if before and not after else first + len(data) < last,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }
