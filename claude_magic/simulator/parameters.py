"""Rules for everything in a request but its messages and tools."""

from __future__ import annotations

import re
from typing import Any

from ..messages import limits
from .call import JSON, Call
from .fields import conform, one_of, shape, typed
from .problem import invalid
from .strictness import strict_schema

BETA = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*-\d{4}-\d{2}-\d{2}")
"""How the name of a beta looks."""

SAMPLING = ("temperature", "top_p", "top_k")
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "messages": list,
    "max_tokens": int,
    "system": (str, list),
    "stop_sequences": list,
    "stream": bool,
    "thinking": dict,
    "output_config": dict,
    "tools": list,
    "tool_choice": dict,
    "cache_control": dict,
    "metadata": dict,
    "service_tier": str,
    "speed": str,
    "inference_geo": str,
    "container": (str, dict),
    "diagnostics": dict,
    "temperature": (int, float),
    "top_p": (int, float),
    "top_k": int,
}
_NULLABLE = ("cache_control", "speed", "inference_geo", "container", "diagnostics")
_NOT_COUNTED = (*SAMPLING, "max_tokens", "stop_sequences", "stream", "metadata", "service_tier", "container")
_BETA_FIELDS = {
    "context_management": ("context-management", "compact"),
    "compaction": ("compact",),
    "mcp_servers": ("mcp-client",),
    "fallbacks": ("server-side-fallback",),
    "fallback_credit_token": ("fallback-credit",),
    "thread": ("message-threads",),
    "billing_policy": ("user-profiles-billing",),
}
_CACHE_MARK = shape("ttl", type=str)
_USE_ADAPTIVE = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
_FAST = {
    "claude-opus-5-5": None,
    "claude-fable-5-2": None,
    "claude-opus-5": "fast-mode",
    "claude-opus-4-8": "fast-mode",
}
"""Models that can be fast, and the beta each still needs for it."""


def fields(call: Call, *, counting: bool) -> None:
    """Required fields, then unknown ones, then types and plain values."""
    body = call.body
    for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        if name not in body:
            raise invalid(f"{name}: Field required")
    for name, value in body.items():
        if counting and name in _NOT_COUNTED and name not in SAMPLING:
            raise invalid(f"{name}: Extra inputs are not permitted")
        if name in _FIELDS:
            if value is not None or name not in _NULLABLE:
                typed(value, _FIELDS[name], name)
        elif not _has_beta(call, _BETA_FIELDS.get(name, ())):
            raise invalid(f"{name}: Extra inputs are not permitted")
    _values(body)


def _has_beta(call: Call, prefixes: tuple[str, ...]) -> bool:
    return any(beta.startswith(prefix) for beta in call.betas for prefix in prefixes)


def _values(body: JSON) -> None:
    if body.get("max_tokens", 0) < 0:
        raise invalid("max_tokens: Input should be greater than or equal to 0")
    for i, sequence in enumerate(body.get("stop_sequences", ())):
        typed(sequence, str, f"stop_sequences.{i}")
        if not sequence.strip():
            raise invalid("stop_sequences: each stop sequence must contain non-whitespace")
    if body.get("cache_control"):
        cache_mark(body["cache_control"], "cache_control")
    if body.get("diagnostics"):
        conform(body["diagnostics"], shape("previous_message_id"), "diagnostics")
        if (identifier := body["diagnostics"].get("previous_message_id")) is not None:
            typed(identifier, str, "diagnostics.previous_message_id")
    if "metadata" in body:
        conform(body["metadata"], shape("user_id"), "metadata")
    if "service_tier" in body:
        one_of(body["service_tier"], ("auto", "standard_only"), "service_tier")
    for name, choices in (("speed", ("standard", "fast")), ("inference_geo", ("us", "global"))):
        if body.get(name) is not None:
            one_of(body[name], choices, name)


def cache_mark(mark: Any, path: str) -> None:
    """Check a ``cache_control`` that is not null."""
    conform(mark, _CACHE_MARK, path)
    one_of(mark["type"], ("ephemeral",), f"{path}.type")
    if mark.get("ttl") is not None:
        one_of(mark["ttl"], ("5m", "1h"), f"{path}.ttl")


def version_rules(call: Call) -> None:
    """Newer versions of the API know no sampling parameters at all."""
    for name in SAMPLING:
        if name in call.body and not limits.sampling_allowed(call.version):
            raise invalid(f"{name}: Extra inputs are not permitted")


def model_rules(call: Call) -> None:
    """What this model takes."""
    _thinking(call)
    _effort(call)
    _sampling(call)
    _max_tokens(call)
    _format(call)
    _speed(call)


