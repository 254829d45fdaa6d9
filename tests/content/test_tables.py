"""Tables: what is sent, what is reported as left out, and what it costs."""

from __future__ import annotations

import datetime
import decimal
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from claude_magic.content.tables.cell_text import format_float as written
from claude_magic.content.tables.table import Table, from_table
from claude_magic.content.tables.table_limits import BUDGET, REQUESTED_BUDGET
from claude_magic.content.tables.table_source import STATISTICS
from claude_magic.messages.errors import BadInput
from tests.processes import run_python


def sent(value: Any, **options: Any) -> tuple[str, str]:
    """Text and the short word on it."""
    (part,) = from_table(Table(value, **options), "df")
    assert part.wire["type"] == "text"
    part.wire["text"].encode()  # can be sent
    return part.wire["text"], part.about or ""


def cells(line: str) -> list[str]:
    """A line of a Markdown table, read as the specification says; readers that differ on backslashes agree."""
    assert line.startswith("| ")
    assert line.endswith(" |")
    exact = [piece[1:-1] for piece in re.findall(r"((?:\\.|[^\\|])*)\|", line[1:])]
    assert len(exact) == len(re.split(r"(?<!\\)\|", line)) - 2
    return exact


def rows(text: str, number: int = 0) -> list[list[str]]:
    """The rows of a table within a text, without heading and rule; each as wide as the heading."""
    table = re.findall(r"(?m)(?:^\|.*\n?)+", text)[number].splitlines()
    read = [cells(line) for line in table]
    assert {len(row) for row in read} == {len(read[0])}
    assert set(read[1]) == {"---"}
    return read[2:]


def heading(text: str) -> list[str]:
    return cells(next(line for line in text.splitlines() if line.startswith("|")))


def unescaped(cell: str) -> str:
    return re.sub(
        r"\\(\||\\|n|r|t|x..|u....)",
        lambda found: "|" if found[1] == "|" else found[0].encode().decode("unicode_escape"),
        cell,
    )


def frame(count: int) -> pd.DataFrame:
    return pd.DataFrame({"n": range(count), "half": [number / 2 for number in range(count)]})


# Frames of every library.


def test_a_small_frame_is_sent_whole() -> None:
    data = pd.DataFrame({"name": ["Ada", None], "age": [36, 41]})
    text, about = sent(data)
    assert about == "2 rows, 2 columns"
    assert text.splitlines()[0] == "Table df: pandas DataFrame, 2 rows, 2 columns"
    assert "Missing values (empty cells): name 1." in text
    assert heading(text) == ["(index, int64)", f"name ({data['name'].dtype})", "age (int64)"]
    assert rows(text) == [["0", "Ada", "36"], ["1", "", "41"]]
    assert "In part" not in text
    assert "In cells" not in text


def test_of_a_large_frame_both_ends() -> None:
    text, about = sent(frame(48_213))
    assert about == "10 of 48,213 rows, 2 columns"
    assert "rows 6 to 48,208 of 48,213 left out" in text
    shown = rows(text)
    assert [row[1] for row in shown] == ["0", "1", "2", "3", "4", "…", "48208", "48209", "48210", "48211", "48212"]


@pytest.mark.parametrize(
    ("count", "asked", "said"), [(3, 2, "row 2 of 3"), (9, 4, "rows 3 to 7 of 9"), (9, 1, "rows 2 to 9 of 9")]
)
def test_as_many_rows_as_asked_for(count: int, asked: int, said: str) -> None:
    text, about = sent(frame(count), rows=asked)
    assert f"{said} left out" in text
    assert about == f"{asked} of {count} rows, 2 columns"
    assert len([row for row in rows(text) if row[0] != "…"]) == asked


def test_asking_for_more_rows_than_there_are() -> None:
    text, about = sent(frame(700), rows=1000)
    assert about == "700 rows, 2 columns"
    assert len(rows(text)) == 700
    assert len(text) > BUDGET


def test_no_rows_at_all() -> None:
    text, about = sent(pd.DataFrame({"a": [1.5, None]}), rows=0)
    assert "all 2 rows left out" in text
    assert "a 1" in text
    assert heading(text) == ["(index, int64)", "a (float64)"]
    assert rows(text) == []
    assert about == "no rows of 2, 1 column"


