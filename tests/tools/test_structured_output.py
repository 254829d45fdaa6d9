"""Structured output: answer types, parsing what Claude wrote, and frames."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import pathlib
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal

import jsonschema
import pandas as pd
import polars as pl
import pydantic
import pytest
import typing_extensions
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_magic.messages.errors import BadInput
from claude_magic.tools.structured_output import AnswerType, WrongAnswer, frame
from tests.processes import run_python
from tests.tools.signatures import Colour, Pair, Tree


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=1)
    age: int = pydantic.Field(ge=0, description="In years.")


@dataclasses.dataclass
class Order:
    number: uuid.UUID
    placed: datetime.datetime
    day: datetime.date
    took: datetime.timedelta
    price: decimal.Decimal
    file: pathlib.Path
    colour: Colour
    buyer: Person | None = None
    tags: set[str] = dataclasses.field(default_factory=set)
    place: tuple[float, float] = (0.0, 0.0)


class Row(typing_extensions.TypedDict):
    city: str
    people: int
    note: typing_extensions.NotRequired[str]


ORDER = Order(
    uuid.UUID(int=7),
    datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC),
    datetime.date(2026, 5, 1),
    datetime.timedelta(hours=3),
    decimal.Decimal("0.12345678901234567890"),
    pathlib.Path("a/b.txt"),
    Colour.GREEN,
    Person(name="Ada", age=36),
    {"x"},
    (1.5, 2.0),
)
VALUES = [
    (Person, Person(name="Ada", age=36)),
    (Order, ORDER),
    (Row, {"city": "Rome", "people": 3}),
    (list[Order], [ORDER, ORDER]),
    (list[Row], []),
    (list[Row], [{"city": "Rome", "people": 3, "note": "ü"}]),
    (Colour, Colour.RED),
    (Literal["a", 1, None], None),
    (int, 3),
    (float, 0.1),
    (bool, False),
    (str, "```json\n{}\n```"),
    (int | None, None),
    (Person | Colour, Colour.GREEN),
    (tuple[int, str], (1, "a")),
    (Pair, Pair(1)),
    (decimal.Decimal, decimal.Decimal("0.12345678901234567890")),
    (Annotated[int, pydantic.Field(gt=1)], 2),
]


@pytest.mark.parametrize(("wanted", "value"), VALUES, ids=lambda value: str(value)[:40])
def test_there_and_back(wanted: Any, value: Any) -> None:
    shape = AnswerType.of(wanted)
    assert shape.note == ""
    assert shape.schema["type"] == "object"
    assert shape.schema["additionalProperties"] is False
    jsonschema.Draft202012Validator.check_schema(shape.schema)
    adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(wanted)
    text = adapter.dump_json(value).decode()
    if adapter.json_schema().get("type") != "object":
        assert list(shape.schema["properties"]) == ["value"]
        text = f'{{"value": {text}}}'
    jsonschema.validate(json.loads(text), shape.schema)
    for written in (text, f"\n{text} \n", f"```json\n{text}\n```", f"Here it is:\n\n```\n{text}\n```\nAll of it."):
        read = shape.read(written)
        assert read == value
        assert type(read) is type(value)


@settings(max_examples=50)
@given(
    st.lists(
        st.builds(Order, price=st.decimals(allow_nan=False, allow_infinity=False), file=st.just(pathlib.Path("x")))
    )
)
def test_any_orders_there_and_back(orders: list[Order]) -> None:
    text = pydantic.TypeAdapter(list[Order]).dump_json(orders).decode()
    assert AnswerType.of(list[Order]).read(f'{{"value": {text}}}') == orders


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (Person, "Person"),
        (list[Person], "list[Person]"),
        (int | None, "int | None"),
        (Literal["a"], "Literal['a']"),
        ({"type": "object", "properties": {}, "title": "Thing"}, "Thing"),
        ({"type": "integer"}, "the JSON schema"),
    ],
)
def test_names_for_display(wanted: Any, name: str) -> None:
    shape = AnswerType.of(wanted)
    assert shape.name == name
    assert AnswerType.of(shape) is shape


def test_the_format_in_the_request() -> None:
    shape = AnswerType.of(list[Person])
    assert shape.format() == {"type": "json_schema", "schema": shape.schema}
    assert shape.schema == {
        "type": "object",
        "properties": {"value": {"type": "array", "items": {"$ref": "#/$defs/Person"}}},
        "required": ["value"],
        "additionalProperties": False,
        "$defs": {
            "Person": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "(length at least 1)"},
                    "age": {"type": "integer", "description": "In years. (at least 0)"},
                },
                "required": ["name", "age"],
                "additionalProperties": False,
            }
        },
    }
    words, _, schema = shape.instruction().partition("\n")
    assert json.loads(schema) == shape.schema
    assert "nothing else" in words


def wrong(shape: AnswerType, text: str) -> list[str]:
    """The problems that Claude is told about."""
    with pytest.raises(WrongAnswer) as caught:
        shape.read(text)
    first, *problems, last = str(caught.value).split("\n")
    assert first == f"The answer does not fit {shape.name}:"
    assert "nothing else" in last
    assert problems == [f"- {problem}" for problem in caught.value.problems]
    assert "https://" not in str(caught.value)
    return caught.value.problems


def test_each_problem_has_path_reason_and_value() -> None:
    people = AnswerType.of(list[Person])
    assert wrong(people, '{"value": [{"name": "", "age": -1}, {"age": "old"}]}') == [
        'value[0].name: String should have at least 1 character (it was "")',
        "value[0].age: Input should be greater than or equal to 0 (it was -1)",
        "value[1].name: Field required",
        'value[1].age: Input should be a valid integer, unable to parse string as an integer (it was "old")',
    ]
    assert wrong(people, "[]") == ["the answer: Input should be an object (it was [])"]
    (problem,) = wrong(people, "I cannot do that.")
    assert problem.startswith("the answer: Invalid JSON: ")
    assert problem.endswith('(it was "I cannot do that.")')


def test_messages_of_validators() -> None:
    class Even(pydantic.BaseModel):
        number: int

        @pydantic.field_validator("number")
        @classmethod
        def is_even(cls, number: int) -> int:
            if number % 2:
                raise ValueError("must\nbe even")
            return number

    assert wrong(AnswerType.of(Even), '{"number": 3}') == ["number: Value error, must be even (it was 3)"]


def test_many_problems_and_long_values_stay_short() -> None:
    with pytest.raises(WrongAnswer) as caught:
        AnswerType.of(list[int]).read(json.dumps({"value": ["x" * 10_000] * 1000}))
    lines = str(caught.value).split("\n")
    assert len(caught.value.problems) == 1000
    assert len(lines) == 1 + 20 + 1 + 1
    assert lines[-2] == "- and 980 problems more"
    assert max(map(len, lines)) < 300


SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 3}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["n"],
}


def test_answers_are_validated_by_the_original_json_schema() -> None:
    shape = AnswerType.of(SCHEMA)
    assert shape.note == ""
    assert "minimum" not in json.dumps(shape.schema)
    assert shape.read('{"n": 3, "tags": ["a"]}') == {"n": 3, "tags": ["a"]}
    assert wrong(shape, '{"n": 1, "tags": [2]}') == [
        "n: 1 is less than the minimum of 3 (it was 1)",
        "tags[0]: 2 is not of type 'string' (it was 2)",
    ]
    (problem,) = wrong(shape, '{"n": 3')
    assert problem.startswith("the answer: Invalid JSON: ")
    numbers = AnswerType.of({"type": "array", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "integer"}}})
    assert numbers.schema["$defs"] == {"n": {"type": "integer"}}
    assert numbers.read('{"value": [1, 2]}') == [1, 2]
    assert wrong(numbers, '{"value": [1, 2.5]}') == ["value[1]: 2.5 is not of type 'integer' (it was 2.5)"]
    assert wrong(numbers, "[1]") == wrong(numbers, "{}") == ["value: Field required"]


def test_without_jsonschema_answers_are_not_validated_and_the_user_is_told() -> None:
    program = f"""
