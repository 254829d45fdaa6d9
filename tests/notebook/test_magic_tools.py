"""``-t`` and ``--schema`` of the magic."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from claude_magic.messages.errors import BadInput
from claude_magic.notebook.completion import Completer
from claude_magic.simulator import Simulator
from tests.conversation.wire import body
from tests.notebook.conftest import Cells

DEFINE = '''
import dataclasses

def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b

def minus(a: int) -> int:
    """Take one away."""
    return a - 1

both = [add, minus]

@dataclasses.dataclass
class Region:
    name: str
    growth: float
'''


@pytest.fixture
def defined(cells: Cells) -> Cells:
    cells(DEFINE)
    return cells


def names(simulator: Simulator) -> list[str]:
    return [definition["name"] for definition in body(simulator).get("tools", ())]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-t add", ["add"]),
        ("-t add, minus", ["add", "minus"]),
        ("-t add -t minus", ["add", "minus"]),
        ("-t both", ["add", "minus"]),
        ("-t {{ both[1] }}", ["minus"]),
        ("-t lambda_free", None),
        ("-t web_search,add", ["web_search", "add"]),
        ('-t "[add, minus]"', ["add", "minus"]),
        ("--tools=add", ["add"]),
    ],
)
def test_a_tool_is_a_name_a_server_tool_or_an_expression(
    defined: Cells, simulator: Simulator, line: str, expected: list[str] | None
) -> None:
    if expected is None:
        with pytest.raises(BadInput, match="no function or server tool"):
            defined.shell.run_cell_magic("claude", line, "Go.")
        return
    defined.shell.run_cell_magic("claude", line, "Go.")
    assert names(simulator) == expected


def test_tools_are_a_setting_and_stay(defined: Cells, simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    defined.shell.run_line_magic("claude", "-t add")
    assert "main: may call add." in capsys.readouterr().out
    defined.shell.run_line_magic("claude", "-t minus")
    defined.shell.run_cell_magic("claude", "", "Go.")
    assert names(simulator) == ["add", "minus"]
    defined.shell.run_cell_magic("claude", "-t none", "Go.")
    assert body(simulator)["tool_choice"] == {"type": "none"}
    with pytest.raises(UsageError, match="-t none applies to one question"):
        defined.shell.run_line_magic("claude", "-t none")
    with pytest.raises(UsageError, match="-t none cannot be combined"):
        defined.shell.run_cell_magic("claude", "-t none -t add", "Go.")
    defined.shell.run_line_magic("claude", "")
    assert "add, minus" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said", "value"),
    [
        ("--schema Region", '{"name": "North", "growth": 1}', "Region(name='North', growth=1.0)"),
        ("--schema list[Region]", '{"value": []}', "[]"),
        ('--schema \'Literal["a", "b"]\'', '{"value": "b"}', "'b'"),
        ("--schema int", '{"value": 3}', "3"),
    ],
)
def test_an_answer_of_a_type(defined: Cells, simulator: Simulator, line: str, said: str, value: str) -> None:
    simulator.faults.append(f"say={said}")
    defined.shell.run_cell_magic("claude", f"{line} -o reply", "Which?")
    assert repr(defined["reply"].parsed) == value


@pytest.mark.parametrize(
    ("line", "said"), [("--schema Regio", "NameError"), ("--schema ]", "neither a type"), ("--schema 3", "3")]
)
def test_an_invalid_schema_stops_the_cell(defined: Cells, simulator: Simulator, line: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        defined.shell.run_cell_magic("claude", line, "Which?")
    assert not simulator.requests


def test_tab_offers_functions_and_server_tools(defined: Cells) -> None:
    completer = Completer(defined.shell, defined.shell.magics_manager.registry["ClaudeMagics"].conversations)
    assert "add" in completer.complete("%%claude -t ad", "ad")
    assert completer.complete("%%claude -t web", "web") == ["web_fetch", "web_search"]
    assert "Region" in completer.complete("%%claude --schema Re", "Re")
