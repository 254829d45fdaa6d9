"""Claude calls functions: the rounds of one answer, their limits, and what stays of them."""

from __future__ import annotations

import functools
import signal
import threading
import time
from typing import Any

import pytest

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine import message as engine_message
from claude_magic.engine.question import Question
from claude_magic.messages.errors import AnswerBroken, BadInput, Interrupted, InvalidRequest, RequestTooLarge
from claude_magic.notebook.display.terminal import TextRenderer
from claude_magic.simulator import Simulator
from claude_magic.tools import tool
from claude_magic.tools.calls import Call
from claude_magic.tools.toolset import tool_name
from tests.conversation.conftest import Notebook
from tests.conversation.wire import answers, body, questions


@tool
def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@tool
def fails() -> None:
    """Never works."""
    raise LookupError("no such region: Atlantis")


def results(simulator: Simulator, index: int = -1) -> list[dict[str, Any]]:
    """The results of the last message of a request, as plain text."""
    blocks = [block for block in body(simulator, index)["messages"][-1]["content"] if isinstance(block, dict)]
    return [block for block in blocks if block["type"] == "tool_result"]


def check_pairs(messages: list[dict[str, Any]]) -> None:
    """Every call is answered in the very next message, results first, and nothing else is."""
    open_calls: list[str] = []
    for content in (each["content"] for each in messages):
        blocks = content if isinstance(content, list) else []
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert sorted(answered) == sorted(open_calls)
        assert [block["type"] for block in blocks[: len(answered)]] == ["tool_result"] * len(answered)
        open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert not open_calls


