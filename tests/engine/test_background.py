"""Answers in the background: their order, their end, and what they leave to the thread that asks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.conversation.journal import Journal
from claude_magic.conversation.state import State
from claude_magic.engine.background import Answer
from claude_magic.messages.errors import BadInput, ConnectionFailed, Interrupted, StillAnswering
from claude_magic.simulator import Simulator
from claude_magic.tools import tool
from claude_magic.tools.main_thread import MainThreadQueue
from tests.conversation.conftest import Notebook
from tests.conversation.wire import answers, body, questions
from tests.processes import PATIENCE, eventually

ENDLESS = "Go on.\nsimulate: think=0; deltas=20000; chars=4; pace=200"


class Gate:
    """A tool that holds an answer up until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

        @tool(parallel=True)
        def gate() -> str:
            """Wait until it is open."""
            self.reached.set()
            assert self.open.wait(PATIENCE)
            return "open"

        self.tool = gate

    def ask(self, claude: Conversation, words: str, **options: Any) -> Answer:
        """Ask something that is answered once the gate is open."""
        question = f"{words}\nsimulate: tool=gate; say=Held.\nsimulate: say={words} answered."
        answer = claude(question, tools=[self.tool], background=True, **options)
        assert self.reached.wait(PATIENCE)
        return answer


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def has_text(notebook: Notebook) -> threading.Event:
    """Set once there is text; to be called before the question is asked."""
    seen = threading.Event()
    notebook.on_change = lambda change: seen.set() if getattr(change, "kind", "") == "text" else None
    return seen


def interrupt_once_it_waits() -> threading.Thread:
    """Press Ctrl-C as soon as this thread waits for an answer."""
    me = threading.get_ident()

    def waits() -> bool:
        frame = sys._current_frames()[me]
        while frame is not None and frame.f_code is not MainThreadQueue.wait_until.__code__:
            frame = frame.f_back  # type: ignore[assignment]
        return frame is not None

    def press() -> None:
        eventually(waits)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def wait_for(answer: Answer) -> None:
    """Do nothing else until it is complete, not even run its tools."""
    done = threading.Event()
    answer.when_done(done.set)
    assert done.wait(PATIENCE)


def words(conversation: Conversation) -> list[str]:
    return [turn.prompt.partition("\n")[0] for turn in conversation.turns]


def test_it_returns_at_once_and_wait_gives_the_reply(claude: Conversation, gate: Gate) -> None:
    answer = gate.ask(claude, "One")
    assert not answer.done
    assert not answer.reply
    assert not claude.turns
    assert "under way" in repr(answer)
    gate.open.set()
    reply = claude.wait()
    assert reply is answer.reply is claude.last
    assert reply is not None
    assert reply.text.endswith("One answered.")
    assert answer.wait() is reply
    assert "complete" in repr(answer)
    assert words(claude) == ["One"]
    assert claude.wait() is reply  # nothing is under way: the latest


def test_the_next_question_waits_and_carries_its_answer(claude: Conversation, gate: Gate, simulator: Simulator) -> None:
    gate.ask(claude, "One")
    threading.Timer(0.0, gate.open.set).start()
    claude("Two")
    assert [question.partition("\n")[0] for question in questions(simulator)] == ["One", "", "Two"]
    assert answers(simulator)[-1] == "One answered."
    assert words(claude) == ["One", "Two"]
    assert len(simulator.requests) == 3


def test_several_are_answered_in_the_order_asked(claude: Conversation, gate: Gate, simulator: Simulator) -> None:
    handles = [
        gate.ask(claude, "0"),
        *(claude(f"{n}\nsimulate: say=Number {n}.", background=True) for n in range(1, 5)),
    ]
    assert len(simulator.requests) == 1
    gate.open.set()
    assert claude.wait() is handles[-1].reply
    assert words(claude) == ["0", "1", "2", "3", "4"]
    assert [handle.wait().text for handle in handles[1:]] == [f"Number {n}." for n in range(1, 5)]
    assert answers(simulator)[-3:] == ["Number 1.", "Number 2.", "Number 3."]


