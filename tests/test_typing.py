"""What users write is checked: a misspelt option fails in the type checker, and what is right passes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.judges import require_judge

ROOT = Path(__file__).parents[1]
SETUP = """
from typing import assert_type

import claude_magic
from claude_magic import Box, Conversation, Picture, Reply, tool
from claude_magic.simulator import start

@tool(confirm=True)
def add(a: int, b: int = 1) -> int:
    return a + b

@tool
def half(a: int, b: str = "") -> float:
    return a / 2

@tool(timeout=3)
async def name(a: int) -> str:
    return ""

class Reader:
    @tool
    def read(self, a: int) -> bytes:
        return b""

claude = Conversation()
reply = claude("hi")
"""
RIGHT = (
    'claude("hi", model="haiku", max_tokens=100, temperature=0.5, stop=("x",), once=True)',
    'claude("hi", Picture("a.png"), [1, 2], system="Be brief.", tools=[add])',
    'claude("hi", model=None, schema=dict[str, int])',
    'claude.count("hi", model="haiku").tokens',
    'claude.request("hi", form="curl", model="haiku").upper()',
    'answer: Reply = claude("hi")',
    'claude("hi", background=True).wait().text',
    "claude.budget = 5",
    'claude.model = "haiku"',
    'claude["other"]("hi", once=True)',
    "assert_type(add(1, b=2), int)",
    'assert_type(half(1, b=""), float)',
    "async def ask() -> None: assert_type(await name(1), str)",
    "assert_type(Reader().read(1), bytes)",
)
WRONG = (
    'claude("hi", modle="haiku")',
    'claude("hi", max_tokens="100")',
    'claude("hi", temperature="hot")',
    'claude("hi", once=1)',
    'claude("hi", system=3)',
    'claude("hi", background=True).text',
    'claude("hi").txt',
    "claude(3)",
    'claude.count("hi", modle="haiku")',
    'claude.count("hi", max_tokens="100")',
    'claude.request("hi", modle="haiku")',
    'claude.request("hi", effort=3)',
    "claude.budgett = 5",
    "claude.model = 5",
    'text: int = claude("hi").text',
    'add("1")',
    "add(1, c=2)",
    'half("1")',
    'Reader().read("1")',
    'Box("cat", "0", 0, 0, 0)',
    "claude_magic.Conversatoin",
    'start(port="8000")',
)


@pytest.mark.slow
def test_what_is_wrong_fails_in_the_type_checker_and_nothing_else_does(tmp_path: Path) -> None:
    lines = (SETUP + "\n".join([*RIGHT, *WRONG])).splitlines()
    program = tmp_path / "typed.py"
    program.write_text("\n".join(lines))
    # With the settings and the cache of the project, so that this costs a second where mypy has run before.
    command = [require_judge("mypy"), "--config-file", "pyproject.toml", str(program)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    errors = {lines[int(number) - 1] for number in re.findall(r"typed\.py:(\d+): error: ", run.stdout)}
    assert errors == set(WRONG), run.stdout + run.stderr