def test_a_call_is_run_and_its_result_goes_back(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    simulator.faults.append('tool=add; input={"a": "40"}')
    reply = claude("What is 40 + 2?", tools=[add])
    assert [block["content"] for block in results(simulator)] == ["42"]
    assert [(call.name, call.state, call.value) for call in reply.tool_calls] == [("add", "done", 42)]
    assert claude.turns[0].tool_calls == reply.tool_calls
    assert len(simulator.requests) == 2
    assert reply.usage.output_tokens == sum(message.counted.output_tokens for message in reply.messages)
    assert len(reply.messages) == 2
    states = [change.state for change in notebook.recorder.changes if isinstance(change, Call)]
    assert len(states) == 2  # running, done
    claude("And now?")
    check_pairs(body(simulator)["messages"])
    assert [message["role"] for message in body(simulator)["messages"]] == ["user", "assistant"] * 2 + ["user"]
    claude.undo()
    claude.undo()
    assert len(claude.tools) == 0
    assert not claude.turns


def test_tools_join_the_conversation_and_stay_in_their_order(claude: Conversation, simulator: Simulator) -> None:
    def other(word: str) -> str:
        """Another."""
        return word

    claude("one", tools=[add])
    claude("two", tools=[other, add])
    claude("three")
    sent = [[definition["name"] for definition in body(simulator, index)["tools"]] for index in range(3)]
    assert sent == [["add"], ["add", "other"], ["add", "other"]]
    claude("four", tools="none")
    assert body(simulator)["tool_choice"] == {"type": "none"}
    claude("five")
    assert "tool_choice" not in body(simulator)


def test_an_error_goes_back_in_words_and_stays_with_the_user(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.append("tool=fails")
    reply = claude("Try it.", tools=[fails])
    (result,) = results(simulator)
    assert result["is_error"] is True
    assert result["content"] == "LookupError: no such region: Atlantis"
    assert __file__ not in str(body(simulator))
    assert reply.complete
    assert isinstance(reply.tool_calls[0].exception, LookupError)
    assert reply.tool_calls[0].exception.__traceback__ is not None


def test_wrong_arguments_and_unknown_names_go_back(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.extend(['tool=add; input={"a": "ten"}', 'tool=subtract; input={"a": 1}'])
    claude("Try.", tools=[add])
    assert "a: " in results(simulator, 1)[0]["content"]
    assert "ten" in results(simulator, 1)[0]["content"]
    assert "add" in results(simulator, 2)[0]["content"]
    assert all(results(simulator, index)[0]["is_error"] for index in (1, 2))


def test_the_last_step_asks_for_a_conclusion(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    simulator.faults.extend(['tool=add; input={"a": 1}'] * 3)
    claude.tools.steps = 2
    reply = claude("Go on for ever.", tools=[add])
    assert len(simulator.requests) == 3
    assert body(simulator)["tool_choice"] == {"type": "none"}
    assert [block["type"] for block in body(simulator)["messages"][-1]["content"]] == ["tool_result", "text"]
    assert "Claude was asked to conclude: 2 steps with tools." in notebook.recorder.ending.notices
    assert len(reply.tool_calls) == 2
    simulator.faults.clear()
    claude("next")
    check_pairs(body(simulator)["messages"])


@pytest.mark.parametrize(("limit", "value", "said"), [("seconds", 1e-6, "1e-06 seconds"), ("tokens", 10, "tokens")])
def test_time_and_tokens_end_the_calls_too(
    claude: Conversation, notebook: Notebook, simulator: Simulator, limit: str, value: float, said: str
) -> None:
    simulator.faults.extend(['tool=add; input={"a": 1}'] * 2)
    setattr(claude.tools, limit, value)
    claude("Go on.", tools=[add])
    assert len(simulator.requests) == 2
    assert said in notebook.recorder.ending.notices[0]


def test_a_forced_choice_holds_for_the_first_message_alone(claude: Conversation, simulator: Simulator) -> None:
    claude("Add.", tools=[add], tool_choice="add", model="claude-opus-4-8", disable_parallel_tool_use=True)
    choices = [body(simulator, index).get("tool_choice") for index in range(2)]
    assert choices == [
        {"type": "tool", "name": "add", "disable_parallel_tool_use": True},
        {"type": "auto", "disable_parallel_tool_use": True},
    ]
    with pytest.raises(BadInput, match="cannot be made"):
        claude("Add.", tool_choice="any", model="sonnet")
    with pytest.raises(BadInput, match="cannot think first"):
        claude("Add.", tool_choice="any", thinking="show", model="claude-opus-4-8")
    claude("Add.", tool_choice="any", model="haiku")
    assert body(simulator, -2)["thinking"] == {"type": "disabled"}
    with pytest.raises(BadInput, match="'minus'.*add"):
        claude("Add.", tool_choice="minus", model="claude-opus-4-8")
    with pytest.raises(BadInput, match="no tools to choose from"):
        claude["other"]("Add.", tool_choice="any")


def test_an_interrupt_stops_the_tool_and_answers_every_call(claude: Conversation, simulator: Simulator) -> None:
    begun = threading.Event()

    main_thread = threading.get_ident()

    def waits() -> None:
        """Wait."""
        begun.set()
        for _ in range(600):
            time.sleep(0.1)

    def press() -> None:
        begun.wait(20)
        signal.pthread_kill(main_thread, signal.SIGINT)

    simulator.faults.append("tool=waits; tool=add; say=Let me wait.")
    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(Interrupted, match=r"\d+ words; kept"):
        claude("Wait.", tools=[waits, add])
    presser.join()
    assert [call.state for call in claude.turns[0].tool_calls] == ["stopped", "stopped"]
    assert len(simulator.requests) == 1
    claude("What happened?")
    check_pairs([*body(simulator)["messages"]])
    assert "Stopped by the user" in str(results_before(simulator))


def results_before(simulator: Simulator) -> list[Any]:
    return [message["content"] for message in body(simulator)["messages"] if message["role"] == "user"]


def test_an_error_after_a_round_keeps_what_was_answered(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.extend(['tool=add; input={"a": 1}', "529"])
    with pytest.raises(AnswerBroken, match="1 tool call; kept"):
        claude("Add.", tools=[add])
    claude("And?")
    check_pairs(body(simulator)["messages"])
    assert "3" in str(results_before(simulator)[1])


def test_a_result_that_the_api_refuses_takes_its_turn_down(claude: Conversation, simulator: Simulator) -> None:
    claude("Before.")
    simulator.faults.extend(['tool=add; input={"a": 1}', "400"])
    with pytest.raises(InvalidRequest):
        claude("Add.", tools=[add])
    claude("After.")
    assert questions(simulator) == ["Before.", "After."]


def test_a_call_cut_by_the_limit_is_never_run(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    ran = []

    def note(word: str) -> None:
        """Note."""
        ran.append(word)

    simulator.faults.append('tool=note; stop=max_tokens; say=So:; input={"word": "x"}')
    reply = claude("Note.", tools=[note])
    assert not ran
    assert not reply.complete
    assert "reached the limit of tokens" in notebook.recorder.ending.notices[-1]
    claude("next")
    check_pairs(body(simulator)["messages"])


def test_pauses_are_continued_and_have_an_end(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    simulator.faults.extend(["stop=pause_turn; say=One."] * 2)
    reply = claude("Search.")
    assert reply.complete
    assert len(simulator.requests) == 3
    assert [message["role"] for message in body(simulator)["messages"]] == ["user", "assistant", "assistant"]
    simulator.faults.extend(["stop=pause_turn; say=One."] * 20)
    reply = claude("Search.")
    assert len(simulator.requests) == 3 + 11
    assert "the server paused it" in notebook.recorder.ending.notices[-1]
    simulator.faults.clear()


def test_a_pause_with_an_open_call_is_answered(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.append('stop=pause_turn; tool=add; input={"a": 1}')
    reply = claude("Search and add.", tools=["web_search", add])
    assert [call.value for call in reply.tool_calls] == [3]
    assert reply.complete
    simulator.faults.append("stop=pause_turn; tool=raw")
    claude("Again.", tools=[{"name": "raw", "input_schema": {"type": "object"}}])
    claude.tools.steps = 1
    simulator.faults.extend(["tool=add; input={}", "stop=pause_turn; tool=add"])
    assert not claude("Too often.").complete
    claude("After.")
    check_pairs(body(simulator)["messages"])


def test_thinking_of_earlier_rounds_goes_back(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    simulator.faults.extend(['think=20; tool=add {"a": 1}; say=So.', 'think=20; tool=add {"a": 2}; say=So.'])
    claude("Add.", tools=[add])
    claude("Go on.")
    sent = [message["content"] for message in body(simulator)["messages"] if message["role"] == "assistant"]
    kinds = [[block["type"] for block in content] for content in sent if isinstance(content, list)]
    assert kinds[:2] == [["thinking", "text", "tool_use"]] * 2
    assert not any("left out" in notice for notice in notebook.recorder.ending.notices)


def test_running_the_defining_cell_again_replaces_the_tool(claude: Conversation, simulator: Simulator) -> None:
    namespace: dict[str, Any] = {"tool": tool, "__name__": "__main__"}
    define = "@tool\ndef answer() -> int:\n    '''Answer.'''\n    return {}\ndef plain() -> int:\n    return {}"
    exec(define.format(1, 1), namespace)
    claude("Begin.", tools=[namespace["answer"], namespace["plain"]])
    exec(define.format(2, 3), namespace)
    simulator.faults.append("tool=answer; tool=plain")
    claude("Ask.")
    assert [block["content"] for block in results(simulator)] == ["2", "3"]
    assert body(simulator, 0)["tools"] == body(simulator, -1)["tools"]


@pytest.mark.parametrize(
    ("define", "again"),
    [
        ("@tool\n@functools.cache\ndef f() -> int:\n    return {}", ""),
        ("@functools.cache\ndef f() -> int:\n    return {}", ""),
        ("def f() -> int:\n    return {}", "f = tool(confirm=True)(f)"),
        ("def f() -> int:\n    return {}", "f = tool(name='other', confirm=True)(f)"),
    ],
)
def test_a_function_in_a_wrapper_is_replaced_and_its_options_stay(
    claude: Conversation, notebook: Notebook, simulator: Simulator, define: str, again: str
) -> None:
    asked = []
    notebook.confirm = lambda call: asked.append(call) or "yes"  # type: ignore[method-assign,func-returns-value]
    namespace: dict[str, Any] = {"tool": tool, "functools": functools, "__name__": "__main__"}
    exec(define.format(1), namespace)
    given = namespace["f"]
    if again:
        exec(again.replace("f = ", "given = "), namespace)
        given = namespace["given"]
    claude("Begin.", tools=[given])
    exec(define.format(2), namespace)
    name = body(simulator)["tools"][0]["name"]
    simulator.faults.append(f"tool={name}")
    claude("Ask.")
    assert [block["content"] for block in results(simulator)] == ["2"]
    assert body(simulator, 0)["tools"] == body(simulator, -1)["tools"]
    assert len(asked) == bool(again)


def test_a_tool_that_takes_the_name_of_another_leaves_one(claude: Conversation, simulator: Simulator) -> None:
    namespace: dict[str, Any] = {"tool": tool, "__name__": "__main__"}
    exec("@tool\ndef a() -> int:\n    return 1\n@tool\ndef b() -> int:\n    return 2", namespace)
    claude("Begin.", tools=[namespace["a"], namespace["b"]])
    exec("@tool(name='b')\ndef a() -> int:\n    return 3", namespace)
    claude("Ask.")
    assert [definition["name"] for definition in body(simulator)["tools"]] == ["b"]


def test_one_tool_needs_no_list(claude: Conversation, simulator: Simulator) -> None:
    raw = {"name": "raw", "input_schema": {"type": "object"}}
    claude("Begin.", tools=raw)
    assert body(simulator)["tools"] == [raw]
    one: Any
    for one, name in ((add, "add"), ("web_search", "web_search"), (raw, "raw")):
        claude.tools = one
        claude("Ask.")
        assert [definition["name"] for definition in body(simulator)["tools"]] == [name]
    for one in (3, None, int):
        with pytest.raises(BadInput, match="A tool is a function"):
            claude.tools = one


def test_a_tool_may_ask_claude_itself(claude: Conversation, simulator: Simulator) -> None:
    @tool
    def ask(question: str) -> str:
        """Ask."""
        return claude["helper"](question).text + claude("inside").text

    @tool(parallel=True)
    def ask_beside() -> str:
        """Ask."""
        return claude("would wait for ever").text

    simulator.faults.extend(['tool=ask; input={"question": "q"}', "say=From the other.", "say=From inside."])
    reply = claude("Ask.", tools=[ask])
    assert reply.tool_calls[0].value == "From the other.From inside."
    assert {turn.prompt for turn in claude.turns} == {"inside", "Ask."}
    simulator.faults.extend(["tool=ask_beside"])
    reply = claude("Ask.", tools=[ask_beside])
    assert "runs in parallel cannot ask 'main'" in str(results(simulator)[0]["content"])


def test_a_tool_that_changes_its_conversation_breaks_nothing(claude: Conversation, simulator: Simulator) -> None:
    @tool
    def forget() -> None:
        """Forget."""
        claude.reset()
        claude.system = "New."

    claude("Before.")
    simulator.faults.append("tool=forget")
    claude("Forget.", tools=[forget])
    assert [turn.prompt for turn in claude.turns] == ["Forget."]
    assert claude.system == "New."
    claude("After.")
    check_pairs(body(simulator)["messages"])


def test_a_tool_cannot_take_away_what_its_own_turn_calls(claude: Conversation, simulator: Simulator) -> None:
    @tool
    def leave() -> None:
        """Leave."""
        claude.tools = [fails]

    claude.tools.add(leave, add)
    simulator.faults.append("tool=leave")
    claude("Leave.")
    claude("After.")
    assert [definition["name"] for definition in body(simulator)["tools"]] == ["fails", "leave"]
    check_pairs(body(simulator)["messages"])


def test_a_tool_that_a_turn_calls_cannot_leave(claude: Conversation, simulator: Simulator) -> None:
    claude.tools.add(add, fails, "web_search", {"name": "raw", "input_schema": {"type": "object"}})
    del claude.tools["fails"]
    simulator.faults.append('tool=add; input={"a": 1}')
    claude("Add.")
    with pytest.raises(BadInput, match="add is called"):
        del claude.tools["add"]
    with pytest.raises(BadInput, match="add is called"):
        claude.tools = []
    claude.tools = [fails, add]
    assert [tool_name(each) for each in claude.tools] == ["fails", "add"]
    claude.reset()
    del claude.tools[0:2]
    assert len(claude.tools) == 0
    with pytest.raises(BadInput, match="no tool 'add'"):
        claude.tools["add"]


def test_two_tools_of_one_name_are_refused(claude: Conversation, simulator: Simulator) -> None:
    def add(word: str) -> str:
        """Not that one."""
        return word

    with pytest.raises(BadInput, match="Two tools are called add"):
        claude("x", tools=[add, globals()["add"]])
    with pytest.raises(BadInput, match="'web_serch'.*web_search"):
        claude("x", tools="web_serch")
    with pytest.raises(BadInput, match=r"A tool is a function"):
        claude("x", tools=[3])
    assert not simulator.requests


def test_a_call_without_a_function_is_returned(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    simulator.faults.append('tool=raw; input={"a": 1}')
    reply = claude("Call it.", tools=[{"name": "raw", "input_schema": {"type": "object"}}])
    assert [(use.name, use.input) for use in reply.tool_uses] == [("raw", {"a": 1})]
    assert "reply.tool_uses" in notebook.recorder.ending.notices[-1]
    claude("next")
    check_pairs(body(simulator)["messages"])


def test_confirmation_is_asked_of_the_host(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    asked = []

    def confirm(call: Call) -> str:
        asked.append((call.name, call.arguments()))
        return ["no", "yes", "always"][len(asked) - 1]

    notebook.confirm = confirm  # type: ignore[method-assign]
    ran = []

    @tool(confirm=True)
    def drop(table: str) -> None:
        """Drop a table."""
        ran.append(table)

    simulator.faults.extend([f'tool=drop; input={{"table": "{name}"}}' for name in "abcd"])
    claude("Drop.", tools=[drop])
    assert asked == [("drop", f"table={name!r}") for name in "abc"]
    assert ran == ["b", "c", "d"]
    assert "said no" in str(results(simulator, 1))
    claude.tools.confirm = "all"
    asked[:] = []
    simulator.faults.extend(['tool=add; input={"a": 1}'])
    claude("Add.", tools=[add])
    assert asked == [("add", "a=1")]


def test_where_nobody_can_answer_a_call_is_refused(claude: Conversation, simulator: Simulator) -> None:
    ran = []

    @tool(confirm=True)
    def drop() -> None:
        """Drop."""
        ran.append(1)

    simulator.faults.extend(["tool=drop"])
    claude("Drop.", tools=[drop])  # pytest has no standard input
    assert not ran
    assert "There is nobody to ask" in str(results(simulator))


def test_once_caches_from_the_second_request(claude: Conversation, home: Conversations, simulator: Simulator) -> None:
    home.client.is_anthropic = True
    simulator.faults.extend(['tool=add; input={"a": 1}'])
    claude("Add.", tools=[add], once=True)
    assert [body(simulator, index).get("cache_control") for index in range(2)] == [None, {"type": "ephemeral"}]


def test_once_has_the_tools_and_leaves_nothing(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.extend(['tool=add; input={"a": 1}'])
    reply = claude("Add.", tools=[add], once=True)
    assert [call.value for call in reply.tool_calls] == [3]
    assert not claude.turns
    assert answers(simulator) == ["This is simulated: let me call a tool."]


def test_a_key_in_a_document_of_the_question_is_not_sent(claude: Conversation, simulator: Simulator) -> None:
    with pytest.raises(BadInput, match="API key; nothing was sent"):
        claude("What is this?", b"key=sk-ant-api03-" + b"x" * 40)
    assert not simulator.requests


def test_a_key_in_a_default_is_never_sent(claude: Conversation, simulator: Simulator) -> None:
    def fetch(key: str = "sk-ant-api03-" + "x" * 40) -> None:
        """Fetch."""

    with pytest.raises(BadInput, match="API key; nothing was sent"):
        claude("Fetch.", tools=[fetch])
    assert not simulator.requests


def test_a_fork_keeps_the_limits_but_no_always(claude: Conversation) -> None:
    claude.tools.confirm, claude.tools.steps = "all", 3
    claude.tools.always.append(add.function)
    fork = claude.fork()
    assert (fork.tools.confirm, fork.tools.steps, fork.tools.always) == ("all", 3, [])


def test_each_message_is_priced_by_the_model_that_wrote_it(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.append('tool=add {"a": 1}')
    reply = claude("Add.", tools=[add])
    first, last = reply.messages
    first.model, last.model = "claude-opus-5-5", "claude-haiku-5-5"
    costs = [first.counted.cost("claude-opus-5-5"), last.counted.cost("claude-haiku-5-5")]
    assert reply.cost == sum(cost for cost in costs if cost is not None)
    assert all(costs)
    last.model = "nobody-knows"
    assert reply.cost is None


def test_an_answer_inside_a_tool_is_not_part_of_what_the_tool_printed(
    claude: Conversation, simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    def asks() -> None:
        """Ask."""
        print("before")
        claude["inner"].run(Question(["Hi."], {}, TextRenderer()))
        print("after")

    simulator.faults.extend(["tool=asks", "say=Inside."])
    reply = claude("Ask.", tools=[asks])
    assert reply.tool_calls[0].printed == "before\nafter\n"
    assert "Inside." in capsys.readouterr().out


def test_tries_are_counted(claude: Conversation, notebook: Notebook, home: Conversations, simulator: Simulator) -> None:
    home.settings.max_retries = 2
    plan = "529; retry-after=0.01"
    simulator.faults.extend([plan, 'tool=add {"a": 1}', plan, plan, "say=Done."])
    claude("Add.", tools=[add])
    tries = [notice for notice in notebook.recorder.ending.notices if notice.startswith("Sent")]
    assert [notice[:12] for notice in tries] == ["Sent 3 times", "Sent 2 times"]


def test_always_means_the_function_asked_about(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    asked = []

    def confirm(call: Call) -> str:
        asked.append(call.name)
        return "always"

    notebook.confirm = confirm  # type: ignore[method-assign]

    def drop() -> None:
        """Drop."""

    def other() -> None:
        """Drop, too."""

    simulator.faults.extend(["tool=drop; tool=drop", "tool=drop", "say=Done."])
    claude("Drop.", tools=[tool(confirm=True)(drop)])
    assert asked == ["drop"]
    claude("Drop.", tools=[tool(name="drop", confirm=True)(other)])
    simulator.faults.extend(["tool=drop", "say=Done."])
    claude("Drop.")
    assert asked == ["drop", "drop"]


def test_what_ran_to_its_end_is_not_reported_as_stopped(claude: Conversation, simulator: Simulator) -> None:
    class Slow:
        def __claude__(self) -> str:
            signal.raise_signal(signal.SIGINT)
            return "never"

    @tool
    def pay() -> Slow:
        """Pay."""
        return Slow()

    simulator.faults.append("tool=pay")
    with pytest.raises(Interrupted):
        claude("Pay.", tools=[pay])
    claude("And?")
    assert "It ran to completion, but its result was not read: stopped by the user." in str(results_before(simulator))


def test_too_large_results(claude: Conversation, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_message, "MAX_REQUEST_BYTES", 30_000)

    def pages(number: int) -> str:
        """Pages."""
        return "x" * number

    simulator.faults.extend(
        ['tool=pages {"number": 20000}', 'tool=pages {"number": 20000}; tool=pages {"number": 1}', "say=Done."]
    )
    reply = claude("Read.", tools=[pages])
    assert reply.complete
    assert [call.state for call in reply.tool_calls] == ["done", "failed", "failed"]
    assert "too large to be sent" in str(results(simulator)[0])
    check_pairs(body(simulator)["messages"])
    with pytest.raises(RequestTooLarge):
        claude("x" * 30_000)