def test_chosen_columns_in_their_order() -> None:
    data = pd.DataFrame({name: [1, None] for name in "abcde"})
    text, about = sent(data, columns=["d", "a"])
    assert heading(text) == ["(index, int64)", "d (float64)", "a (float64)"]
    assert "2 of 5 columns shown, not b, c, e" in text
    assert "Missing values (empty cells): d 1, a 1." in text
    assert about == "2 rows, 2 of 5 columns"


def test_chosen_columns_bring_no_more_rows_but_are_all_there() -> None:
    assert sent(frame(1000), columns=["n"])[1] == "10 of 1,000 rows, 1 of 2 columns"
    wide = pd.DataFrame(np.ones((50, 500)))
    assert sent(wide, columns=range(400))[1] == "10 of 50 rows, 400 of 500 columns"


def test_a_wide_frame_shows_its_first_columns() -> None:
    text, about = sent(pd.DataFrame(np.ones((50, 500))))
    assert len(text) <= BUDGET
    shown = len(heading(text)) - 1
    assert shown > 50
    assert f"{shown} of 500 columns shown, not {shown}, {shown + 1}, " in text
    named = re.search(r"not ([\d, ]*) and (\d+) more", text)
    assert named
    assert len(named[1].split(", ")) + int(named[2]) == 500 - shown
    assert about == f"4 of 50 rows, {shown} of 500 columns"


def test_levels_duplicates_and_names_that_are_no_strings() -> None:
    columns = pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1), ("x", 1)])
    index = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["k", None])
    data = pd.DataFrame([[1, 2, 3, 4], [5, 6, 7, 8]], columns=columns, index=index)
    text, _ = sent(data)
    assert heading(text)[:3] == [f"k (index, {index.dtypes.iloc[0]})", "(index, int64)", "x / 1 (int64)"]
    assert heading(text)[5] == "x / 1 (int64)"
    assert rows(text) == [["a", "1", "1", "2", "3", "4"], ["b", "2", "5", "6", "7", "8"]]
    assert rows(sent(data, columns=["y"])[0]) == [["a", "1", "3"], ["b", "2", "7"]]
    assert rows(sent(data, columns=[("x", 1)])[0]) == [["a", "1", "1", "4"], ["b", "2", "5", "8"]]
    numbered = pd.DataFrame([[1, 2, 3]], columns=[0, None, ""])
    assert heading(sent(numbered)[0])[1:] == ["0 (int64)", "None (int64)", '"" (int64)']
    assert rows(sent(numbered, columns=[0])[0]) == [["0", "1"]]


def test_a_series_and_an_index_of_times() -> None:
    series = pd.Series([1.0, 2.5], index=pd.to_datetime(["2024-01-02T00:00:00", "2024-01-03T04:05:00"]), name="price")
    series.index.name = "day"
    text, about = sent(series)
    assert heading(text)[1] == "price (float64)"
    assert heading(text)[0].startswith("day (index, datetime64[")
    assert rows(text) == [["2024-01-02T00:00:00", "1"], ["2024-01-03T04:05:00", "2.5"]]
    assert about == "2 rows, 1 column"
    assert heading(sent(pd.Series([1]))[0])[1] == "(values) (int64)"


@pytest.mark.parametrize(
    "value", [pd.DataFrame(), pd.DataFrame({"a": []}), pd.DataFrame(index=range(2)), {}, {"a": []}]
)
@pytest.mark.parametrize("stats", [True, False])
def test_empty_ones(value: Any, stats: bool) -> None:
    text, about = sent(value, stats=stats)
    assert re.fullmatch(r"\d rows?, \d columns?", about)
    assert about in text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (1.23456789, "1.23457"),
        (0.1 + 0.2, "0.3"),
        (1e-9, "1e-09"),
        (48_213_456.0, "48213456"),
        (1_234_567.89, "1234568"),
        (123_456.78, "123457"),
        (999_999.7, "1000000"),
        (-3.0, "-3"),
        (1e300, "1e+300"),
        (float("inf"), "inf"),
        (float("nan"), ""),
        (None, ""),
        (pd.NaT, ""),
        (pd.NA, ""),
        (np.float32("nan"), ""),
        (np.datetime64("NaT"), ""),
        (decimal.Decimal("NaN"), ""),
        (np.float32(0.1), "0.1"),
        (2**70, str(2**70)),
        (True, "True"),
        (decimal.Decimal("1.10"), "1.10"),
        (datetime.datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        ("", '""'),
        ("a|b", r"a\|b"),
        ("a\nb\r\n", r"a\nb\r\n"),
        ("C:\\new", r"C:\\new"),
        ("\\|", r"\\\|"),
        ("\u2028\x0b\x85", r"\u2028\x0b\x85"),
        ("\ud800", r"\ud800"),
        ("é 漢 🎉 `x` <b>", "é 漢 🎉 `x` <b>"),
        ([1, 2], "[1, 2]"),
        (b"\x00|", r"b'\\x00\|'"),
    ],
)
def test_values(value: object, cell: str) -> None:
    text, _ = sent(pd.DataFrame({"a": pd.Series([value], dtype=object)}))
    assert rows(text) == [["0", cell]]
    assert ("In cells," in text) == ("\\" in cell)


