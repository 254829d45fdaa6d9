"""Check a request in the order in which the API does: key, headers, body, model, then all other rules."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

from ..messages import limits
from . import documentation_examples, message_checks, parameter_checks, thinking_signatures, tokens, tool_checks
from .api_errors import ErrorResponse, bad_request
from .file_storage import FileStorage
from .message_request import JSON, MessageRequest, as_blocks

_DROP_BETA = "thinking-binding-controls-2026-08-01"
_MAX_BREAKPOINTS = 4


def authenticate(headers: Mapping[str, str], keys: set[str] | None) -> None:
    """Refuse a request without a valid key, in ``x-api-key`` or as a bearer token.

    Parameters
    ----------
    headers : mapping
        Request headers.
    keys : set of str or None
        The valid keys; None accepts any key that does not begin with ``wrong``.

    Raises
    ------
    ErrorResponse
        401.
    """
    key, bearer = headers.get("x-api-key", ""), headers.get("authorization", "")
    sent = key or (bearer[7:] if bearer.lower().startswith("bearer ") else "")
    if not sent.strip():
        raise ErrorResponse(401, "x-api-key header is required")
    valid = sent in keys if keys is not None else not sent.startswith("wrong")
    if not valid:
        raise ErrorResponse(401, "invalid x-api-key" if key else "Invalid bearer token")


def version(headers: Mapping[str, str]) -> str:
    """The ``anthropic-version`` of a request; it is required and must exist."""
    found = headers.get("anthropic-version", "")
    if not found:
        raise bad_request("anthropic-version: header is required")
    if found not in limits.versions():
        raise bad_request(f'anthropic-version: "{found}" is not a valid version')
    return found


def betas(headers: Mapping[str, str]) -> frozenset[str]:
    """The values of ``anthropic-beta``; names and dates are not checked, only their form."""
    found = [name.strip() for name in headers.get("anthropic-beta", "").split(",") if name.strip()]
    if malformed := [name for name in found if not parameter_checks.BETA.fullmatch(name)]:
        raise bad_request(f"Unexpected value(s) {', '.join(malformed)} for the `anthropic-beta` header.")
    return frozenset(found)


def parse(raw: bytes) -> JSON:
    """The body as a JSON object."""
    try:
        body = json.loads(raw)
        if b"\\ud" in raw.lower():  # json accepts half a surrogate pair; encoding it again fails, as it should
            json.dumps(body, ensure_ascii=False).encode()
    except ValueError as error:
        raise bad_request(f"The request body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise bad_request("The request body must be a JSON object.")
    return body


def admit(
    raw: bytes, headers: Mapping[str, str], keys: set[str] | None, files: FileStorage, *, counting: bool = False
) -> MessageRequest:
    """Check a whole request.

    Parameters
    ----------
    raw : bytes
        The body.
    headers : mapping
        Request headers.
    keys : set of str or None
        As for :func:`authenticate`.
    files : FileStorage
        The files that messages may refer to by id.
    counting : bool
        Whether it is a request to ``count_tokens``, which takes no ``max_tokens``.

    Returns
    -------
    MessageRequest

    Raises
    ------
    ErrorResponse
        For the first thing that is wrong.
    """
    authenticate(headers, keys)
    version_sent, betas_sent = version(headers), betas(headers)
    if len(raw) > limits.MAX_REQUEST_BYTES:
        raise ErrorResponse(413)
    request = MessageRequest(parse(raw), limits.lookup(""), "", version_sent, betas_sent)
    parameter_checks.check_fields(request, counting=counting)
    parameter_checks.check_version_rules(request)
    request, from_documentation = _with_model(request)
    if from_documentation:
        return request
    request = files.insert(request)
    parameter_checks.check_model_rules(request)
    message_checks.check(request)
    tool_checks.check(request)
    _check_cache_marks(request)
    _check_context(request)
    return _check_thinking_signatures(request)


def _with_model(request: MessageRequest) -> tuple[MessageRequest, bool]:
    """The request with its model looked up, and whether it is an example from the documentation."""
    name = request.body["model"]
    known = {alias: model for model in limits.models() for alias in (model.id, *model.aliases)}
    if model := known.get(name):
        return dataclasses.replace(request, model=model, model_name=model.id), False
    if name in limits.retired() and documentation_examples.is_page(request.body):
        retired = dataclasses.replace(limits.lookup("claude-opus-4-5"), id=name)
        shown = documentation_examples.find(request.body) is not None
        return dataclasses.replace(request, model=retired, model_name=name), shown
    raise ErrorResponse(404, f"model: {name}")


def _cache_marks(value: object) -> list[JSON]:
    """Every ``cache_control`` in tools, a system prompt or messages, in prompt order."""
    if isinstance(value, list):
        return [mark for inner in value for mark in _cache_marks(inner)]
    if not isinstance(value, dict):
        return []
    mark = value.get("cache_control")
    return ([mark] if mark else []) + _cache_marks(value.get("content"))


def _check_cache_marks(request: MessageRequest) -> None:
    """At most four breakpoints; longer TTLs come first; the automatic one agrees with the last block's."""
    body = request.body
    marks = _cache_marks(request.tools) + _cache_marks(body.get("system")) + _cache_marks(request.messages)
    automatic = body.get("cache_control")
    count = len(marks) + bool(automatic)
    if count > _MAX_BREAKPOINTS:
        raise bad_request(f"A maximum of {_MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {count}.")
    ttls = [str(mark.get("ttl") or "5m") for mark in [*marks, *([automatic] if automatic else [])]]
    if "5m" in ttls and "1h" in ttls[ttls.index("5m") :]:
        raise bad_request("cache_control: a ttl='1h' block must not come after a ttl='5m' block.")
    last = (as_blocks(request.messages[-1]["content"]) or [{}])[-1].get("cache_control")
    if automatic and last and (last.get("ttl") or "5m") != (automatic.get("ttl") or "5m"):
        raise bad_request("cache_control: the last block is marked with another ttl.")


def _check_context(request: MessageRequest) -> None:
    """The prompt must fit the model's context window."""
    count = tokens.of_request(request.body, request.model.image_tier)
    if count > request.model.context:
        raise bad_request(f"prompt is too long: {count} tokens > {request.model.context} maximum")


def _check_thinking_signatures(request: MessageRequest) -> MessageRequest:
    """Refuse thinking blocks that were changed or moved, or drop them if the request asks for that."""
    model = request.model
    found = list(thinking_signatures.mismatches(request.body, request.model_name, bound=model.bound_thinking))
    if not found:
        return request
    thinking = request.body.get("thinking") or {}
    behavior = (thinking.get("block_binding") or {}).get("prefix_mismatch_behavior")
    if behavior != "drop_block" or _DROP_BETA not in request.betas:
        raise found[0][2]
    bad = {(i, j) for i, j, _ in found}
    messages = [
        {**message, "content": [block for j, block in enumerate(as_blocks(message["content"])) if (i, j) not in bad]}
        for i, message in enumerate(request.messages)
    ]
    dropped = tuple(
        {"type": "thinking_dropped", "path": f"messages.{i}.content.{j}", "reason": "prefix_binding_mismatch"}
        for i, j in sorted(bad)
    )
    return dataclasses.replace(request, body={**request.body, "messages": messages}, transformations=dropped)
