"""Schemas that answers and tool inputs can be held to: a part of JSON Schema."""

from __future__ import annotations

import re
from typing import Any

from .call import JSON
from .problem import invalid
from .schemas import follow

_UNSUPPORTED = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
                "maxLength", "maxItems", "uniqueItems", "minProperties", "maxProperties")  # fmt: skip
_BEYOND_REGULAR = re.compile(r"\(\?(?:[=!]|<[=!])|\\[1-9]")
"""Looking ahead or back, and repeating what a group matched."""


def strict_schema(schema: JSON, path: str) -> None:
    """Refuse a schema that answers cannot be held to."""
    _check(schema, path)
    if _contains_itself(schema, schema, ()):
        raise invalid(f"{path}: recursive schemas are not supported")


def _check(schema: Any, path: str) -> None:
    if isinstance(schema, list):
        for inner in schema:
            _check(inner, path)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise invalid(f"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    for keyword in _UNSUPPORTED:
        if keyword in schema:
            raise invalid(f"{path}: For '{schema.get('type')}' type, property '{keyword}' is not supported")
    if schema.get("minItems", 0) not in (0, 1):
        raise invalid(f"{path}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    if str(schema.get("$ref", "#")).startswith("#") is False:
        raise invalid(f"{path}: an external $ref is not supported")
    if _BEYOND_REGULAR.search(str(schema.get("pattern", ""))):
        raise invalid(f"{path}: a pattern may neither look around nor refer back")
    for key in ("properties", "$defs"):
        for inner in (schema.get(key) or {}).values():
            _check(inner, path)
    for key in ("items", "anyOf", "allOf", "oneOf"):
        _check(schema.get(key), path)


def _inner(schema: JSON) -> list[Any]:
    """The schemas right inside a schema."""
    found: list[Any] = [schema.get("items")]
    for key in ("anyOf", "allOf", "oneOf"):
        found += schema.get(key) or []
    return [*found, *(schema.get("properties") or {}).values()]


def _contains_itself(schema: Any, root: JSON, passed: tuple[str, ...]) -> bool:
    """Whether following references from here leads round in a circle."""
    if not isinstance(schema, dict):
        return False
    if isinstance(reference := schema.get("$ref"), str):
        return reference in passed or _contains_itself(follow(reference, root), root, (*passed, reference))
    return any(_contains_itself(inner, root, passed) for inner in _inner(schema))
