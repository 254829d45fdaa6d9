"""Check everything in a request except its messages and tools."""

from __future__ import annotations

import re

from ..messages import limits
from .api_errors import bad_request
from .field_checks import Types, check_choice, check_object, check_type, spec
from .message_request import JSON, MessageRequest
from .schema_checks import check_strict_schema

BETA = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*-\d{4}-\d{2}-\d{2}")
"""The form of a beta's name, for instance ``files-api-2025-04-14``."""

SAMPLING = ("temperature", "top_p", "top_k")
_FIELDS: dict[str, Types] = {
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
_NOT_FOR_COUNTING = (*SAMPLING, "max_tokens", "stop_sequences", "stream", "metadata", "service_tier", "container")
_BETA_FIELDS = {
    "context_management": ("context-management", "compact"),
    "compaction": ("compact",),
    "mcp_servers": ("mcp-client",),
    "fallbacks": ("server-side-fallback",),
    "fallback_credit_token": ("fallback-credit",),
    "thread": ("message-threads",),
    "billing_policy": ("user-profiles-billing",),
}
"""Fields that exist only with a beta, and how the beta's name begins."""
_CACHE_MARK = spec("ttl", type=str)
_USE_ADAPTIVE = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
_FAST = {
    "claude-opus-5-5": None,
    "claude-fable-5-2": None,
    "claude-opus-5": "fast-mode",
    "claude-opus-4-8": "fast-mode",
}
"""Models with a fast mode, and the beta that it still needs, if any."""


def check_fields(request: MessageRequest, *, counting: bool) -> None:
    """Check for required fields, then unknown fields and types, then plain values."""
    body = request.body
    for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        if name not in body:
            raise bad_request(f"{name}: Field required")
    for name, value in body.items():
        if counting and name in _NOT_FOR_COUNTING and name not in SAMPLING:
            raise bad_request(f"{name}: Extra inputs are not permitted")
        if name in _FIELDS:
            if value is not None or name not in _NULLABLE:
                check_type(value, _FIELDS[name], name)
        elif not _has_beta(request, _BETA_FIELDS.get(name, ())):
            raise bad_request(f"{name}: Extra inputs are not permitted")
    _check_values(body)


def _has_beta(request: MessageRequest, prefixes: tuple[str, ...]) -> bool:
    return any(beta.startswith(prefix) for beta in request.betas for prefix in prefixes)


def _check_values(body: JSON) -> None:
    """Values that are wrong for every model: negative counts, blank stop sequences, unknown words."""
    if body.get("max_tokens", 0) < 0:
        raise bad_request("max_tokens: Input should be greater than or equal to 0")
    for i, sequence in enumerate(body.get("stop_sequences", ())):
        check_type(sequence, str, f"stop_sequences.{i}")
        if not sequence.strip():
            raise bad_request("stop_sequences: each stop sequence must contain non-whitespace")
    if body.get("cache_control"):
        check_cache_mark(body["cache_control"], "cache_control")
    if body.get("diagnostics"):
        check_object(body["diagnostics"], spec("previous_message_id"), "diagnostics")
        if (identifier := body["diagnostics"].get("previous_message_id")) is not None:
            check_type(identifier, str, "diagnostics.previous_message_id")
    if "metadata" in body:
        check_object(body["metadata"], spec("user_id"), "metadata")
    if "service_tier" in body:
        check_choice(body["service_tier"], ("auto", "standard_only"), "service_tier")
    for name, choices in (("speed", ("standard", "fast")), ("inference_geo", ("us", "global"))):
        if body.get(name) is not None:
            check_choice(body[name], choices, name)


def check_cache_mark(mark: object, path: str) -> None:
    """Check a ``cache_control`` that is not null: of type ``ephemeral``, kept for 5 minutes or an hour."""
    fields = check_object(mark, _CACHE_MARK, path)
    check_choice(fields["type"], ("ephemeral",), f"{path}.type")
    if fields.get("ttl") is not None:
        check_choice(fields["ttl"], ("5m", "1h"), f"{path}.ttl")


def check_version_rules(request: MessageRequest) -> None:
    """Newer versions of the API have no sampling parameters at all."""
    for name in SAMPLING:
        if name in request.body and not limits.sampling_allowed(request.version):
            raise bad_request(f"{name}: Extra inputs are not permitted")


def check_model_rules(request: MessageRequest) -> None:
    """Check what depends on the model: thinking, effort, sampling, output limit, format and speed."""
    _check_thinking(request)
    _check_effort(request)
    _check_sampling(request)
    _check_max_tokens(request)
    _check_format(request)
    _check_speed(request)


def _check_thinking(request: MessageRequest) -> None:
    """The model must support the type, and without thinking some models support only lower effort."""
    thinking, model = request.body.get("thinking"), request.model
    if thinking is None:
        return
    kind = thinking.get("type")
    check_choice(kind, ("adaptive", "enabled", "disabled", "between_tools"), "thinking.type")
    binding = ("block_binding",) if _has_beta(request, ("thinking-binding-controls",)) else ()
    optional = {"adaptive": ("display", *binding), "enabled": ("display", *binding)}.get(kind, ())
    required: dict[str, Types] = {"budget_tokens": int} if kind == "enabled" else {}
    check_object(thinking, spec(" ".join(optional), type=str, **required), "thinking")
    if thinking.get("display") is not None:
        updates = ("updates",) if _has_beta(request, ("thinking-display",)) else ()
        check_choice(thinking["display"], ("summarized", "omitted", *updates), "thinking.display")
    if kind not in model.thinking:
        if kind == "adaptive":
            raise bad_request("adaptive thinking is not supported on this model")
        raise bad_request(f'"thinking.type.{kind}" is not supported for this model. {_USE_ADAPTIVE}')
    if kind == "enabled":
        _check_budget(request)
    effort = (request.body.get("output_config") or {}).get("effort") or model.default_effort
    if kind in ("disabled", "between_tools") and model.no_thinking_up_to:
        allowed = model.effort[: model.effort.index(model.no_thinking_up_to) + 1]
        if effort not in allowed:
            raise bad_request(f'"thinking.type.{kind}" is not supported at effort "{effort}". {_USE_ADAPTIVE}')


def _check_budget(request: MessageRequest) -> None:
    """``budget_tokens`` is at least 1024 and less than ``max_tokens``."""
    budget = request.body["thinking"]["budget_tokens"]
    if budget < 1024:
        raise bad_request("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if "max_tokens" in request.body and budget >= request.body["max_tokens"]:
        raise bad_request("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_effort(request: MessageRequest) -> None:
    """The model must support effort, and this level of it."""
    config, model = request.body.get("output_config"), request.model
    if config is None:
        return
    budget = " task_budget" if _has_beta(request, ("task-budgets",)) else ""
    check_object(config, spec(f"effort format{budget}"), "output_config")
    effort = config.get("effort")
    if effort is None:
        return
    check_choice(effort, ("low", "medium", "high", "xhigh", "max"), "output_config.effort")
    if not model.effort:
        raise bad_request("This model does not support the effort parameter.")
    if effort not in model.effort:
        levels = ", ".join(model.effort)
        raise bad_request(f"This model does not support effort level '{effort}'. Supported levels: {levels}.")


def _check_sampling(request: MessageRequest) -> None:
    """Under the older version every model accepts the defaults, and models that sample other values, too."""
    temperature, top_p, top_k = (request.body.get(name) for name in SAMPLING)
    for name, value in (("temperature", temperature), ("top_p", top_p)):
        if value is not None and not 0 <= value <= 1:
            raise bad_request(f"{name}: Input should be between 0 and 1")
    if not request.model.sampling:
        for name, value, default in (("temperature", temperature, 1), ("top_p", top_p, 1), ("top_k", top_k, None)):
            if value is not None and value != default:
                raise bad_request(f"`{name}` is not supported for this model; leave it out.")
        return
    if temperature is not None and top_p is not None:
        raise bad_request("`temperature` and `top_p` cannot both be specified for this model. Use only one.")
    if request.thinking_type in ("adaptive", "enabled"):
        if temperature not in (None, 1):
            raise bad_request("`temperature` may only be set to 1 when thinking is enabled.")
        if top_p is not None and top_p < 0.95:
            raise bad_request("`top_p` must be greater than or equal to 0.95 when thinking is enabled.")
        if top_k is not None:
            raise bad_request("`top_k` must be unset when thinking is enabled.")


def _check_max_tokens(request: MessageRequest) -> None:
    """At most what the model can write; 0 only fills the cache, and so excludes what shapes an answer."""
    body, most = request.body, request.model.max_output
    wanted = body.get("max_tokens")
    if wanted is None:
        return
    if wanted > most:
        raise bad_request(
            f"max_tokens: {wanted} > {most}, which is the maximum allowed number of output tokens "
            f"for {request.model_name}"
        )
    if wanted == 0:
        thinks = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
        forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
        if body.get("stream") or thinks or forced or (body.get("output_config") or {}).get("format"):
            raise bad_request("max_tokens: 0 goes with neither streaming, thinking, forced tools nor a format.")


def _check_speed(request: MessageRequest) -> None:
    """Fast mode exists on some models only, on some of them behind a beta."""
    if request.body.get("speed") != "fast" or request.model.id in ("claude-opus-4-6",):
        return
    if request.model.id not in _FAST:
        raise bad_request("speed: fast mode is not supported for this model.")
    needed = _FAST[request.model.id]
    if needed and not _has_beta(request, (needed,)):
        raise bad_request("speed: Extra inputs are not permitted")


def _check_format(request: MessageRequest) -> None:
    """Structured output needs a model that supports it and a strict schema."""
    wanted = (request.body.get("output_config") or {}).get("format")
    if wanted is None:
        return
    check_object(wanted, spec(type=str, schema=dict), "output_config.format")
    check_choice(wanted["type"], ("json_schema",), "output_config.format.type")
    if not request.model.structured_output:
        raise bad_request("output_config.format: structured outputs are not supported for this model.")
    check_strict_schema(wanted["schema"], "output_config.format.schema")
