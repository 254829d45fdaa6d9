"""Arrays as numbers, and records as JSON: what is sent, and what is reported as left out."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.content.tables.records import from_record
from claude_magic.content.tables.table import from_array
from claude_magic.content.tables.table_limits import BUDGET
from tests.content.test_tables import texts

# Arrays.


def of_array(value: Any) -> tuple[str, str]:
    (part,) = from_array(value, "x")
    assert len(part.wire["text"]) <= BUDGET
    return part.wire["text"], part.about or ""


def test_a_large_array_shows_its_corners() -> None:
    values = np.arange(1_000_000, dtype=float).reshape(1000, 1000)
    values[0, 1] = np.nan
    text, about = of_array(values)
    assert about == "array, 1,000 x 1,000, float64"
    assert "min 0, max 999999, mean 500000, 1 NaN" in text
    for corner in (0, 999, 999_000, 999_999):
        assert corner in [float(number) for number in re.findall(r"\d[\d.e+]+", text.partition("```")[2])]
    assert "500500" not in text
    assert "In part: the values at the corners." in text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.array(5), "no dimensions, int64\nmin 5, max 5"),
        (np.array([True, False, True]), "2 of 3 True"),
        (np.array([], dtype=int), "Array x: 0, int64\n```"),
        (np.array([np.nan, np.nan]), "2 NaN"),
        (np.array([np.inf, -np.inf]), "min -inf, max inf"),
        (np.array([1 + 2j]), "mean 1+2j"),
        (np.array(["2024-01-01", "NaT"], "M8[D]"), "min 2024-01-01, max 2024-01-01, 1 NaT"),
        (np.ma.masked_array([1, 2, 3], mask=[False, False, True]), "min 1, max 2, mean 1.5, 1 masked"),
        (np.full((3,) * 9, 2.0), "the first and last values"),
        (np.array(["x" * 20_000, "\ud800"], dtype=object), "cut off at the end"),
        (np.array(["```"]), "````\n['```']\n````"),
        (np.array([200, 200], np.uint8), "mean 200"),
        (np.array([(1, "a")], dtype=[("n", int), ("w", "U1")]), "| n (int64) | w (<U1) |"),
    ],
)
def test_arrays(value: Any, said: str) -> None:
    text, _ = of_array(value)
    assert said in text
    text.encode()


# Records.


@dataclasses.dataclass
class Point:
    x: int
    tags: list[str]


class Colour(enum.Enum):
    RED = "red"


class Answer(enum.Enum):
    YES = 1


def of_record(value: Any) -> tuple[Any, str, str]:
    (part,) = from_record(value, "r")
    text = part.wire["text"]
    assert len(text) <= BUDGET
    text.encode()
    return json.loads(re.search(r"(?s)(`{3,})json\n(.*)\n\1", text)[2]), text, part.about or ""  # type: ignore[index]


def test_records_are_json() -> None:
    value = {
        "p": Point(1, ["a"]),
        2: [None, True, 1.5, "é\n```"],
        "when": datetime.datetime(2024, 1, 2),
        "money": decimal.Decimal("1.10"),
        "colour": Colour.RED,
        "set": {1},
        "n": np.int64(3),
        "bytes": b"\x00",
        "huge": 1 << 20_000,
    }
    data, text, about = of_record(value)
    assert data.pop("huge").startswith("0x1000")
    assert data == {
        "p": {"x": 1, "tags": ["a"]},
        "2": [None, True, 1.5, "é\n```"],
        "when": "2024-01-02T00:00:00",
        "money": "1.10",
        "colour": "red",
        "set": [1],
        "n": 3,
        "bytes": "b'\\x00'",
    }
    assert about == "dict, 9 keys"
    assert text.startswith("r (dict, 9 keys):\n````json")
    assert of_record(Point(1, []))[2] == "Point, 2 fields"
    assert of_record([1])[2] == "list, 1 item"


def test_pydantic_models() -> None:
    pydantic = pytest.importorskip("pydantic", reason="models are shown to those who have pydantic")
    model = pydantic.create_model("Account", name=(str, ...), key=(pydantic.SecretStr, ...))
    data, _, about = of_record(model(name="Ada", key="hush"))
    assert data == {"name": "Ada", "key": "**********"}
    assert about == "Account, 2 fields"


def test_long_records_are_shortened_with_a_note() -> None:
    data, text, about = of_record({"numbers": list(range(1_000_000)), "text": "x" * 1_000_000})
    assert data["numbers"][-1] == "… 999,900 more"
    assert len(data["numbers"]) == 101
    assert data["text"] == "x" * 999 + "…"
    assert (
        "In part: the first 1,000 characters of longer strings, the first 100 entries of longer lists and objects"
        in text
    )
    assert about == "dict, 2 keys, shortened"
    data, text, _ = of_record({number: dict.fromkeys(range(90), "word" * 20) for number in range(900)})
    assert data["…"] == f"{901 - len(data)} more"


def test_a_record_may_be_given_more_room() -> None:
    rows = [{"day": datetime.date(2026, 1, 2), "n": number} for number in range(800)]
    for budget, shown in ((BUDGET, 101), (40_000, 800)):
        (part,) = from_record({"rows": rows}, "r", budget)
        text = part.wire["text"]
        assert len(text) <= budget
        assert text.count("2026-01-02") == min(shown, 100 if shown == 101 else shown)


def test_members_of_an_enum_are_as_short_as_what_they_stand_for() -> None:
    data, _, about = of_record([Answer.YES] * 1_500)
    assert data == [1] * 1_500
    assert about == "list, 1,500 items"


def test_a_record_that_contains_itself() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    assert of_record(loop)[0] == [1, "… itself"]
    twice = [1]
    assert of_record([twice, twice])[0] == [[1], [1]]


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.integers() | texts | st.floats(),
        lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
        max_leaves=200,
    )
)
def test_any_record_keeps_the_budget(value: Any) -> None:
    _, text, about = of_record(value)
    assert ("In part" in text.splitlines()[1]) == about.endswith("shortened")
