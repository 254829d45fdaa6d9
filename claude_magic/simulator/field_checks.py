"""Check the fields of a JSON object as the API does: required, typed, nothing unknown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .api_errors import bad_request
from .message_request import JSON

Types = type | tuple[type, ...]


class ObjectSpec(NamedTuple):
    """The fields of an object: required ones with their types, and names of optional ones."""

    required: dict[str, Types]
    optional: frozenset[str] = frozenset()


def spec(optional: str = "", **required: Types) -> ObjectSpec:
    """An :class:`ObjectSpec`; optional fields are separated by spaces."""
    return ObjectSpec(required, frozenset(optional.split()))


_NAMES = {str: "string", list: "list", dict: "object", int: "integer", bool: "boolean"}


def check_type(value: object, kind: Types, path: str) -> None:
    """Refuse a value of another type; unlike in Python, a boolean is not an integer."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)):
        return
    raise bad_request(f"{path}: Input should be a valid {' or '.join(_NAMES.get(k, k.__name__) for k in kinds)}")


def check_choice(value: object, choices: Iterable[str], path: str) -> None:
    """Refuse a value that is not one of the choices."""
    names = list(choices)
    if value not in names:
        quoted = [f"'{name}'" for name in names]
        listed = " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))
        raise bad_request(f"{path}: Input should be {listed}")


def check_page_limit(limit: str | None, default: int) -> int:
    """The ``limit`` of a list request, 1 to 1000."""
    if limit is not None and not (limit.isdigit() and 1 <= int(limit) <= 1000):
        raise bad_request("limit: Input should be between 1 and 1000")
    return int(limit or default)


def check_object(value: object, fields: ObjectSpec, path: str) -> JSON:
    """Refuse an object with a field that is missing, unknown or of the wrong type.

    Returns
    -------
    dict
        The object itself.
    """
    if not isinstance(value, dict):
        raise bad_request(f"{path}: Input should be a valid object")
    for name, kind in fields.required.items():
        if name not in value:
            raise bad_request(f"{path}.{name}: Field required")
        check_type(value[name], kind, f"{path}.{name}")
    for name in value:
        if name not in fields.required and name not in fields.optional:
            raise bad_request(f"{path}.{name}: Extra inputs are not permitted")
    return value
