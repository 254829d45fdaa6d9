"""Stopping an answer in a real kernel: whenever it happens, the conversation is what the screen shows."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from claude_magic.simulator import Simulator
from tests.conversation.wire import body
from tests.notebook.kernels import Kernel, Running, Screen

SETUP = "%load_ext claude_magic\nclaude('Hello.\\nsimulate: say=Good morning.')"
NOTHING = ["Interrupted: Stopped before there was an answer."]
LONG = '{"text": "' + "long " * 200 + '"}'
STAGES = {
    "before the first byte": "delay=20",
    "in thinking": "think=4000; deltas=100; pace=200",
    "in silence after thinking": "think=5; think-delay=20; deltas=100; pace=200",
    "in text": "think=0; deltas=4000; pace=200",
    "waiting to try again": "429; retry-after=20",
    "in a tool's input": f"think=0; tool=look_up; pace=20; input={LONG}",
}
WITH_TEXT = ("in text", "in a tool's input")


def reached(stage: str, simulator: Simulator, before: int) -> Callable[[Screen], bool]:
    """Whether an answer has reached a stage."""
    marks = {
        "in thinking": "*thinking, ",
        "in silence after thinking": "*thinking, ",
        "in text": "The ",
        "waiting to try again": "again in ",
        "in a tool's input": "a tool.",
    }

    def check(screen: Screen) -> bool:
        return len(simulator.requests) > before and marks.get(stage, "") in "".join(screen.markdown)

    return check


def messages(simulator: Simulator) -> list[tuple[str, Any]]:
    """The conversation in the last request."""
    return [(message["role"], message["content"]) for message in body(simulator)["messages"]]


def begin(kernel: Kernel, simulator: Simulator, stage: str) -> tuple[Running, str]:
    """Ask, and wait until the answer has reached a stage."""
    before = len(simulator.requests)
    question = f"Go on.\nsimulate: {STAGES[stage]}"
    running = kernel.start(f"%%claude --new\n{question}")
    running.until(reached(stage, simulator, before))
    return running, question


def assert_stopped(running: Running, stage: str) -> str:
    """The cell failed with the one line that belongs to the stage; the text that it shows."""
    assert running.status == "error"
    if stage not in WITH_TEXT:
        assert running.error == NOTHING
        assert not running.screen.answers or not running.answer.answer
        return ""
    words = len(running.answer.answer.split())
    assert running.error == [
        f"Interrupted: Stopped after {words} words; kept, Claude will see them as its answer. undo() drops them."
    ]
    assert running.answer.notices == ["Stopped here."]
    return running.answer.answer


def assert_history(kernel: Kernel, simulator: Simulator, question: str, answer: str) -> None:
    """The next question works, and carries what the screen shows and nothing else."""
    before = len(simulator.requests)
    after = kernel.run("%%claude\nAnd now?\nsimulate: say=Now it works.")
    assert after.status == "ok", after.error
    assert after.answer.answer == "Now it works."
    assert len(simulator.requests) == before + 1
    assert messages(simulator)[-1] == ("user", "And now?\nsimulate: say=Now it works.")
    if answer:
        assert messages(simulator)[:-1] == [("user", question), ("assistant", answer)]
    else:
        assert question not in [content for _, content in messages(simulator)]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stopped_answer_is_kept_as_shown(kernel: Kernel, simulator: Simulator, stage: str) -> None:
    before = len(simulator.requests)
    running, question = begin(kernel, simulator, stage)
    kernel.interrupt()
    running.finish(5)
    answer = assert_stopped(running, stage)
    assert bool(answer) is (stage in WITH_TEXT)
    assert len(simulator.requests) == before + 1
    assert_history(kernel, simulator, question, answer)


@pytest.mark.parametrize("gap", [0.001, 0.005, 0.05, 0.3])
def test_stopping_twice_has_the_effect_of_stopping_once(kernel: Kernel, simulator: Simulator, gap: float) -> None:
    chance = random.Random(gap)
    for _ in range(20):
        stage = chance.choice([*STAGES, "in text", "in text"])
        before = len(simulator.requests)
        running, question = begin(kernel, simulator, stage)
        running.during(chance.uniform(0, 0.15))
        kernel.interrupt()
        running.during(gap)
        kernel.interrupt()
        running.finish(5)
        answer = assert_stopped(running, stage)
        assert len(simulator.requests) == before + 1
        assert_history(kernel, simulator, question, answer)


def test_after_stopped_answers_the_kernel_itself_can_still_be_stopped(kernel: Kernel, simulator: Simulator) -> None:
    running, _ = begin(kernel, simulator, "in text")
    kernel.interrupt()
    running.finish(5)
    endless = kernel.start("print('on')\nwhile True: pass")
    endless.until(lambda screen: screen.outputs)
    kernel.interrupt()
    endless.finish(5)
    assert endless.result["ename"] == "KeyboardInterrupt"
    assert endless.result["evalue"] == ""
    assert kernel.value("__import__('signal').getsignal(2) is __import__('signal').default_int_handler")


def test_stopping_a_loop_of_questions_stops_the_loop(kernel: Kernel, simulator: Simulator) -> None:
    kernel.run("claude.reset();")
    before = len(simulator.requests)
    running = kernel.start(
        "for number in range(3):\n"
        "    try:\n"
        "        claude(f'Number {number}\\nsimulate: think=0; deltas=4000; pace=200')\n"
        "    except Exception:\n"
        "        pass"
    )
    running.until(lambda screen: "The " in "".join(screen.markdown))
    kernel.interrupt()
    running.finish(5)
    assert running.status == "error"
    assert running.error[0].startswith("Interrupted: Stopped after ")
    assert len(simulator.requests) == before + 1
    assert kernel.value("(len(claude.turns), claude.last.complete)") == (1, False)


def test_the_reply_of_a_stopped_answer_is_in_the_variable(kernel: Kernel, simulator: Simulator) -> None:
    running = kernel.start(f"%%claude -o reply\nGo on.\nsimulate: {STAGES['in text']}")
    running.until(lambda screen: "The " in "".join(screen.markdown))
    kernel.interrupt()
    running.finish(5)
    assert kernel.value("(reply.complete, reply.text)") == (False, running.answer.answer)
    before = len(simulator.requests)
    running = kernel.start(f"%%claude -o reply\nGo on.\nsimulate: {STAGES['before the first byte']}")
    running.until(reached("before the first byte", simulator, before))
    kernel.interrupt()
    running.finish(5)
    assert kernel.value("'reply' in globals()") is False


def test_a_second_stop_just_behind_the_answer_is_still_the_first(kernel: Kernel) -> None:
    running = kernel.start(
        "import time\n"
        "try:\n"
        "    claude('Go on.\\nsimulate: think=0; deltas=4000; pace=200')\n"
        "except KeyboardInterrupt:\n"
        "    print('tidying')\n"
        "    time.sleep(0.3)\n"
        "    print('tidied')"
    )
    running.until(lambda screen: "The " in "".join(screen.markdown))
    kernel.interrupt()
    running.until(lambda screen: any("tidying" in output.get("text", "") for output in screen.outputs))
    kernel.interrupt()
    running.finish(5)
    assert running.status == "ok", running.error
    assert running.printed == "tidying\ntidied\n"