def test_huge_cells_are_shortened_with_a_note() -> None:
    text, _ = sent(pd.DataFrame({"a": ["x" * 10_000_000, "y" * 300], "b": [list(range(1_000_000)), 1]}))
    assert "2 cells shortened to 300 characters with … at the end" in text
    shown = rows(text)
    assert shown[0][1] == "x" * 299 + "…"
    assert shown[1][1] == "y" * 300
    assert len(shown[0][2]) == 300
    text, _ = sent(pd.DataFrame({name: ["|" * 5000] * 60 for name in "abcdefghij"}))
    assert len(text) <= BUDGET
    assert "shortened to 80 characters" in text
    text, _ = sent(pd.DataFrame({"n" * 500: [1]}))
    assert "long names and types shortened" in text


POLARS = "polars frames are shown to those who have polars"


def test_polars() -> None:
    pl = pytest.importorskip("polars", reason=POLARS)
    data = pl.DataFrame({"a": [1, 2, None], "f": [0.5, float("nan"), None], "l": [[1], None, []]})
    text, about = sent(data, stats=True)
    assert text.startswith(
        "Table df: polars DataFrame, 3 rows, 3 columns\nMissing values (empty cells): a 1, f 2, l 1."
    )
    assert heading(text) == ["a (Int64)", "f (Float64)", "l (List(Int64))"]
    assert rows(text) == [["1", "0.5", "[1]"], ["2", "", ""], ["", "", "[]"]]
    assert about == "3 rows, 3 columns"
    assert rows(text, 1)[0] == ["a (Int64)", "2", "1.5", "0.707107", "1", "1.25", "1.5", "1.75", "2"]
    text, about = sent(pl.Series("s", list("abca") * 500_000), stats=True, rows=4)
    assert "rows 3 to 1,999,998 of 2,000,000 left out" in text
    assert rows(text, 1) == [["s (String)", "2000000", "3", "a", "1000000"]]
    sent(
        pl.DataFrame(
            {
                "c": pl.Series(["u", "v"], dtype=pl.Categorical),
                "n": [None, None],
                "d": [datetime.timedelta(1), None],
                "s": [{"q": 1}, None],
                "o": pl.Series([object(), None], dtype=pl.Object),
            }
        ),
        stats=True,
    )


def test_arrow() -> None:
    pa = pytest.importorskip("pyarrow", reason="Arrow tables are shown to those who have pyarrow")
    times = pa.array([1, None, 3], pa.timestamp("ns"))
    data = pa.table([[1, 2, 4], [0.5, float("nan"), None], times, [["x"], None, []]], names=["a", "a", "t", "l"])
    text, _ = sent(data, stats=True)
    assert "Missing values (empty cells): a 2, t 1, l 1." in text
    assert heading(text) == ["a (int64)", "a (double)", "t (timestamp[ns])", "l (list<item: string>)"]
    assert rows(text)[0] == ["1", "0.5", "1970-01-01T00:00:00.000000001", "['x']"]
    assert rows(text)[1] == ["2", "", "", ""]
    assert rows(text, 1)[0][:9] == ["a (int64)", "3", "2.33333", "1.52753", "1", "1.5", "2", "3", "4"]
    assert rows(text, 1)[1][1] == "1"
    words = pa.table(
        {"w": pa.array(["u", "v", "v"]).dictionary_encode(), "d": pa.array([1, 2, None], pa.duration("ns"))}
    )
    text, _ = sent(words, stats=True)
    assert rows(text)[1] == ["v", "2 ns"]
    assert rows(text, 1)[0] == [heading(text)[0], "3", "2", "v", "2"]
    assert sent(pa.table({"n": range(1_000_000)}))[1] == "10 of 1,000,000 rows, 1 column"


