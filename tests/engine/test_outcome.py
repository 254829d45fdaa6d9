"""How a turn ends: the table, against a server that breaks in each of these ways."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine import interrupts
from claude_magic.engine.message import Message
from claude_magic.engine.outcome import outcome
from claude_magic.messages.errors import AnswerBroken, ClaudeError, Interrupted, Overloaded, Refused
from claude_magic.messages.reply import Reply
from claude_magic.messages.retry import Wait
from claude_magic.simulator import Simulator
from tests.conversation.conftest import Notebook
from tests.conversation.wire import answers, body, questions


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ("stop=max_tokens", "Raise --max-tokens"),
        ("stop=model_context_window_exceeded", "Start over with --new"),
        ("fault=truncate; after=30", "ended without the server saying so"),
    ],
)
def test_a_cut_answer_is_kept_and_reported(
    claude: Conversation, notebook: Notebook, simulator: Simulator, plan: str, reason: str
) -> None:
    simulator.faults.append(plan)
    reply = claude("Explain and compare why this is so, please, at some length.")
    assert not reply.complete
    assert reason in notebook.recorder.ending.notices[-1]
    claude("next")
    assert answers(simulator) == [reply.text]


@pytest.mark.parametrize("plan", ["fault=cut; after=30", "fault=error; type=overloaded_error; after=30"])
def test_a_broken_answer_keeps_text(claude: Conversation, notebook: Notebook, simulator: Simulator, plan: str) -> None:
    simulator.faults.append(plan)
    with pytest.raises(AnswerBroken, match=r"Broke off after \d+ words; kept") as caught:
        claude("Explain and compare why this is so, please, at some length.")
    reply = caught.value.reply
    assert reply.text
    assert not reply.complete
    assert reply.usage.at_least
    assert "broke off" in notebook.recorder.ending.notices[-1]
    claude("next")
    assert answers(simulator) == [reply.text]
    claude.undo()
    claude.undo()
    claude("next")
    assert questions(simulator) == ["next"]


@pytest.mark.parametrize(
    ("plan", "kind"),
    [
        ("fault=refusal; after=4; category=cyber", Refused),
        ("fault=529", Overloaded),
        ("fault=cut; after=0", ClaudeError),
        ("fault=hangup", ClaudeError),
        ("think=20; fault=cut; after=10", ClaudeError),
    ],
)
def test_no_answer_no_change(claude: Conversation, simulator: Simulator, plan: str, kind: type[ClaudeError]) -> None:
    before = claude.state
    simulator.faults.append(plan)
    with pytest.raises(kind) as caught:
        claude("Hi")
    assert claude.state is before
    assert caught.value.reply is None
    claude("next")
    assert questions(simulator) == ["next"]


def test_a_refusal_says_what_it_is_about(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.append("fault=refusal; after=4; category=cyber")
    with pytest.raises(Refused, match=r"declined to answer \(cyber\)"):
        claude("Hi")
    assert claude.last is not None
    assert claude.last.text  # what was shown is there to look at, but not in the history


def test_an_empty_answer_leaves_a_valid_history(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    simulator.faults.append("empty")
    assert claude("Hi").complete
    assert "empty answer" in "".join(notebook.recorder.ending.notices)
    claude("next")
    assert questions(simulator) == ["Hi", "next"]
    assert answers(simulator) == []


def test_tries_are_counted(claude: Conversation, home: Conversations, notebook: Notebook, simulator: Simulator) -> None:
    home.settings.max_retries = 2
    simulator.faults.append("fault=529; retry-after-ms=1; times=2")
    claude("Hi")
    waits = [change for change in notebook.recorder.changes if isinstance(change, Wait)]
    assert [wait.reason for wait in waits] == ["overloaded", "overloaded"]
    assert len(simulator.requests) == 3
    assert len(claude.turns) == 1
    assert "3 times: overloaded" in "".join(notebook.recorder.ending.notices)


def stop_at(claude: Conversation, notebook: Notebook, kind: str, presses: int = 1) -> Interrupted:
    """Ask, and press Ctrl-C when a change of this kind comes."""
    pressed = threading.Event()

    def press(change: object) -> None:
        here = kind == "wait" if isinstance(change, Wait) else kind == getattr(change, "kind", "")
        if here and not pressed.is_set():
            pressed.set()
            for _ in range(presses):
                os.kill(os.getpid(), signal.SIGINT)

    notebook.on_change = press
    with pytest.raises(Interrupted) as caught:
        claude("Explain and compare why this is so, please, at some length.")
    assert pressed.is_set()
    return caught.value


@pytest.mark.parametrize("presses", [1, 2, 5])
def test_a_stop_keeps_the_text(claude: Conversation, notebook: Notebook, simulator: Simulator, presses: int) -> None:
    simulator.faults.append("think=3")
    stopped = stop_at(claude, notebook, "text", presses)
    assert all(words in str(stopped) for words in ("Stopped after ", "kept", "undo()"))
    claude("next")
    assert answers(simulator) == [stopped.reply.text]
    assert len(simulator.requests) == 2


@pytest.mark.parametrize("kind", ["thinking", "wait"])
def test_a_stop_before_the_text_keeps_nothing(
    claude: Conversation, home: Conversations, notebook: Notebook, simulator: Simulator, kind: str
) -> None:
    home.settings.max_retries = 2
    simulator.faults.append("think=50; pace=200" if kind == "thinking" else "fault=529; retry-after=30")
    stopped = stop_at(claude, notebook, kind, presses=2)
    assert "before there was an answer" in str(stopped)
    assert len(simulator.requests) == 1
    claude("next")
    assert questions(simulator) == ["next"]


def test_the_handler_is_restored(claude: Conversation, notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_TOGETHER", 60.0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    claude("Hi")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    stop_at(claude, notebook, "text")
    os.kill(os.getpid(), signal.SIGINT)  # still the same press, for whoever pressed it
    monkeypatch.setattr(interrupts, "_TOGETHER", 0.0)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_renderer_that_fails_loses_no_answer(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    def fail(change: object) -> None:
        if len(notebook.recorder.changes) == 8:
            raise RuntimeError("the page is gone")

    notebook.on_change = fail
    simulator.faults.append("deltas=50; chars=4")
    reply = claude("Hi")
    assert claude.turns[0].reply is reply
    assert reply.complete


def test_refused_thinking_is_left_out_once(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    claude("Explain and compare why this is so, please, at some length.")
    simulator.faults.append(
        "fault=400; message=messages.1.content.0: Invalid `signature` in `thinking` block. "
        "The block is bound to a different conversation."
    )
    claude("next")
    assert len(simulator.requests) == 3
    assert "Earlier thinking was left out" in notebook.recorder.ending.notices[0]


def test_a_field_that_we_added_is_dropped_once(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    simulator.faults.append("fault=400; message=thinking: Extra inputs are not permitted")
    claude("Hi")
    assert "thinking" not in body(simulator)
    assert "'thinking'" in "".join(notebook.recorder.ending.notices)


def test_a_field_that_the_user_asked_for_stays(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.append("fault=400; message=thinking: Extra inputs are not permitted")
    with pytest.raises(ClaudeError, match="Extra inputs"):
        claude("Hi", thinking="show")
    assert len(simulator.requests) == 1


def test_a_call_that_the_server_left_open_does_not_stay() -> None:
    def call(number: int) -> dict[str, object]:
        return {"type": "server_tool_use", "id": f"srvtoolu_{number}", "name": "web_search", "input": {}}

    text = {"type": "text", "text": "Let me search."}
    thinking = {"type": "thinking", "thinking": "", "signature": "s"}
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    closed = Message("assistant", (thinking, call(1)), b"x")
    answered = [closed, Message("assistant", (result, thinking, text, call(2)), b"y"), Message("assistant", (call(3),))]
    ended = outcome(Reply(earlier=(Reply("Let me search."),)), KeyboardInterrupt(), answered)
    assert ended.answer is not None
    assert [message.content for message in ended.answer] == [(thinking, call(1)), (result, text)]
    assert ended.answer[0] is closed
