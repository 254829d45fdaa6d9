"""Usages as they are noted in files, and read again from files that anybody may have written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from claude_magic.messages.usage import Usage

_NAMES = frozenset(field.name for field in dataclasses.fields(Usage))


def noted(usage: Usage) -> dict[str, Any]:
    """What is not zero, in a form that JSON can hold."""
    values = {name: getattr(usage, name) for name in sorted(_NAMES)}
    runs = [[model, noted(run)] for model, run in values.pop("iterations", ())]
    return {name: value for name, value in values.items() if value} | ({"iterations": runs} if runs else {})


def read(values: object) -> Usage:
    """The usage that was noted; what has no sense is left out."""
    if not isinstance(values, Mapping):
        return Usage()
    found: dict[str, Any] = {
        name: value
        for name, value in values.items()
        if name in _NAMES and type(value) is (bool if name == "at_least" else int) and value >= 0
    }
    runs = values.get("iterations")
    if isinstance(runs, list) and "iterations" in _NAMES:
        pairs = [run for run in runs if isinstance(run, list) and len(run) == 2 and isinstance(run[0], str)]
        found["iterations"] = tuple((model, read(counts)) for model, counts in pairs)
    return Usage(**found)