def test_duckdb_reads_only_what_it_shows() -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB relations are shown to those who have duckdb")
    query = 'select i, i / 2 as half, \'x|\' || i as "my ""name", now() as t from range(3000) r(i)'
    with duckdb.connect() as connection:
        text, about = sent(connection.sql(query), stats=True)
        assert about == "10 of 3,000 rows, 4 columns"
        assert "rows 11 to 3,000 of 3,000 left out" in text
        assert "not counted in: i, half, my" in text
        assert [row[:3] for row in rows(text)[:2]] == [["0", "0", r"x\|0"], ["1", "0.5", r"x\|1"]]
        assert len(rows(text)) == 10
        assert rows(text, 1)[0][:5] == ["i (BIGINT)", "3000", "1499.5", "866.17", "0"]
        assert sent(connection.sql("select 1 as a, 2 as a"))[1] == "1 row, 2 columns"
        assert sent(connection.sql(query), rows=0)[1] == "no rows of 3,000, 4 columns"

        fetched: list[tuple[int, ...]] = []
        relation = connection.sql("select * from range(100000000)")

        def limit(_: object, *size: int) -> Any:
            fetched.append(size)
            return relation.limit(*size)

        members = {"__module__": "duckdb", "__getattr__": lambda _, name: getattr(relation, name), "limit": limit}
        watched = type("DuckDBPyRelation", (), members)()
        assert sent(watched)[1] == "10 of 100,000,000 rows, 1 column"
        assert fetched == [(10, 0)]
        lost = connection.sql("select 1 as a")
    with pytest.raises(BadInput, match="DuckDB could not run this relation: Connection Error"):
        sent(lost)


def test_a_dict_of_columns() -> None:
    text, about = sent(
        {"n": [1, 2, None], "w": np.array(["u", "v", "v"]), "s": pd.Series([True, False, None], index=[5, 6, 7])},
        stats=True,
    )
    assert heading(text) == ["n (int)", "w (<U1)", "s (object)"]
    assert rows(text) == [["1", "u", "True"], ["2", "v", "False"], ["", "v", ""]]
    assert "Missing values (empty cells): n 1, s 1." in text
    assert about == "3 rows, 3 columns"
    assert rows(text, 1)[0][:9] == ["n (int)", "2", "1.5", "0.707107", "1", "1.25", "1.5", "1.75", "2"]
    assert rows(text, 1)[1][-3:] == ["2", "v", "2"]
    sent({"a": [1, float("inf"), 10**400]}, stats=True)


@pytest.mark.slow
def test_statistics_are_pandas_own() -> None:
    data = pd.DataFrame({"x": [1.0, 2.0, 4.0, None], "w": ["a", "b", "b", None], "l": [[1], [2], {}, None]})
    text, _ = sent(data, stats=True)
    assert heading(text[text.index("Statistics over all rows") :])[1:] == list(STATISTICS)
    described = rows(text, 1)
    assert described[0] == ["x (float64)", "3", "2.33333", "1.52753", "1", "1.5", "2", "3", "4", "", "", ""]
    assert described[1][1] == "3"
    assert described[1][-3:] == ["2", "b", "2"]
    wide, _ = sent(pd.DataFrame(np.ones((5, 2000))), stats=True, rows=5)
    assert re.search(r"Statistics over all rows, \d+ of [\d,]+ columns:", wide)
    assert len(wide) <= REQUESTED_BUDGET + BUDGET


# Properties.

hard = st.text(alphabet=st.sampled_from('ab|\\`\n\r\t …"é漢🎉\u2028\x85\x00\x1c\ud800'), max_size=40)
texts = hard | st.text(st.characters(exclude_categories=()), max_size=40)


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(texts, min_size=width, max_size=width), min_size=1, max_size=8)
    )
)
def test_any_strings_stay_in_their_cells(data: list[list[str]]) -> None:
    text, _ = sent(pd.DataFrame(data, columns=pd.Index(data[0], dtype=object), dtype=object))
    assert len(heading(text)) == len(data[0]) + 1
    shown = rows(text)
    if "In part" not in text:
        assert [[unescaped(cell) for cell in row[1:]] for row in shown] == [
            [cell or '""' for cell in row] for row in data
        ]


