"""The prompt cache as the simulator models it: what is read from it, what that saves, and what spoils it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine.caching import LOOKBACK, MOST_MARKS, ends_out_of_reach
from claude_magic.engine.message import Message, build
from claude_magic.engine.settings import Settings
from claude_magic.messages import limits
from claude_magic.messages.errors import Overloaded
from claude_magic.simulator import Simulator, start
from claude_magic.tools import tool
from tests.conversation.conftest import Notebook
from tests.conversation.wire import body

DOCUMENT = "The quick brown fox jumps over the lazy dog in the quiet of the early morning. " * 1000
assert 19_000 < len(DOCUMENT) / 4 < 21_000


@tool(parallel=True)
def look(place: int) -> str:
    """Look something up."""
    return f"Nothing to be seen at {place}."


@pytest.fixture(autouse=True)
def caches(home: Conversations) -> None:
    """The simulator behaves as Anthropic's servers do, and is trusted to."""
    home.client.is_anthropic = True
    home.settings.ask_above = None


def marks(request: dict[str, Any]) -> int:
    """Marks for the cache in a request."""
    blocks = [
        block for message in request["messages"] if isinstance(message["content"], list) for block in message["content"]
    ]
    return ("cache_control" in request) + sum(
        "cache_control" in block for block in [*blocks, *request.get("tools", [])]
    )


def many_calls(count: int) -> str:
    return "; ".join(f'tool=look {{"place": {place}}}' for place in range(count))


def test_twenty_turns_over_a_document_cost_about_a_tenth(simulator: Simulator) -> None:
    costs = {}
    for wish in ("auto", "off"):
        home = Conversations(Settings(base_url=simulator.url, cache=wish))
        home.client.is_anthropic = True
        claude = home.open("main")
        claude(f"{wish}. {DOCUMENT}", max_tokens=60)
        for number in range(19):
            claude(f"Question {number}?", max_tokens=60)
        costs[wish] = home.cost(simulated=True) or 0.0
        assert len(claude.turns) == 20
        home.close()
    assert 0.08 < costs["auto"] / costs["off"] < 0.13


def test_twenty_turns_with_tools_are_read_from_the_cache(claude: Conversation, simulator: Simulator) -> None:
    for number in range(20):
        simulator.faults.append('tool=look {"place": 1}')
        claude(f"Question {number}? " + "It is long. " * 100, tools=[look])
    assert len(simulator.requests) == 40
    usage = claude.usage
    assert usage.cache_read_input_tokens / usage.total_input > 0.85
    assert f"({usage.cache_read_input_tokens / usage.total_input:.0%})" in usage._repr_markdown_()


@pytest.mark.parametrize("calls", [3, 12, 25])
def test_many_calls_at_once_are_found_all_the_same(claude: Conversation, simulator: Simulator, calls: int) -> None:
    """With 25 calls the end of the request before is 50 blocks away; the API looks back 20."""
    simulator.faults.extend([many_calls(calls)] * 6)
    reply = claude("Look everywhere. " + "It is long. " * 400, tools=[look])
    assert len(reply.tool_calls) == 6 * calls
    before = 0
    for number, message in enumerate(reply.messages):
        assert message.counted.cache_read_input_tokens >= before * (number > 0)
        before = message.counted.cache_read_input_tokens + message.counted.cache_creation_input_tokens
        assert before > 1000
    counts = [marks(body(simulator, index)) for index in range(7)]
    assert max(counts) == (4 if calls > 10 else 1)
    assert claude("And now?").usage.cache_read_input_tokens >= before


def test_a_question_of_many_blocks_finds_what_is_before_it(claude: Conversation) -> None:
    claude("A long question. " * 300)
    read = claude("And these?", *[{"number": number} for number in range(30)]).usage.cache_read_input_tokens
    assert read > 1000


def test_definitions_that_bring_marks_leave_room_for_fewer(claude: Conversation, simulator: Simulator) -> None:
    own = {"name": "mine", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}
    simulator.faults.extend([many_calls(25)] * 4)
    claude("Look everywhere. " + "It is long. " * 400, tools=[look, own])
    assert max(marks(body(simulator, index)) for index in range(5)) == MOST_MARKS


