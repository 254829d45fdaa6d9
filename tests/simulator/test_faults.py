"""Everything that can go wrong with an answer, as a client sees it."""

from __future__ import annotations

import json
import time

import httpx2
import pytest

from claude_magic.simulator.api_errors import STATUSES

from .conftest import JSON, SHOWN, Api, fold


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 409, 413, 429, 500, 503, 504, 529])
def test_status(api: Api, status: int) -> None:
    response = api.post(plan=f"fault={status}")
    assert response.status_code == status
    body = response.json()
    assert body["type"] == "error"
    assert body["error"]["type"] == STATUSES[status][0]
    assert body["request_id"] == response.headers["request-id"]
    assert response.headers["x-simulator"] == "claude_magic"


def test_type_and_message(api: Api) -> None:
    error = api.post(plan="500; type=strange_error; message=Odd").json()["error"]
    assert error == {"type": "strange_error", "message": "Odd"}


def test_retry_headers(api: Api) -> None:
    headers = api.post(plan="429; retry-after=2; retry-after-ms=1500; x-should-retry=true").headers
    assert (headers["retry-after"], headers["retry-after-ms"], headers["x-should-retry"]) == ("2", "1500", "true")
    assert "retry-after" not in api.post(plan="429").headers


def test_a_planned_status_comes_before_every_check(api: Api) -> None:
    assert api.post(plan="529", headers={"x-api-key": None}, model=...).status_code == 529


def test_bodies(api: Api) -> None:
    html = api.post(plan="503; body=html")
    assert html.headers["content-type"].startswith("text/html")
    assert html.text.startswith("<!DOCTYPE html>")
    assert api.post(plan="503; body=empty").content == b""
    openai = api.post(plan="429; body=openai").json()
    assert openai.keys() == {"error"}
    assert {"message", "type", "code"} <= openai["error"].keys()
    assert api.post(plan="429; body=no-outer-type").json() == {
        "error": {"type": "rate_limit_error", "message": "This request would exceed the rate limit."}
    }
    assert isinstance(api.post(plan="429; body=string").json()["error"], str)


def test_hangup(api: Api) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        api.post(plan="hangup")
    assert api.post().status_code == 200


def test_error_as_first_event(api: Api) -> None:
    (event,) = api.events(plan="fault=error; type=api_error; message=Broken")
    assert event == {"type": "error", "error": {"type": "api_error", "message": "Broken"}}
    (event,) = api.events(plan="fault=error; body=string")
    assert event["error"] == "Overloaded"


def deltas(events: list[JSON]) -> list[JSON]:
    return [event for event in events if event["type"] == "content_block_delta"]


def test_error_after_deltas(api: Api) -> None:
    events = api.events(plan="fault=error; type=overloaded_error; after=5; deltas=50")
    assert len(deltas(events)) == 5
    assert events[-1]["error"]["type"] == "overloaded_error"
    assert events[0]["type"] == "message_start"


@pytest.mark.parametrize("after", [0, 1, 5])
def test_cut(api: Api, after: int) -> None:
    received, _, error = api.read(f"fault=cut; after={after}; deltas=50")
    assert received.count(b"text_delta") == after
    assert error == "RemoteProtocolError"


def test_truncate(api: Api) -> None:
    whole = api.events(plan="fault=truncate; deltas=9")
    assert whole[-1]["type"] == "message_delta"
    cut = api.events(plan="fault=truncate; deltas=9; after=3")
    assert len(deltas(cut)) == 3
    assert cut[-1]["type"] == "content_block_delta"


def test_stall_sends_nothing_until_the_client_disconnects(api: Api) -> None:
    received, _, error = api.read("fault=stall; after=3; deltas=9", read=0.3)
    assert received.count(b"text_delta") == 3
    assert error == "ReadTimeout"


