"""Tools: rounds of calls, server tools, pauses, and histories that are refused."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from .conftest import ADD, FETCH, HI, JSON, PYTHON, SEARCH, SHELL, Api, fold


def inputs(message: JSON) -> list[tuple[str, Any]]:
    return [(block["name"], block["input"]) for block in message["content"] if block["type"] == "tool_use"]


def kinds(message: JSON) -> list[str]:
    return [block["type"] for block in message["content"]]


def loop(api: Api, question: str, most: int = 10, **request: Any) -> list[JSON]:
    """All answers to a question, with tool calls answered and pauses continued."""
    messages: list[JSON] = [{"role": "user", "content": question}]
    answers: list[JSON] = []
    while len(answers) < most:
        answers.append(api.ask(messages=messages, **request))
        messages.append({"role": "assistant", "content": answers[-1]["content"]})
        uses = [block["id"] for block in answers[-1]["content"] if block["type"] == "tool_use"]
        if uses:
            results = [{"type": "tool_result", "tool_use_id": use, "content": "3"} for use in uses]
            messages.append({"role": "user", "content": results})
        elif answers[-1]["stop_reason"] != "pause_turn":
            break
    return answers


def test_lines_of_a_question_plan_round_after_round(api: Api) -> None:
    question = """Do it
        simulate: tool=add {"a": 1}; tool=add {"a": 2}
        simulate: tool=add {"a": ";"}; times=2
        simulate: say=Done."""
    first, second, third, last = loop(api, question, tools=[ADD])
    assert inputs(first) == [("add", {"a": 1}), ("add", {"a": 2})]
    assert inputs(second) == inputs(third) == [("add", {"a": ";"})]
    assert last["content"] == [{"type": "text", "text": "Done.", "citations": None}]


def test_when_the_lines_are_used_up_the_results_are_reported(api: Api) -> None:
    first, last = loop(api, "Please\nsimulate: tool=add", tools=[ADD])
    assert (first["stop_reason"], last["stop_reason"]) == ("tool_use", "end_turn")
    assert "`add` returned “3”" in last["content"][-1]["text"]


def test_a_loop_without_end(api: Api) -> None:
    assert len(loop(api, "simulate: tool=add; times=99", most=12, tools=[ADD])) == 12


def test_a_queue_plans_rounds_too(api: Api) -> None:
    api.simulator.faults.extend(["tool=add; times=2", "say=Done."])
    assert [message["stop_reason"] for message in loop(api, "Please", tools=[ADD])] == ["tool_use"] * 2 + ["end_turn"]


def test_an_earlier_question_plans_nothing(api: Api) -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"}
    messages = [
        {"role": "user", "content": "simulate: tool=add; times=9"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result, {"type": "text", "text": "Stop it"}]},
    ]
    assert api.ask(messages=messages, tools=[ADD])["stop_reason"] == "end_turn"


def test_input_for_all_that_have_none(api: Api) -> None:
    message = api.ask(plan='tool=add {"a": 1}; tool=sub; tool=mul; input={"b": ";"}')
    assert inputs(message) == [("add", {"a": 1}), ("sub", {"b": ";"}), ("mul", {"b": ";"})]


def test_a_tool_that_does_not_exist(api: Api) -> None:
    assert inputs(api.ask(tools=[ADD], plan="tool=nonsense")) == [("nonsense", {})]


def test_words_before_the_calls(api: Api) -> None:
    assert kinds(api.ask(tools=[ADD], plan="tool=add; say=Let me see.")) == ["text", "tool_use"]


@pytest.mark.parametrize("plan", ["stop=max_tokens", ""])
def test_input_that_is_cut_off(api: Api, plan: str) -> None:
    value = json.dumps({"text": "word " * 30})
    request = {"plan": f"{plan}; tool=add {value}", "max_tokens": 1024 if plan else 20, "model": "claude-opus-4-8"}
    events = api.events(tools=[ADD], **request)
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"
    text = "".join(e["delta"].get("partial_json", "") for e in events if e["type"] == "content_block_delta")
    assert value.startswith(text)
    assert 0 < len(text) < len(value)


def test_input_that_is_not_json(api: Api) -> None:
    events = api.events(tools=[ADD], plan='tool-input-invalid; tool=add {"a": 1}')
    text = "".join(e["delta"].get("partial_json", "") for e in events if e["type"] == "content_block_delta")
    assert text == '{"a": 1,,'


def test_disabled_parallel_use_and_strict_inputs(api: Api) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}, "unit": {"enum": ["metres", "feet"]}},
        "required": ["n", "unit"],
        "additionalProperties": False,
    }
    tools = [{"name": name, "strict": True, "input_schema": schema} for name in ("near", "far")]
    one = {"type": "auto", "disable_parallel_tool_use": True}
    ((name, value),) = inputs(api.ask("near and far: 3 feet", tools=tools, tool_choice=one))
    assert (name, value) == ("near", {"n": 3, "unit": "feet"})
    jsonschema.validate(value, schema)
    loose = {"name": "loose", "strict": True, "input_schema": {"type": "object"}}
    assert "additionalProperties" in api.error(tools=[loose])


def test_recursive_schemas(api: Api) -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "all": {"$ref": "#/$defs/all"}}}
    node["required"] = ["next", "all"]
    every = {"type": "array", "items": {"$ref": "#/$defs/node"}}
    schema = {**node, "$defs": {"node": node, "all": every}}
    assert inputs(api.ask("add", tools=[{"name": "add", "input_schema": schema}]))


def test_an_answer_that_does_not_fit_its_format_and_then_one_that_does(api: Api) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    config = {"format": {"type": "json_schema", "schema": schema | {"additionalProperties": False}}}
    question = 'Take 3\nsimulate: say={"n": "three"}'
    wrong = api.text(question, output_config=config)
    assert json.loads(wrong) == {"n": "three"}
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": wrong},
        {"role": "user", "content": "It has to be a number, like 4"},
    ]
    assert json.loads(api.text(messages=messages, output_config=config)) == {"n": 4}


@pytest.mark.parametrize("stream", [False, True])
def test_a_search_has_results_and_is_cited(api: Api, stream: bool) -> None:
    request = {"question": "Please search for bees", "tools": [SEARCH], "model": "claude-opus-4-8"}
    message = fold(api.events(**request)) if stream else api.ask(**request)
    use, result, cited, report = message["content"]
    assert (use["type"], use["name"], use["input"]) == (
        "server_tool_use", "web_search", {"query": "Please search for bees"},
    )  # fmt: skip
    assert (result["type"], result["tool_use_id"]) == ("web_search_tool_result", use["id"])
    (citation,) = cited["citations"]
    assert citation["cited_text"] == cited["text"]
    assert citation["url"] == result["content"][0]["url"]
    assert report["citations"] is None
    assert message["stop_reason"] == "end_turn"
    assert message["usage"]["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}


def test_only_addresses_of_the_conversation_are_fetched(api: Api) -> None:
    url = "https://example.org/bees"
    (_, result, cited, _) = api.ask(f"Please fetch {url}", tools=[FETCH], model="claude-opus-4-8")["content"]
    assert result["content"]["url"] == url
    (citation,) = cited["citations"]
    page = result["content"]["content"]["source"]["data"]
    assert page[citation["start_char_index"] : citation["end_char_index"]] == citation["cited_text"]
    plan = 'tool=web_fetch {"url": "https://example.org/wasps"}'
    (_, result, _) = api.ask(f"Please fetch {url}", tools=[FETCH], plan=plan, model="claude-opus-4-8")["content"]
    assert result["content"] == {"type": "web_fetch_tool_result_error", "error_code": "url_not_in_prior_context"}


@pytest.mark.parametrize(
    ("tool", "name", "given"),
    [
        (SHELL, "bash_code_execution", {"command": "echo simulated"}),
        (PYTHON, "code_execution", {"code": 'print("simulated")'}),
    ],
)
def test_code_runs_where_the_version_says(api: Api, tool: JSON, name: str, given: JSON) -> None:
    use, result, _ = api.ask(tools=[tool], plan="tool=code_execution", model="claude-opus-4-8")["content"]
    assert (use["name"], use["input"], result["type"]) == (name, given, f"{name}_tool_result")
    assert (result["content"]["type"], result["content"]["stdout"]) == (f"{name}_result", "simulated\n")


@pytest.mark.parametrize(
    ("tool", "name", "code"),
    [
        (SEARCH, "web_search", "max_uses_exceeded"),
        (FETCH, "web_fetch", "url_not_accessible"),
        (SHELL, "bash_code_execution", "execution_time_exceeded"),
    ],
)
def test_server_tools_fail_within_the_answer(api: Api, tool: JSON, name: str, code: str) -> None:
    message = api.ask(tools=[tool], plan=f"tool={tool['name']}; tool-error={code}", model="claude-opus-4-8")
    assert kinds(message) == ["server_tool_use", f"{name}_tool_result", "text"]
    assert message["content"][1]["content"] == {"type": f"{name}_tool_result_error", "error_code": code}
    assert message["stop_reason"] == "end_turn"


def test_a_search_beside_a_tool_of_the_user(api: Api) -> None:
    first, last = loop(api, "search and add", tools=[ADD, SEARCH], model="claude-opus-4-8")
    assert kinds(first) == ["server_tool_use", "web_search_tool_result", "text", "text", "tool_use"]
    assert (first["stop_reason"], last["stop_reason"]) == ("tool_use", "end_turn")


def test_pauses_go_on_with_the_answer_sent_back(api: Api) -> None:
    question = "Please search\nsimulate: stop=pause_turn; times=2"
    answers = loop(api, question, tools=[SEARCH], model="claude-opus-4-8")
    assert [answer["stop_reason"] for answer in answers] == ["pause_turn", "pause_turn", "end_turn"]
    assert [kinds(answer) for answer in answers] == [
        ["server_tool_use", "web_search_tool_result", "text", "text"],
        ["text", "server_tool_use", "web_search_tool_result"],
        ["text"],
    ]


def test_a_pause_with_planned_text_goes_on_too(api: Api) -> None:
    api.simulator.faults.append("stop=pause_turn; say=One.")
    first, last = loop(api, "Please search", model="claude-opus-4-8")
    assert kinds(first) == ["text", "server_tool_use", "web_search_tool_result"]
    assert (first["content"][0]["text"], last["stop_reason"]) == ("One.", "end_turn")


SERVED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([[SERVED]], "`server_tool_use` srvtoolu_1 was found without"),
        ([[FOUND]], "unexpected `tool_use_id` in results of server tools: srvtoolu_1"),
        ([[SERVED | {"id": 1}, FOUND]], "server_tool_use.id"),
        ([[SERVED, FOUND]], None),
        ([[SERVED], [FOUND]], None),
    ],
)
def test_server_tool_results_belong_to_calls(api: Api, answers: list[list[JSON]], message: str | None) -> None:
    said = [{"role": "assistant", "content": [*blocks, {"type": "text", "text": "So."}]} for blocks in answers]
    messages = [HI, *(each for answer in said for each in (answer, HI)), {"role": "assistant", "content": "."}, HI]
    if message is None:
        assert api.ask(messages=messages)
    else:
        assert message in api.error(messages=messages)
