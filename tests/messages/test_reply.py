"""Replies: everything that servers do to a stream, and what must be left of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.messages.blocks import RawBlock, TextBlock, ThinkingBlock, ToolUseBlock
from claude_magic.messages.errors import APIError, Overloaded
from claude_magic.messages.reply import Reply
from claude_magic.messages.usage import Usage

Event = dict[str, Any]


def fold(events: Iterable[Event], prefill: str = "") -> Reply:
    reply = Reply(prefill)
    for event in events:
        reply.apply(event)
    return reply


def start(**message: Any) -> Event:
    return {"type": "message_start", "message": message}


def block(index: int, **content: Any) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, kind: str | None = None, **fields: Any) -> Event:
    typed = {"type": kind} if kind else {}
    return {"type": "content_block_delta", "index": index, "delta": {**typed, **fields}}


def text(index: int, piece: str) -> Event:
    return delta(index, "text_delta", text=piece)


def json_piece(index: int, piece: str) -> Event:
    return delta(index, "input_json_delta", partial_json=piece)


def stop(index: int) -> Event:
    return {"type": "content_block_stop", "index": index}


def tail(reason: str | None = "end_turn", usage: Any = None, **fields: Any) -> Event:
    event = {"type": "message_delta", "delta": {"stop_reason": reason, **fields}}
    return event if usage is None else {**event, "usage": usage}


def inner_usage(**usage: int) -> Event:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn", "usage": usage}}


def bare(event: Event) -> Event:
    return {key: value for key, value in event.items() if key != "index"}


END = {"type": "message_stop"}
HEAD = start(
    id="msg_1",
    type="message",
    role="assistant",
    model="claude-sonnet-5-5",
    content=[],
    stop_reason=None,
    usage={"input_tokens": 12, "output_tokens": 1},
)
HELLO = [block(0, type="text", text=""), text(0, "Hel"), text(0, "lo!"), stop(0)]
CALL = [
    block(0, type="tool_use", id="toolu_1", name="f", input={}),
    json_piece(0, ""),
    json_piece(0, '{"a":'),
    json_piece(0, " 1}"),
    stop(0),
]


@dataclasses.dataclass
class Row:
    """A stream, and what it comes to."""

    events: list[Event]
    text: str = "Hello!"
    usage: tuple[int, int] = (12, 6)
    stop_reason: str | None = "end_turn"
    complete: bool = True
    calls: list[tuple[str, dict[str, Any], str | None]] = dataclasses.field(default_factory=list)
    id: str = "msg_1"
    model: str = "claude-sonnet-5-5"
    thinking: str = ""


def called(events: list[Event], reason: str | None = "tool_use", **row: Any) -> Row:
    row = {"calls": [("f", {"a": 1}, None)], **row}
    return Row([HEAD, *events, tail(reason, {"output_tokens": 6}), END], text="", stop_reason="tool_use", **row)


DONE = [tail(usage={"output_tokens": 6}), END]
ODD = {
    "as documented": Row([HEAD, {"type": "ping"}, *HELLO, *DONE]),
    # what other servers leave out, add and change
    "message_start without type and role": Row(
        [start(id="msg_1", model="m", usage={"input_tokens": 12}), *HELLO, *DONE], model="m"
    ),
    "message_start without usage and content": Row(
        [start(id="msg_1", model="m"), *HELLO, *DONE], usage=(0, 6), model="m"
    ),
    "message_start without anything": Row([start(), *HELLO, *DONE], usage=(0, 6), id="", model=""),
    "message_start without message": Row([{"type": "message_start"}, *HELLO, *DONE], usage=(0, 6), id="", model=""),
    "no message_start": Row([*HELLO, *DONE], usage=(0, 6), id="", model=""),
    "message_delta without usage": Row([HEAD, *HELLO, tail(), END], usage=(12, 1)),
    "usage inside delta": Row([HEAD, *HELLO, inner_usage(output_tokens=6), END]),
    "usage nowhere": Row([start(id="msg_1", model="m"), *HELLO, tail(), END], usage=(0, 0), model="m"),
    "usage of nulls": Row(
        [HEAD, *HELLO, tail(usage={"input_tokens": None, "output_tokens": None}), END], usage=(12, 1)
    ),
    "usage is null": Row([HEAD, *HELLO, {**tail(), "usage": None}, END], usage=(12, 1)),
    "usage going down": Row([HEAD, *HELLO, tail(usage={"input_tokens": 3, "output_tokens": 6}), END], usage=(3, 6)),
    "text start without text": Row([HEAD, block(0, type="text"), *HELLO[1:], *DONE]),
    "text start with text": Row([HEAD, block(0, type="text", text="Hel"), text(0, "lo!"), stop(0), *DONE]),
    "block start without type": Row([HEAD, block(0), *HELLO[1:], *DONE]),
    "deltas without type": Row([HEAD, HELLO[0], delta(0, text="Hel"), delta(0, text="lo!"), stop(0), *DONE]),
    "thinking deltas without type": Row(
        [
            HEAD,
            block(0, type="thinking"),
            delta(0, thinking="Hm"),
            delta(0, signature="s"),
            stop(0),
            block(1, type="text"),
            text(1, "Hello!"),
            stop(1),
            *DONE,
        ],
        thinking="Hm",
    ),
    "delta for an index never started": Row([HEAD, text(0, "Hel"), text(0, "lo!"), *DONE]),
    "thinking for an index never started": Row(
        [HEAD, delta(0, "thinking_delta", thinking="Hm"), text(1, "Hello!"), *DONE], thinking="Hm"
    ),
    "null delta and null block": Row(
        [
            HEAD,
            {"type": "content_block_start", "index": 0, "content_block": None},
            *HELLO[1:],
            {"type": "content_block_delta", "index": 0, "delta": None},
            *DONE,
        ]
    ),
    "stops missing": Row([HEAD, *HELLO[:-1], *DONE]),
    "stops doubled": Row([HEAD, *HELLO, stop(0), stop(0), *DONE]),
    "stop of nothing": Row([HEAD, stop(7), *HELLO, *DONE]),
    "blocks interleave and stop at the end": Row(
        [
            HEAD,
            block(0, type="thinking"),
            block(1, type="text"),
            delta(0, "thinking_delta", thinking="H"),
            text(1, "Hel"),
            delta(0, "thinking_delta", thinking="m"),
            text(1, "lo!"),
            stop(0),
            stop(1),
            *DONE,
        ],
        thinking="Hm",
    ),
    "index gap": Row(
        [HEAD, block(3, type="text"), text(3, "Hel"), stop(3), block(9, type="text"), text(9, "lo!"), stop(9), *DONE]
    ),
    "no index": Row([HEAD, *map(bare, [*HELLO[:2], HELLO[3], HELLO[0], HELLO[2]]), *DONE]),
    "no index in starts": Row(
        [HEAD, bare(block(0, type="thinking")), bare(HELLO[0]), delta(0, thinking="Hm"), text(1, "Hello!"), *DONE],
        thinking="Hm",
    ),
    "no index in deltas": Row([HEAD, block(0, type="thinking"), block(1, type="text"), bare(text(1, "Hello!")), *DONE]),
    "index used again": Row([HEAD, HELLO[0], text(0, "Hel"), stop(0), HELLO[0], text(0, "lo!"), stop(0), *DONE]),
    "unknown events": Row([HEAD, {"type": "future", "x": [1]}, *HELLO, {"type": "other"}, {}, *DONE]),
    "unknown deltas": Row(
        [HEAD, HELLO[0], delta(0, "future_delta", future=1), *HELLO[1:], delta(9, "future_delta"), *DONE]
    ),
    "delta of another kind of block": Row([HEAD, HELLO[0], json_piece(0, "{}"), *HELLO[1:], *DONE]),
    "unknown blocks": Row([HEAD, *HELLO, block(1, type="future", data=[1]), stop(1), *DONE]),
    "message_delta repeated": Row(
        [HEAD, *HELLO, tail(usage={"output_tokens": 2}), tail(None, {"output_tokens": 6}), END]
    ),
    "message_stop repeated": Row([HEAD, *HELLO, *DONE, END]),
    "stop_reason null": Row([HEAD, *HELLO, tail(None, {"output_tokens": 6}), END]),
    "no message_delta": Row([HEAD, *HELLO, END], usage=(12, 1)),
    "OpenAI's stop": Row([HEAD, *HELLO, tail("stop", {"output_tokens": 6}), END]),
    "OpenAI's length": Row(
        [HEAD, *HELLO, tail("length", {"output_tokens": 6}), END], stop_reason="max_tokens", complete=False
    ),
    "OpenAI's content_filter": Row(
        [HEAD, *HELLO, tail("content_filter", {"output_tokens": 6}), END], stop_reason="refusal", complete=False
    ),
    "a reason of the future": Row(
        [HEAD, *HELLO, tail("tired", {"output_tokens": 6}), END], stop_reason="tired", complete=False
    ),
    "a reason that is no word": Row(
        [HEAD, *HELLO, {"type": "message_delta", "delta": {"stop_reason": ["end"]}, "usage": {"output_tokens": 6}}, END]
    ),
    "half a character in a delta": Row(
        [HEAD, HELLO[0], text(0, "a\ud83d"), text(0, "\ude00b\udc00"), *DONE], text="a\U0001f600b\ufffd"
    ),
    # an end that nobody announced
    "no message_stop": Row([HEAD, *HELLO, DONE[0]], complete=False),
    "nothing after the text": Row([HEAD, *HELLO[:-1]], usage=(12, 1), stop_reason=None, complete=False),
    # calls
    "a call as documented": called(CALL),
    "call without input": called([block(0, type="tool_use", id="toolu_1", name="f"), *CALL[1:]]),
    "input as object in the start": called([block(0, type="tool_use", id="t", name="f", input={"a": 1}), stop(0)]),
    "input as string in the start": called([block(0, type="tool_use", id="t", name="f", input='{"a": 1}'), stop(0)]),
    "input in one delta": called([CALL[0], json_piece(0, '{"a": 1}'), stop(0)]),
    "input without type in deltas": called(
        [CALL[0], delta(0, partial_json='{"a": '), delta(0, partial_json="1}"), stop(0)]
    ),
    "input encoded twice": called([CALL[0], json_piece(0, '"{\\"a\\": '), json_piece(0, '1}"'), stop(0)]),
    "input empty": called([CALL[0], json_piece(0, ""), stop(0)], calls=[("f", {}, None)]),
    "input of white space": called([CALL[0], json_piece(0, "  "), stop(0)], calls=[("f", {}, None)]),
    "input null": called([block(0, type="tool_use", id="t", name="f", input=None), stop(0)], calls=[("f", {}, None)]),
    "input invalid": called([CALL[0], json_piece(0, '{"a": oops}'), stop(0)], calls=[("f", {}, '{"a": oops}')]),
    "input no object": called([CALL[0], json_piece(0, "[1]"), stop(0)], calls=[("f", {}, "[1]")]),
    "input with NaN": called([CALL[0], json_piece(0, '{"a": NaN}'), stop(0)], calls=[("f", {}, '{"a": NaN}')]),
    "input too deep": called([CALL[0], json_piece(0, "[" * 200_000), stop(0)], calls=[("f", {}, "[" * 200_000)]),
    "call without stop": called(CALL[:-1]),
    "call with a late stop": called([*CALL[:-1], {"type": "ping"}, stop(0)]),
    "call with a stop too early": called([*CALL[:2], stop(0), *CALL[2:]]),
    "call and stop_reason null": called(CALL, None),
    "call and an unknown reason": called(CALL, "function_call"),
    "call and end_turn": called(CALL, "end_turn"),
    "call and OpenAI's stop": called(CALL, "stop"),
    "call and OpenAI's tool_calls": called(CALL, "tool_calls"),
    "call cut by the end of the stream": Row(
        [HEAD, *CALL[:-2]], text="", usage=(12, 1), stop_reason=None, complete=False
    ),
    "call cut by max_tokens, without a stop": Row(
        [HEAD, CALL[0], tail("max_tokens", {"output_tokens": 6}), END],
        text="",
        stop_reason="max_tokens",
        complete=False,
    ),
    "call cut by max_tokens, with a stop": Row(
        [HEAD, *CALL[:3], stop(0), tail("max_tokens", {"output_tokens": 6}), END],
        text="",
        stop_reason="max_tokens",
        complete=False,
        calls=[("f", {}, '{"a":')],
    ),
}


@pytest.mark.parametrize("row", ODD.values(), ids=ODD.keys())
def test_whatever_servers_do(row: Row) -> None:
    reply = fold(row.events)
    assert reply.text == row.text
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == row.usage
    assert reply.stop_reason == row.stop_reason
    assert reply.complete is row.complete
    assert [(call.name, call.input, call.invalid) for call in reply.tool_uses] == row.calls
    assert (reply.id, reply.model, reply.thinking) == (row.id, row.model, row.thinking)
    json.dumps(reply.to_wire(), allow_nan=False).encode()


STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
KEYS = ["text", "thinking", "signature", "partial_json", "citation", "citations", "input", "id", "name", "model"]
KEYS += ["usage", "stop_reason", "stop_sequence", "stop_details", "content", "to", "data"]
KEYS += ["output_tokens", "cache_creation"]
KINDS = ["text", "thinking", "tool_use", "redacted_thinking", "fallback", "compaction", "future"]
KINDS += ["text_delta", "thinking_delta", "input_json_delta", "signature_delta", "citations_delta", "compaction_delta"]
INNER = STRANGE | st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(KINDS) | STRANGE, **dict.fromkeys(KEYS, STRANGE)}
)
EVENT_TYPES = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"]
ANY_EVENT = st.fixed_dictionaries(
    {"type": st.sampled_from([*EVENT_TYPES, "message_stop", "ping", "error", "future"])},
    optional={"index": STRANGE, **dict.fromkeys(("message", "content_block", "delta", "usage", "error"), INNER)},
)


@pytest.mark.slow
@given(st.lists(ANY_EVENT, max_size=8))
def test_no_event_whatever_is_in_it_breaks_the_fold(events: list[Event]) -> None:
    reply = Reply()
    for event in events:
        try:
            reply.apply(event)
        except APIError:
            assert event["type"] == "error"
    assert isinstance(reply.text + reply.thinking + repr(reply), str)
    assert isinstance(reply.usage.total_input, int)
    for call in reply.tool_uses:
        assert isinstance(call.input, dict)
    assert all(isinstance(wire, dict) for wire in reply.to_wire())


@given(st.lists(st.text(max_size=5)))
def test_pieces_add_up_to_the_text(pieces: list[str]) -> None:
    reply = fold([HEAD, HELLO[0], *(text(0, piece) for piece in pieces), stop(0), *DONE])
    assert reply.text == "".join(pieces)


@pytest.mark.parametrize("reason", ["end_turn", "stop_sequence", "tool_use"])
def test_complete_are_answers_that_came_to_their_own_end(reason: str) -> None:
    assert fold([HEAD, *HELLO, tail(reason), END]).complete


@pytest.mark.parametrize(
    "reason", ["max_tokens", "refusal", "pause_turn", "model_context_window_exceeded", "compaction", "future"]
)
def test_cut_answers_never_look_finished(reason: str) -> None:
    reply = fold([HEAD, *HELLO, tail(reason), END])
    assert not reply.complete
    assert reason in repr(reply)


def test_the_reason_and_its_details() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "No."}
    reply = fold([HEAD, *HELLO, tail("refusal", stop_sequence=None, stop_details=details), END])
    assert reply.stop_details == details
    reply = fold([HEAD, *HELLO, tail("stop_sequence", stop_sequence="###"), END])
    assert (reply.stop_reason, reply.stop_sequence) == ("stop_sequence", "###")


def test_changes_tell_what_to_draw() -> None:
    reply = Reply()
    events = [HEAD, {"type": "ping"}, block(0, type="thinking"), delta(0, "thinking_delta", thinking="Hm"), stop(0)]
    events += [block(1, type="text", text="Hi"), text(1, "!"), stop(1), *(dict(e, index=2) for e in CALL), *DONE]
    changes = [change for event in events if (change := reply.apply(event)) is not None]
    assert [(change.kind, change.text) for change in changes] == [
        ("start", ""),
        ("thinking", "Hm"),
        ("stop", ""),
        ("text", "Hi"),
        ("text", "!"),
        ("stop", ""),
        ("start", ""),
        ("input", ""),
        ("input", '{"a":'),
        ("input", " 1}"),
        ("stop", ""),
    ]
    assert [type(change.block) for change in changes[::3]] == [ThinkingBlock, TextBlock, ToolUseBlock, ToolUseBlock]


def test_what_is_unknown_is_kept_as_it_came() -> None:
    event: Event = {"type": "future", "x": [1]}
    future: Event = {"type": "future", "data": {"z": 3}}
    reply = fold([HEAD, event, *HELLO, delta(0, "odd_delta", y=2), block(1, **future), stop(1), *DONE])
    assert reply.unknown == [event, {"type": "odd_delta", "y": 2}]
    assert isinstance(reply.blocks[1], RawBlock)
    assert reply.to_wire() == [{"type": "text", "text": "Hello!"}, future]


def test_a_prefill_begins_the_text() -> None:
    assert fold([HEAD, *HELLO, *DONE], prefill="Say: ").text == "Say: Hello!"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded", "details": None}},
        {"error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"},
    ],
)
def test_an_error_event_has_the_class_of_its_type(event: Event) -> None:
    reply = fold([HEAD, *HELLO[:2]])
    reply.request_id = "req_1"
    with pytest.raises(Overloaded, match=r"^Overloaded \(529 overloaded_error, req_1\)") as caught:
        reply.apply(event)
    assert caught.value.status == 529
    assert reply.text == "Hel"


def test_an_error_event_may_be_a_mere_string() -> None:
    with pytest.raises(APIError, match="out of memory"):
        Reply().apply({"type": "error", "error": "out of memory"})


def test_citations() -> None:
    cited = [{"type": "char_location", "cited_text": "a"}, {"type": "page_location", "cited_text": "b"}]
    events = [
        HEAD,
        block(0, type="text", text="", citations=[cited[0]]),
        text(0, "So."),
        delta(0, "citations_delta", citation=cited[1]),
    ]
    events += [delta(0, "citations_delta", citation=None), stop(0), *DONE]
    for deltas in (events, [*events[:3], delta(0, citation=cited[1]), *DONE]):
        reply = fold(deltas)
        assert isinstance(reply.blocks[0], TextBlock)
        assert reply.blocks[0].citations == cited
        assert reply.to_wire() == [{"type": "text", "text": "So.", "citations": cited}]


def test_thinking_is_sent_back_with_its_seal_only() -> None:
    sealed = [block(0, type="thinking", thinking="", signature=""), delta(0, "thinking_delta", thinking="Hm")]
    sealed += [delta(0, "signature_delta", signature="old"), delta(0, "signature_delta", signature="seal"), stop(0)]
    reply = fold([HEAD, *sealed, *DONE])
    assert reply.to_wire() == [{"type": "thinking", "thinking": "Hm", "signature": "seal"}]
    assert fold([HEAD, *sealed[:2], stop(0), *DONE]).to_wire() == []
    hidden = fold([HEAD, sealed[0], sealed[3], stop(0), *DONE])
    assert hidden.to_wire() == [{"type": "thinking", "thinking": "", "signature": "seal"}]


def test_redacted_thinking_and_results_come_whole_and_go_back_as_they_came() -> None:
    whole: list[Event] = [
        {"type": "redacted_thinking", "data": "EmwK=="},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"encrypted_content": "y"}]},
    ]
    events = [event for at, one in enumerate(whole) for event in (block(at, **one), stop(at))]
    reply = fold([HEAD, *events, *DONE])
    assert reply.to_wire() == whole
    assert reply.tool_uses == []
    assert not reply.has_text


def test_a_fallback_says_who_answers() -> None:
    handed = {
        "type": "fallback",
        "from": {"model": "a"},
        "to": {"model": "claude-opus-5"},
        "trigger": {"type": "refusal"},
    }
    assert fold([HEAD, block(0, **handed), stop(0), block(1, type="text"), *DONE]).model == "claude-opus-5"


def test_a_compaction_replaces_its_content() -> None:
    events = [
        block(0, type="compaction", content=None),
        delta(0, "compaction_delta", content="Sum.", encrypted_content="e"),
    ]
    reply = fold([HEAD, *events, stop(0), *DONE])
    assert reply.to_wire() == [{"type": "compaction", "content": "Sum.", "encrypted_content": "e"}]


def test_ids_of_calls_are_single_and_clean() -> None:
    ids = ["call_1", "call_1", "call_1", "a.b/c", None, None]
    events = [e for at, id in enumerate(ids) for e in (block(at, type="tool_use", id=id, name="f", input={}), stop(at))]
    reply = fold([HEAD, *events, tail("tool_use"), END])
    found = [call.id for call in reply.tool_uses]
    assert len(set(found)) == len(ids)
    assert found[0] == "call_1"
    assert all(id.replace("_", "").isalnum() for id in found)
    assert [wire["id"] for wire in reply.to_wire()] == found


def test_what_is_not_finished_is_not_sent_back() -> None:
    assert fold([HEAD, *CALL[:-1]]).to_wire() == []
    assert fold([HEAD, block(0, type="text", text=" \n"), *DONE]).to_wire() == []
    broken = fold([HEAD, CALL[0], json_piece(0, "{oops"), stop(0), *DONE])
    assert broken.to_wire() == [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"INVALID_JSON": "{oops"}}]


def test_a_caller_goes_back_with_its_call() -> None:
    more = {"caller": {"type": "direct"}, "toolset_name": "browser"}
    reply = fold([HEAD, block(0, type="tool_use", id="t", name="f", input={"a": 1}, **more), stop(0), *DONE])
    assert reply.to_wire() == [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, **more}]


def test_200_kb_of_arguments_are_joined_and_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = json.dumps({"x": "y" * 200_000})
    parsed: list[int] = []
    real = json.loads

    def loads(raw: str, **options: Any) -> Any:
        parsed.append(len(raw))
        return real(raw, **options)

    monkeypatch.setattr("claude_magic.messages.blocks.json.loads", loads)
    reply = fold([HEAD, CALL[0], *(json_piece(0, raw[at : at + 8]) for at in range(0, len(raw), 8))])
    assert (parsed, reply.tool_uses) == ([], [])
    for event in (stop(0), stop(0), tail("tool_use"), END):
        reply.apply(event)
    assert reply.tool_uses[0].input == {"x": "y" * 200_000}
    assert parsed == [len(raw)]


@pytest.mark.parametrize("kind", ["text", "thinking"])
def test_growing_costs_the_same_however_long_the_answer_is(kind: str) -> None:
    """Pieces are kept as they are and joined when somebody reads; then once for all."""
    reply = fold([HEAD, block(0, type=kind)])
    for _ in range(50_000):
        reply.apply(delta(0, f"{kind}_delta", **{kind: "some text "}))
    pieces = reply.blocks[0]._pieces
    assert len(pieces) == 50_000
    assert getattr(reply, kind) == "some text " * 50_000
    assert len(pieces) == 1
    assert reply.blocks[0]._joined() is pieces[0]


def test_a_whole_message_is_an_answer_too() -> None:
    reply = Reply()
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "s"},
            {"type": "text", "text": "Hello!", "citations": None},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 6},
    }
    changes = reply.take(message)
    assert [(change.kind, change.text) for change in changes] == [
        ("thinking", "Hm"),
        ("stop", ""),
        ("text", "Hello!"),
        ("stop", ""),
        ("start", ""),
        ("stop", ""),
    ]
    assert (reply.text, reply.thinking, reply.complete, reply.usage.output_tokens) == ("Hello!", "Hm", True, 6)
    assert [call.input for call in reply.tool_uses] == [{"a": 1}]


@pytest.mark.parametrize("content", ["Hello!", [{"type": "text", "text": "Hello!"}, None]])
def test_a_whole_message_of_another_server(content: Any) -> None:
    reply = Reply()
    reply.take({"content": content, "stop_reason": "stop"})
    assert (reply.text, reply.complete) == ("Hello!", True)


def test_usage_in_full() -> None:
    raw = {
        "input_tokens": 10,
        "output_tokens": 5,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 8},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
        "service_tier": "standard",
    }
    usage = fold([start(usage=raw), *HELLO, tail(usage={"output_tokens": 7, "cache_creation": None}), END]).usage
    assert usage == Usage(10, 7, 20, 100, one_hour_cache_tokens=8, web_searches=2)
    assert usage.total_input == 130
    assert usage + usage == Usage(20, 14, 40, 200, 16, 4)
    assert (usage + Usage(at_least=True)).at_least


def test_cost_is_that_of_the_published_prices() -> None:
    # claude-opus-5: 5 in, 25 out, cache read 0.5, write 6.25 (five minutes) and 10 (an hour) per million
    usage = Usage(1_000_000, 1_000_000, 1_000_000, 1_000_000, one_hour_cache_tokens=500_000)
    assert usage.cost("claude-opus-5") == pytest.approx(5 + 25 + 0.5 + 6.25 / 2 + 10 / 2)
    assert Usage(1, 1).cost("some-local-model") is None
