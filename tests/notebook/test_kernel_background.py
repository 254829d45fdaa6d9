"""Cells with ``--background`` in a real kernel: whose output is whose, what runs where, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claude_magic.simulator import Simulator
from tests.conversation.wire import answers, questions
from tests.notebook.kernels import PATIENCE, Kernel, Running, Screen, running_kernel, shown
from tests.processes import eventually

SETUP = """
%load_ext claude_magic
import asyncio, threading, time
from claude_magic import tool
from IPython.display import display

main, gates = threading.current_thread(), {}

@tool(parallel=True)
def gate(name: str = "it") -> str:
    "Waits until it is open."
    assert gates.setdefault(name, threading.Event()).wait(60)
    return "open"

def opened(name="it"):
    gates.setdefault(name, threading.Event()).set()

def look() -> str:
    "Looks."
    print("looking")
    display({"text/plain": "shown by the tool"}, raw=True)
    return f"in the main thread: {threading.current_thread() is main}"

@tool(confirm=True)
def drop(table: str) -> str:
    "Drops a table."
    return "gone"

claude.tools.add(gate, look, drop)
"""
LONG = "Go on.\nsimulate: think=0; deltas=400; chars=4; pace=200"
ENDLESS = "Go on.\nsimulate: think=0; deltas=20000; chars=4; pace=200"


@pytest.fixture
def kernel(kernel: Kernel) -> Iterator[Kernel]:
    """A kernel whose conversation begins afresh."""
    kernel.run("%config ClaudeMagics.display = 'markdown'")
    kernel.run("claude.stop(); claude.reset(); gates.clear(); claude.tools.always.clear()")
    yield kernel
    kernel.run("for name in [*gates]: opened(name)\nclaude.stop()")


def has_answer(screen: Screen) -> bool:
    return len(screen.answers) == 1


def has_text(screen: Screen) -> bool:
    return screen.letters > 100


def status(words: str) -> Any:
    return lambda screen: any(words in markdown for markdown in screen.markdown)


def kinds(running: Running) -> list[str]:
    """The kinds of messages that belong to a cell, each once, in order."""
    return list(dict.fromkeys(message.kind for message in running.messages))


def answer_of(running: Running) -> str:
    (output,) = running.screen.answers
    return shown(output).answer


def test_it_streams_into_its_own_cell_while_others_run(kernel: Kernel, simulator: Simulator) -> None:
    cell = kernel.run(f"%%claude -b\n{LONG}", "A")
    assert cell.status == "ok"
    assert not cell.screen.answers
    work = "while not claude.turns:\n    print('.', end='')\n    time.sleep(0.05)\n"
    other = kernel.run(f"{work}display({{'text/plain': 'other'}}, raw=True)")
    cell.later(has_answer)
    assert set(kinds(other)) == {"status", "execute_input", "stream", "display_data"}
    assert set(other.printed) == {"."}
    assert [output["data"] for output in other.screen.outputs[1:]] == [{"text/plain": "other"}]
    assert len(cell.screen.outputs) == 1
    assert (
        len({len("".join(message.content.get("data", {}).get("text/markdown", ""))) for message in cell.messages}) > 5
    )
    assert answer_of(cell) == kernel.value("claude.last.text")
    assert "error" not in kinds(cell)


def test_two_stream_at_once_each_into_its_own(kernel: Kernel) -> None:
    one = kernel.run("%%claude -b -c one\nGo.\nsimulate: think=0; deltas=200; pace=100; shape=prose")
    two = kernel.run("%%claude -b -c two\nGo.\nsimulate: think=0; deltas=200; pace=100; shape=table")
    own = kernel.start("for n in range(40):\n    print(n)\n    time.sleep(0.05)").finish()
    for cell, name in ((one, "one"), (two, "two")):
        cell.later(has_answer)
        assert len(cell.screen.outputs) == 1
        assert answer_of(cell).split() == kernel.value(f"claude[{name!r}].last.text").split()
    assert own.printed.split() == [str(n) for n in range(40)]


def test_the_next_question_waits_and_several_queue(kernel: Kernel, simulator: Simulator) -> None:
    before = len(simulator.requests)
    cells = [kernel.run("%%claude -b\nOne\nsimulate: tool=gate; say=Held.\nsimulate: say=One.", "A")]
    cells += [kernel.run(f"%%claude -b\n{n}\nsimulate: say={n}.", n) for n in ("Two", "Three")]
    cells[0].later(status("gate() running"))
    assert len(simulator.requests) == before + 1
    last = kernel.start("opened()\nclaude('Four')", "D").finish()
    assert last.status == "ok", last.error
    assert [question.partition("\n")[0] for question in questions(simulator)] == ["One", "", "Two", "Three", "Four"]
    assert answers(simulator)[1:] == ["One.", "Two.", "Three."]
    assert len(simulator.requests) == before + 5
    for cell, said in zip(cells, ["One.", "Two.", "Three."], strict=True):
        cell.later(has_answer)
        assert answer_of(cell).endswith(said)
    assert kernel.value("[turn.place.cell for turn in claude.turns]") == ["A", "Two", "Three", "D"]


def test_values_are_taken_when_the_cell_runs_and_bad_input_fails_there(kernel: Kernel, simulator: Simulator) -> None:
    kernel.run("%%claude -b\nOne\nsimulate: tool=gate; say=Held.").later(status("gate() running"))
    kernel.run("region = 'North'")
    kernel.run("%%claude -b\nWhere is {{ region }}?")
    before = len(simulator.requests)
    for wrong in ("%%claude -b\n{{ missing }}", "%%claude -b -i object()\nWhat?", "%%claude -b --effort absurd\nWhat?"):
        cell = kernel.run(wrong)
        assert cell.status == "error"
        assert len(cell.error) == 1
    kernel.run("region = 'South'; opened(); claude.wait()")
    assert questions(simulator)[-1] == "Where is North?"
    assert len(simulator.requests) <= before + 2


def test_a_plain_tool_runs_between_cells_and_shows_in_the_launching_cell(kernel: Kernel) -> None:
    cell = kernel.run("%%claude -b\nLook.\nsimulate: tool=look; say=I look.\nsimulate: say=Seen.")
    cell.later(has_answer)
    assert kernel.value("claude.turns[0].tool_calls[0].value") == "in the main thread: True"
    assert kernel.value("claude.turns[0].tool_calls[0].printed") == "looking\n"
    assert [output["data"] for output in cell.screen.outputs if output["data"].get("text/plain") == "shown by the tool"]
    assert "stream" not in kinds(cell)


def test_a_plain_tool_waits_for_the_cell_that_runs_and_says_so(kernel: Kernel) -> None:
    cell = kernel.run("%%claude -b\nLook.\nsimulate: tool=gate\nsimulate: tool=look\nsimulate: say=Seen.")
    busy = kernel.start("opened(); print('busy'); time.sleep(60)")
    cell.later(status("look() waits until the notebook is free"))
    kernel.interrupt()
    busy.finish()
    cell.later(has_answer)
    assert kernel.value("claude.turns[0].tool_calls[1].value") == "in the main thread: True"
    assert set(kinds(busy)) == {"status", "execute_input", "stream", "error"}


@pytest.mark.parametrize("waits", ["claude.wait()", "claude('And?')", "reply.wait()"])
def test_a_plain_tool_runs_while_a_cell_waits(kernel: Kernel, waits: str) -> None:
    ask = "Look.\nsimulate: tool=look; say=I look.\nsimulate: say=Seen."
    cell = kernel.run(f"reply = claude({ask!r}, background=True)\n{waits}")
    assert cell.status == "ok", cell.error
    assert kernel.value("claude.turns[0].tool_calls[0].value") == "in the main thread: True"


def test_parallel_and_async_tools_run_while_a_cell_runs(kernel: Kernel) -> None:
    kernel.run("async def aio() -> str:\n    await asyncio.sleep(0)\n    return 'awaited'\nclaude.tools.add(aio)")
    kernel.run("%%claude -b\nGo.\nsimulate: tool=aio; tool=gate; say=Both.\nsimulate: say=Done.")
    other = kernel.run("opened()\nwhile not claude.turns: time.sleep(0.01)")
    assert other.status == "ok", other.error
    assert kernel.value("[call.value for call in claude.turns[0].tool_calls]") == ["awaited", "open"]


def test_a_call_is_confirmed_in_the_cell_that_waits(kernel: Kernel) -> None:
    ask = '%%claude -b\nDrop it.\nsimulate: tool=drop {"table": "t"}; say=I drop.\nsimulate: say=Done.'
    cell = kernel.run(ask)
    cell.later(status("waits for your yes; claude.wait()"))
    waiting = kernel.start("claude.wait().text", answers=["y"]).finish()
    assert waiting.status == "ok", waiting.error
    assert waiting.prompts == ["Run drop? [y]es / [n]o / [a]lways: "]
    assert "Claude wants to run drop:" in waiting.printed
    assert kernel.value("claude.turns[0].tool_calls[0].value") == "gone"
    cell = kernel.run(ask)
    waiting = kernel.run("claude.wait().text")  # without a person to confirm
    assert waiting.status == "ok", waiting.error
    assert kernel.value("claude.turns[1].tool_calls[0].state") == "refused"


def test_it_is_stopped_from_another_cell(kernel: Kernel, simulator: Simulator) -> None:
    cell = kernel.run(f"%%claude -b -o reply\n{ENDLESS}", "A")
    cell.later(has_text)
    stopping = kernel.run("claude.stop()")
    assert stopping.screen.outputs[0]["data"]["text/plain"] == "Stopped 1 answer."
    cell.later(has_answer)
    (notice,) = shown(cell.screen.answers[0]).notices
    assert re.fullmatch(
        r"Interrupted: Stopped after \d+ words; kept, Claude will see them as its answer\. undo\\?\(\\?\) drops them\.",
        notice.replace("\\", ""),
    )
    answer = answer_of(cell)
    assert kernel.value("reply.complete") is False
    kernel.run("%%claude\nAnd now?\nsimulate: say=Yes.")
    assert answers(simulator) == [kernel.value("claude.turns[0].reply.text")]
    assert answers(simulator)[0].split() == answer.split()
    failed = kernel.run("claude.wait()")
    assert failed.error[0].startswith("Interrupted: Stopped after ")


def test_an_interrupt_of_the_wait_and_of_other_cells_leaves_it_alone(kernel: Kernel) -> None:
    cell = kernel.run("%%claude -b\nOne\nsimulate: tool=gate; say=Held.\nsimulate: say=One.")
    cell.later(status("gate() running"))
    for code in ("print('on')\nclaude.wait()", "print('on')\ntime.sleep(60)"):
        running = kernel.start(code)
        running.until(lambda screen: screen.outputs)
        running.during(0.3)
        kernel.interrupt()
        running.finish()
        assert running.status == "error"
        running.during(1.1)  # two presses within a second are one
    kernel.run("opened()")
    cell.later(has_answer)
    assert answer_of(cell).endswith("One.")
    assert kernel.value("claude.turns[0].reply.complete") is True


def test_a_tool_that_runs_between_cells_can_be_interrupted(kernel: Kernel) -> None:
    kernel.run("def spins():\n    'Counts.'\n    while True: pass\nclaude.tools.add(spins)")
    cell = kernel.run("%%claude -b\nCount.\nsimulate: tool=spins; say=I count.")
    cell.later(status("spins() running"))
    kernel.interrupt()
    cell.later(has_answer)
    assert kernel.value("claude.turns[0].tool_calls[0].state") == "stopped"
    kernel.interrupt()  # nothing runs: the kernel lives on
    assert kernel.run("1 + 1").status == "ok"


def test_the_variable_holds_a_handle_and_then_the_reply(kernel: Kernel) -> None:
    cell = kernel.run("%%claude -b -o reply\nOne\nsimulate: tool=gate; say=Held.\nsimulate: say=One.")
    cell.later(status("gate() running"))
    assert kernel.value("type(reply).__name__") == "Answer"
    kernel.run("opened(); claude.wait()")
    assert kernel.value("reply is claude.last") is True
    refused = kernel.run("%%claude -b -o reply\nTwo\nsimulate: fault=refusal")
    assert refused.status == "ok"
    refused.later(lambda screen: "Refused: Claude declined" in "".join(screen.markdown))
    assert len(refused.screen.outputs) == 1
    assert "error" not in kinds(refused)
    assert kernel.value("'reply' in globals()") is False
    waiting = kernel.run("claude.wait()")
    assert waiting.error[0].startswith("Refused: Claude declined")
    kernel.run("gates.clear()")
    third = kernel.run("%%claude -b -o reply\nThree\nsimulate: tool=gate; say=Held.")
    third.later(status("gate() running"))
    kernel.run("reply = 'mine'; opened(); claude.wait()")
    assert kernel.value("reply") == "mine"


def test_running_the_cell_again_stops_the_earlier_answer(kernel: Kernel, simulator: Simulator) -> None:
    former = kernel.run(f"%%claude -b\n{ENDLESS}", "A")
    former.later(has_text)
    again = kernel.run("%%claude -b\nAnew.\nsimulate: say=Anew.", "A")
    again.later(has_answer)
    assert answer_of(again) == "Anew."
    assert questions(simulator) == ["Anew.\nsimulate: say=Anew."]
    assert kernel.value("[turn.prompt.split()[0] for turn in claude.turns]") == ["Anew."]
    assert kernel.value("claude.wait().text") == "Anew."


def test_the_button_is_a_message_and_interrupts_no_cell(kernel: Kernel) -> None:
    kernel.run("%config ClaudeMagics.display = 'live'")
    cell = kernel.run(f"%%claude -b\n{ENDLESS}", "A")
    cell.later(lambda screen: screen.outputs)
    (opened,) = [message.content for message in cell.messages if message.kind == "comm_open"]
    other = kernel.start("print('on')\ntime.sleep(1)\n'through'", "B")
    other.until(lambda screen: screen.outputs)
    content = {"comm_id": opened["comm_id"], "data": {"method": "custom", "content": {"stop": True}}}
    kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", content))
    other.finish()
    assert other.status == "ok"
    assert other.screen.outputs[-1]["data"]["text/plain"] == "'through'"
    cell.later(has_answer)
    (notice,) = shown(cell.screen.answers[0]).notices
    assert notice.startswith("Interrupted: Stopped ")


def test_text_goes_to_its_own_cell_too(kernel: Kernel) -> None:
    kernel.run("%config ClaudeMagics.display = 'text'")
    cell = kernel.run("%%claude -b\nOne\nsimulate: think=0; deltas=60; pace=30")
    capture = "from IPython.utils.capture import capture_output\nwith capture_output() as captured:\n    print('in')\n"
    other = kernel.run(f"{capture}    while not claude.turns: time.sleep(0.01)\nprint(repr(captured.stdout))")
    cell.later(lambda screen: "SIMULATED" in "".join(output.get("text", "") for output in screen.outputs))
    assert kernel.value("claude.last.text") in cell.printed
    assert other.printed == "'in\\n'\n"


@pytest.mark.kernel
@pytest.mark.parametrize("ending", ["exit()", "%unload_ext claude_magic", "restart"])
def test_a_kernel_ends_while_it_streams(ending: str, simulator: Simulator, tmp_path: Path) -> None:
    with running_kernel(tmp_path, simulator.url, errors=tmp_path / "stderr") as kernel:
        kernel.run("%load_ext claude_magic")
        cell = kernel.run(f"%%claude -b\n{ENDLESS}", "A")
        kernel.run("%%claude -b\nTwo", "B")
        cell.later(has_text)
        if ending == "restart":
            kernel.manager.restart_kernel()
            kernel.client.wait_for_ready(timeout=PATIENCE)
            assert kernel.run("%load_ext claude_magic\nclaude.turns").status == "ok"
            assert kernel.run("%claude Hello.").status == "ok"
        else:
            ended = kernel.run(ending)
            assert ended.status == "ok", ended.error
        if ending == "exit()":
            eventually(lambda: not kernel.manager.is_alive())
        elif ending != "restart":
            cell.later(has_answer)
            assert kernel.run("1").status == "ok"
    noise = (tmp_path / "stderr").read_text()
    assert "Traceback" not in noise
    assert "Exception" not in noise
