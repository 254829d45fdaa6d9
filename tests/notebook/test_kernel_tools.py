"""Tools in a real kernel: where they run, what the cell shows, and that Stop stops them."""

from __future__ import annotations

import time

import pytest

from tests.notebook.kernels import WITH_AND_WITHOUT_NEST_ASYNCIO, Kernel

SETUP = """
import asyncio, threading, time
from claude_magic.tools import Tool
from claude_magic.tools.calls import Call, ask_in_cell, run

counter = 0

def answered(*functions, confirm=ask_in_cell, **options):
    calls = [Call(f"toolu_{number}", function.__name__, {}, tool=Tool(function, **options))
             for number, function in enumerate(functions)]
    try:
        run(calls, changed=lambda call: None, confirm=confirm)
    finally:
        global last
        last = calls
    return [call.parts[0].wire["text"] for call in calls]

async def endless():
    global counter
    while True:
        counter += 1
        await asyncio.sleep(0.001)

def spinning():
    global counter
    while True:
        counter += 1
"""
SERVER = """
async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()

server = await asyncio.start_server(serve, "127.0.0.1", 0)
reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
"""
"""A connection that is opened, and served, by top-level await: both are bound to the kernel's loop."""
pytestmark = WITH_AND_WITHOUT_NEST_ASYNCIO


def value(kernel: Kernel, cell: str) -> str:
    """What a cell prints."""
    ran = kernel.run(cell)
    assert ran.status == "ok", ran.error
    return ran.printed


def test_a_coroutine_can_use_a_connection_of_the_notebook(kernel: Kernel) -> None:
    assert kernel.run(SERVER).status == "ok"
    tool = """
async def ask():
    writer.write(b"hello\\n")
    return (await reader.readline()).decode()
print(answered(ask), answered(ask, ask, timeout=20))
"""
    assert value(kernel, tool) == "['HELLO\\n'] ['HELLO\\n', 'HELLO\\n']\n"
    assert value(kernel, "writer.write(b'bye\\n'); print(await reader.readline())") == "b'BYE\\n'\n"
    assert kernel.run("writer.close(); server.close(); await server.wait_closed()").status == "ok"


def test_a_coroutine_in_a_cell_that_awaits(kernel: Kernel) -> None:
    cell = "await asyncio.sleep(0.01)\nasync def f(): await asyncio.sleep(0.01); return 'f'\nprint(answered(f, f))"
    assert value(kernel, cell) == "['f', 'f']\n"


@pytest.mark.parametrize("function", ["endless", "spinning"])
def test_stop_stops_a_tool_and_nothing_of_it_goes_on(kernel: Kernel, function: str) -> None:
    kernel.run("counter = 0; quick = lambda: 'quick'; quick.__name__ = 'quick'")
    running = kernel.start(f"print('on')\nanswered(quick, {function}, quick)")
    running.until(lambda screen: screen.outputs)
    running.during(0.2)
    kernel.interrupt()
    running.finish(10)
    assert running.result["ename"] == "KeyboardInterrupt"
    before = kernel.value("counter")
    assert before > 0
    time.sleep(0.1)
    assert value(kernel, "await asyncio.sleep(0.1); print(counter)") == f"{before}\n"
    assert kernel.value("[call.parts[0].wire['text'] for call in last]") == [
        "quick",
        "Stopped by the user.",
        "Not run: stopped by the user before its turn.",
    ]


def test_timeouts_hold(kernel: Kernel) -> None:
    told = "Stopped after 0.2 s (its timeout)."
    assert value(kernel, "print(answered(endless, spinning, timeout=0.2))") == f"{[told, told]}\n"
    before = kernel.value("counter")
    assert value(kernel, "await asyncio.sleep(0.1); print(counter)") == f"{before}\n"


def test_a_cell_sent_in_the_meantime_waits(kernel: Kernel) -> None:
    slow = "async def slow():\n    await asyncio.sleep(1)\n    order.append('tool')\norder = []\nanswered(slow)"
    first = kernel.start(slow + "\norder.append('first')")
    second = kernel.start("order.append('second')")
    first.finish()
    second.finish()
    assert kernel.value("order") == ["tool", "first", "second"]


def test_what_tools_print_is_not_in_the_cell_and_what_they_display_is(kernel: Kernel) -> None:
    cell = """
from IPython.display import display
def plain(): print("hidden"); display("plain")
async def awaited(): await asyncio.sleep(0.01); print("hidden"); display("awaited")
answered(plain, awaited); answered(plain, parallel=True)
print("of the cell")
"""
    ran = kernel.run(cell)
    assert ran.status == "ok", ran.error
    assert ran.printed == "of the cell\n"
    shown = [output["data"]["text/plain"] for output in ran.screen.outputs if output["output_type"] == "display_data"]
    assert shown == ["'plain'", "'awaited'", "'plain'"]
    assert kernel.value("[call.printed for call in last]") == ["hidden\n"]


def test_a_tool_is_not_run_if_nobody_can_confirm_it(kernel: Kernel) -> None:
    ran = kernel.run("def delete(): raise SystemExit\nx = answered(delete, confirm=ask_in_cell)")
    assert ran.status == "ok"
    ran = kernel.run(
        "calls = [Call('toolu_1', 'delete', {'path': 'a'}, tool=Tool(delete, confirm=True))]\n"
        "calls[0].input.clear()\nrun(calls, changed=lambda call: None, confirm=ask_in_cell)"
    )
    assert ran.status == "ok", ran.error
    assert kernel.value("(calls[0].state, calls[0].parts[0].wire['text'])") == (
        "refused",
        "Not run: delete has to be confirmed. There is nobody to ask.",
    )
