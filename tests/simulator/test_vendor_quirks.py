"""Streams that deviate like those of other servers."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from claude_magic.simulator.plan import QUIRKS

from .conftest import JSON, OLD_HEADERS, SHOWN, Api

TOOL = 'tool=f; input={"a": 1, "b": "two"}'


def stream(api: Api, plan: str, **body: Any) -> str:
    response = api.post(stream=True, plan=plan, **body)
    assert response.status_code == 200
    return response.content.decode()


def of(events: list[JSON], kind: str) -> list[JSON]:
    return [event for event in events if event["type"] == kind]


def test_line_ends(api: Api) -> None:
    plain = stream(api, "say=a b")
    assert stream(api, "say=a b").count("\n") == plain.count("\n")
    crlf, cr = stream(api, "crlf; say=a b"), stream(api, "cr; say=a b")
    assert crlf.count("\r\n") == crlf.count("\n") == crlf.count("\r") == plain.count("\n")
    assert cr.count("\r") == plain.count("\n")
    assert "\n" not in cr


def test_bom_comments_done_and_end(api: Api) -> None:
    assert stream(api, "bom").startswith("\ufeffevent: message_start")
    assert stream(api, "comments").startswith(": keep-alive\n")
    assert stream(api, "done").endswith("data: [DONE]\n\n")
    assert stream(api, "no-final-blank").endswith('data: {"type":"message_stop"}')


def test_data_only(api: Api) -> None:
    text = stream(api, "data-only")
    assert "event:" not in text
    assert text.startswith('data: {"type":"message_start"')


def test_multiline_data(api: Api) -> None:
    frame = stream(api, "multiline-data").split("\n\n")[0]
    lines = frame.split("\n")
    assert lines[0] == "event: message_start"
    assert len(lines) > 5
    joined = "\n".join(line.removeprefix("data: ") for line in lines[1:])
    assert json.loads(joined)["type"] == "message_start"


def test_gateway_is_what_its_page_shows(api: Api) -> None:
    text = stream(
        api,
        "gateway",
        model="claude-3-5-sonnet-20241022",
        messages=[{"role": "user", "content": "讲个故事"}],
        headers=OLD_HEADERS,
    )
    decoder, events = json.JSONDecoder(), []
    while text:
        event, end = decoder.raw_decode(text)
        events.append(event)
        text = text[end:].lstrip()
    identity = {"id": "msg_013Zva2CMHLNnXjNJKqJ2EF", "model": "claude-3-5-sonnet-20241022"}
    assert events[0] == {
        "type": "message_start",
        "message": {**identity, "role": "assistant", "type": "message"},
    }
    assert of(events, "content_block_start") == [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}
    ]
    assert [event["delta"] for event in of(events, "content_block_delta")] == [
        {"text": "从前"},
        {"text": "有一只"},
        {"text": "小兔子..."},
    ]
    (ending,) = of(events, "message_delta")
    assert ending["delta"]["usage"]["output_tokens"] == 628
    assert "usage" not in ending


def test_message_fields_and_usage(api: Api) -> None:
    assert api.events(plan="no-message-fields")[0]["message"] == {}
    assert api.events(plan="few-message-fields")[0]["message"].keys() == {"id", "model", "role", "type"}
    (delta,) = of(api.events(plan="usage-in-delta"), "message_delta")
    assert "usage" not in delta
    assert delta["delta"]["usage"]["output_tokens"] > 0
    events = api.events(plan="no-usage")
    assert "usage" not in events[0]["message"]
    assert "usage" not in of(events, "message_delta")[0]
    events = api.events(plan="null-usage")
    assert set(events[0]["message"]["usage"].values()) == {None}
    assert set(of(events, "message_delta")[0]["usage"].values()) == {None}


def test_blocks_and_deltas(api: Api) -> None:
    events = api.events(plan=f"bare-blocks; think=2; {TOOL}", thinking=SHOWN)
    starts = [event["content_block"] for event in of(events, "content_block_start")]
    assert [start["type"] for start in starts] == ["thinking", "text", "tool_use"]
    assert all(not {"text", "thinking", "signature", "input"} & start.keys() for start in starts)
    events = api.events(plan=f"untyped-deltas; {TOOL}")
    assert all("type" not in event["delta"] for event in of(events, "content_block_delta"))
    assert "signature" not in json.dumps(api.events(plan="no-signature; think=2", thinking=SHOWN)[3:])


def test_stops_and_starts(api: Api) -> None:
    assert not of(api.events(plan="no-block-stops"), "content_block_stop")
    assert not of(api.events(plan="no-block-starts"), "content_block_start")
    assert len(of(api.events(plan="double-stops"), "content_block_stop")) == 2


def test_late_stops_interleave(api: Api) -> None:
    events = api.events(plan=f"late-stops; {TOOL}")
    kinds = [event["type"] for event in events]
    assert kinds[-4:] == ["content_block_stop"] * 2 + ["message_delta", "message_stop"]
    order = [event["index"] for event in of(events, "content_block_delta")]
    assert order[:4] == [0, 1, 0, 1]


def test_index_gap(api: Api) -> None:
    events = api.events(plan=f"index-gap; {TOOL}")
    assert {event["index"] for event in events if "index" in event} == {1, 3}


def test_unknown_events(api: Api) -> None:
    text = json.dumps(api.events(plan="unknown-events"))
    assert all(name in text for name in ("future_event", "future_delta", "future_block"))


def test_ping_first(api: Api) -> None:
    kinds = [event["type"] for event in api.events(plan="ping-first")]
    assert kinds[:2] == ["ping", "message_start"]


def partial(events: list[JSON]) -> str:
    return "".join(event["delta"].get("partial_json", "") for event in of(events, "content_block_delta"))


def test_tool_input(api: Api) -> None:
    value = {"a": 1, "b": "two"}
    events = api.events(plan=f"tool-input-whole; {TOOL}")
    assert of(events, "content_block_start")[-1]["content_block"]["input"] == value
    assert partial(events) == ""
    assert json.loads(json.loads(partial(api.events(plan=f"tool-input-double-encoded; {TOOL}")))) == value
    with pytest.raises(json.JSONDecodeError):
        json.loads(partial(api.events(plan=f"tool-input-invalid; {TOOL}")))
    assert partial(api.events(plan=f"tool-input-missing; {TOOL}")) == ""
    starts = of(api.events(plan=f"odd-tool-ids; {TOOL}"), "content_block_start")
    assert not starts[-1]["content_block"]["id"].replace("_", "").replace("-", "").isalnum()


@pytest.mark.parametrize(
    ("plan", "word"),
    [
        ("openai-stop-words", "stop"),
        ("openai-stop-words; stop=max_tokens", "length"),
        (f"openai-stop-words; {TOOL}", "tool_calls"),
        (f"no-stop-reason; {TOOL}", None),
    ],
)
def test_stop_words(api: Api, plan: str, word: str | None) -> None:
    assert of(api.events(plan=plan), "message_delta")[0]["delta"]["stop_reason"] == word


def test_double_message_delta_ends_with_the_right_one(api: Api) -> None:
    first, second = of(api.events(plan="double-message-delta"), "message_delta")
    assert first["usage"]["output_tokens"] == second["usage"]["output_tokens"] + 7


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_chunks_of_bytes(api: Api, size: int) -> None:
    received, chunks, _ = api.read(f"bytes={size}; say=Grüße, 世界 🙂".encode())
    assert "世界" in received.decode()
    assert received.endswith(b'{"type":"message_stop"}\n\n')
    assert max(len(chunk) for chunk in chunks) <= size


@pytest.mark.parametrize("quirk", sorted(QUIRKS))
def test_every_quirk_changes_the_stream(api: Api, quirk: str) -> None:
    odd, plain = (
        re.sub(r"sim\d+", "", stream(api, plan, thinking=SHOWN))
        for plan in (f"think=3; {quirk}; {TOOL}", f"think=3; {TOOL}")
    )
    assert odd != plain
