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


def nothing(): ...
def text(value: str): ...
def whole(value: int): ...
def real(value: float): ...
def yes_or_no(value: bool): ...
def any_value(value: Any): ...
def none_only(value: None): ...
def with_default(sql: str, limit: int = 100): ...
def with_many_defaults(
    a: str = "x", b: float = 1.5, c: bool = False, d: list[int] = [1, 2], e: dict[str, int] = {}
): ...
def one_of(value: Literal["a", "b"]): ...
def one_of_mixed(value: Literal["a", 1, None] = "a"): ...
def colour(value: Colour): ...
def colour_with_default(value: Colour = Colour.RED): ...
def level(value: Level = Level.HIGH): ...
def optional(value: Optional[int] = None): ...
def optional_new(value: int | None = None): ...
def optional_but_required(value: str | None): ...
def union(value: Union[int, str]): ...
def union_of_lists(value: list[int] | dict[str, float] | str = "a"): ...
def integers(value: list[int]): ...
def bare_list(value: list): ...
def bare_dict(value: dict): ...
def matrix(value: list[list[float]]): ...
def mapping(value: dict[str, int]): ...
def by_number(value: dict[int, str]): ...
def members(value: set[str]): ...
def pair(value: tuple[int, str]): ...
def any_length(value: tuple[int, ...]): ...
def named_pair(value: Pair): ...
def sequence(value: collections.abc.Sequence[int]): ...
def iterable(value: collections.abc.Iterable[int]): ...
def mapping_type(value: collections.abc.Mapping[str, list[int]]): ...
def point(value: Point): ...
def point_with_default(value: Point = Point(1, 2)): ...
def path(value: Path, colour: Colour): ...
def options(value: Options): ...
def person(value: Person): ...
def people(value: list[Person], by: dict[str, Person]): ...
def tree(value: Tree): ...
def pet(value: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]): ...
def plain_union_of_models(value: Cat | Dog): ...
def bounded(value: Annotated[int, pydantic.Field(ge=1, le=10, description="From 1 to 10.")] = 3): ...
def pattern(value: Annotated[str, pydantic.Field(pattern="^[a-z]+$", max_length=5, examples=["a"])]): ...
def titled(value: Annotated[int, pydantic.Field(title="The value")]): ...
def moment(value: datetime.datetime): ...
def day(value: datetime.date = datetime.date(2024, 2, 29)): ...
def time(value: datetime.time): ...
def duration(value: datetime.timedelta = datetime.timedelta(minutes=5)): ...
def file(value: pathlib.Path = pathlib.Path("data.csv")): ...
def identity(value: uuid.UUID): ...
def amount(value: decimal.Decimal): ...
def data(value: bytes): ...
def address(value: ipaddress.IPv4Address): ...
def link(value: pydantic.HttpUrl): ...
def new_type(value: Metres): ...
def as_string(value: "list[Point]"): ...
def keyword_only(a: int, *, b: int, c: int = 3): ...
def awkward_names(schema: int, json: str, copy: bool, model_config: int, self: int, _x: int = 1, type: str = ""): ...
def returns_unknown(value: int) -> "Undefined": ...  # type: ignore[name-defined]  # noqa: F821
async def asynchronous(value: int): ...
def default_without_json(value: Any = object()): ...
def positional_only(a: int, b: str = "x", /): ...
def none_by_default(value: int = None): ...  # type: ignore[assignment]  # noqa: RUF013
def default_of_another_type(value: int = "auto"): ...  # type: ignore[assignment]
def default_in_field(value: Annotated[int, pydantic.Field(default=3)]): ...
def without_type(value): ...
def many(*values: int): ...
def named(**values: int): ...


def google(query: str, limit: int = 10, *, deep: bool = False):
    """Search the archive.

    Everything before 1990 is missing.

    Args:
        query: Words to look for,
            separated by spaces.
        limit (int, optional): Most hits.
        unknown: Not a parameter.
    """


def numpydoc(x: float, y: float, colour: Colour = Colour.RED):
    """Draw a dot.

    Parameters
    ----------
    x, y : float
        Centimetres from the corner.
    colour : Colour
        The ink.
    """


def numpydoc_single(x: float, colour: Colour = Colour.RED):
    """Draw a dot.

    Parameters
    ----------
    x : float
        Centimetres from the corner.
    colour : Colour
        The ink.
    """


def rest(city: str, days: int = 1):
    """Forecast the weather.

    :param city: Its English name.
    :param days: How far ahead.
    """


def field_wins(value: Annotated[int, pydantic.Field(description="From the field.")]):
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
