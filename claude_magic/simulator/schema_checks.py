"""Check schemas for structured output and strict tools: the subset of JSON Schema that the API supports."""

from __future__ import annotations

import re

from .api_errors import bad_request
from .message_request import JSON
from .schema_sampler import follow

_UNSUPPORTED = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
                "maxLength", "maxItems", "uniqueItems", "minProperties", "maxProperties")  # fmt: skip
_BEYOND_REGULAR = re.compile(r"\(\?(?:[=!]|<[=!])|\\[1-9]")
"""Lookarounds and backreferences, which a ``pattern`` must not use."""


def check_strict_schema(schema: JSON, path: str) -> None:
    """Refuse a schema outside the supported subset."""
    _check(schema, path)
    if _is_recursive(schema, schema, ()):
        raise bad_request(f"{path}: recursive schemas are not supported")


def _check(schema: object, path: str) -> None:
    if isinstance(schema, list):
        for inner in schema:
            _check(inner, path)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise bad_request(f"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    for keyword in _UNSUPPORTED:
        if keyword in schema:
            raise bad_request(f"{path}: For '{schema.get('type')}' type, property '{keyword}' is not supported")
    if schema.get("minItems", 0) not in (0, 1):
        raise bad_request(f"{path}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    if not str(schema.get("$ref", "#")).startswith("#"):
        raise bad_request(f"{path}: an external $ref is not supported")
    if _BEYOND_REGULAR.search(str(schema.get("pattern", ""))):
        raise bad_request(f"{path}: a pattern may neither look around nor refer back")
    for key in ("properties", "$defs"):
        for inner in (schema.get(key) or {}).values():
            _check(inner, path)
    for key in ("items", "anyOf", "allOf", "oneOf"):
        _check(schema.get(key), path)


def _subschemas(schema: JSON) -> list[object]:
    """The schemas directly inside a schema."""
    found: list[object] = [schema.get("items")]
    for key in ("anyOf", "allOf", "oneOf"):
        found += schema.get(key) or []
    return [*found, *(schema.get("properties") or {}).values()]


def _is_recursive(schema: object, root: JSON, followed: tuple[str, ...]) -> bool:
    """Whether following references from here leads back to one already followed."""
    if not isinstance(schema, dict):
        return False
    if isinstance(reference := schema.get("$ref"), str):
        return reference in followed or _is_recursive(follow(reference, root), root, (*followed, reference))
    return any(_is_recursive(inner, root, followed) for inner in _subschemas(schema))
