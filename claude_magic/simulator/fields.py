"""Which fields an object may have, and which it must."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .call import JSON
from .problem import invalid


class Shape(NamedTuple):
    """Names of fields: required ones with their types, and optional ones."""

    required: dict[str, type | tuple[type, ...]]
    optional: frozenset[str] = frozenset()


def shape(optional: str = "", **required: type | tuple[type, ...]) -> Shape:
    """A shape, its optional fields as words."""
    return Shape(required, frozenset(optional.split()))


_NAMES = {str: "string", list: "list", dict: "object", int: "integer", bool: "boolean"}


def typed(value: Any, kind: type | tuple[type, ...], path: str) -> None:
    """Refuse a value of another type; a boolean is no integer."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)):
        return
    raise invalid(f"{path}: Input should be a valid {' or '.join(_NAMES.get(k, k.__name__) for k in kinds)}")


def one_of(value: Any, choices: Iterable[str], path: str) -> None:
    """Refuse a value that is none of these words."""
    names = list(choices)
    if value not in names:
        quoted = [f"'{name}'" for name in names]
        listed = " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))
        raise invalid(f"{path}: Input should be {listed}")


def conform(value: Any, form: Shape, path: str) -> JSON:
    """Refuse an object with a field missing, of the wrong type, or unknown.

    Returns
    -------
    dict
        The object itself.
    """
    typed(value, dict, path)
    for name, kind in form.required.items():
        if name not in value:
            raise invalid(f"{path}.{name}: Field required")
        typed(value[name], kind, f"{path}.{name}")
    for name in value:
        if name not in form.required and name not in form.optional:
            raise invalid(f"{path}.{name}: Extra inputs are not permitted")
    found: JSON = value
    return found
