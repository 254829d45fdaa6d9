"""The event-stream reader gives the same events however a stream is framed and cut."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.messages.sse import SSEReader, read_json


def read(chunks: Iterable[bytes]) -> list[bytes]:
    reader = SSEReader()
    events = [data for chunk in chunks for data in reader.feed(chunk)]
    return [*events, *reader.close()]


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(stream)]
    return [stream[begin:end] for begin, end in itertools.pairwise(edges)]


NOISE = [": keep-alive", ":", "event: ping", "event", "id: 7", "id", "retry: 3000", "unknown: field", "datas: no", "x"]
LINE_ENDS = [["\n"], ["\r\n"], ["\r"], ["\n", "\r\n"]]
# Of all characters only CR and LF end a line, though str.splitlines would split at several others.
DATA_LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
EVENT = st.lists(DATA_LINE, min_size=1, max_size=3).filter(lambda lines: "\n".join(lines).encode().strip())


@st.composite
def framed(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Events, and one of the legal ways to write them."""
    ends = st.sampled_from(draw(st.sampled_from(LINE_ENDS)))
    events = draw(st.lists(EVENT, max_size=5))
    lines = []
    for event in events:
        for text in event:
            lines += draw(st.lists(st.sampled_from(NOISE), max_size=2))
            space = draw(st.sampled_from(["", " "])) if not text.startswith(" ") else " "
            lines.append(f"data:{space}{text}" if text or draw(st.booleans()) else "data")
        lines += draw(st.lists(st.sampled_from(NOISE), max_size=1))
        lines.append("")
    stream = ("\ufeff" if draw(st.booleans()) else "") + "".join(line + draw(ends) for line in lines)
    missing = draw(st.sampled_from(["nothing", "the blank line", "the last line end, too"]))
    if events and missing != "nothing":
        stream = "".join(line + draw(ends) for line in lines[:-1])
        stream = stream.rstrip("\r\n") if missing != "the blank line" else stream
    return ["\n".join(event).encode() for event in events], stream.encode()


@given(framed(), st.data())
def test_however_a_stream_is_framed_and_cut(case: tuple[list[bytes], bytes], data: st.DataObject) -> None:
    events, stream = case
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    assert read(cut(stream, places)) == events


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_cut_at_every_byte(end: str) -> None:
    text = "\ufeff: hello\nevent: a\nid: 1\ndata: {€}\ndata:  two\n\nretry: 3\ndata:\u2028\U0001f600\n\ndata: last"
    stream = text.replace("\n", end).encode()
    events = ["{€}\n two".encode(), "\u2028\U0001f600".encode(), b"last"]
    assert read([stream]) == events
    assert read(stream[at : at + 1] for at in range(len(stream))) == events
    for place in range(len(stream) + 1):
        assert read(cut(stream, [place])) == events


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e", "\ufeff", "\x00"])
def test_nothing_else_ends_a_line(odd: str) -> None:
    event = json.dumps({"text": f"one{odd}two"}, ensure_ascii=False).encode()
    raw = b'{"text":"one' + odd.encode() + b'two"}'
    for data in (event, raw):
        assert read([b"data: " + data + b"\n\n"]) == [data]


def test_an_event_is_there_as_soon_as_its_blank_line() -> None:
    reader = SSEReader()
    assert list(reader.feed(b"data: 1\r\n\r")) == [b"1"]
    assert list(reader.feed(b"\ndata: 2\n\ndata: 3\n")) == [b"2"]
    assert list(reader.close()) == [b"3"]


@pytest.mark.parametrize(
    "stream", [b"data:\n\n", b"data:  \ndata\n\n", b"data\n\n", b"event: ping\ndata:\n\n", b"\n\n\n", b": x\n\n", b""]
)
def test_an_event_without_data_is_none(stream: bytes) -> None:
    assert read([stream]) == []


class TestBareObjects:
    """JSON objects one after the other, without any framing."""

    EVENTS = (
        {"type": "message_start", "message": {"id": "msg_1", "model": "claude-3-5-sonnet-20241022"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
        {"type": "content_block_delta", "index": 0, "delta": {"text": "从前"}},
        {"type": "content_block_delta", "index": 0, "delta": {"text": 'a "}" and \\" { [ \\}}}'}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "usage": {"output_tokens": 628}}},
        {"type": "message_stop"},
    )

    @pytest.mark.parametrize("indent", [None, 0, 2, 4])
    @pytest.mark.parametrize("between", ["\n", "\r\n", "\n\n", ""])
    def test_in_any_layout(self, indent: int | None, between: str) -> None:
        stream = between.join(json.dumps(event, indent=indent, ensure_ascii=False) for event in self.EVENTS).encode()
        for size in (1, 7, len(stream)):
            chunks = (stream[at : at + size] for at in range(0, len(stream), size))
            assert [json.loads(data) for data in read(chunks)] == list(self.EVENTS)

    def test_an_object_that_is_cut_off_is_none(self) -> None:
        assert read([b'{\n"type": "message_stop"\n']) == []

    def test_a_page_in_html_holds_none(self) -> None:
        page = b"<!DOCTYPE html>\n<style>\nbody { color: red }\n</style>\n<p>data</p>\n}\n"
        assert read([page]) == []


def joined_bytes(chunks: Iterable[bytes]) -> tuple[int, int]:
    """How many functions the reading calls, and how many bytes it joins; no clock is asked."""
    calls = joined = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls, joined
        calls += 1
        if event == "c_call" and getattr(argument, "__name__", "") == "join":
            joined += sum(map(len, frame.f_locals["self"]._line))

    reader = SSEReader()
    sys.setprofile(count)
    try:
        for chunk in chunks:
            for _ in reader.feed(chunk):
                pass
        list(reader.close())
    finally:
        sys.setprofile(None)
    return calls, joined


@pytest.mark.timeout(60)
def test_one_long_line_in_small_pieces_is_linear_work() -> None:
    """A line is joined once, when it ends; not looked at again with each piece."""
    work = {}
    for megabytes in (1, 5):
        line = b'data: {"x": "' + b"y" * (megabytes * 1_000_000) + b'"}\n\n'
        work[megabytes] = joined_bytes(line[at : at + 16] for at in range(0, len(line), 16))
    calls, joined = zip(work[1], work[5], strict=True)
    assert calls[1] < 5.1 * calls[0]
    assert joined[1] < 5.1 * joined[0] < 10_000_000


@pytest.mark.timeout(60)
def test_a_hostile_line_is_linear_work() -> None:
    """Quotes that never close and braces that never match do not make the reader search again and again."""
    stream = b'{"' + b'\\"' * 500_000 + b"\n" + b"{" * 200_000 + b"\n" + b"}\n" * 1000
    assert read(stream[at : at + 4096] for at in range(0, len(stream), 4096)) == []


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": "\xc3\xa9"}', {"a": "é"}),
        (b' {"a": 1}\n', {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": 1}'.encode("utf-16"), {"a": 1}),
        (b'{"a": 1} and more', None),
        (b'{"a": 1', None),
        (b'{"a": "\xe9"}', None),
        (b"[" * 100_000, None),
        (b"", None),
    ],
)
def test_json_is_read_whole_or_not_at_all(data: bytes, value: object) -> None:
    assert read_json(data) == value