def test_two_conversations_do_not_wait_for_each_other(claude: Conversation, gate: Gate) -> None:
    held = gate.ask(claude, "One")
    assert claude["other"]("Two\nsimulate: say=At once.").text == "At once."
    claude["other"]("Three\nsimulate: say=Also.", background=True)
    reply = claude["other"].wait()
    assert reply is not None
    assert reply.text == "Also."
    assert not held.done


def test_values_are_taken_when_it_is_asked(claude: Conversation, gate: Gate, simulator: Simulator) -> None:
    gate.ask(claude, "One")
    value = {"region": "North"}
    claude("Which?", value, background=True)
    claude.model = "claude-haiku-4-5"
    value["region"] = "South"
    gate.open.set()
    claude.wait()
    assert "North" in questions(simulator)[-1]
    assert body(simulator)["model"] == "claude-sonnet-5-5"


def test_bad_input_fails_where_it_is_asked_and_nothing_is_sent(claude: Conversation, simulator: Simulator) -> None:
    for ask in (
        lambda: claude("What?", object(), background=True),
        lambda: claude("", background=True),
        lambda: claude("What?", temperature="hot", background=True),  # type: ignore[call-overload]
        lambda: claude("What?", tools=["no tool"], tool_choice="other", background=True),
        lambda: claude("What?", model="claude-haiku-4-5", effort="absurd", background=True),
    ):
        with pytest.raises((BadInput, TypeError)):
            ask()
    assert claude.wait() is None
    assert len(simulator.requests) == 0
    claude("Now.")  # and nothing stands in line
    assert len(simulator.requests) == 1


def test_nonsense_is_refused_in_a_line(claude: Conversation) -> None:
    with pytest.raises(BadInput, match="background.*'yes'"):
        claude("What?", background="yes")  # type: ignore[call-overload]
    with pytest.raises(BadInput, match="seconds.*'soon'"):
        claude.wait("soon")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="seconds.*nan"):
        claude.wait(float("nan"))


def test_what_became_impossible_is_reported_in_its_place(claude: Conversation, gate: Gate, notebook: Notebook) -> None:
    gate.ask(claude, "One")
    answer = claude("Two", background=True)
    claude.system = "sk-ant-api03-" + "x" * 40
    gate.open.set()
    with pytest.raises(BadInput, match="API key"):
        answer.wait()
    assert [notice.partition(":")[0] for notice in notebook.recorder.ending.notices] == ["BadInput"]
    assert "sk-ant" not in str(notebook.recorder.ending.notices)
    assert words(claude) == ["One"]


def test_what_is_saved_meanwhile_is_without_it(claude: Conversation, gate: Gate, tmp_path: Path) -> None:
    gate.ask(claude, "One")
    claude("Two", background=True)
    assert repr(claude.save(tmp_path / "talk")).endswith("Without 2 answers still under way.")
    gate.open.set()
    claude.wait()
    assert "under way" not in repr(claude.save(tmp_path / "talk"))


