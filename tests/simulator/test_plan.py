"""Parsing plans, and which of several applies."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.simulator import Plan, start
from claude_magic.simulator.plan import FRAMINGS, GROUPS, QUIRKS, PlannedCall
from claude_magic.simulator.vendor_quirks import MUTATORS

from .conftest import Api


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("", Plan()),
        ("529", Plan(status=529)),
        ("fault=429; retry-after=2; x-should-retry=false", Plan(status=429, retry_after="2", should_retry="false")),
        ("fault=cut; after=5", Plan(fault="cut", after=5)),
        ("cut;after=0;", Plan(fault="cut", after=0)),
        ("pace=400; deltas=4000; chars=4", Plan(pace=400.0, deltas=4000)),
        ("tool=a; tool=b; crlf", Plan(tools=(PlannedCall("a"), PlannedCall("b")), quirks=frozenset({"crlf"}))),
        (
            'tool=a {"b": "x;y"}; tool=c; crlf',
            Plan(tools=(PlannedCall("a", {"b": "x;y"}), PlannedCall("c")), quirks=frozenset({"crlf"})),
        ),
        ("tool=web_search; tool-error=unavailable", Plan(tools=(PlannedCall("web_search"),), tool_error="unavailable")),
        ("verbatim; say=one; two = three", Plan(say="one; two = three")),
        ('tool=f; input={"a": "x;y"}', Plan(tools=(PlannedCall("f"),), input={"a": "x;y"})),
        ("as=json; think-delay=0.5; bytes=3", Plan(answer_as="json", think_delay=0.5, bytes=3)),
        ("gateway", Plan(quirks=frozenset(GROUPS["gateway"]))),
    ],
)
def test_parse(text: str, plan: Plan) -> None:
    assert Plan.parse(text) == plan


@pytest.mark.parametrize(
    "text",
    ["nonsense", "fault=nonsense", "200", "after=x", "after=-1", "pace=0", "color=red", "body=xml", "input=[1]",
     "tool=a {", "tool-error=unlucky", "x-should-retry=maybe", "bytes=0"],
)  # fmt: skip
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plan"):
        Plan.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_plan_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        Plan.parse(text)


def test_every_quirk_is_implemented() -> None:
    assert FRAMINGS | set(MUTATORS) == QUIRKS
    assert not FRAMINGS & set(MUTATORS)
    assert not FRAMINGS & set(MUTATORS)


def test_precedence(api: Api) -> None:
    api.simulator.faults.append("say=queue")
    line = "A question\nsimulate: say=line"
    assert api.text(line, plan="say=header") == "header"
    assert api.text(line) == "queue"
    assert api.text(line) == "line"
    assert api.text("A question").startswith("This is a simulated answer")


def test_the_plan_line_is_not_part_of_the_question(api: Api) -> None:
    assert "simulate:" not in api.text("A question\nsimulate: pace=1000")


def test_only_the_last_question_plans(api: Api) -> None:
    messages = [
        {"role": "user", "content": "simulate: say=old"},
        {"role": "assistant", "content": "old"},
        {"role": "user", "content": "And now?"},
    ]
    assert "simulated answer" in api.text(messages=messages)


def test_a_system_message_may_follow_the_plan_line(api: Api) -> None:
    messages = [{"role": "user", "content": "simulate: say=yes"}, {"role": "system", "content": "Be brief."}]
    assert api.text(messages=messages) == "yes"


def test_tool_results_end_the_plan_of_the_question(api: Api) -> None:
    question = {"role": "user", "content": "Please\nsimulate: tool=add"}
    reply = api.ask(messages=[question])["content"]
    result = {"type": "tool_result", "tool_use_id": reply[-1]["id"], "content": "3"}
    messages = [question, {"role": "assistant", "content": reply}, {"role": "user", "content": [result]}]
    assert api.ask(messages=messages)["stop_reason"] == "end_turn"


def test_standing_plan() -> None:
    with start(plan="say=always") as simulator, Api(simulator) as api:
        assert api.text() == "always"


def test_an_invalid_plan_is_a_400(api: Api) -> None:
    assert "nonsense" in api.error(plan="nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        api.simulator.faults.append("nonsense")


def test_times_and_order(api: Api) -> None:
    faults = api.simulator.faults
    faults.append("529; times=2")
    faults.extend(["500"])
    assert len(faults) == 3
    assert [api.post().status_code for _ in range(4)] == [529, 529, 500, 200]
    assert len(faults) == 0


def test_other_addresses_consume_no_plan(api: Api) -> None:
    api.simulator.faults.append("529")
    api.post(path="/v1/messages/count_tokens", max_tokens=...)
    assert api.post().status_code == 529
