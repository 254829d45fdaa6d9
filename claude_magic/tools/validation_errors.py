"""Validation errors of pydantic, reworded for the model that wrote the value."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from claude_magic.messages.text import one_line

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_NOISE = re.compile(r"^\w+ (?=should )|, (unable to|got) .*| after validation", re.DOTALL)
"""The subject, and what pydantic adds about the value, which is at the end of the line anyway."""

_REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "json_invalid": "is nested too deeply, or contains half of a surrogate pair",  # all else has been decoded from JSON
}

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 80
short_repr = _repr.repr
"""A value on one short line."""


def error_lines(name: str, value: object, error: ValidationError) -> Iterator[str]:
    """One line for each place where a value is invalid: path, reasons, and the value found there.

    Parameters
    ----------
    name : str
        What the path begins with.
    value : object
        The whole value, as decoded from JSON.
    error : pydantic.ValidationError
        Raised by ``validate_json``.
    """
    found: dict[str, list[str]] = {}
    ends: dict[str, str] = {}
    for each in error.errors(include_url=False, include_context=False):
        path = name + _path(value, each)
        reasons = found.setdefault(path, [])
        if (reason := _reason(each)) not in reasons:
            reasons.append(reason)
        got = value if each["type"] == "json_invalid" else each["input"]
        ends[path] = "" if each["type"] == "missing" else f", got {short_repr(got)}"
    for path, reasons in found.items():  # each type of a union has its own reason
        yield f"{path}: {' or '.join(reasons)}{ends[path]}"


def _path(value: object, error: ErrorDetails) -> str:
    """The place inside the value, without the types of unions, which pydantic's own path contains too."""
    path = ""
    for step in error["loc"]:
        if isinstance(value, list) and isinstance(step, int):
            path += f"[{step}]"
            value = value[step] if step < len(value) else None
        elif isinstance(value, dict) and step in value:
            path += f".{one_line(str(step))}"
            value = value[step]
    missing = error["type"] == "missing" and isinstance(error["loc"][-1], str)
    return f"{path}.{error['loc'][-1]}" if missing else path


def _reason(error: ErrorDetails) -> str:
    if error["type"] in _REASONS:
        return _REASONS[error["type"]]
    if error["type"] in ("value_error", "assertion_error"):  # the user's own message follows "Value error, "
        return " ".join(error["msg"].partition(", ")[2].split())
    return _NOISE.sub("", error["msg"])
