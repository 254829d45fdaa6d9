"""Arguments: their schema, and the conversion and validation of what Claude passes."""

from __future__ import annotations

import datetime
import enum
import inspect
import json
import keyword
import pathlib
import re
import typing
import uuid
from typing import Annotated, Any, Literal

import jsonschema
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_magic.tools import Tool
from claude_magic.tools.definition import WrongArguments
from tests.processes import run_python
from tests.tools import signatures


def bound(function: Any, **given: Any) -> Any:
    return Tool.of(function).bind(given)


def wrong(function: Any, given: Any) -> list[str]:
    with pytest.raises(WrongArguments) as caught:
        Tool.of(function).bind(given)
    return str(caught.value).splitlines()


def run_query(sql: str, limit: int = 100) -> None: ...


def test_values_are_converted() -> None:
    assert bound(run_query, sql="select 1", limit="3") == ((), {"sql": "select 1", "limit": 3})
    assert bound(run_query, sql="", limit=3.0) == ((), {"sql": "", "limit": 3})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("pair", [1, "a"], (1, "a")),
        ("named_pair", [1], signatures.Pair(1)),
        ("members", ["a", "b"], {"a", "b"}),
        ("by_number", {"1": "a"}, {1: "a"}),
        ("moment", "2024-02-29T12:00:00Z", datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC)),
        ("day", "2024-02-29", datetime.date(2024, 2, 29)),
        ("duration", "PT90S", datetime.timedelta(seconds=90)),
        ("file", "a/b.csv", pathlib.Path("a/b.csv")),
        ("identity", "12345678-1234-5678-1234-567812345678", uuid.UUID("12345678123456781234567812345678")),
        ("colour", "green", signatures.Colour.GREEN),
        ("level", 1, signatures.Level.LOW),
        ("point", {"x": "1"}, signatures.Point(1.0)),
        ("as_string", [{"x": 1, "y": 2}], [signatures.Point(1.0, 2.0)]),
        ("options", {"width": 3}, {"width": 3}),
        ("person", {"name": "Ada", "age": "36"}, signatures.Person(name="Ada", age=36)),
        ("pet", {"kind": "dog", "tricks": []}, signatures.Dog(kind="dog", tricks=[])),
        ("iterable", [1, "2"], [1, 2]),
        ("none_by_default", None, None),
        ("any_value", {"a": [1, None]}, {"a": [1, None]}),
        ("awkward_names", 1, 1),
    ],
)
def test_json_becomes_python(name: str, value: Any, expected: Any) -> None:
    function = signatures.FUNCTIONS[name]
    if name == "awkward_names":
        given = {"schema": 1, "json": "j", "copy": True, "model_config": 2, "self": 3, "_x": 4, "type": "t"}
        assert Tool.of(function).bind(given) == ((), given)
        return
    _, kwargs = Tool.of(function).bind({"value": value})
    assert kwargs == {"value": expected}
    assert type(kwargs["value"]) is type(expected)


def test_defaults_are_the_functions_own() -> None:
    kept: list[int] = []

    def remember(value: int, into: list[int] = kept) -> list[int]:
        into.append(value)
        return into

    args, kwargs = bound(remember, value=1)
    assert remember(*args, **kwargs) is kept
    assert kept == [1]


def test_positional_only_parameters() -> None:
    kept: list[int] = []

    def f(a: int = 1, b: list[int] = kept, /, c: int = 3, *, d: int = 4) -> tuple[Any, ...]:
        return a, b, c, d

    args, kwargs = bound(f, d=5, a=6)
    assert (args, kwargs) == ((6, []), {"d": 5})
    assert args[1] is kept
    assert f(*bound(f, b=[2])[0]) == (1, [2], 3, 4)


def test_all_problems_at_once() -> None:
    def f(sql: str, limit: int, points: list[signatures.Point], colour: signatures.Colour) -> None: ...

    given = {"limit": "ten", "points": [{"x": 1}, {"y": "up"}, 3], "colour": "blue", "limt": 5}
    assert wrong(f, given) == [
        "sql: is missing",
        "limit: should be a valid integer, got 'ten'",
        "points[1].x: is missing",
        "points[1].y: should be a valid number, got 'up'",
        "points[2]: should be an object, got 3",
        "colour: should be 'red' or 'green', got 'blue'",
        "limt: is not a parameter, got 5 (allowed: sql, limit, points, colour)",
    ]


def even(value: int) -> int:
    if value % 2:
        raise ValueError("Take an even number, got an odd one")
    return value


