"""Ordinary answers: honest, deterministic, and about what was really sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import ADD, JSON, SHOWN, Api, fold

PLAIN = "claude-opus-4-8"
WEATHER = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "places": {"type": "array", "items": {"$ref": "#/$defs/place"}},
            "note": {"type": "string"},
        },
        "required": ["city", "days", "unit", "places"],
        "$defs": {"place": {"type": "object", "properties": {"open": {"type": "boolean"}}, "required": ["open"]}},
    },
}


def calls(message: JSON) -> list[tuple[str, Any]]:
    return [(block["name"], block["input"]) for block in message["content"] if block["type"] == "tool_use"]


def test_says_that_it_is_simulated_and_what_it_received(api: Api) -> None:
    messages = [
        {"role": "user", "content": "What is a mean?"},
        {"role": "assistant", "content": "A number."},
        {"role": "user", "content": "And a median?"},
        {"role": "assistant", "content": "Another."},
        {"role": "user", "content": "And a mode?"},
    ]
    text = api.text(messages=messages, system="You teach statistics.")
    assert text.startswith("This is a simulated answer, made without a model. It received 5 messages")
    assert "**Question**: “And a mode?” (11 characters)" in text
    assert "**Earlier questions: 2**: 1. “What is a mean?”; 2. “And a median?”" in text
    assert "**System prompt**: “You teach statistics.”" in text


def test_the_same_request_has_the_same_answer(api: Api) -> None:
    first, second = api.ask("What is a mean?"), api.ask("What is a mean?")
    assert first["content"] == second["content"]
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    ("question", "part"), [("as a table", "|:--|--:|"), ("Show code", "```python"), ("Write a formula", "$$")]
)
def test_shapes_on_request(api: Api, question: str, part: str) -> None:
    assert part in api.text(question)
    assert part not in api.text("Something else")


@pytest.mark.parametrize("question", ["Why is it so?", "Please use add", "Compare these as a table, with code"])
def test_a_stream_adds_up_to_the_message(api: Api, question: str) -> None:
    request: JSON = {"tools": [ADD], "thinking": SHOWN}
    whole, streamed = api.ask(question, **request), fold(api.events(question, **request))
    for message in (whole, streamed):
        message.pop("id")
        for block in message["content"]:
            block.pop("id", None)
    assert streamed == whole


def test_max_tokens(api: Api) -> None:
    message = api.ask(max_tokens=5, model=PLAIN)
    assert message["content"][0]["text"] == "This is a simulated "
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("max_tokens", 5)
    empty = api.ask(max_tokens=0, model=PLAIN)
    assert (empty["content"], empty["stop_reason"]) == ([], "max_tokens")


def test_hidden_thinking_counts_as_output(api: Api) -> None:
    message = api.ask("Why is it so?", max_tokens=10)
    assert [block["type"] for block in message["content"]] == ["thinking"]
    assert message["usage"]["output_tokens"] == 10
    assert message["usage"]["output_tokens_details"] == {"thinking_tokens": 10}


def test_shown_thinking_that_is_cut_is_not_signed(api: Api) -> None:
    (block,) = api.ask("Why is it so?", max_tokens=5, thinking=SHOWN)["content"]
    assert (len(block["thinking"]), block["signature"]) == (20, "")


@pytest.mark.parametrize("stream", [False, True])
def test_stop_sequences(api: Api, stream: bool) -> None:
    request = {"stop_sequences": ["never", "answer", "simulated"], "model": PLAIN}
    message = fold(api.events(**request)) if stream else api.ask(**request)
    assert message["content"][0]["text"] == "This is a "
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "simulated")


@pytest.mark.parametrize(
    ("question", "thinks"), [("Hi", False), ("Why?", True), ("Compare", True), ("Long " * 20, True), ("Say it", False)]
)
def test_thinks_when_it_is_worth_it(api: Api, question: str, thinks: bool) -> None:
    assert (api.ask(question)["content"][0]["type"] == "thinking") == thinks


def test_thinks_at_high_effort_and_never_when_off(api: Api) -> None:
    assert api.ask("Hi", output_config={"effort": "high"})["content"][0]["type"] == "thinking"
    assert api.ask("Why?", model=PLAIN)["content"][0]["type"] == "text"
    off = {"thinking": {"type": "disabled"}, "model": "claude-opus-5"}
    assert api.ask("Why?", **off)["content"][0]["type"] == "text"


def test_between_tools(api: Api) -> None:
    request: JSON = {"tools": [ADD], "thinking": {"type": "between_tools", "display": ...}}
    request["thinking"].pop("display")
    assert [b["type"] for b in api.ask("Please use add", **request)["content"]] == ["thinking", "tool_use"]
    assert [b["type"] for b in api.ask("Why?", **request)["content"]] == ["text"]


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("use get_weather", ["get_weather"]),
        ("What's the weather in Rome?", ["get_weather"]),
        ("add, and get weather", ["get_weather", "add"]),
        ("Hi there", []),
    ],
)
def test_calls_the_tools_that_are_named(api: Api, question: str, names: list[str]) -> None:
    message = api.ask(question, tools=[WEATHER, ADD])
    assert [name for name, _ in calls(message)] == names
    assert message["stop_reason"] == ("tool_use" if names else "end_turn")


def test_input_fits_the_schema_and_the_question(api: Api) -> None:
    ((_, value),) = calls(api.ask("The weather in Rome for 3 days, fahrenheit", tools=[WEATHER]))
    assert value == {"city": "Rome", "days": 3, "unit": "fahrenheit", "places": [{"open": True}]}


def test_input_given_in_the_question(api: Api) -> None:
    assert calls(api.ask('Please use add with {"a": 1, "b": [2]}', tools=[ADD])) == [("add", {"a": 1, "b": [2]})]


def test_tool_choice(api: Api) -> None:
    request = {"tools": [WEATHER, ADD], "model": PLAIN}
    one = {"type": "auto", "disable_parallel_tool_use": True}
    assert len(calls(api.ask("add, and get weather", tool_choice=one, **request))) == 1
    assert calls(api.ask("add", tool_choice={"type": "none"}, **request)) == []
    assert [n for n, _ in calls(api.ask("Hi", tool_choice={"type": "tool", "name": "add"}, **request))] == ["add"]
    assert [n for n, _ in calls(api.ask("Hi", tool_choice={"type": "any"}, **request))] == ["get_weather"]


def test_tool_ids_are_never_used_twice(api: Api) -> None:
    ids = [api.ask("add", tools=[ADD])["content"][-1]["id"] for _ in range(3)]
    assert len(set(ids)) == 3


def test_reports_tool_results(api: Api) -> None:
    message = api.ask("Please add and get weather", tools=[WEATHER, ADD])
    uses = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": uses[0], "content": "15 degrees"},
        {"type": "tool_result", "tool_use_id": uses[1], "content": "no numbers", "is_error": True},
    ]
    messages = [
        {"role": "user", "content": "Please add and get weather"},
        {"role": "assistant", "content": message["content"]},
        {"role": "user", "content": results},
    ]
    answer = api.ask(messages=messages, tools=[WEATHER, ADD])
    text = answer["content"][-1]["text"]
    assert answer["stop_reason"] == "end_turn"
    assert "`get_weather` returned “15 degrees”" in text
    assert "`add` failed with “no numbers”" in text


def use(number: int) -> JSON:
    called = {"type": "tool_use", "id": f"toolu_{number}", "name": "add", "input": {}}
    return {"role": "assistant", "content": [called]}


def results(number: int, content: Any, *beside: JSON) -> JSON:
    result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": content}
    return {"role": "user", "content": [result, *beside]}


LIMIT = {"type": "text", "text": "No more calls, please."}
LOOP = [
    {"role": "user", "content": "What is a mean?"},
    {"role": "assistant", "content": "A number."},
    {"role": "user", "content": "Please add, as a table"},
]


@pytest.mark.parametrize("beside", [[], [LIMIT]])
def test_the_question_of_a_tool_loop_is_the_one_before_it(api: Api, beside: list[JSON]) -> None:
    messages = [*LOOP, use(1), results(1, "3"), use(2), results(2, "5"), use(3), results(3, "7", *beside)]
    text = api.text(messages=messages, tools=[ADD])
    assert "with 2 questions." in text
    assert "- **Question**: “Please add, as a table” (22 characters)" in text
    assert "- **Earlier questions: 1**: 1. “What is a mean?”\n" in text
    assert (
        "- **Earlier results: 2**: 1. `add` returned “3”; 2. `add` returned “5”\n- **Tool**: `add` returned “7”" in text
    )
    assert ("- **Beside the results**: “No more calls, please.”" in text) == bool(beside)
    assert "| questions | 2 |" in text


def test_a_question_after_a_tool_loop_is_a_question(api: Api) -> None:
    after = {"role": "user", "content": "And a mode?"}
    for ended in ([{"role": "assistant", "content": "It is 3."}], []):  # it may have been interrupted
        text = api.text(messages=[*LOOP, use(1), results(1, "3", LIMIT), *ended, after], tools=[ADD])
        assert "**Question**: “And a mode?”" in text
        assert "**Earlier questions: 2**: 1. “What is a mean?”; 2. “Please add, as a table”" in text
        assert "Earlier results" not in text
        assert "Beside the results" not in text


def test_two_messages_in_a_row_are_one_question(api: Api) -> None:
    text = api.text(messages=[{"role": "user", "content": "One"}, {"role": "user", "content": "Two"}])
    assert "**Question**: “One Two”" in text
    assert "Earlier questions" not in text


def test_pictures_of_tools_are_counted(api: Api) -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    words = {"type": "text", "text": "done"}
    for content, said in (
        ([picture], "1 picture"),
        ([picture, picture], "2 pictures"),
        ([words, picture], "“done” and 1 picture"),
        ([], "nothing"),
    ):
        text = api.text(messages=[*LOOP, use(1), results(1, content)], tools=[ADD])
        assert f"- **Tool**: `add` returned {said}\n" in text


def test_structured_output(api: Api) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "born": {"format": "date"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    config = {"format": {"type": "json_schema", "schema": schema}}
    assert json.loads(api.text("My name is Ada and I am 36", output_config=config)) == {"name": "Ada", "age": 36}


def test_count_tokens(api: Api) -> None:
    request: JSON = {"path": "/v1/messages/count_tokens", "system": "Be brief.", "tools": [ADD]}
    counted = api.post("What is a mean?", max_tokens=..., **request)
    assert counted.json() == {
        "input_tokens": api.ask("What is a mean?", system="Be brief.", tools=[ADD])["usage"]["input_tokens"]
    }
    assert "max_tokens: Extra inputs" in api.error(**request)
    assert api.error(max_tokens=..., headers={"x-api-key": None}, status=401, **request)
    assert api.error(max_tokens=..., model="claude-nothing", status=404, **request)
