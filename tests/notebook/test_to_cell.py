"""The code of an answer goes into the next cell or prompt."""

from __future__ import annotations

import pytest

from claude_magic.simulator import Simulator
from tests.notebook.conftest import Cells

TWO = "say=First\n\n```python\nx = 1\n```\n\nthen\n\n```sh\nls\n```"


@pytest.fixture
def asked(cells: Cells, simulator: Simulator) -> Cells:
    simulator.faults.append(TWO)
    cells("%%claude\nWrite it.")
    assert cells["claude"].last.code == ["x = 1", "ls"]
    return cells


def put(cells: Cells) -> object:
    """The text of the next prompt; reading clears it, as a terminal does."""
    waiting = getattr(cells.shell, "rl_next_input", None)
    cells.shell.rl_next_input = None
    return waiting


def test_a_block_of_the_last_answer(asked: Cells) -> None:
    assert asked("%claude --cell").stdout == "main: code block 0 goes into the cell below.\n"
    assert put(asked) == "x = 1"
    asked("%claude --cell 1")
    assert put(asked) == "ls"
    asked("claude.last.to_cell()")
    assert put(asked) == "x = 1"
    asked("claude.last.to_cell(-1)")
    assert put(asked) == "ls"


def test_two_blocks_stand_one_below_the_other(asked: Cells) -> None:
    asked("for n in (1, 0): claude.last.to_cell(n)")
    assert put(asked) == "ls\n\nx = 1"


def test_cell_alone_asks_nothing(asked: Cells, simulator: Simulator) -> None:
    asked("%claude --cell")
    assert len(simulator.requests) == 1
    assert len(asked["claude"].turns) == 1


def test_a_block_of_another_conversation(asked: Cells, simulator: Simulator) -> None:
    simulator.faults.append("say=```\nz\n```")
    asked("%%claude -c other\nWrite it.")
    asked("%claude --cell -c other")
    assert put(asked) == "z"


def test_a_question_with_cell(cells: Cells, simulator: Simulator) -> None:
    simulator.faults.append(TWO)
    cells("%%claude --cell 1\nWrite it.")
    assert put(cells) == "ls"
    assert "contains no code" in cells.fail("%claude --cell simulate: say=None here.")
    assert len(cells["claude"].turns) == 2


def test_truncated_code_gets_a_warning(cells: Cells, simulator: Simulator) -> None:
    simulator.faults.append("stop=max_tokens; say=```python\nx = [1,")
    cells("%%claude\nWrite it.")
    assert "may be incomplete" in cells("%claude --cell").stderr
    assert put(cells) == "x = [1,"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%claude --cell 2", "no code block 2: this answer has 2 code blocks, 0 to 1"),
        ("claude.last.to_cell(-3)", "no code block -3"),
        ("%claude --cell -c other", "no answer in 'other' yet"),
        ("%claude --cell=x", "needs a whole number, not 'x'"),
        ("%claude --cell --new -m opus --cell", "--cell is given twice"),
    ],
)
def test_errors_are_one_line(asked: Cells, simulator: Simulator, line: str, said: str) -> None:
    shown = asked.fail(line)
    assert said in shown
    assert put(asked) is None
    assert len(simulator.requests) == 1
    assert asked["claude"].last.code
