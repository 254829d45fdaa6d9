"""What the API refuses, in the order in which it looks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from ..messages import limits
from . import binding, definitions, examples, history, parameters, tokens
from .call import JSON, Call, blocks
from .files import Files
from .problem import Problem, invalid

_DROP_BETA = "thinking-binding-controls-2026-08-01"


def authenticate(headers: Mapping[str, str], keys: set[str] | None) -> None:
    """Refuse a request without a good key.

    Parameters
    ----------
    headers : mapping
        Request headers.
    keys : set of str or None
        The good ones; None takes any key that does not begin with ``wrong``.

    Raises
    ------
    Problem
        401.
    """
    key, bearer = headers.get("x-api-key", ""), headers.get("authorization", "")
    given = key or (bearer[7:] if bearer.lower().startswith("bearer ") else "")
    if not given.strip():
        raise Problem(401, "x-api-key header is required")
    good = given in keys if keys is not None else not given.startswith("wrong")
    if not good:
        raise Problem(401, "invalid x-api-key" if key else "Invalid bearer token")


def version(headers: Mapping[str, str]) -> str:
    """The ``anthropic-version`` of a request, if it is one that exists."""
    found = headers.get("anthropic-version", "")
    if not found:
        raise invalid("anthropic-version: header is required")
    if found not in limits.versions():
        raise invalid(f'anthropic-version: "{found}" is not a valid version')
    return found


def betas(headers: Mapping[str, str]) -> frozenset[str]:
    """The values of ``anthropic-beta``, if they look like betas."""
    found = [name.strip() for name in headers.get("anthropic-beta", "").split(",") if name.strip()]
    if odd := [name for name in found if not parameters.BETA.fullmatch(name)]:
        raise invalid(f"Unexpected value(s) {', '.join(odd)} for the `anthropic-beta` header.")
    return frozenset(found)


def size(length: int) -> None:
    """Refuse a body that is too large."""
    if length > limits.MAX_REQUEST_BYTES:
        raise Problem(413)


def parse(raw: bytes) -> JSON:
    """The JSON object of a body."""
    try:
        body = json.loads(raw)
        if b"\\ud" in raw.lower():  # half a surrogate pair is no text
            json.dumps(body, ensure_ascii=False).encode()
    except ValueError as error:
        raise invalid(f"The request body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise invalid("The request body must be a JSON object.")
    return body


def admit(
    raw: bytes, headers: Mapping[str, str], keys: set[str] | None, files: Files, *, counting: bool = False
) -> Call:
    """Check a request from the key to the last block.

    Parameters
    ----------
    raw : bytes
        The body.
    headers : mapping
        Request headers.
    keys : set of str or None
        As for :func:`authenticate`.
    files : Files
        What its messages may name by id.
    counting : bool
        Whether only its tokens are to be counted: then there is no ``max_tokens``.

    Returns
    -------
    Call

    Raises
    ------
    Problem
        With the status and the text of the first thing that is wrong.
    """
    authenticate(headers, keys)
    number, names = version(headers), betas(headers)
    size(len(raw))
    found = Call(parse(raw), limits.lookup(""), "", number, names)
    parameters.fields(found, counting=counting)
    parameters.version_rules(found)
    found, shown = _with_model(found)
    if shown:
        return found
    found = files.opened(found)
    for rules in (parameters.model_rules, history.check, definitions.check, _cache_marks, _fits_context):
        rules(found)
    return _bound(found)


def _with_model(call: Call) -> tuple[Call, bool]:
    """The call with its model looked up, and whether documentation shows just this for a retired one."""
    name = call.body["model"]
    known = {alias: model for model in limits.models() for alias in (model.id, *model.aliases)}
    if model := known.get(name):
        return dataclasses.replace(call, model=model, model_name=model.id), False
    if name in limits.retired() and examples.is_page(call.body):
        old = dataclasses.replace(limits.lookup("claude-opus-4-5"), id=name)
        return dataclasses.replace(call, model=old, model_name=name), examples.find(call.body) is not None
    raise Problem(404, f"model: {name}")


def _marked(value: Any) -> list[JSON]:
    """Every cache mark in some tools, system prompt or messages, in order."""
    if isinstance(value, list):
        return [mark for inner in value for mark in _marked(inner)]
    if not isinstance(value, dict):
        return []
    mark = value.get("cache_control")
    return ([mark] if mark else []) + _marked(value.get("content"))


def _cache_marks(call: Call) -> None:
    body = call.body
    marks = _marked(call.tools) + _marked(body.get("system")) + _marked(call.messages)
    automatic = body.get("cache_control")
    count = len(marks) + bool(automatic)
    if count > 4:
        raise invalid(f"A maximum of 4 blocks with cache_control may be provided. Found {count}.")
    lives = [str(mark.get("ttl") or "5m") for mark in [*marks, *([automatic] if automatic else [])]]
    if "1h" in lives[lives.index("5m") :] if "5m" in lives else False:
        raise invalid("cache_control: a ttl='1h' block must not come after a ttl='5m' block.")
    last = (blocks(call.messages[-1]["content"]) or [{}])[-1].get("cache_control")
    if automatic and last and (last.get("ttl") or "5m") != (automatic.get("ttl") or "5m"):
        raise invalid("cache_control: the last block is marked with another ttl.")


def _fits_context(call: Call) -> None:
    count = tokens.of_request(call.body, call.model.image_tier)
    if count > call.model.context:
        raise invalid(f"prompt is too long: {count} tokens > {call.model.context} maximum")


def _bound(call: Call) -> Call:
    """Refuse thinking that stands elsewhere than where it was made, or drop it if asked to."""
    found = list(binding.mismatches(call.body, call.model_name, bound=call.model.bound_thinking))
    if not found:
        return call
    wish = ((call.body.get("thinking") or {}).get("block_binding") or {}).get("prefix_mismatch_behavior")
    if wish != "drop_block" or _DROP_BETA not in call.betas:
        raise found[0][2]
    bad = {(i, j) for i, j, _ in found}
    messages = [
        {
            **message,
            "content": [block for j, block in enumerate(blocks(message["content"])) if (i, j) not in bad],
        }
        for i, message in enumerate(call.messages)
    ]
    dropped = tuple(
        {
            "type": "thinking_dropped",
            "path": f"messages.{i}.content.{j}",
            "reason": "prefix_binding_mismatch",
        }
        for i, j in sorted(bad)
    )
    return dataclasses.replace(call, body={**call.body, "messages": messages}, transformations=dropped)
