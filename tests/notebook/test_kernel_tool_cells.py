"""Cells in which Claude calls functions, in a real kernel: asked for, stopped, awaited."""

from __future__ import annotations

from typing import Any

import pytest

from claude_magic.simulator import Simulator
from tests.conversation.test_tools import check_pairs
from tests.conversation.wire import body
from tests.notebook.kernels import WITH_AND_WITHOUT_NEST_ASYNCIO, Kernel
from tests.notebook.test_kernel_tools import SERVER

SETUP = (
    '''
%load_ext claude_magic
import asyncio, time
from claude_magic import tool

dropped, counter = [], 0

@tool(confirm=True)
def drop(table: str) -> str:
    """Drop a table."""
    dropped.append(table)
    return "gone"

def spins() -> None:
    """Count for ever."""
    global counter
    while True:
        counter += 1

async def awaits() -> None:
    """Count for ever, awaiting."""
    global counter
    while True:
        counter += 1
        await asyncio.sleep(0.001)

async def echo(line: str) -> str:
    """Say it in capitals."""
    writer.write(line.encode() + b"\\n")
    return (await reader.readline()).decode().strip()
'''
    + SERVER
)
pytestmark = WITH_AND_WITHOUT_NEST_ASYNCIO


def told(simulator: Simulator) -> list[dict[str, Any]]:
    """The results in the last request."""
    messages = body(simulator)["messages"]
    check_pairs(messages)
    blocks = [block for message in messages for block in message["content"] if isinstance(block, dict)]
    return [block for block in blocks if block["type"] == "tool_result"]


@pytest.mark.parametrize(
    ("answers", "ran", "asked", "said"),
    [
        (["y"], ["a"], 1, "gone"),
        (["what?", "no"], [], 2, "The user was asked and said no."),
        ([], [], 0, "There is nobody to ask."),
    ],
)
def test_a_call_is_confirmed_in_the_cell(
    kernel: Kernel, simulator: Simulator, answers: list[str], ran: list[str], asked: int, said: str
) -> None:
    kernel.run("dropped.clear(); claude.reset()")
    running = kernel.start(
        '%%claude -t drop\nsimulate: tool=drop {"table": "a"}\nsimulate: say=Done.', answers=answers
    ).finish()
    assert running.status == "ok", running.error
    assert kernel.value("dropped") == ran
    assert running.prompts == ["Run drop? [y]es / [n]o / [a]lways: "] * asked
    assert said in str(told(simulator)[-1]["content"])
    assert "Done." in running.answer.answer


def test_always_is_remembered(kernel: Kernel) -> None:
    kernel.run("dropped.clear(); claude.reset()")
    line = 'simulate: tool=drop {"table": "b"}'
    assert len(kernel.start(f"%%claude -t drop\n{line}\n{line}", answers=["a", "n"]).finish().prompts) == 1
    assert kernel.value("dropped") == ["b", "b"]
    kernel.run("claude.tools.always.clear()")


@pytest.mark.parametrize("name", ["spins", "awaits"])
def test_stop_ends_the_function_and_the_conversation_goes_on(kernel: Kernel, simulator: Simulator, name: str) -> None:
    kernel.run("claude.reset()")
    running = kernel.start(f"%%claude -t {name}\nsimulate: tool={name}; say=Let me count.")
    running.until(lambda screen: f"{name}(" in "".join(screen.markdown))
    running.during(0.3)
    kernel.interrupt()
    running.finish()
    assert "Stopped after 3 words; kept" in running.error[0]
    before = kernel.value("counter")
    after = kernel.run("%%claude\nsimulate: say=I see.")
    assert after.status == "ok"
    assert kernel.value("counter") == before > 0
    assert "Stopped by the user." in str(told(simulator)[-1])


def test_an_async_tool_uses_what_the_notebook_opened(kernel: Kernel, simulator: Simulator) -> None:
    kernel.run("claude.reset()")
    ask = 'simulate: tool=echo {"line": "hello"}\nsimulate: say=Done.'
    for cell in (f"%%claude -t echo -o reply\n{ask}", f"await asyncio.sleep(0)\nreply = claude({ask!r}, tools=[echo])"):
        ran = kernel.run(cell)
        assert ran.status == "ok", ran.error
        assert kernel.value("[call.value for call in reply.tool_calls]") == ["HELLO"]
    assert [result["content"] for result in told(simulator)] == ["HELLO", "HELLO"]


def test_a_tool_that_asks_claude_is_protected_from_a_second_press(kernel: Kernel, simulator: Simulator) -> None:
    kernel.run("claude.reset()")
    kernel.run(
        "def asks() -> str:\n    '''Ask.'''\n    return claude['inner']('simulate: deltas=4000; pace=200').text\n"
    )
    running = kernel.start("%%claude -t asks\nsimulate: tool=asks; say=Let me ask.")
    running.until(lambda screen: "The " in "".join(screen.markdown))
    kernel.interrupt()
    kernel.interrupt()
    running.finish()
    assert "Stopped after" in running.error[0]
    assert kernel.value("(len(claude.turns), len(claude['inner'].turns))") == (1, 1)
    assert kernel.run("%%claude\nsimulate: say=I see.").status == "ok"
    told(simulator)


def test_a_tool_that_clears_the_cell_does_not_take_the_answer_with_it(kernel: Kernel) -> None:
    kernel.run(
        "from IPython.display import clear_output\n"
        "def clears() -> None:\n    '''Clear.'''\n    for _ in range(3):\n        clear_output()\n"
    )
    ran = kernel.run("%%claude -t clears\nsimulate: tool=clears; say=Let me see.\nsimulate: say=All done.")
    assert "All done." in ran.answer.answer
    assert "Let me see." in ran.answer.answer