Even = Annotated[int, pydantic.AfterValidator(even)]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("union", [], "value: should be a valid integer or should be a valid string, got []"),
        ("union_of_lists", ["a"], "value[0]: should be a valid integer, got 'a'"),
        ("whole", 3.5, "value: should be a valid integer, got 3.5"),
        ("whole", None, "value: should be a valid integer, got None"),
        ("bounded", 11, "value: should be less than or equal to 10, got 11"),
        ("pair", [1, "a", 2], "value: should have at most 2 items, not 3, got [1, 'a', 2]"),
        ("pattern", "A", "value: should match pattern '^[a-z]+$', got 'A'"),
        ("mapping", {"a\nb: c": ""}, "value.a b: c: should be a valid integer, got ''"),
        ("plain_union_of_models", {}, "value.kind: is missing"),
        ("one_of", "c", "value: should be 'a' or 'b', got 'c'"),
        ("by_number", {"a": "b"}, "value.a: should be a valid integer, got 'a'"),
        ("pair", [1], "value[1]: is missing"),
        ("pet", {"kind": "cat", "lives": "all"}, "value.lives: should be a valid integer, got 'all'"),
        (
            "person",
            {"name": "A", "address": {"street": "B", "zip": 3}},
            "value.address.zip: is not a known field, got 3",
        ),
        ("text", "\ud800", r"value: is nested too deeply, or contains half of a surrogate pair, got '\ud800'"),
        ("text", "x\n" * 10**6, None),
        ("text", list(range(1000)), "value: should be a valid string, got [0, 1, 2, 3, 4, 5, ...]"),
        ("day", "soon", "value: should be a valid date or datetime, input is too short, got 'soon'"),
    ],
)
def test_one_problem(name: str, value: Any, line: str | None) -> None:
    if line is None:
        assert bound(signatures.FUNCTIONS[name], value=value) == ((), {"value": value})
    else:
        assert line in wrong(signatures.FUNCTIONS[name], {"value": value})


def test_messages_of_the_users_validators() -> None:
    def f(rows: Annotated[int, pydantic.Field(gt=0)], value: Even) -> None: ...

    assert wrong(f, {"rows": 1, "value": 3}) == ["value: Take an even number, got an odd one, got 3"]


def test_long_values_and_many_problems_are_kept_short() -> None:
    lines = wrong(signatures.integers, {"value": ["x" * 1000] * 50})
    assert len(lines) == 21
    assert lines[-1] == "and 30 more"
    assert all(len(line) < 200 for line in lines)
    assert "pydantic" not in "".join(lines)


@pytest.mark.parametrize("value", [None, [], "{}", 3])
def test_arguments_that_are_not_an_object(value: Any) -> None:
    assert wrong(run_query, value) == [f"the arguments should be an object, got {value!r}"]


def test_without_parameters() -> None:
    assert bound(signatures.nothing) == ((), {})
    assert wrong(signatures.nothing, {"a": 1}) == ["a: is not a parameter, got 1 (allowed: none)"]


def test_defaults_in_the_schema() -> None:
    def f(a: set[str] = {"b", "a", "c"}, b: Any = object(), c: float = float("inf"), d: int = "auto") -> None: ...  # type: ignore[assignment]  # noqa: B006, B008

    schema = Tool.of(f).input_schema
    assert {name: each.get("default", "none") for name, each in schema["properties"].items()} == {
        "a": ["a", "b", "c"],
        "b": "none",
        "c": "none",
        "d": "none",
    }
    assert schema["required"] == []


def test_a_field_with_a_default_that_json_cannot_represent() -> None:
    class Settings(pydantic.BaseModel):
        value: Any = object()

    def f(a: Settings) -> None: ...

    assert Tool.of(f).input_schema["$defs"]["Settings"]["properties"] == {"value": {}}


def test_a_default_that_contains_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)

    def f(a: list[Any] = loop) -> list[Any]:
        return a

    assert Tool.of(f).input_schema["properties"] == {"a": {"type": "array", "items": {}}}
    assert f(**bound(f)[1]) is loop


def test_order_and_titles() -> None:
    def f(zebra: int, apple: signatures.Path, title: str = "") -> None: ...

    schema = Tool.of(f).input_schema
    assert list(schema["properties"]) == ["zebra", "apple", "title"]
    assert list(schema["$defs"]["Path"]["properties"]) == ["points", "title"]
    assert '"title": "' not in json.dumps(schema)


PROGRAM = """
import json, sys
from claude_magic.tools import Tool
from tests.tools.signatures import FUNCTIONS
for name in ("path", "people", "colour_with_default", "members", "with_many_defaults"):
    print(json.dumps(Tool.of(FUNCTIONS[name]).to_wire()))
def f(a: set[str] = {"x", "y", "z", "w"}): ...
print(json.dumps(Tool.of(f).to_wire()))
"""