def test_a_mark_changes_nothing_but_the_mark() -> None:
    messages = [
        Message("user", 'Why? "}]}'),
        Message("assistant", "So."),
        Message("user", ({"type": "text", "text": "a"},)),
    ]
    within = limits.image_limits(limits.lookup("claude-opus-5-5"), 0)
    wire = {"model": "claude-opus-5-5", "max_tokens": 10, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    plain, marked = (build(wire, messages, within, marked=places) for places in ((), (0, 2)))
    found, expected = json.loads(bytes(marked.body)), json.loads(bytes(plain.body))
    for place in (0, 2):
        (block,) = found["messages"][place]["content"]
        assert block.pop("cache_control") == wire["cache_control"]
    expected["messages"][0]["content"] = [{"type": "text", "text": 'Why? "}]}'}]
    expected["messages"][2]["content"] = [{"type": "text", "text": "a"}]
    assert found == expected
    assert marked.bound_to == plain.bound_to


SIZES = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=12)


@given(SIZES, st.integers(0, 3))
def test_marks_reach_from_one_to_the_next(sizes: list[tuple[int, int]], most: int) -> None:
    block = {"type": "text", "text": "x"}
    messages = [Message("user", "Go.")]
    for answer, results in sizes:
        messages += [Message("assistant", (block,) * answer), Message("user", (block,) * results)]
    found = sorted(ends_out_of_reach(messages, most))
    assert len(found) <= most
    assert all(messages[place].role == "user" for place in found)
    ends = {
        place: sum(1 if isinstance(m.content, str) else len(m.content) for m in messages[: place + 1])
        for place in range(len(messages))
    }
    chain = [len(messages) - 1, *reversed(found)]
    for mark in chain[:most]:
        nearest = max((place for place in range(mark) if messages[place].role == "user"), default=mark)
        assert nearest in found or ends[mark] - ends[nearest] < LOOKBACK
    for later, earlier in itertools.pairwise(chain):
        assert ends[later] - ends[earlier] >= LOOKBACK


# -- what spoils it ----------------------------------------------------------------------------------


def notices(notebook: Notebook) -> list[str]:
    return [line for line in notebook.recorder.ending.notices if "changed" in line]


def test_a_changed_system_prompt_is_reported_once(claude: Conversation, notebook: Notebook) -> None:
    claude("Why and how? " + "It is long. " * 400, system="Be kind.")
    assert notices(notebook) == []
    claude("And?", system="Be brief.")
    [notice] = notices(notebook)
    assert all(word in notice for word in ("System prompt", "cache", "thinking"))
    claude("And?")
    assert notices(notebook) == []
    claude.undo()
    claude.undo()
    claude("And?")
    [notice] = notices(notebook)
    assert all(word in notice for word in ("System prompt", "cache", "thinking"))


def test_a_changed_list_of_tools_is_reported(claude: Conversation, notebook: Notebook) -> None:
    def other() -> str:
        """Another."""
        return "x"

    claude("Hi", tools=[look])
    claude("Why and how do you think this works, in so many words?", tools=[other])
    assert notices(notebook) == []  # nothing was cached, nothing thought
    claude("And?", system="Be kind.", tools=[lambda_like])
    [notice] = notices(notebook)
    assert all(word in notice for word in ("System prompt", "tool list", "thinking"))
    assert "cache" not in notice
    claude("Question. " * 400)
    claude("And?", tools="none")
    assert notices(notebook) == []


def lambda_like() -> str:
    """A third."""
    return "y"


def test_where_nothing_is_lost_nothing_is_reported(claude: Conversation, notebook: Notebook) -> None:
    claude("Hi", system="a")
    claude("Hi", system="b")
    assert notices(notebook) == []
    claude("Question. " * 400)
    claude("Hi", system="c", new=True)
    claude.model = "opus"
    claude("Hi", system="d")  # each model has a cache of its own
    assert notices(notebook) == []


# -- why not -----------------------------------------------------------------------------------------


