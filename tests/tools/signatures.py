"""Functions as people write them, turned into definitions both by this package and by the official SDK."""

# ruff: noqa: B006, B008, UP007, UP045  (written as people write)
# No "from __future__ import annotations" here: annotations are objects, in test_definition they are strings too.

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import pathlib
import typing
import uuid
from typing import Annotated, Any, Literal, NotRequired, Optional, Union

import pydantic
from typing_extensions import TypedDict


class Colour(enum.Enum):
    """What can be mixed."""

    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Point:
    """A place on the map."""

    x: float
    y: float = 0.0


@dataclasses.dataclass
class Path:
    points: list[Point]
    title: str = "untitled"


class Options(TypedDict):
    """How to draw."""

    width: int
    title: NotRequired[str]


class Person(pydantic.BaseModel):
    """Someone."""

    name: str = pydantic.Field(description="As in the passport.", min_length=1)
    age: Annotated[int, pydantic.Field(ge=0)] = 0
    address: "Address | None" = None


class Address(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    street: str
    title: Literal["Mr", "Ms"] | None = None


class Tree(pydantic.BaseModel):
    value: int
    children: list["Tree"] = []


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Pair(typing.NamedTuple):
    first: int
    second: str = "b"


Metres = typing.NewType("Metres", float)


def nothing() -> None: ...
def text(value: str) -> None: ...
def whole(value: int) -> None: ...
def real(value: float) -> None: ...
def yes_or_no(value: bool) -> None: ...
def any_value(value: Any) -> None: ...
def none_only(value: None) -> None: ...
def with_default(sql: str, limit: int = 100) -> None: ...
def with_many_defaults(
    a: str = "x", b: float = 1.5, c: bool = False, d: list[int] = [1, 2], e: dict[str, int] = {}
) -> None: ...
def one_of(value: Literal["a", "b"]) -> None: ...
def one_of_mixed(value: Literal["a", 1, None] = "a") -> None: ...
def colour(value: Colour) -> None: ...
def colour_with_default(value: Colour = Colour.RED) -> None: ...
def level(value: Level = Level.HIGH) -> None: ...
def optional(value: Optional[int] = None) -> None: ...
def optional_new(value: int | None = None) -> None: ...
def optional_but_required(value: str | None) -> None: ...
def union(value: Union[int, str]) -> None: ...
def union_of_lists(value: list[int] | dict[str, float] | str = "a") -> None: ...
def integers(value: list[int]) -> None: ...
def bare_list(value: list) -> None: ...  # type: ignore[type-arg]
def bare_dict(value: dict) -> None: ...  # type: ignore[type-arg]
def matrix(value: list[list[float]]) -> None: ...
def mapping(value: dict[str, int]) -> None: ...
def by_number(value: dict[int, str]) -> None: ...
def members(value: set[str]) -> None: ...
def pair(value: tuple[int, str]) -> None: ...
def any_length(value: tuple[int, ...]) -> None: ...
def named_pair(value: Pair) -> None: ...
def sequence(value: collections.abc.Sequence[int]) -> None: ...
def iterable(value: collections.abc.Iterable[int]) -> None: ...
def mapping_type(value: collections.abc.Mapping[str, list[int]]) -> None: ...
def point(value: Point) -> None: ...
def point_with_default(value: Point = Point(1, 2)) -> None: ...
def path(value: Path, colour: Colour) -> None: ...
def options(value: Options) -> None: ...
def person(value: Person) -> None: ...
def people(value: list[Person], by: dict[str, Person]) -> None: ...
def tree(value: Tree) -> None: ...
def pet(value: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]) -> None: ...
def plain_union_of_models(value: Cat | Dog) -> None: ...
def bounded(value: Annotated[int, pydantic.Field(ge=1, le=10, description="From 1 to 10.")] = 3) -> None: ...
def pattern(value: Annotated[str, pydantic.Field(pattern="^[a-z]+$", max_length=5, examples=["a"])]) -> None: ...
def titled(value: Annotated[int, pydantic.Field(title="The value")]) -> None: ...
def moment(value: datetime.datetime) -> None: ...
def day(value: datetime.date = datetime.date(2024, 2, 29)) -> None: ...
def time(value: datetime.time) -> None: ...
def duration(value: datetime.timedelta = datetime.timedelta(minutes=5)) -> None: ...
def file(value: pathlib.Path = pathlib.Path("data.csv")) -> None: ...
def identity(value: uuid.UUID) -> None: ...
def amount(value: decimal.Decimal) -> None: ...
def data(value: bytes) -> None: ...
def address(value: ipaddress.IPv4Address) -> None: ...
def link(value: pydantic.HttpUrl) -> None: ...
def new_type(value: Metres) -> None: ...
def as_string(value: "list[Point]") -> None: ...
def keyword_only(a: int, *, b: int, c: int = 3) -> None: ...
def awkward_names(
    schema: int, json: str, copy: bool, model_config: int, self: int, _x: int = 1, type: str = ""
) -> None: ...
def returns_unknown(value: int) -> "Undefined": ...  # type: ignore[name-defined]  # noqa: F821
async def asynchronous(value: int) -> None: ...
def default_without_json(value: Any = object()) -> None: ...
def positional_only(a: int, b: str = "x", /) -> None: ...
def none_by_default(value: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013
def default_of_another_type(value: int = "auto") -> None: ...  # type: ignore[assignment]
def default_in_field(value: Annotated[int, pydantic.Field(default=3)]) -> None: ...
def without_type(value) -> None: ...  # type: ignore[no-untyped-def]
def many(*values: int) -> None: ...
def named(**values: int) -> None: ...


def google(query: str, limit: int = 10, *, deep: bool = False) -> None:
    """Search the archive.

    Everything before 1990 is missing.

    Args:
        query: Words to look for,
            separated by spaces.
        limit (int, optional): Most hits.
        unknown: Not a parameter.
    """


def numpydoc(x: float, y: float, colour: Colour = Colour.RED) -> None:
    """Draw a dot.

    Parameters
    ----------
    x, y : float
        Centimetres from the corner.
    colour : Colour
        The ink.
    """


def numpydoc_single(x: float, colour: Colour = Colour.RED) -> None:
    """Draw a dot.

    Parameters
    ----------
    x : float
        Centimetres from the corner.
    colour : Colour
        The ink.
    """


def rest(city: str, days: int = 1) -> None:
    """Forecast the weather.

    :param city: Its English name.
    :param days: How far ahead.
    """


def field_wins(value: Annotated[int, pydantic.Field(description="From the field.")]) -> None:
    """Try.

    Args:
        value: From the docstring.
    """


FUNCTIONS = {
    name: function
    for name, function in list(globals().items())
    if callable(function) and getattr(function, "__module__", "") == __name__ and not isinstance(function, type)
}
del FUNCTIONS["Metres"]
