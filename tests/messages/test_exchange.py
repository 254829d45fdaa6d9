"""What is kept of an exchange: the request as it was really sent, the response, the events and their times."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import pytest

from claude_magic.messages import exchange as kept
from claude_magic.messages.client import Client
from claude_magic.messages.errors import APIError, BadInput, ClaudeError, ConnectionFailed
from claude_magic.messages.exchange import RequestBody
from claude_magic.messages.reply import Reply
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.messages.conftest import Connect
from tests.messages.servers import COUNTED, HELLO, answer, ask, http, raw

SECRETS = {
    "set-cookie": "session=abc",
    "www-authenticate": "Basic realm=x",
    "anthropic-organization-id": "mine",
    "x-echo": f"you are {KEY}",
}


def failed(client: Client, **fields: Any) -> Reply:
    stream = client.stream(ask(**fields))
    with pytest.raises(ClaudeError):
        list(stream)
    return stream.reply


def test_the_events_are_those_that_came_with_their_times(simulator: Simulator, connect: Connect) -> None:
    reply = answer(connect(simulator.url))
    events = reply.events
    assert [event.name for event in events][:3] == ["message_start", "ping", "content_block_start"]
    assert events[-1].name == "message_stop"
    times = [event.seconds for event in events]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] + 1
    again = Reply()
    for event in events:
        again.apply(event.data)
    assert again.text == reply.text
    assert again.usage == reply.usage


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_events_are_found_however_the_bytes_were_cut(piece: int, connect: Connect) -> None:
    with raw(http(HELLO)) as server:
        transmission = answer(connect(server.url)).transmission
    assert transmission is not None
    cut = kept.Exchange(kept.OutgoingRequest("", {}, RequestBody([])))
    for at in range(0, len(transmission.received), piece):
        cut.add(transmission.received[at : at + piece])
    assert [data for _, data in cut.events()] == [data for _, data in transmission.events()]
    assert cut.received == transmission.received


@pytest.mark.parametrize("plan", ["say=Hello!", "think=30", 'tool=run {"x": [1, {"y": "é"}]}', "stop=max_tokens"])
def test_the_official_library_builds_the_same_message(simulator: Simulator, connect: Connect, plan: str) -> None:
    tools = [{"name": "run", "input_schema": {"type": "object"}}] if "tool" in plan else []
    thinking = {"thinking": {"type": "adaptive", "display": "summarized"}} if "think" in plan else {}
    simulator.faults.append(plan)
    reply = answer(connect(simulator.url), **({"tools": tools} if tools else {}), **thinking)
    assert reply.transmission is not None
    with raw(http(reply.transmission.received)) as server:
        sdk = anthropic.Anthropic(base_url=server.url, api_key="any", max_retries=0)
        with sdk, sdk.messages.stream(model="any", max_tokens=1, messages=[]) as stream:
            theirs = json.loads(stream.get_final_message().to_json())
    assert reply.response is not None
    ours = reply.response.body
    assert ours["content"] == [
        {name: value for name, value in block.items() if value is not None} for block in theirs["content"]
    ]
    for name in ("id", "type", "role", "model", "stop_reason", "stop_sequence"):
        assert ours[name] == theirs[name], name
    for name in ("input_tokens", "output_tokens", "cache_read_input_tokens"):
        assert ours["usage"][name] == theirs["usage"][name], name


def test_status_headers_and_request_id_of_an_answer(simulator: Simulator, connect: Connect) -> None:
    reply = answer(connect(simulator.url))
    response = reply.response
    assert response is not None
    assert (response.status, response.request_id) == (200, reply.request_id)
    assert response.headers["request-id"] == reply.request_id
    assert repr(response).startswith("HTTP 200\n")
    assert response._repr_mimebundle_()["text/markdown"].startswith("```http\nHTTP 200\n")


def test_what_is_secret_is_not_kept(key: str, connect: Connect) -> None:
    quoting = json.dumps(
        {"type": "error", "error": {"type": "invalid_request_error", "message": f"No: {key}"}}
    ).encode()
    with raw(http(quoting, "application/json", "400 Bad Request", **SECRETS)) as server:
        reply = failed(connect(server.url))
    response = reply.response
    assert response is not None
    assert set(SECRETS) & set(response.headers) == {"x-echo"}
    assert response.headers["x-echo"] == "you are ***"
    assert response.body["error"]["message"] == "No: ***"
    assert key[10:] not in "".join(map(repr, [response, reply.request(), reply.events, vars(reply.transmission)]))


def test_an_unusual_key_quoted_in_mid_answer_is_not_kept(monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    word = "a-word-that-a-gateway-takes"
    monkeypatch.setenv("ANTHROPIC_API_KEY", word)
    error = (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"bad ' + word.encode() + b'"}}\n\n'
    )
    begun, _, _ = HELLO.partition(b"event: message_delta")
    with raw(http(begun + error)) as server:
        reply = failed(connect(server.url))
    assert reply.events[-1].data["error"]["message"] == "bad ***"
    assert reply.events[0].name == "message_start"
    assert reply.response is not None
    assert reply.response.body["error"]["message"] == "bad ***"
    assert word.encode() not in reply.transmission.received  # type: ignore[union-attr]


def test_after_several_tries_it_is_the_last_one(simulator: Simulator, connect: Connect, pauses: list[float]) -> None:
    simulator.faults.append("529; times=2")
    reply = answer(connect(simulator.url))
    assert len(pauses) == 2
    assert reply.response is not None
    assert reply.response.request_id == "req_sim00000003"


def test_an_error_is_a_response_too(simulator: Simulator, connect: Connect) -> None:
    simulator.faults.append("429")
    reply = failed(connect(simulator.url, max_retries=0))
    assert reply.response is not None
    assert reply.response.status == 429
    assert reply.response.body["error"]["type"] == "rate_limit_error"
    assert reply.events == ()
    assert repr(reply.events) == "No events."


def test_of_an_answer_that_broke_off_there_is_what_came(simulator: Simulator, connect: Connect) -> None:
    simulator.faults.append("deltas=20; fault=cut; after=5")
    reply = failed(connect(simulator.url))
    assert [event.name for event in reply.events].count("content_block_delta") == 5
    assert reply.response is not None
    assert reply.response.body["content"][-1]["text"] == reply.text
    assert reply.response.body["stop_reason"] is None


def test_without_a_response_there_is_the_request(connect: Connect) -> None:
    reply = failed(connect("http://127.0.0.1:9", max_retries=0))
    assert reply.response is None
    assert reply.request().startswith("POST http://127.0.0.1:9/v1/messages\n")
    assert Reply().transmission is None
    with pytest.raises(BadInput, match="Nothing was sent"):
        Reply().request()


def test_a_page_that_is_no_json_stays_as_it_is(connect: Connect) -> None:
    with raw(http(b"<h1>```Sorry```</h1>", "text/html", "502 Bad Gateway")) as server:
        reply = failed(connect(server.url, max_retries=0))
    assert reply.response is not None
    assert reply.response.body == "<h1>```Sorry```</h1>"
    assert reply.response._repr_mimebundle_()["text/markdown"].startswith("````http\n")


def test_memory_is_bounded(simulator: Simulator, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MAX_RESPONSE_BYTES", 4_000)
    monkeypatch.setattr(kept, "MAX_TOTAL_BYTES", 10_000)
    recent = kept.RecentExchanges()
    client = connect(simulator.url, exchanges=recent)
    replies = []
    for _ in range(4):
        simulator.faults.append("deltas=200")
        replies.append(answer(client))
    last = replies[-1].response
    assert last is not None
    assert last.cut
    assert "was not kept" in repr(last)
    assert len(replies[-1].transmission) <= 4_000 + 16 * 200 + len(ask())  # type: ignore[arg-type]
    size = len(replies[-1].transmission)  # type: ignore[arg-type]
    replies[-1].transmission.add(b"more")  # type: ignore[union-attr]
    assert len(replies[-1].transmission) == size  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no longer kept"):
        replies[0].request("curl")
    assert len(replies[0].text) > 500, "the answer itself is whole"
    assert replies[-1].request().body == json.loads(bytes(ask()))
    assert len(recent._kept) < 4


def test_of_very_many_events_the_first_and_the_last_are_shown(simulator: Simulator, connect: Connect) -> None:
    simulator.faults.append("deltas=300")
    events = answer(connect(simulator.url)).events
    lines = repr(events).splitlines()
    assert len(events) > 100
    assert len(lines) == 46
    assert f"{len(events) - 45:,} more" in lines[30]
    assert "message_start" in lines[0]
    assert "message_stop" in lines[-1]
    assert max(map(len, lines)) < 150


class TestCallsThatChangeNothing:
    """Models and counts are tried as often as a question."""

    def test_both_are_tried_again(self, connect: Connect, pauses: list[float]) -> None:
        waits: list[Any] = []
        refused, count = (
            http(b"{}", "application/json", "529 Overloaded"),
            http(b'{"input_tokens": 9}', "application/json"),
        )
        with raw(refused, None, count) as server:
            assert connect(server.url).count_tokens(COUNTED, waits.append) == 9
            assert len(server.got) == 3
        assert [wait.attempt for wait in waits] == [2, 3]
        with raw(refused, http(b'{"data": [{"id": "m"}]}', "application/json")) as server:
            assert connect(server.url).models() == [{"id": "m"}]

    @pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "404 Not Found"])
    def test_what_another_try_would_not_mend_is_not(self, status: str, connect: Connect) -> None:
        with raw(http(b"{}", "application/json", status)) as server:
            with pytest.raises(APIError):
                connect(server.url).models()
            assert len(server.got) == 1

    def test_the_number_of_tries_is_that_of_the_client(self, connect: Connect) -> None:
        with raw(None, None) as server:
            with pytest.raises(ConnectionFailed):
                connect(server.url, max_retries=0).models()
            assert len(server.got) == 1

    def test_other_calls_are_not(self, connect: Connect) -> None:
        with raw(http(b"{}", "application/json", "529 Overloaded")) as server:
            with pytest.raises(APIError):
                connect(server.url).call("DELETE", "/v1/files/x")
            assert len(server.got) == 1