def test_reasons_by_the_api(claude: Conversation, simulator: Simulator) -> None:
    assert "Nothing has been asked" in repr(claude.why_no_cache())
    claude("A long question. " * 300)
    assert body(simulator)["diagnostics"] == {"previous_message_id": None}
    claude("And?")
    assert body(simulator)["diagnostics"] == {"previous_message_id": "msg_sim00000001"}
    assert "nothing that changed" in repr(claude.why_no_cache())
    claude("And?", system="Be kind.")
    assert "system prompt" in repr(claude.why_no_cache())
    assert "About 1,3" in repr(claude.why_no_cache())
    claude("And?", tools=[look])
    assert "tools" in repr(claude.why_no_cache())
    claude("And?", model="opus")
    assert "the model differs" in repr(claude.why_no_cache())
    claude("And?", model="opus")
    del claude.turns[0]
    claude("And?", model="opus")
    assert "an earlier message" in repr(claude.why_no_cache())
    claude("And?", model="opus", tool_choice="none")
    assert "unknown" in repr(claude.why_no_cache())


def test_nothing_is_asked_of_the_api_unasked(claude: Conversation, simulator: Simulator) -> None:
    claude("A long question. " * 300)
    claude("And?")
    assert all("diagnostics" not in body(simulator, index) for index in range(2))
    said = repr(claude.why_no_cache())
    assert "tokens of the last answer came from the cache" in said
    assert "From the next question on the API is asked" in said
    assert repr(claude.why_no_cache()) == said  # nothing was asked meanwhile
    claude("And?")
    assert body(simulator)["diagnostics"]["previous_message_id"].startswith("msg_")
    assert "does not know the request before" in repr(claude.why_no_cache())
    claude("And?")
    assert "nothing that changed" in repr(claude.why_no_cache())


def test_what_is_loaded_has_nothing_before_it(claude: Conversation, notebook: Notebook, tmp_path: Path) -> None:
    other = claude["other"]
    other("Short.", system="Be kind.")
    other.save(tmp_path / "talk.json")
    claude.why_no_cache()
    claude("A long question. " * 300, system="Be brief.")
    claude.load(tmp_path / "talk.json")
    assert "The API" not in repr(claude.why_no_cache()).partition("cache.")[2].partition("Below")[0]
    claude("And?")
    assert notebook.recorder.ending.notices == []
    assert "nothing that changed" not in repr(claude.why_no_cache())


def test_reasons_without_the_api(claude: Conversation, home: Conversations, simulator: Simulator) -> None:
    claude("Hi")
    assert "caches nothing below 512 tokens" in repr(claude.why_no_cache())
    claude["b"]("A long question. " * 300)
    assert "were written to it" in repr(claude["b"].why_no_cache())
    simulator.faults.append("529")
    with pytest.raises(Overloaded):
        claude("Hi")
    assert "0 of 4 tokens of the last answer" in repr(claude.why_no_cache())  # the last that there is
    home.settings.cache = "off"
    assert "The cache is off" in repr(claude.why_no_cache())
    home.settings.cache = "auto"
    home.client.is_anthropic = False
    assert "Only Anthropic's own servers" in repr(claude.why_no_cache())
    assert "Only Anthropic's own servers" in repr(claude["new"].why_no_cache())


def test_a_server_without_diagnostics_is_asked_again_without(claude: Conversation, simulator: Simulator) -> None:
    claude("Hi")
    claude.why_no_cache()
    simulator.faults.append("400; message=diagnostics: Extra inputs are not permitted")
    assert claude("Hi").complete
    assert "diagnostics" not in body(simulator)


def test_caching_does_not_change_what_claude_sees() -> None:
    """The same conversation with marks and without: the same messages, and thinking that is taken back."""
    seen = []
    for wish in ("auto", "off"):
        with start() as simulator:
            home = Conversations(Settings(base_url=simulator.url, cache=wish))
            home.client.is_anthropic = True
            claude = home.open("main")
            simulator.faults.extend([many_calls(15)] * 3)
            claude("Why, and how? Think about it. " * 50, tools=[look])
            claude("And then?")
            sent = [body(simulator, index) for index in range(len(simulator.requests))]
            seen.append([unmarked(request) for request in sent])
            home.close()
    assert seen[0] == seen[1]


def unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [unmarked(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {key: unmarked(each) for key, each in value.items() if key != "cache_control"}
    lone = found.get("content")
    if isinstance(lone, list) and len(lone) == 1 and lone[0].keys() == {"type", "text"}:
        found["content"] = lone[0]["text"]
    return found