@pytest.mark.slow
@given(
    count=st.integers(0, 400),
    names=st.lists(hard | st.text(max_size=200), max_size=40),
    cell=st.text(max_size=20) | st.integers(0, 3000).map(lambda length: "|" * length),
    asked=st.none() | st.integers(0, 500),
)
def test_the_budget_is_kept_and_what_is_left_out_is_counted(
    count: int, names: list[str], cell: str, asked: int | None
) -> None:
    text, about = sent(pd.DataFrame([[cell] * len(names)] * count, columns=pd.Index(names, dtype=object)), rows=asked)
    assert len(text) <= (BUDGET if asked is None else REQUESTED_BUDGET)
    shown = rows(text)
    gap = re.search(r"(?m)^In part:.*?rows? ([\d,]+)(?: to ([\d,]+))? of ([\d,]+) left out", text)
    number = len(shown)
    if gap:
        first, last = (int((place or gap[1]).replace(",", "")) for place in gap.group(1, 2))
        assert int(gap[3].replace(",", "")) == count
        tail = count - last
        number = first - 1 + tail
        assert len(shown) == number + (1 if tail else 0)
    elif count and not shown:
        assert f"all {count}" in text
    else:
        assert number == count
    width = len(heading(text)) - 1
    if 0 < number < count:
        assert about.startswith(f"{number} of {count} rows")
    else:
        assert about.startswith(f"no rows of {count}" if count and not number else f"{count} row" + "s" * (count != 1))
    assert about.endswith(
        f"{width} of {len(names)} columns" if width < len(names) else f"{width} column" + "s" * (width != 1)
    )
    assert (f"{width} of {len(names)} columns shown" in text) == (width < len(names))
    if asked is not None and len(text) < REQUESTED_BUDGET * 0.5 and len(names) <= 5:
        assert number == min(asked, count)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_six_digits(value: float) -> None:
    assume(abs(value) > 1e-300)
    assert float(written(value)) == pytest.approx(value, rel=1e-5)


# What it costs, and what it needs.


def quickest(call: Callable[[], object]) -> float:
    """Seconds of processor time, so that other work on the machine does not count."""
    times = []
    for _ in range(5):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return min(times)


def test_a_million_rows_cost_milliseconds() -> None:
    size = 1_000_000
    data = pd.DataFrame(
        {
            "i": np.arange(size),
            "f": np.linspace(0, 1, size),
            "s": np.where(np.arange(size) % 3 == 0, None, "word"),  # type: ignore[call-overload]
            "d": pd.date_range("2020", periods=size, freq="s"),
        }
    )
    data["o"] = data["s"].astype(object)
    assert quickest(lambda: from_table(data, "data")) < 0.25
    assert quickest(lambda: from_table(pd.concat([data] * 40, axis=1, ignore_index=True), "data")) < 5


def test_what_would_take_long_is_not_counted() -> None:
    data = pd.DataFrame({f"o{number}": pd.Series([None, "x"] * 50_000, dtype=object) for number in range(30)})
    text, _ = sent(data)
    assert "o0 50,000" in text
    assert "o15 50,000" in text
    assert re.search(r"not counted in: o16, .*o29\.", text)


def test_nothing_is_imported_that_the_user_has_not() -> None:
    code = (
        "import sys; from claude_magic.content.tables.table import Table, from_table;"
        "from claude_magic.content.tables.records import from_record;"
        "from_table(Table({'a': [1, None]}, stats=True), 't'); from_record({'a': [1]}, 'r');"
        "print({'numpy', 'pandas', 'polars', 'pyarrow', 'duckdb', 'pydantic'} & set(sys.modules))"
    )
    assert run_python(code) == "set()\n"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"value": [1, 2]}, "not this list"),
        ({"value": "text"}, "not this str"),
        ({"value": {"a": 1}}, "not this dict"),
        ({"value": {"a": [1], "b": [1, 2]}}, "equally long; these are not: 'a' 1, 'b' 2"),
        ({"value": {"a": [1]}, "rows": -1}, "rows=-1.*a whole number, 0 or more"),
        ({"value": {"a": [1]}, "rows": True}, "whole number"),
        ({"value": {"a": [1]}, "columns": "a"}, "has to be a list of names"),
        ({"value": {"length": [1]}, "columns": ["lenght"]}, "no column 'lenght'.*length"),
        ({"value": {"a": [1]}, "columns": [0]}, "no column 0.*: a"),
    ],
)
def test_invalid_tables(options: dict[str, Any], line: str) -> None:
    with pytest.raises(BadInput, match=line) as caught:
        sent(**options)
    assert "\n" not in str(caught.value)