def test_an_error_is_shown_and_raised_once(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    claude("What?\nsimulate: fault=refusal", background=True)
    with pytest.raises(Exception, match="Claude declined") as raised:
        claude.wait()
    assert notebook.recorder.ending.notices == [raised.value.line]  # type: ignore[attr-defined]
    assert not claude.turns
    assert claude.wait() is claude.last
    simulator.stop()
    answer = claude("And now?", background=True)
    with pytest.raises(ConnectionFailed):
        answer.wait()
    with pytest.raises(ConnectionFailed):
        claude.wait()


def test_stop_keeps_what_has_come(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    seen = has_text(notebook)
    answer = claude(ENDLESS, background=True)
    queued = claude("Two", background=True)
    recorder = notebook.recorder
    assert seen.wait(PATIENCE)
    assert repr(claude.stop()) == "Stopped 2 answers."
    assert answer.done
    assert queued.done
    with pytest.raises(Interrupted, match=r"\d+ words; kept"):
        answer.wait()
    with pytest.raises(Interrupted, match="before it was sent") as unsent:
        queued.wait()
    assert recorder.ending.notices == [f"Interrupted: {unsent.value}"]
    assert words(claude) == ["Go on."]
    assert claude.turns[0].state == "stopped"
    claude("Three")
    assert answers(simulator) == [claude.turns[0].reply.text]
    assert len(simulator.requests) == 2
    assert repr(claude.stop()) == "There was nothing to stop."


@pytest.mark.parametrize("stage", ["delay=20", "think=4000; deltas=100; pace=200", "429; retry-after=20"])
def test_stop_before_there_is_text_leaves_nothing(stage: str, claude: Conversation, simulator: Simulator) -> None:
    claude.home.settings.max_retries = 2
    answer = claude(f"Go on.\nsimulate: {stage}", background=True)
    eventually(lambda: simulator.requests)
    answer.stop()
    with pytest.raises(Interrupted, match="before there was an answer"):
        claude.wait(PATIENCE)
    assert not claude.turns
    assert claude("And now?\nsimulate: say=Yes.").text == "Yes."


def test_stop_does_not_wait_for_a_tool_in_a_thread(claude: Conversation, gate: Gate, simulator: Simulator) -> None:
    answer = gate.ask(claude, "One")
    claude.stop()
    assert answer.done
    (call,) = claude.turns[0].tool_calls
    assert call.state == "stopped"
    assert "may still be running" in call.parts[0].wire["text"]
    claude("Two")
    assert len(simulator.requests) == 2


def test_stop_cancels_a_coroutine(claude: Conversation) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def endless() -> None:
        """Wait for ever."""
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    answer = claude("One\nsimulate: tool=endless", tools=[endless], background=True)
    assert begun.wait(PATIENCE)
    claude.stop()
    assert answer.done
    assert cancelled.is_set()
    assert [call.state for call in claude.turns[0].tool_calls] == ["stopped"]


def test_a_coroutine_and_a_parallel_tool_need_nobody(claude: Conversation) -> None:
    ran: list[int] = []

    async def one() -> int:
        """One."""
        await asyncio.sleep(0)
        ran.append(threading.get_ident())
        return 1

    @tool(parallel=True)
    def two() -> int:
        """Two."""
        ran.append(threading.get_ident())
        return 2

    answer = claude("Go\nsimulate: tool=one; tool=two\nsimulate: say=Three.", tools=[one, two], background=True)
    wait_for(answer)
    assert [call.value for call in claude.turns[0].tool_calls] == [1, 2]
    assert threading.get_ident() not in ran


@pytest.mark.parametrize("how", ["wait", "handle", "ask", "other"])
def test_a_plain_tool_runs_in_the_thread_that_waits(claude: Conversation, how: str) -> None:
    ran: list[int] = []

    def look() -> str:
        """Look."""
        print("looking")
        ran.append(threading.get_ident())
        return "here"

    answer = claude("Go\nsimulate: tool=look\nsimulate: say=Seen.", tools=[look], background=True)
    if how == "wait":
        claude.wait()
    elif how == "handle":
        answer.wait()
    elif how == "ask":
        claude("And?")
    else:
        gate = Gate()
        gate.ask(claude["other"], "One")
        answer.when_done(gate.open.set)
        claude["other"].wait()
    assert answer.done
    assert ran == [threading.get_ident()]
    (call,) = claude.turns[0].tool_calls
    assert (call.state, call.value, call.printed) == ("done", "here", "looking\n")


def test_a_plain_tool_waits_until_then_and_can_be_stopped(claude: Conversation, notebook: Notebook) -> None:
    ran: list[int] = []

    def look() -> None:
        """Look."""
        ran.append(1)

    waiting = threading.Event()
    notebook.on_change = lambda change: waiting.set() if getattr(change, "state", "") == "waiting" else None
    answer = claude("Go\nsimulate: tool=look", tools=[look], background=True)
    assert waiting.wait(PATIENCE)
    assert not ran
    answer.stop()
    wait_for(answer)
    assert not ran
    assert [call.state for call in claude.turns[0].tool_calls] == ["stopped"]
    claude("Two")
    assert not ran


def test_a_call_is_confirmed_by_who_waits(notebook: Notebook, claude: Conversation) -> None:
    asked: list[int] = []

    def agree(call: object) -> str:
        asked.append(threading.get_ident())
        return "yes"

    notebook.confirm = agree  # type: ignore[method-assign]

    @tool(confirm=True, parallel=True)
    def drop() -> str:
        """Drop it."""
        return "gone"

    claude("Go\nsimulate: tool=drop\nsimulate: say=Gone.", tools=[drop], background=True)
    claude.wait()
    assert asked == [threading.get_ident()]
    assert [call.value for call in claude.turns[0].tool_calls] == ["gone"]

    def nobody(call: object) -> str:
        raise BadInput("Nobody.")

    notebook.confirm = nobody  # type: ignore[method-assign]
    claude("Go\nsimulate: tool=drop\nsimulate: say=Not.", background=True)
    claude.wait()
    (call,) = claude.turns[1].tool_calls
    assert call.state == "refused"
    assert "There is nobody to ask." in call.parts[0].wire["text"]


def test_wait_may_end_before_the_answer(claude: Conversation, gate: Gate) -> None:
    answer = gate.ask(claude, "One")
    with pytest.raises(TimeoutError, match=r"1 answer not complete after 0\.01 s"):
        claude.wait(0.01)
    with pytest.raises(StillAnswering):
        answer.wait(0)
    gate.open.set()
    reply = claude.wait(PATIENCE)
    assert reply is not None
    assert reply.complete


def test_an_interrupt_stops_the_wait_and_not_the_answer(claude: Conversation, gate: Gate, simulator: Simulator) -> None:
    answer = gate.ask(claude, "One")
    for wait in (claude.wait, answer.wait, lambda: claude("Two")):
        interrupting = interrupt_once_it_waits()
        with pytest.raises(Interrupted, match=r"Stopped (waiting|before it was sent)"):
            wait()
        interrupting.join()
        assert not answer.done
    gate.open.set()
    assert claude.wait() is answer.reply
    assert words(claude) == ["One"]
    assert len(simulator.requests) == 2
    claude("Three")


def test_an_interrupt_of_a_tool_stops_its_answer(claude: Conversation) -> None:
    def endless() -> None:
        """Count for ever."""
        signal.raise_signal(signal.SIGINT)
        threading.Event().wait(PATIENCE)

    answer = claude("Go\nsimulate: tool=endless", tools=[endless], background=True)
    with pytest.raises(Interrupted, match="the tool"):
        claude.wait()
    with pytest.raises(Interrupted):
        answer.wait(PATIENCE)
    assert [call.state for call in claude.turns[0].tool_calls] == ["stopped"]
    claude("And now?")


def test_changes_while_it_is_under_way_are_not_lost(claude: Conversation, gate: Gate) -> None:
    claude("Zero")
    claude("Half")
    gate.ask(claude, "One")
    del claude.turns[0]
    claude.system = "Be brief."
    claude.undo()
    claude.redo()
    claude.model = "haiku"
    gate.open.set()
    claude.wait()
    assert words(claude) == ["Half", "One"]
    assert claude.system == "Be brief."
    assert claude.model.startswith("claude-haiku")
    claude.undo()
    assert words(claude) == ["Half"]
    claude.redo()
    claude("Two")


@pytest.mark.parametrize("undone", [False, True])
def test_reset_while_it_is_under_way(claude: Conversation, gate: Gate, undone: bool) -> None:
    claude("Zero\nsimulate: think=10")
    gate.ask(claude, "One")
    claude.reset()
    if undone:
        claude.undo()
    gate.open.set()
    claude.wait()
    assert words(claude) == (["Zero", "One"] if undone else ["One"])
    claude("Two")


def test_a_rerun_drops_the_answer(claude: Conversation, notebook: Notebook, gate: Gate, simulator: Simulator) -> None:
    notebook.ask(claude, "A", "First\nsimulate: say=Old.")
    notebook.run("A")
    former = gate.ask(claude, "Second")
    notebook.end()
    notebook.run("B")
    queued = claude("Later\nsimulate: say=Later.", background=True)
    notebook.end()
    notebook.run("A")
    answer = claude("Third\nsimulate: say=New.", background=True)
    notebook.end()
    reply = claude.wait()  # what was dropped raises nothing
    assert reply is answer.reply
    assert former.done
    assert former.dropped
    assert isinstance(former.error, Interrupted)
    assert queued.error is None
    assert words(claude) == ["Third", "Later"]
    assert answers(simulator) == []  # the new one stands where the first stood


def test_deleted_and_empty_cells_stop_answers(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    for again, deleted in (("A", ""), ("B", "A")):
        gate = Gate()
        notebook.run("A")
        former = gate.ask(claude, "One")
        notebook.end()
        notebook.run(again, set(deleted))
        notebook.end()
        wait_for(former)
        gate.open.set()
        assert not claude.turns
        assert claude.last is None
    claude("And now?")
    assert len(questions(simulator)) == 1


def test_where_cells_only_add_both_are_answered(claude: Conversation, notebook: Notebook, home: Conversations) -> None:
    home.settings.rerun = "append"
    gate = Gate()
    notebook.run("A")
    gate.ask(claude, "One")
    notebook.run("A")
    claude("Two", background=True)
    gate.open.set()
    claude.wait()
    assert words(claude) == ["One", "Two"]


def test_a_tool_may_ask_in_the_background_and_not_wait_for_itself(claude: Conversation) -> None:
    later: list[Answer] = []

    def ask() -> str:
        """Ask."""
        later.append(claude("Inner\nsimulate: say=Inner.", background=True))
        with pytest.raises(BadInput, match="A tool cannot wait"):
            claude.wait()
        return "asked"

    claude("Outer\nsimulate: tool=ask\nsimulate: say=Outer.", tools=[ask])
    assert later[0].wait().text == "Inner."
    assert words(claude) == ["Outer", "Inner"]
    claude("Again\nsimulate: tool=ask\nsimulate: say=Again.", background=True)
    claude.wait()
    claude.wait()
    assert [call.value for call in claude.turns[2].tool_calls] == ["asked"]
    assert words(claude) == ["Outer", "Inner", "Again", "Inner"]


def test_a_tool_of_it_cannot_ask_what_waits_for_it(claude: Conversation) -> None:
    def ask() -> str:
        """Ask."""
        with pytest.raises(BadInput, match="cannot ask 'main'"):
            claude("Inner")
        with pytest.raises(BadInput, match="cannot wait"):
            answer.wait()
        return claude["other"]("Aside\nsimulate: say=Aside.").text

    answer = claude("Outer\nsimulate: tool=ask\nsimulate: say=Outer.", tools=[ask], background=True)
    claude.wait()
    assert [call.value for call in claude.turns[0].tool_calls] == ["Aside."]


def test_no_change_is_lost_when_several_threads_change_at_once() -> None:
    journal = Journal(State())
    start = threading.Barrier(8)

    def add() -> None:
        start.wait()
        for _ in range(200):
            journal.change(lambda state: ("one more", State(system=(state.system or "") + "x")))

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(8):
                pool.submit(add)
    finally:
        sys.setswitchinterval(switch)
    assert len(journal.state.system or "") == 1600


def test_close_stops_them(claude: Conversation, notebook: Notebook, home: Conversations) -> None:
    seen = has_text(notebook)
    answer = claude(ENDLESS, background=True)
    assert seen.wait(PATIENCE)
    home.close()
    assert answer.done
    claude("It works again.")


def test_python_ends_while_it_is_under_way(simulator: Simulator) -> None:
    program = f"""
import os
from claude_magic import Conversation
os.environ.update(ANTHROPIC_BASE_URL={simulator.url!r}, ANTHROPIC_API_KEY="any")
claude = Conversation()
answer = claude({ENDLESS!r}, background=True)
queued = claude("Two", background=True)
print(answer)
"""
    run = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0
    assert "under way" in run.stdout
    assert run.stderr == ""