@pytest.mark.parametrize("stream", [False, True])
def test_refusal(api: Api, stream: bool) -> None:
    plan = "fault=refusal; after=4; category=cyber; deltas=20"
    message = fold(api.events(plan=plan)) if stream else api.ask(plan=plan)
    assert message["stop_reason"] == "refusal"
    assert message["stop_details"]["category"] == "cyber"
    assert len(message["content"][0]["text"]) == 16
    before = api.ask(plan="refusal")
    assert before["content"] == []
    assert before["stop_details"] == {**message["stop_details"], "category": None}


@pytest.mark.parametrize("stop", ["max_tokens", "model_context_window_exceeded", "pause_turn", "end_turn"])
def test_stop(api: Api, stop: str) -> None:
    message = fold(api.events(plan=f"stop={stop}"))
    assert message["stop_reason"] == stop
    assert message["content"]


def test_a_paused_turn_can_be_sent_back_to_go_on(api: Api) -> None:
    message = api.ask(plan="stop=pause_turn")
    messages = [{"role": "user", "content": "Hi there"}, {"role": "assistant", "content": message["content"]}]
    assert api.ask(messages=messages)["stop_reason"] == "end_turn"


def test_max_tokens_inside_tool_input(api: Api) -> None:
    events = api.events(plan='tool=f; stop=max_tokens; input={"a": "bcdefgh"}')
    text = "".join(event["delta"].get("partial_json", "") for event in deltas(events))
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert events[-2]["delta"]["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("stream", [False, True])
def test_empty(api: Api, stream: bool) -> None:
    message = fold(api.events(plan="empty")) if stream else api.ask(plan="empty")
    assert (message["content"], message["stop_reason"]) == ([], "end_turn")


def test_other_types_with_200(api: Api) -> None:
    answer = api.post(stream=True, plan="as=json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["type"] == "message"
    page = api.post(stream=True, plan="as=html")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")


def test_faults_without_a_stream(api: Api) -> None:
    assert api.post(plan="fault=error; type=overloaded_error").status_code == 529
    with pytest.raises(httpx2.RemoteProtocolError):
        api.post(plan="fault=cut")
    with pytest.raises(json.JSONDecodeError):
        api.post(plan="fault=truncate").json()


@pytest.mark.parametrize("shape", ["prose", "code", "table", "line"])
def test_shapes(api: Api, shape: str) -> None:
    events = api.events(plan=f"deltas=300; chars=7; shape={shape}", max_tokens=10)
    assert [len(event["delta"]["text"]) for event in deltas(events)] == [7] * 300
    text = "".join(event["delta"]["text"] for event in deltas(events))
    assert ("\n" in text) == (shape != "line")


def test_thinking_deltas(api: Api) -> None:
    plan = "think=6; deltas=2"
    shown = api.events(plan=plan, thinking=SHOWN)
    kinds = [event["delta"]["type"] for event in deltas(shown)]
    assert kinds == ["thinking_delta"] * 6 + ["signature_delta"] + ["text_delta"] * 2
    hidden = api.events(plan=plan)
    assert [event["delta"]["type"] for event in deltas(hidden)] == ["signature_delta"] + ["text_delta"] * 2


def test_pace_is_kept(api: Api) -> None:
    began = time.perf_counter()
    api.events(plan="deltas=101; pace=200")
    assert 0.48 < time.perf_counter() - began < 1.5


def test_each_delta_arrives_on_its_own_when_paced(api: Api) -> None:
    _, chunks, _ = api.read("deltas=10; pace=50")
    assert len([chunk for chunk in chunks if b"text_delta" in chunk]) >= 9


def test_delays(api: Api) -> None:
    began = time.perf_counter()
    api.post(plan="delay=0.2")
    assert time.perf_counter() - began > 0.2
    began = time.perf_counter()
    api.events(plan="think-delay=0.2", thinking=SHOWN)
    assert time.perf_counter() - began > 0.2


def test_many_deltas_are_quick(api: Api) -> None:
    began = time.process_time()
    events = api.events(plan="deltas=20000; chars=4")
    assert len(deltas(events)) == 20_000
    assert time.process_time() - began < 3
