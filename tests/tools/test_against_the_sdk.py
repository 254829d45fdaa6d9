"""Tool definitions mean the same as those of the official SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_magic.messages.errors import BadInput
from claude_magic.tools import Tool
from tests.processes import run_python
from tests.tools.signatures import FUNCTIONS

PROGRAM = """
import json, sys, warnings
warnings.simplefilter("ignore")
from anthropic import beta_async_tool, beta_tool
from tests.tools.signatures import FUNCTIONS
from inspect import iscoroutinefunction
found = {}
for name, function in FUNCTIONS.items():
    try:
        found[name] = (beta_async_tool if iscoroutinefunction(function) else beta_tool)(function).to_dict()
    except Exception as problem:
        found[name] = repr(problem)
json.dump(found, sys.stdout)
"""

DIFFERENT = {
    "positional_only": "the SDK describes an array of arguments, which the API does not take",
    "none_by_default": "its default is None, so null is accepted; the SDK announces a default that it then refuses",
    "default_of_another_type": "a default that the type refuses is not in the schema",
    "returns_unknown": "the SDK fails: it evaluates the return annotation",
    "numpydoc": "two parameters that are described together are both described",
}
REFUSED = {
    "without_type": "the SDK leaves the type open and passes anything",
    "default_in_field": "the function itself has no default, and a plain call would fail",
    "many": "the SDK refuses it too",
    "named": "the SDK lets Claude invent names",
}


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    return dict(json.loads(run_python(PROGRAM)))


def meaning(schema: Any, names: bool = False) -> Any:
    """A schema without titles, an empty ``required``, and the order of keys."""
    if isinstance(schema, list):
        return [meaning(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if names:
        return {name: meaning(each) for name, each in schema.items()}
    return {
        key: meaning(each, names=key in ("properties", "$defs"))
        for key, each in schema.items()
        if key != "title" and (key, each) != ("required", [])
    }


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - set(DIFFERENT) - set(REFUSED)))
def test_means_the_same(name: str, theirs: dict[str, Any]) -> None:
    ours = Tool.of(FUNCTIONS[name]).to_wire()
    assert meaning(ours["input_schema"]) == meaning(theirs[name]["input_schema"])
    assert (ours["name"], ours.get("description", "")) == (theirs[name]["name"], theirs[name]["description"])


def test_enough_are_compared() -> None:
    assert len(set(FUNCTIONS) - set(DIFFERENT) - set(REFUSED)) >= 60


@pytest.mark.parametrize("name", DIFFERENT)
def test_differs_for_a_reason(name: str, theirs: dict[str, Any]) -> None:
    schema = meaning(Tool.of(FUNCTIONS[name]).input_schema)
    assert isinstance(theirs[name], str) or schema != meaning(theirs[name]["input_schema"])


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_for_a_reason(name: str) -> None:
    with pytest.raises(BadInput, match=f"^{name}: the parameter [*]*values? "):
        Tool.of(FUNCTIONS[name])