def test_the_same_bytes_in_every_process() -> None:
    outputs = {run_python(PROGRAM, {"PYTHONHASHSEED": seed}) for seed in "123"}
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == 6


def test_the_same_bytes_after_the_cell_ran_again() -> None:
    cell = """
import enum
class Colour(enum.Enum):
    RED = "r"
def f(a: int, b: "list[Colour]", c: Colour = Colour.RED) -> Nowhere: "Do."
"""
    wires = []
    notebook: dict[str, Any] = {}
    for _ in range(2):
        exec(compile("from __future__ import annotations\n" + cell, "cell", "exec"), notebook)
        wires.append(json.dumps(Tool.of(notebook["f"]).to_wire()))
    assert wires[0] == wires[1]
    assert '"default": "r"' in wires[0]


# --- any signature, any value


class Flavour(enum.Enum):
    SWEET = "sweet"
    SOUR = "sour"


LEAVES = st.sampled_from([int, float, str, bool, None, Flavour, Literal["a", "b"]])
TYPES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda kind: list[kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: dict[str, kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: kind | None if kind is not None else None),
        st.tuples(inner, inner).map(lambda kinds: tuple[kinds[0], kinds[1]]),  # type: ignore[valid-type]
    ),
    max_leaves=4,
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
st.register_type_strategy(Flavour, st.sampled_from(Flavour))


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Python values of a type that JSON can hold and that are equal to themselves."""
    if kind is float:
        return st.floats(-(2.0**62), 2.0**62)  # pydantic makes no integer of a larger whole number with a point
    if kind is str:
        return TEXT
    if kind is None:
        return st.none()
    arguments = typing.get_args(kind)
    origin = typing.get_origin(kind)
    if origin is list:
        return st.lists(values(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(TEXT, values(arguments[1]), max_size=3)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is Literal or not arguments:
        return st.from_type(kind)
    return st.one_of([values(each if each is not type(None) else None) for each in arguments])


@st.composite
def parameters(draw: st.DrawFn) -> list[inspect.Parameter]:
    names = draw(st.lists(st.from_regex("[a-z_][a-z0-9_]{0,8}", fullmatch=True), max_size=4, unique=True))
    found = []
    for name in (name for name in names if not keyword.iskeyword(name)):
        kind = draw(TYPES)
        default = draw(values(kind)) if draw(st.booleans()) else inspect.Parameter.empty
        found.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind))
    return found


def function_of(parameters: list[inspect.Parameter]) -> Any:
    def function(**given: Any) -> None: ...

    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


def as_json(value: Any) -> Any:
    return pydantic.TypeAdapter(Any).dump_python(value, mode="json")


@pytest.mark.slow
@settings(max_examples=150)
@given(data=st.data(), signature=parameters())
def test_there_and_back(data: st.DataObject, signature: list[inspect.Parameter]) -> None:
    tool = Tool.of(function_of(signature))
    required = [each for each in signature if each.default is each.empty]
    chosen = required + [each for each in signature if each not in required and data.draw(st.booleans())]
    arguments = {each.name: data.draw(values(each.annotation), each.name) for each in chosen}
    sent = json.loads(json.dumps(as_json(arguments)))
    jsonschema.validate(sent, tool.input_schema, jsonschema.Draft202012Validator)
    assert tool.bind(sent) == ((), arguments)


@pytest.mark.slow
@settings(max_examples=150)
@given(data=st.data(), signature=parameters())
def test_what_fits_the_schema_binds(data: st.DataObject, signature: list[inspect.Parameter]) -> None:
    tool = Tool.of(function_of(signature))
    kinds = [each.annotation for each in signature] or [int]
    given = {each.name: as_json(data.draw(values(data.draw(st.sampled_from(kinds))))) for each in signature}
    if jsonschema.Draft202012Validator(tool.input_schema).is_valid(given):
        tool.bind(given)
    json.dumps(tool.input_schema, allow_nan=False)
    jsonschema.Draft202012Validator.check_schema(tool.input_schema)


@pytest.mark.slow
@settings(max_examples=150)
@given(data=st.data(), signature=parameters())
def test_any_other_value_is_explained_line_by_line(data: st.DataObject, signature: list[inspect.Parameter]) -> None:
    tool = Tool.of(function_of(signature))
    junk = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3))
    given = data.draw(st.dictionaries(st.sampled_from([each.name for each in signature] + ["?", "a\nb"]), junk))
    try:
        tool.bind(given)
    except WrongArguments as problem:
        lines = str(problem).splitlines()
        assert lines
        assert all(re.match(r"[^:]+: \S.*", line) for line in lines)
