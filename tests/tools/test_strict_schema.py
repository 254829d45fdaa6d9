"""Strict schemas: conversion into the subset of the API, which :func:`outside` checks as its documentation lists it."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import json
import pathlib
import uuid
from typing import Annotated, Any, Literal, NamedTuple

import anthropic
import jsonschema
import pydantic
import pytest
import typing_extensions
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_magic.messages.errors import BadInput
from claude_magic.tools.strict_schema import exceeded_limit, to_strict
from tests.tools.signatures import Tree

TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}
FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
EVERYWHERE = {"title", "description", "default"}
OF_TYPE = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems"},
    "string": {"format", "pattern"},
}


def outside(schema: Any, root: Any = None, trail: tuple[str, ...] = ()) -> list[str]:
    """What the API would refuse in a schema."""
    root = schema if root is None else root
    if not isinstance(schema, dict):
        return [f"{schema!r} is no schema"]
    keys = schema.keys() - EVERYWHERE - ({"$defs"} if schema is root else set())
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        if schema.keys() != {"$ref"} or name not in root.get("$defs", {}) or name in trail:
            return [f"reference {schema}"]
        return outside(root["$defs"][name], root, (*trail, name))
    found = [key for key in ("$defs", "title") if key in schema and not schema[key]]
    if "anyOf" in schema:
        found += [] if keys == {"anyOf"} and schema["anyOf"] else [f"beside anyOf: {keys}"]
        return found + [wrong for branch in schema["anyOf"] for wrong in outside(branch, root, trail)]
    if keys in ({"enum"}, {"const"}):
        values = schema.get("enum", [schema.get("const")])
        simple = all(value is None or type(value) in (str, int, float, bool) for value in values)
        return found + ([] if values and simple else [f"values {values}"])
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        return [f"type {kind!r}"]
    found += [f"{key} of {kind}" for key in keys - {"type"} - OF_TYPE.get(kind, set())]
    if kind == "object":
        found += [] if schema.get("additionalProperties") is False else ["not closed"]
        found += [f"required {name}" for name in schema.get("required", []) if name not in schema["properties"]]
        found += [wrong for inner in schema["properties"].values() for wrong in outside(inner, root, trail)]
    if kind == "array":
        found += [] if schema.get("minItems", 0) in (0, 1) else ["minItems"]
        found += outside(schema.get("items"), root, trail)
    if "format" in schema and schema["format"] not in FORMATS:
        found.append(f"format {schema['format']}")
    if any(hard in schema.get("pattern", "") for hard in ("(?", "\\1", "\\b")):
        found.append(f"pattern {schema['pattern']}")
    return found


def fits(instance: Any, schema: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(instance))


def check(schema: dict[str, Any]) -> dict[str, Any]:
    """Convert a schema, and check what holds for every conversion."""
    before = copy.deepcopy(schema)
    small = to_strict(schema)
    assert schema == before
    jsonschema.Draft202012Validator.check_schema(small)
    assert outside(small) == []
    assert json.dumps(to_strict(small)) == json.dumps(small)
    return small


# Schemas, and values that fit them

NAMES = st.sampled_from(["a", "b", "size", "created_at", "value", "type", "properties", "items", "$ref", "default"])
Pair = tuple[dict[str, Any], st.SearchStrategy[Any]]


@st.composite
def leaves(draw: st.DrawFn) -> Pair:
    low, high = sorted(draw(st.tuples(st.integers(-9, 9), st.integers(-9, 9))))
    length = draw(st.integers(0, 3))
    values = draw(st.lists(st.sampled_from(["x", "y", 1, 2.5, True, None]), min_size=1, max_size=3, unique_by=repr))
    choices: list[Pair] = [
        ({"type": "integer", "minimum": low, "maximum": high}, st.integers(low, high)),
        ({"type": "number", "exclusiveMinimum": low - 1, "multipleOf": 1}, st.integers(low, high).map(float)),
        ({"type": "string", "minLength": length}, st.text(min_size=length, max_size=9)),
        ({"type": "string", "pattern": "^a*$"}, st.from_regex(r"\Aa*\Z")),
        ({"type": "string", "pattern": "^(?!b)", "format": "regex"}, st.just("ab")),
        ({"type": "string", "format": "date"}, st.dates().map(str)),
        ({"type": "boolean", "deprecated": True, "examples": [True]}, st.booleans()),
        ({"type": "null"}, st.none()),
        ({"enum": values}, st.sampled_from(values)),
        ({"const": values[0], "description": "one"}, st.just(values[0])),
        ({"type": ["string", "null"], "maxLength": length + 1}, st.none() | st.text(max_size=length + 1)),
        ({"type": ["integer"], "title": "N", "default": 0}, st.integers()),
    ]
    return draw(st.sampled_from(choices))


@st.composite
def around(draw: st.DrawFn, inner: st.SearchStrategy[Pair]) -> Pair:
    """A schema with schemas in it."""
    schema, values = draw(inner)
    other, others = draw(inner)
    fields = draw(st.dictionaries(NAMES, inner, min_size=1, max_size=4))
    required = {name: pair[1] for name, pair in fields.items() if draw(st.booleans())}
    optional = {name: pair[1] for name, pair in fields.items() if name not in required}
    properties = {name: pair[0] for name, pair in fields.items()}
    plain = {"type": "object", "properties": properties, "required": [*required]}
    objects = st.fixed_dictionaries(required, optional=optional)
    few = st.lists(values, min_size=2, max_size=3)
    choices: list[Pair] = [
        (plain, objects),
        (plain | {"additionalProperties": draw(st.booleans()), "minProperties": len(required)}, objects),
        ({"properties": properties, "required": [*required], "title": "T"}, objects),
        ({"allOf": [plain, {"type": "object", "description": "more"}]}, objects),
        ({**plain, "anyOf": [{"required": [name]} for name in required] or [{}]}, objects),
        ({"anyOf": [schema, other], "description": "either"}, values | others),
        ({"oneOf": [{"allOf": [schema]}]}, values),
        ({"type": "array", "items": schema, "minItems": 2, "maxItems": 3}, few),
        ({"type": "array", "items": schema, "minItems": 1, "uniqueItems": False}, few),
        (
            {"type": "array", "prefixItems": [schema, other], "minItems": 2, "maxItems": 2, "items": False},
            st.tuples(values, others).map(list),
        ),
        (
            {"type": "array", "prefixItems": [schema], "items": other, "minItems": 2},
            st.tuples(values, others, others).map(list),
        ),
    ]
    return draw(st.sampled_from(choices))


PAIRS = st.recursive(leaves(), around, max_leaves=8)


@st.composite
def with_definitions(draw: st.DrawFn) -> tuple[dict[str, Any], list[Any]]:
    """A schema with references in it, and some values."""
    schema, values = draw(PAIRS)
    other, others = draw(PAIRS)
    name = draw(st.sampled_from(["Thing", "A/B", "m~n", "50%", "Ä"]))
    key = draw(st.sampled_from(["$defs", "definitions"]))
    quoted = name.replace("~", "~0").replace("/", "~1").replace("%", "%25")
    reference = f"#/{key}/{quoted}"
    properties = {"one": {"$ref": reference}, "two": {"$ref": reference, "description": "second"}, "three": other}
    whole = {key: {name: schema}, "type": "object", "properties": properties, "required": ["one"]}
    objects = st.fixed_dictionaries({"one": values}, optional={"two": values, "three": others})
    return whole, draw(st.lists(objects, min_size=1, max_size=3))


@pytest.mark.slow
@settings(max_examples=150)
@given(with_definitions())
def test_strict_schemas_are_in_the_subset_and_accept_the_same_values(drawn: tuple[dict[str, Any], list[Any]]) -> None:
    schema, values = drawn
    small = check(schema)
    for value in values:
        assert fits(value, schema)
        assert fits(value, small)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(NamedTuple):
    x: int
    y: float = 0


@dataclasses.dataclass
class Place:
    """Where it is."""

    name: str
    at: Point
    near: list[str] = dataclasses.field(default_factory=list)


class Row(typing_extensions.TypedDict):
    id: uuid.UUID
    note: typing_extensions.NotRequired[str]


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, pydantic.Field(ge=0, le=9)]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]
    tricks: set[str] = pydantic.Field(max_length=5)


class Everything(pydantic.BaseModel):
    """All at once."""

    colour: Colour = Colour.RED
    other_colour: Colour = pydantic.Field(description="The second.")
    place: Place
    rows: list[Row] = pydantic.Field(min_length=2)
    pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]
    maybe: Cat | None = None
    when: datetime.datetime
    day: datetime.date | None
    took: datetime.timedelta
    price: decimal.Decimal = pydantic.Field(gt=0)
    path: pathlib.Path
    address: ipaddress.IPv4Address
    code: str = pydantic.Field(pattern=r"^\w+\b$")
    short: str = pydantic.Field(pattern=r"^[a-z]{2,4}$")
    box: tuple[float, float, float, float]
    mixed: tuple[int, str]
    raw: bytes
    level: Literal[1, 2, "high", None]


KINDS = [Everything, Colour, Point, Place, Row, list[Row], Cat | Dog | None, tuple[int, ...], list[list[int]]]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_schemas_of_pydantic(kind: Any) -> None:
    adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(kind)
    small = check(adapter.json_schema())
    # The official SDK knows default and pattern only as words for the description; else it finds nothing to change.
    plain = json.loads(
        json.dumps(small), object_hook=lambda found: {k: v for k, v in found.items() if k not in {"default", "pattern"}}
    )
    assert anthropic.transform_schema(plain) == plain


@settings(max_examples=50)
@given(
    st.builds(Place, at=st.builds(Point, st.integers(), st.integers(0, 9)))
    | st.from_type(Row)
    | st.sampled_from(Colour)
)
def test_values_of_types_fit(value: Any) -> None:
    adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(Row if isinstance(value, dict) else type(value))
    schema = adapter.json_schema()
    plain = adapter.dump_python(value, mode="json")
    assert fits(plain, schema)
    assert fits(plain, check(schema))


def test_the_schema_of_a_model() -> None:
    small = check(pydantic.TypeAdapter(Everything).json_schema())
    fields = small["properties"]
    assert fields["colour"] == {"enum": ["red", "blue"], "default": "red"}
    assert fields["other_colour"] == {"enum": ["red", "blue"], "title": "Colour", "description": "The second."}
    assert fields["rows"] == {
        "type": "array",
        "items": {"$ref": "#/$defs/Row"},
        "minItems": 1,
        "description": "(length at least 2)",
    }
    assert fields["pet"] == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}
    assert fields["when"] == {"type": "string", "format": "date-time"}
    assert fields["path"] == {"type": "string", "description": "(format path)"}
    assert fields["code"]["description"] == r"(matches the regular expression ^\w+\b$)"
    assert fields["short"] == {"type": "string", "pattern": "^[a-z]{2,4}$"}
    assert fields["box"]["items"] == {"type": "number"}
    assert fields["box"]["description"] == "(length at least 4; length at most 4)"
    assert fields["mixed"]["items"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert 'items in this order [{"type": "integer"}, {"type": "string"}]' in fields["mixed"]["description"]
    assert fields["level"] == {"enum": [1, 2, "high", None]}
    assert small["$defs"]["Cat"]["properties"]["lives"]["description"] == "(at least 0; at most 9)"
    assert small["$defs"]["Dog"]["properties"]["tricks"]["description"] == "(length at most 5; no duplicate items)"
    assert small["title"] == "Everything"
    assert small["description"] == "All at once."


@pytest.mark.parametrize(
    ("schema", "small"),
    [
        ({"type": "integer", "minimum": 0}, {"type": "integer", "description": "(at least 0)"}),
        (
            {"type": "integer", "description": "Years.", "exclusiveMaximum": 150, "x-unit": "a"},
            {"type": "integer", "description": "Years. (less than 150; x-unit a)"},
        ),
        ({"type": "string", "minimum": 3}, {"type": "string"}),
        ({"type": "string", "enum": ["a"], "minLength": 1}, {"enum": ["a"], "description": "(length at least 1)"}),
        ({"type": "string", "format": "email"}, {"type": "string", "format": "email"}),
        (
            {"type": "string", "pattern": r"(a)\1"},
            {"type": "string", "description": r"(matches the regular expression (a)\1)"},
        ),
        ({"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (
            {"type": "array", "items": {"type": "null"}, "minItems": 0},
            {"type": "array", "items": {"type": "null"}, "minItems": 0},
        ),
        ({"type": "object", "properties": {}}, {"type": "object", "properties": {}, "additionalProperties": False}),
        (
            {"type": "object", "properties": {"created_at": {"type": "null", "title": "Created At"}}, "$schema": "x"},
            {"type": "object", "properties": {"created_at": {"type": "null"}}, "additionalProperties": False},
        ),
        (
            {"type": "object", "properties": {"price": {"type": "null", "title": "In euros"}}},
            {
                "type": "object",
                "properties": {"price": {"type": "null", "title": "In euros"}},
                "additionalProperties": False,
            },
        ),
        (
            {
                "allOf": [{"$ref": "#/definitions/base"}, {"properties": {"b": {"type": "null"}}, "required": ["b"]}],
                "definitions": {"base": {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]}},
            },
            {
                "type": "object",
                "properties": {"a": {"type": "null"}, "b": {"type": "null"}},
                "additionalProperties": False,
                "required": ["a", "b"],
            },
        ),
        ({"allOf": [{"type": ["string", "null"]}, {"type": "string"}]}, {"type": "string"}),
        (
            {"type": "array", "items": {"type": "null", "description": "x"}, "uniqueItems": False},
            {"type": "array", "items": {"type": "null", "description": "x"}},
        ),
        (
            {
                "allOf": [
                    {"properties": {"a": {"type": ["integer", "null"], "description": "one"}}, "description": "1"},
                    {"properties": {"a": {"type": "integer", "description": "two"}}, "description": "2"},
                ]
            },
            {
                "type": "object",
                "properties": {"a": {"type": "integer", "description": "one\ntwo"}},
                "additionalProperties": False,
                "description": "1\n2",
            },
        ),
    ],
)
def test_one_thing_at_a_time(schema: dict[str, Any], small: dict[str, Any]) -> None:
    assert check(schema) == small


@pytest.mark.parametrize(
    ("schema", "where", "why"),
    [
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "the top", "list of pairs"),
        ({"type": "object"}, "the top", "list of pairs"),
        ({"type": "object", "properties": {}, "additionalProperties": True}, "the top", "list of pairs"),
        (
            {"type": "object", "properties": {"a": {"type": "null"}}, "patternProperties": {}},
            "the top",
            "list of pairs",
        ),
        (
            {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "object"}}}},
            "[].a",
            "arbitrary keys",
        ),
        (pydantic.TypeAdapter(dict[str, list[int]]).json_schema(), "the top", "arbitrary keys"),
        (Tree.model_json_schema(), "children[]", "Tree contains itself"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, "a", "the schema contains itself"),
        ({"type": "object", "properties": {"a": {"allOf": [{"$ref": "#/properties/a"}]}}}, "a", "a contains itself"),
        ({"type": "object", "properties": {"a": {"$ref": "https://x/y.json"}}}, "a", "points outside the schema"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}, "a", "points to nothing"),
        ({}, "the top", "any kind"),
        ({"type": "array"}, "[]", "any kind"),
        ({"type": "object", "properties": {"a": True}}, "a", "any kind"),
        ({"type": "object", "properties": {}, "required": ["a"]}, "a", "any kind"),
        ({"type": "object", "properties": {"a": False}}, "a", "False is not a schema"),
        ({"type": "object", "properties": {"a": {"enum": [[1], [2]]}}}, "a", "any kind"),
        ({"type": "text"}, "the top", "'text' is not a JSON type"),
        ({"anyOf": []}, "the top", "anyOf is empty"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "the top", "differ in type"),
        ({"anyOf": [{"type": "string"}], "oneOf": [{"type": "null"}]}, "the top", "differ in anyOf"),
    ],
)
def test_unsupported_schemas_are_refused(schema: dict[str, Any], where: str, why: str) -> None:
    with pytest.raises(BadInput) as caught:
        to_strict(schema)
    assert str(caught.value).startswith(f"In the JSON schema, at {where}: ")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_definition_used_twice_is_not_recursion() -> None:
    leaf = {"type": "object", "properties": {"v": {"type": "null"}}}
    twice = {"type": "object", "properties": {"a": {"$ref": "#/$defs/L"}, "b": {"$ref": "#/$defs/L"}}}
    small = check({"$ref": "#/$defs/T", "$defs": {"L": leaf, "T": twice, "unused": {"$ref": "#/$defs/unused"}}})
    assert small["type"] == "object"
    assert list(small["$defs"]) == ["L"]


def test_many_levels_of_definitions_are_fast() -> None:
    levels: dict[str, Any] = {"L40": {"type": "null"}}
    for level in range(40):
        below = {"$ref": f"#/$defs/L{level + 1}"}
        levels[f"L{level}"] = {"type": "object", "properties": {"a": below, "b": below}}
    assert len(to_strict({"$ref": "#/$defs/L0", "$defs": levels})["$defs"]) == 40


def test_limits_of_a_request() -> None:
    def schema(optional: int, unions: int) -> dict[str, Any]:
        union = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
        names = [f"u{n}" for n in range(unions)]
        fields = dict.fromkeys(names, union) | {f"o{n}": {"type": "null"} for n in range(optional)}
        inner = {"type": "object", "properties": fields, "required": names}
        outer = {"type": "object", "properties": {"a": {"$ref": "#/$defs/I"}}, "required": ["a"]}
        return to_strict({**outer, "$defs": {"I": inner}})

    assert exceeded_limit([]) is None
    assert exceeded_limit([schema(24, 16)]) is None
    assert "25 fields may be left out" in str(exceeded_limit([schema(24, 0), schema(1, 0)]))
    assert "17 fields have more than one type" in str(exceeded_limit([schema(0, 16), schema(0, 1)]))