import sys
sys.modules["jsonschema"] = None
from claude_magic.tools.structured_output import AnswerType
shape = AnswerType.of({SCHEMA!r})
print(shape.read('{{"n": 1}}'), shape.note)
"""
    assert run_python(program) == "{'n': 1} Answers are parsed but not validated: that needs pip install jsonschema.\n"


class WithCallable(pydantic.BaseModel):
    f: Callable[[], int]


class OldRow(typing_extensions.TypedDict):
    data: dict[str, int]


@pytest.mark.parametrize(
    ("wanted", "name", "way_out"),
    [
        (pd.DataFrame, "DataFrame", "list[Row] for a table"),
        (list[pd.DataFrame], "list[DataFrame]", "list[Row] for a table"),
        (WithCallable, "WithCallable", "a class with typed fields"),
        (print, "print", "give the type that it returns"),
        (frame, "frame", "give the type that it returns"),
        (Person.model_dump, "model_dump", "give the type that it returns"),
        (5, "5", "a class with typed fields"),
        ("Person", "'Person'", "Give the type itself"),
        (dict, "dict", "list of pairs"),
        (dict[str, int], "dict[str, int]", "list of pairs"),
        (OldRow, "OldRow", "at data: an object with arbitrary keys"),
        (list, "list", "any kind"),
        (Any, "Any", "any kind"),
        (Tree, "Tree", "at children[]: Tree contains itself"),
        ({"name": str}, "the JSON schema", "Give a class"),
        ({"name": "str"}, "the JSON schema", "any kind"),
        ({"type": "text"}, "the JSON schema", "It is not a valid JSON schema: 'text'"),
        ({"type": "object", "properties": []}, "the JSON schema", "It is not a valid JSON schema"),
    ],
)
def test_types_without_a_schema_are_refused_with_advice(wanted: Any, name: str, way_out: str) -> None:
    with pytest.raises(BadInput) as caught:
        AnswerType.of(wanted)
    assert str(caught.value).startswith(f"{name} cannot be the type of an answer. ")
    assert way_out in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "https://" not in str(caught.value)


@dataclasses.dataclass
class Town:
    name: str
    colour: Colour
    founded: datetime.date | None = None


class Report(pydantic.BaseModel):
    title: str
    towns: list[Town]
    warnings: list[str] = []


class Towns(pydantic.RootModel[list[Town]]):
    pass


TOWNS = [Town("Rome", Colour.RED, datetime.date(1, 1, 1)), Town("Bonn", Colour.GREEN)]


@pytest.mark.parametrize(
    "value", [TOWNS, tuple(TOWNS), Report(title="t", towns=TOWNS), Towns(TOWNS), {"a": 1, "b": TOWNS}]
)
def test_frames_of_records(value: Any) -> None:
    found = frame(value)
    assert isinstance(found, pd.DataFrame)
    assert list(found.columns) == ["name", "colour", "founded"]
    assert list(found["name"]) == ["Rome", "Bonn"]
    assert list(found["colour"]) == ["red", "green"]
    assert found["founded"][0] == datetime.date(1, 1, 1)


def test_other_frames() -> None:
    assert frame(AnswerType.of(list[Row]).read('{"value": [{"city": "Rome", "people": 3}]}')).to_dict("records") == [
        {"city": "Rome", "people": 3}
    ]
    assert frame(TOWNS[0]).shape == (1, 3)
    assert frame([]).shape == (0, 0)
    assert frame({"a": [1, 2], "b": "x"}).shape == (1, 2)  # no list of records in it: a record itself
    assert frame({"a": TOWNS, "b": TOWNS}).shape == (1, 2)  # which of the two?
    assert frame(Report(title="t", towns=[])).shape == (1, 3)  # an empty list may be of anything
    assert frame({"a": 1, "b": []}).shape == (1, 2)


@pytest.mark.parametrize("value", [3, "text", None, Colour.RED, [1, 2], [TOWNS[0], 3], [[1]]])
def test_values_without_columns_have_no_frame(value: Any) -> None:
    with pytest.raises(BadInput, match="has no rows and columns"):
        frame(value)


def without(*modules: str) -> str:
    program = f"""
import sys
for name in {modules!r}:
    sys.modules[name] = None
from claude_magic.tools.structured_output import frame
try:
    found = frame([{{"a": 1, "b": 0}}] * 200 + [{{"a": 2.5, "b": 0, "c": "x"}}])
    print(type(found).__module__.partition(".")[0], found.shape)
except ValueError as error:
    print(error)
"""
    return run_python(program)


def test_polars_without_pandas() -> None:
    assert pl.__version__
    assert without() == "pandas (201, 3)\n"
    assert without("pandas") == "polars (201, 3)\n"
    assert without("pandas", "polars") == "A DataFrame needs pandas or polars: pip install pandas.\n"