def _thinking(call: Call) -> None:
    asked, model = call.body.get("thinking"), call.model
    if asked is None:
        return
    kind = asked.get("type")
    one_of(kind, ("adaptive", "enabled", "disabled", "between_tools"), "thinking.type")
    binds = ("block_binding",) if _has_beta(call, ("thinking-binding-controls",)) else ()
    optional = {"adaptive": ("display", *binds), "enabled": ("display", *binds)}.get(kind, ())
    required: dict[str, Any] = {"budget_tokens": int} if kind == "enabled" else {}
    conform(asked, shape(" ".join(optional), type=str, **required), "thinking")
    if asked.get("display") is not None:
        displays = (
            "summarized",
            "omitted",
            *(("updates",) if _has_beta(call, ("thinking-display",)) else ()),
        )
        one_of(asked["display"], displays, "thinking.display")
    if kind not in model.thinking:
        if kind == "adaptive":
            raise invalid("adaptive thinking is not supported on this model")
        raise invalid(f'"thinking.type.{kind}" is not supported for this model. {_USE_ADAPTIVE}')
    if kind == "enabled":
        _budget(call)
    effort = (call.body.get("output_config") or {}).get("effort") or model.default_effort
    if kind in ("disabled", "between_tools") and model.no_thinking_up_to:
        allowed = model.effort[: model.effort.index(model.no_thinking_up_to) + 1]
        if effort not in allowed:
            raise invalid(f'"thinking.type.{kind}" is not supported at effort "{effort}". {_USE_ADAPTIVE}')


def _budget(call: Call) -> None:
    budget = call.body["thinking"]["budget_tokens"]
    if budget < 1024:
        raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if "max_tokens" in call.body and budget >= call.body["max_tokens"]:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _effort(call: Call) -> None:
    config, model = call.body.get("output_config"), call.model
    if config is None:
        return
    budget = " task_budget" if _has_beta(call, ("task-budgets",)) else ""
    conform(config, shape(f"effort format{budget}"), "output_config")
    effort = config.get("effort")
    if effort is None:
        return
    one_of(effort, ("low", "medium", "high", "xhigh", "max"), "output_config.effort")
    if not model.effort:
        raise invalid("This model does not support the effort parameter.")
    if effort not in model.effort:
        levels = ", ".join(model.effort)
        raise invalid(f"This model does not support effort level '{effort}'. Supported levels: {levels}.")


def _sampling(call: Call) -> None:
    """Under the older version: defaults are taken everywhere, others by models that sample."""
    temperature, top_p, top_k = (call.body.get(name) for name in SAMPLING)
    for name, value in (("temperature", temperature), ("top_p", top_p)):
        if value is not None and not 0 <= value <= 1:
            raise invalid(f"{name}: Input should be between 0 and 1")
    if not call.model.sampling:
        for name, value, default in (
            ("temperature", temperature, 1),
            ("top_p", top_p, 1),
            ("top_k", top_k, None),
        ):
            if value is not None and value != default:
                raise invalid(f"`{name}` is not supported for this model; leave it out.")
        return
    if temperature is not None and top_p is not None:
        raise invalid("`temperature` and `top_p` cannot both be specified for this model. Use only one.")
    if call.thinking in ("adaptive", "enabled"):
        if temperature not in (None, 1):
            raise invalid("`temperature` may only be set to 1 when thinking is enabled.")
        if top_p is not None and top_p < 0.95:
            raise invalid("`top_p` must be greater than or equal to 0.95 when thinking is enabled.")
        if top_k is not None:
            raise invalid("`top_k` must be unset when thinking is enabled.")


def _max_tokens(call: Call) -> None:
    body, most = call.body, call.model.max_output
    wanted = body.get("max_tokens")
    if wanted is None:
        return
    if wanted > most:
        raise invalid(
            f"max_tokens: {wanted} > {most}, which is the maximum allowed number of output tokens for {call.model_name}"
        )
    if wanted == 0:
        thinks = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
        forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
        if body.get("stream") or thinks or forced or (body.get("output_config") or {}).get("format"):
            raise invalid("max_tokens: 0 goes with neither streaming, thinking, forced tools nor a format.")


def _speed(call: Call) -> None:
    if call.body.get("speed") != "fast" or call.model.id in ("claude-opus-4-6",):
        return
    if call.model.id not in _FAST:
        raise invalid("speed: fast mode is not supported for this model.")
    needed = _FAST[call.model.id]
    if needed and not _has_beta(call, (needed,)):
        raise invalid("speed: Extra inputs are not permitted")


def _format(call: Call) -> None:
    wanted = (call.body.get("output_config") or {}).get("format")
    if wanted is None:
        return
    conform(wanted, shape(type=str, schema=dict), "output_config.format")
    one_of(wanted["type"], ("json_schema",), "output_config.format.type")
    if not call.model.structured_output:
        raise invalid("output_config.format: structured outputs are not supported for this model.")
    strict_schema(wanted["schema"], "output_config.format.schema")
