"""``@tool`` and ``Tool.of``: what can be a tool, what cannot and why, and how a tool still acts as its function."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import enum
import functools
import inspect
import io
import pickle
import pydoc
import types
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import pydantic
import pytest
from IPython.core.interactiveshell import InteractiveShell

from claude_magic import tools
from claude_magic.messages.errors import BadInput
from claude_magic.simulator import Simulator
from claude_magic.tools import Tool, tool
from claude_magic.tools.docstrings import parse_docstring
from tests.processes import run_python
from tests.simulator.conftest import OLD, Api
from tests.tools.signatures import FUNCTIONS

if TYPE_CHECKING:
    from nowhere import Undefined  # type: ignore[import-not-found]


@tool
def run_query(sql: str, limit: int = 100) -> Undefined:
    """Run a query on the sales database.

    Only SELECT.

    Args:
        sql: One statement.
        limit: Most rows to return.

    Returns:
        The rows, as a list.
    """
    return [sql] * limit


def properties(value: Any) -> list[str]:
    return list(Tool.of(value).input_schema["properties"])


def refusal(value: Any) -> str:
    with pytest.raises(BadInput) as caught:
        Tool.of(value)
    return str(caught.value)


def test_a_function() -> None:
    assert run_query("a", limit=2) == ["a", "a"]
    assert run_query.to_wire() == {
        "name": "run_query",
        "description": "Run a query on the sales database.\n\nOnly SELECT.\n\nReturns: The rows, as a list.",
        "input_schema": {
            "type": "object",
            "properties": {
                "sql": {"type": "string", "description": "One statement."},
                "limit": {"type": "integer", "description": "Most rows to return.", "default": 100},
            },
            "required": ["sql"],
            "additionalProperties": False,
        },
    }


def test_options() -> None:
    @tool(name="ask", description="  Ask.\n  Twice.", strict=True, timeout=3, confirm=True, parallel=True)
    def f(a: int) -> int:
        """Not this."""
        return a

    wire = f.to_wire()
    assert (wire["name"], wire["description"], wire["strict"]) == ("ask", "Ask.\nTwice.", True)
    assert (f.strict, f.timeout, f.confirm, f.parallel) == (True, 3, True, True)
    assert (run_query.strict, run_query.timeout, run_query.confirm, run_query.parallel) == (False, None, False, False)
    assert "strict" not in run_query.to_wire()
    assert f(2) == 2


def test_without_docstring_there_is_no_description() -> None:
    def f() -> None: ...

    assert set(Tool.of(f).to_wire()) == {"name", "input_schema"}


@pytest.mark.parametrize(
    ("docstring", "description", "text"),
    [
        ("Do.\n\nArgs:\n    a: One\n        two.\n", "Do.", "One\ntwo."),
        ("Do.\n\nParameters\n----------\na : int\n    One.\n", "Do.", "One."),
        ("Do.\n\n:param a: One.\n:returns: All.\n", "Do.\n\nReturns: All.", "One."),
        ("Do: this, and that.\n\n* a\n* b", "Do: this, and that.\n\n* a\n* b", None),
        ("\n    Do.\n\n    More:\n        indented\n    ", "Do.\n\nMore:\n    indented", None),
        ("Do.\n\n:param a without colon", "Do.\n\n:param a without colon", None),
        ("Args:\n    a: One.", "Args:\n\na: One.", None),
        ("", "", None),
    ],
)
def test_docstrings(docstring: str, description: str, text: str | None) -> None:
    def f(a: int) -> None: ...

    f.__doc__ = docstring
    made = Tool.of(f)
    assert (made.description, made.input_schema["properties"]["a"].get("description")) == (description, text)


def test_a_parameter_without_text() -> None:
    assert parse_docstring("Do.\n\nParameters\n----------\na : int\nb : int\n    Two.\n")[1] == {"b": "Two."}


def test_strict_tools_have_the_schema_that_the_api_takes() -> None:
    def f(a: Annotated[int, pydantic.Field(ge=3)]) -> None: ...

    assert Tool(f).input_schema["properties"]["a"]["minimum"] == 3
    assert "minimum" not in Tool(f, strict=True).input_schema["properties"]["a"]


def test_attributes_of_the_function_do_not_interfere() -> None:
    def f(a: int) -> None: ...

    f.bind = f.to_wire = None  # type: ignore[attr-defined]
    assert Tool.of(f).bind({"a": "1"}) == ((), {"a": 1})


def test_classes_of_the_function_around() -> None:
    class Colour(enum.Enum):
        RED = "red"

    @dataclasses.dataclass
    class Dot:
        colour: Colour
        size: int = 1

    @tool
    def paint(dot: Dot, more: list[Colour] | None = None) -> None: ...

    assert list(paint.input_schema["$defs"]) == ["Colour", "Dot"]
    assert paint.bind({"dot": {"colour": "red"}, "more": ["red"]}) == (
        (),
        {"dot": Dot(Colour.RED), "more": [Colour.RED]},
    )


def test_classes_that_only_the_closure_still_has() -> None:
    def outer() -> Callable[..., Any]:
        class Colour(enum.Enum):
            RED = "red"

        def paint(colour: Colour) -> Any:
            return Colour(colour)

        return paint

    made = Tool.of(outer())
    assert made.function(**made.bind({"colour": "red"})[1]).name == "RED"


class Table:
    """Some rows."""

    query = run_query

    def __init__(self, rows: int) -> None:
        self.rows = rows

    @tool(confirm=True)
    def head(self, count: int = 5) -> int:
        """First rows.

        Args:
            count: How many.
        """
        return min(count, self.rows)

    @classmethod
    @tool
    def make(cls, rows: int) -> int:
        return cls(rows).rows

    @staticmethod
    @tool
    def add(a: int, b: int) -> int:
        return a + b

    def tail(self, count: int) -> int:
        """Last rows."""
        return self.rows - count

    def __call__(self, row: int) -> int:
        return row

    async def load(self, path: Path) -> None: ...


def test_methods() -> None:
    table = Table(3)
    assert table.head() == 3
    assert table.head(2) == 2
    assert Tool.of(table.head) is not Table.head
    assert properties(table.head) == ["count"]
    assert (table.head.confirm, table.head.description) == (True, "First rows.")
    args, kwargs = table.head.bind({"count": "1"})
    assert table.head.function(*args, **kwargs) == 1
    assert (properties(Table.make), properties(table.add)) == (["rows"], ["a", "b"])
    assert Table.make(4) == 4  # type: ignore[arg-type, call-arg]
    assert table.add(1, 2) == 3  # type: ignore[call-arg]
    bound = Tool.of(table.tail)
    assert (bound.name, bound.description, bound(1)) == ("tail", "Last rows.", 2)
    as_a_classmethod_gives_it = Tool.of(types.MethodType(Table.head, table))
    assert (properties(as_a_classmethod_gives_it), as_a_classmethod_gives_it.confirm) == (["count"], True)
    assert table.query is run_query  # type: ignore[comparison-overlap]
    assert refusal(Table.head).endswith("bound to one: the_object.head.")
    assert refusal(Table.tail).endswith("bound to one: the_object.tail.")


def test_callable_objects() -> None:
    made = Tool.of(Table(1))
    assert made.to_wire()["name"] == "Table"
    assert (made.description, properties(made), made(3)) == ("Some rows.", ["row"], 3)


def test_partials() -> None:
    def f(a: int, frame: pd.DataFrame, b: str = "x", *, c: int = 3) -> Any:
        """Do."""
        return a, len(frame), b, c

    made = Tool.of(functools.partial(f, frame=pd.DataFrame({"a": [1]}), c=4))
    assert (made.name, made.description, properties(made)) == ("f", "Do.", ["a", "b"])
    args, kwargs = made.bind({"a": 2})
    assert made.function(*args, **kwargs) == (2, 1, "x", 4)
    assert properties(functools.partial(f, 1, pd.DataFrame())) == ["b", "c"]


def test_a_partial_of_a_tool_keeps_its_options() -> None:
    @tool(name="remove", confirm=True)
    def f(path: str, force: bool) -> None: ...

    made = Tool.of(functools.partial(f, force=False))
    assert (made.name, made.confirm, properties(made)) == ("remove", True, ["path"])


def test_decorated_functions() -> None:
    def twice(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return [function(*args, **kwargs)] * 2

        return wrapper

    @tool
    @functools.cache
    def g(a: int) -> int:
        """Cached."""
        return a

    @tool
    @twice
    def h(a: int) -> int:
        return a

    class Colour(enum.Enum):
        RED = "red"

    @tool
    @twice
    def paint(colour: Colour) -> str:
        return colour.name

    assert paint(**paint.bind({"colour": "red"})[1]) == ["RED", "RED"]
    assert h(**h.bind({"a": 1})[1]) == [1, 1]
    assert (g.description, properties(g)) == ("Cached.", ["a"])


def test_a_tool_stays_as_it_is() -> None:
    assert Tool.of(run_query) is run_query
    assert tool(run_query) is run_query


def test_async_functions() -> None:
    async def f(a: int) -> int:
        return a

    class Asker:
        async def __call__(self, a: int) -> int:
            return a

    made = Tool.of(f)
    for value in (f, functools.partial(f, 1), Asker(), Table(1).load, functools.partial(made, 1)):
        assert Tool.of(value).is_async
    assert not run_query.is_async
    assert asyncio.run(made(3)) == 3


def test_help_and_signature_are_the_functions_own() -> None:
    assert inspect.signature(run_query) == inspect.signature(run_query.function)
    assert list(inspect.signature(Table(1).head).parameters) == ["count"]
    assert run_query.__name__ == "run_query"  # type: ignore[attr-defined]
    assert run_query.__module__ == __name__
    text = io.StringIO()
    pydoc.doc(run_query, output=text)
    assert "run_query(sql: 'str', limit: 'int' = 100)" in text.getvalue()
    assert "Most rows to return." in text.getvalue()


def test_question_mark() -> None:
    shell = InteractiveShell.instance()
    info = shell.inspector.info(run_query, oname="run_query")
    InteractiveShell.clear_instance()  # other tests have no shell
    assert info["definition"].startswith("run_query(sql: 'str', limit: 'int' = 100)")
    assert info["call_def"] is None
    assert "Most rows to return." in info["docstring"]


def test_reprs() -> None:
    assert repr(run_query) == "<Tool run_query(sql: str, limit: int = 100)>"

    @tool(name="look", timeout=2.5, description="Look `here`.")
    def f(data: dict[str, list[int]] | None = None, text: str = "x" * 1000) -> None: ...

    assert len(repr(f)) < 120
    plain, called = f._repr_markdown_().splitlines()[2:4], f._repr_markdown_().splitlines()[1]
    assert called.startswith("look(data: dict[str, list[int]] | None = None, text: str = 'xxx")
    assert plain == ["Look `here`.", "timeout=2.5"]


def test_reprs_of_annotations_that_are_objects() -> None:
    class Colour(enum.Enum):
        RED = "red"

    def f(a: int, b: int, c: int) -> None: ...

    f.__annotations__ = {"a": Annotated[int, pydantic.Field(ge=3)], "b": list[Colour], "c": Colour | None}
    assert repr(Tool.of(f)) == "<Tool f(a: int, b: list[Colour], c: Colour | None)>"


def test_copy_and_pickle() -> None:
    def local(a: int) -> int:
        return a

    assert copy.copy(run_query) is copy.deepcopy(run_query) is run_query
    assert pickle.loads(pickle.dumps(run_query)) is run_query
    made = pickle.loads(pickle.dumps(Tool(plain, name="other", confirm=True)))
    assert (made.name, made.confirm, made(2), made.function) == ("other", True, 2, plain)
    with pytest.raises(AttributeError):
        pickle.dumps(Tool.of(local))


def plain(a: int) -> int:
    return a


# --- refusals


def untyped(a: int, limit=10) -> None: ...  # type: ignore[no-untyped-def]
def like_a_method(self, a: int) -> None: ...  # type: ignore[no-untyped-def]
def many(*rows: int) -> None: ...
def named(**rows: int) -> None: ...
def field(a: int = pydantic.Field(3)) -> None: ...
def frame(df: pd.DataFrame) -> None: ...
def frames(dfs: list[pd.DataFrame] | None = None) -> None: ...
def callback(then: Callable[[int], int]) -> None: ...
def unknown(a: Undefined) -> None: ...
def no_type(a: 1 / 0) -> None: ...  # type: ignore[valid-type]
def größe(a: int) -> None: ...
def umlaut(länge: int) -> None: ...
def long_name(a: int) -> None: ...
def rows(a: int) -> Iterator[int]:
    yield a


async def async_rows(a: int) -> AsyncIterator[int]:
    yield a


long_name.__name__ = "x" * 65


@pytest.mark.parametrize(
    ("value", "start", "advice"),
    [
        (untyped, "untyped: the parameter limit has no type. ", "limit: int"),
        (like_a_method, "like_a_method: the parameter self has no type. ", "the_object.method"),
        (many, "many: the parameter *rows ", "rows: list[str]"),
        (named, "named: the parameter **rows ", "rows: dict[str, str]"),
        (field, "field: the parameter a has a Field as its default. ", "a: Annotated[…, Field(…)]"),
        (frame, "frame: the parameter df has the type pd.DataFrame, ", "functools.partial(function, df=…)"),
        (frames, "frames: the parameter dfs has the type list[pd.DataFrame] | None, ", "partial(function, dfs=…)"),
        (callback, "callback: the parameter then has the type Callable[[int], int], ", "partial(function, then=…)"),
        (unknown, "unknown: the parameter a has the type Undefined, ", "name 'Undefined' is not defined."),
        (no_type, "no_type: the parameter a has the type 1 / 0, ", "division by zero."),
        (größe, "'größe' is not a valid tool name", "@tool(name=…)"),
        (umlaut, "umlaut: the parameter länge has a name ", "letters a to z"),
        (long_name, f"'{'x' * 65}' is not a valid tool name", "1 to 64"),
        (lambda: 1, "'<lambda>' is not a valid tool name", "Set one with @tool(name=…)."),
        (rows, "rows yields its result ", "as a list"),
        (async_rows, "async_rows yields its result ", "as a list"),
        (Table, "A tool is a function ", "Table is a class."),
        ("run_query", "A tool is a function ", "not this str."),
        (dict.fromkeys, "fromkeys: the parameter iterable has no type. ", "iterable: str"),
        (min, "min: its parameters cannot be determined.", "def"),
    ],
)
def test_refusals(value: Any, start: str, advice: str) -> None:
    text = refusal(value)
    assert text.startswith(start)
    assert advice in text
    assert "\n" not in text


def test_a_lambda_with_a_name() -> None:
    assert Tool(lambda: 5, name="five")() == 5


def test_invalid_options() -> None:
    with pytest.raises(BadInput, match=r"'run query' is not a valid tool name.* another with"):
        Tool(plain, name="run query")
    with pytest.raises(BadInput, match="plain: timeout=0 "):
        Tool(plain, timeout=0)
    with pytest.raises(BadInput, match="f: write @tool .* @staticmethod"):
        tool(staticmethod(plain_f()))


def test_a_local_function_is_not_a_method() -> None:
    def f(a) -> None: ...  # type: ignore[no-untyped-def]

    assert refusal(f).startswith("f: the parameter a has no type.")


def plain_f() -> Callable[[int], int]:
    def f(a: int) -> int:
        return a

    return f


def test_the_simulator_takes_every_definition(simulator: Simulator) -> None:
    refused = {"without_type", "default_in_field", "many", "named"}
    wires = [Tool.of(function).to_wire() for name, function in FUNCTIONS.items() if name not in refused]
    assert len(wires) == len(FUNCTIONS) - 4
    with Api(simulator) as api:
        assert api.ask(tools=wires, headers={"anthropic-version": OLD})["type"] == "message"


def test_nothing_heavy_until_the_first_tool() -> None:
    program = """
import sys
from claude_magic.tools import definition
print([name for name in ("pydantic", "docstring_parser", "pandas", "numpy") if name in sys.modules])
"""
    assert run_python(program) == "[]\n"


def test_names_of_the_package() -> None:
    assert {"tool", "Tool", "python", "sql", "dataframes"} <= set(dir(tools))
    with pytest.raises(AttributeError, match=r"'claude_magic\.tools' has no attribute 'spell'"):
        getattr(tools, "spell")  # noqa: B009  (a type checker would refuse it)
