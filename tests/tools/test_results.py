"""Tool results: values and errors as content for Claude."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from claude_magic.content.parts import Part
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import widest_limits
from claude_magic.tools import results
from tests.conftest import KEY
from tests.content.test_content import Counted
from tests.content.test_originals import written

TIGHT = widest_limits()._replace(side=100, tokens=50)


def told(value: object, *, is_error: bool = False, limits: Any = None) -> dict[str, Any]:
    parts, _ = results.value_parts(value, "look_up")
    return results.tool_result("toolu_1", "look_up", parts, is_error=is_error).block(limits or widest_limits())


def text(value: object) -> str:
    said = told(value)["content"]
    assert isinstance(said, str)
    return said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "done"),
        ("  as it is\n", "  as it is\n"),
        ("", "''"),
        (" \n", "' \\n'"),
        (True, "True"),
        (1.5, "1.5"),
        (np.int64(7), "7"),
        (datetime.date(2026, 11, 22), "2026-11-22"),
        ([], "[]"),
        ({}, "{}"),
        ({"städte": ["Rom", None], "n": 2}, '{"städte": ["Rom", null], "n": 2}'),
        ([1, [2.5, True]], "[1, [2.5, true]]"),
        (("a", "b"), '["a", "b"]'),
        ("\ud800", "\\ud800"),
        (f"the key is {KEY}", "the key is sk-ant-***"),
        ({"key": KEY}, '{"key": "sk-ant-***"}'),
        (ValueError("returned, not raised"), "ValueError: returned, not raised"),
    ],
)
def test_values_that_become_text(value: object, said: str) -> None:
    assert told(value) == {"type": "tool_result", "tool_use_id": "toolu_1", "content": said}


@dataclasses.dataclass
class City:
    name: str
    founded: datetime.date


def test_records_and_tables_are_shown_as_in_a_question() -> None:
    assert '"founded": "0753-04-21"' in text(City("Rom", datetime.date(753, 4, 21)))
    assert '"n": 3' in text({"n": np.int64(3), "day": datetime.date(2026, 1, 1)})
    frame = pd.DataFrame({"x": range(1000), "y": 1.5})
    block = told(frame)["content"]
    assert isinstance(block, str)
    assert "1,000 rows" in block
    parts, notes = results.value_parts(frame, "look_up")
    assert notes == ()
    made = results.tool_result("toolu_1", "look_up", parts, is_error=False)
    assert made.summary(widest_limits()) == "result of look_up (10 of 1,000 rows, 2 columns)"
    assert results.tool_result("toolu_1", "look_up", (), is_error=False).summary(widest_limits()) == "result of look_up"


def test_records_have_the_same_limit_as_everything_else() -> None:
    cities = [City(f"city {number}", datetime.date(2026, 1, 1)) for number in range(90)]
    for value in ({"cities": cities * 5}, City("x" * 30_000, datetime.date(2026, 1, 1))):
        shown = text(value)
        assert 20_000 < len(shown) <= results.LONGEST
        assert "In part" not in shown


def test_pictures_are_resized_to_the_limits_of_each_request() -> None:
    figure = Figure(figsize=(8, 6))
    figure.subplots().plot([1, 2])
    parts, _ = results.value_parts(["a plot", figure, Image.new("RGB", (300, 200))], "look_up")
    made = results.tool_result("toolu_1", "look_up", parts, is_error=False)
    assert (made.pictures, made.is_picture, made.text) == (2, False, None)
    for limits, largest in ((widest_limits(), 800), (TIGHT, 100)):
        words, *images = made.block(limits)["content"]
        assert words == {"type": "text", "text": "a plot"}
        data = [base64.b64decode(image["source"]["data"]) for image in images]
        assert max(max(Image.open(io.BytesIO(each)).size) for each in data) == largest


def test_blocks_pass_and_their_pictures_are_resized_like_others() -> None:
    png = written(Image.new("RGB", (300, 200), "red"), "PNG")
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png).decode()}
    blocks: list[dict[str, Any]] = [
        {"type": "text", "text": "look"},
        {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "found"}]},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
    ]
    assert told(blocks)["content"] == blocks
    [image] = told([{"type": "image", "source": source}], limits=TIGHT)["content"]
    assert max(Image.open(io.BytesIO(base64.b64decode(image["source"]["data"]))).size) <= 100


@pytest.mark.parametrize(
    "rows",
    [
        [{"type": "text"}],
        [{"type": "house", "text": "x"}],
        [{"type": "text", "text": 1}],
        [{"type": "text", "text": "hello", "language": "en"}],
        [{"type": "image", "source": {"path": "a.png"}}],
        [{"type": "document", "source": {"file": "a.pdf"}}],
        [{"type": "search_result", "source": "s", "title": "t", "content": [1]}],
    ],
)
def test_dicts_that_only_look_like_blocks_are_data(rows: list[dict[str, Any]]) -> None:
    assert json.loads(text(rows)) == rows


@pytest.mark.parametrize(("value", "cut"), [("x" * 50_000_000, 49_960_000), (["x" * 30_000, "y" * 30_000, 1j], None)])
def test_long_text_is_cut_with_a_note(value: object, cut: int | None) -> None:
    tracemalloc.start()
    parts, notes = results.value_parts(value, "look_up")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000
    if cut is not None:
        assert notes == (f"{cut:,} characters cut",)
    assert len(parts[0].wire["text"]) == results.LONGEST
    assert parts[-1].wire["text"] == f"… {notes[0]}"


@pytest.mark.parametrize("item", [7, {"name": "x", "value": 1.5}, datetime.date(2026, 1, 1)])
def test_only_the_shown_part_of_a_huge_list_is_converted(item: object) -> None:
    Counted.seen = 0
    many = Counted([item] * 1_000_000)
    for value in (many, {"rows": many, "n": 1j}):
        parts, _ = results.value_parts(value, "look_up")
        assert "999,900 more" in parts[0].wire["text"] or "999,970 more" in parts[0].wire["text"]
        assert len(parts[0].wire["text"]) <= results.LONGEST
    assert Counted.seen < 100_000


class Silent:
    def __claude__(self) -> str:
        return " "


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": f"is {KEY}"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": KEY}]}},
        {"type": "document", "source": {"type": "url", "url": "https://a.example/b.pdf"}, "context": KEY},
        {"type": "search_result", "source": "s", "title": KEY, "content": [{"type": "text", "text": KEY}]},
    ],
)
def test_a_key_in_a_document_is_redacted(block: dict[str, Any]) -> None:
    [shown] = told([block])["content"]
    assert shown == json.loads(json.dumps(block).replace(KEY, "sk-ant-***"))


def test_documents_have_the_same_limit_as_text(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text("x" * 1_000_000)
    passages = [{"type": "text", "text": "y" * 30_000}] * 3
    found = {"type": "search_result", "source": "s", "title": "t", "content": passages}
    for value, cut in ((tmp_path / "run.log", 960_000), ([found], 50_000)):
        parts, notes = results.value_parts(value, "look_up")
        assert notes == (f"{cut:,} characters cut",)
        assert len(json.dumps([part.wire for part in parts])) < results.LONGEST + 500
    assert [len(each["text"]) for each in parts[0].wire["content"]] == [30_000, 10_000]
    assert len(passages[0]["text"]) == 30_000  # what the tool returned stays as it is
    parts, _ = results.value_parts(["x" * 50_000, tmp_path / "run.log"], "look_up")
    assert [part.wire["type"] for part in parts] == ["text", "text"]


def test_nothing_empty_is_sent() -> None:
    assert text(Silent()) == "(empty)"
    [image] = told(["", Image.new("RGB", (8, 8)), " "])["content"]
    assert image["type"] == "image"


def test_more_than_ten_pictures_are_not_sent() -> None:
    parts, notes = results.value_parts([Image.new("RGB", (8, 8)) for _ in range(13)], "look_up")
    assert sum(part.pictures for part in parts) == 10
    assert notes == ("3 pictures left out",)
    assert parts[-1].wire["text"] == "… 3 pictures left out"


class Odd:
    pass


@pytest.mark.parametrize("value", [Odd(), object, Path("there/is/no/such.png"), b"\x00\x01"])
def test_values_that_cannot_be_shown_are_refused(value: object) -> None:
    with pytest.raises(BadInput):
        results.value_parts(value, "look_up")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


def test_errors_are_type_and_message() -> None:
    noted = ValueError("no such region")
    noted.add_note("there are north and south")
    assert results.describe_error(noted) == "ValueError: no such region\nthere are north and south"
    assert results.describe_error(KeyError("x")) == "KeyError: 'x'"
    assert results.describe_error(SystemExit()) == "SystemExit"
    assert results.describe_error(Mute()) == "Mute"
    assert results.describe_error(OSError(2, "No such file", "/data/a.csv")) == (
        "FileNotFoundError: [Errno 2] No such file: '/data/a.csv'"
    )
    assert results.describe_error(ValueError(f"401 for {KEY}")) == "ValueError: 401 for sk-ant-***"
    assert len(results.describe_error(ValueError("x" * 10_000_000))) == results.LONGEST_ERROR


def test_the_pages_of_documents_are_counted() -> None:
    document = Part({"type": "document", "source": {"type": "base64"}}, "3 pages", 3)
    parts, _ = results.value_parts([document, "and", document], "look_up")
    assert results.tool_result("toolu_1", "look_up", parts, is_error=False).pages == 6
    assert results.tool_result("toolu_1", "look_up", (), is_error=False).pages is None


def test_only_errors_are_marked() -> None:
    assert told("no", is_error=True)["is_error"] is True
    assert "is_error" not in told("yes")


def test_parts_of_the_user_pass() -> None:
    part = Part({"type": "text", "text": "given"}, "about")
    assert text(part) == "given"
