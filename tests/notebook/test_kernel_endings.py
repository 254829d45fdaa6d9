"""How a turn ends, in a real kernel: the cell, the variable, and what Claude sees next."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from claude_magic.simulator import Simulator
from tests.notebook.kernels import Kernel
from tests.notebook.test_kernel_interrupts import messages

SETUP = "%load_ext claude_magic"
STREAM = "think=0; deltas=60; chars=5; pace=400"


class Ending(NamedTuple):
    """What should follow from a plan: the row of the table of ``claude_magic.engine.outcome``."""

    plan: str
    succeeds: bool
    kept: bool
    bound: bool
    complete: bool
    said: str
    """In the notice, or in the error."""


ENDINGS = {
    "complete": Ending(STREAM, True, True, True, True, ""),
    "stop sequence": Ending(f"{STREAM}; stop=stop_sequence", True, True, True, True, ""),
    "max_tokens": Ending(f"{STREAM}; stop=max_tokens", True, True, True, False, "it reached the limit of tokens"),
    "context full": Ending(
        f"{STREAM}; stop=model_context_window_exceeded", True, True, True, False, "the context window is full"
    ),
    "no message_stop": Ending(f"{STREAM}; fault=truncate", True, True, True, False, "without the server saying so"),
    "no end of a block": Ending(
        f"{STREAM}; fault=truncate; after=30", True, True, True, False, "without the server saying so"
    ),
    "connection lost": Ending(f"{STREAM}; fault=cut; after=30", False, True, True, False, "Broke off after "),
    "error in mid-stream": Ending(f"{STREAM}; fault=error; after=30", False, True, True, False, "Broke off after "),
    "refusal": Ending("fault=refusal; category=bio", False, False, False, False, "Claude declined to answer (bio)"),
    "refusal in mid-text": Ending(
        f"{STREAM}; fault=refusal; after=30", False, False, False, False, "Claude declined to answer"
    ),
    "error before the first event": Ending(
        "400; message=No.", False, False, False, False, "No (400 invalid_request_error"
    ),
    "overloaded, then well": Ending(f"529; times=1 | {STREAM}", True, True, True, True, "Sent 2 times: overloaded."),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_the_cell_the_variable_and_the_history(kernel: Kernel, simulator: Simulator, name: str) -> None:
    ending = ENDINGS[name]
    kernel.run("claude.reset(); reply = 'stale'")
    for plan in ending.plan.split("|"):
        simulator.faults.append(plan)

    ran = kernel.run("%%claude -o reply\nGo on.")

    assert ran.status == ("ok" if ending.succeeds else "error"), ran.error
    assert kernel.value("'reply' in globals()") is ending.bound
    if ending.bound:
        assert kernel.value("reply.complete") is ending.complete
    if ending.succeeds:
        assert ending.said in "\n".join(ran.answer.notices)
        assert bool(ending.said) is bool(ran.answer.notices)
    else:
        assert len(ran.error) == 1
        assert ending.said in ran.error[0]
    next_one = kernel.run("%%claude\nAnd now?\nsimulate: say=Now it works.")
    assert next_one.answer.answer == "Now it works."
    history = messages(simulator)[:-1]
    assert history == ([("user", "Go on."), ("assistant", ran.answer.answer)] if ending.kept else [])


def test_run_all_stops_at_a_broken_answer(kernel: Kernel) -> None:
    broken = kernel.start(f"%%claude\nGo on.\nsimulate: {STREAM}; fault=cut; after=30")
    following = kernel.start("print('this must not run')")
    assert broken.finish().status == "error"
    assert following.finish().status == "aborted"


def test_a_broken_answer_looks_broken(kernel: Kernel) -> None:
    kernel.run("claude.reset();")
    ran = kernel.run(f"%%claude\nGo on.\nsimulate: {STREAM}; fault=cut; after=30")
    assert ran.answer.notices[-1].startswith("The answer broke off here.")
    assert ran.answer.answer
    assert ran.screen.answers[0]["metadata"]["claude_magic"]["complete"] is False
    assert [output["output_type"] for output in ran.screen.outputs] == ["display_data", "error"]


def test_a_call_of_a_tool_that_nobody_runs_does_not_spoil_the_conversation(kernel: Kernel) -> None:
    kernel.run("claude.reset();")
    kernel.run("%%claude\nLook it up.\nsimulate: think=0; tool=look_up")
    after = kernel.run("%%claude\nAnd now?\nsimulate: say=Now it works.")
    assert after.status == "ok", after.error
