"""``tools.dataframes``: Claude can inspect and query the given frames, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from claude_magic.content.convert import to_parts
from claude_magic.messages.errors import BadInput
from claude_magic.tools import Tool, dataframes
from claude_magic.tools.definition import WrongArguments
from claude_magic.tools.ready.database import QueryRefused
from tests.processes import run_python


def frame() -> pd.DataFrame:
    return pd.DataFrame({"region": ["north", "south", None], "amount": [1, 2, 3]})


def text(value: Any) -> str:
    return "\n".join(part.wire["text"] for part in to_parts(value, "result"))


def by_name(tools: list[Tool[..., Any]]) -> dict[str, Tool[..., Any]]:
    return {tool.name: tool for tool in tools}


def test_names_come_from_where_it_is_called() -> None:
    sales, people, other = frame(), pl.DataFrame({"age": [5]}), pa.table({"x": [1]})
    tools = by_name(dataframes(sales, people, things=other))
    assert list(tools) == ["dataframe_columns", "dataframe_describe", "dataframe_sql"]
    assert tools["dataframe_columns"].input_schema["properties"]["name"]["enum"] == ["sales", "people", "things"]
    lines = tools["dataframe_sql"].description.splitlines()
    assert set(lines) >= {"sales(region VARCHAR, amount BIGINT)", "people(age BIGINT)", "things(x BIGINT)"}
    assert "sales has 3 rows and 2 columns; people has 1 row and 1 column" in tools["dataframe_columns"].description
    assert not any(tool.confirm for tool in tools.values())


def test_names_that_ipython_sets_are_not_used() -> None:
    _1 = frame()
    sales = _1
    assert by_name(dataframes(_1))["dataframe_columns"].input_schema["properties"]["name"]["const"] == "sales"
    assert sales is _1


def test_claude_may_use_these_names_only() -> None:
    sales = frame()
    tools = by_name(dataframes(sales))
    assert tools["dataframe_columns"].bind({"name": "sales"}) == ((), {"name": "sales"})
    with pytest.raises(WrongArguments, match="name: should be 'sales'"):
        tools["dataframe_describe"].bind({"name": "__builtins__"})


def test_columns_with_types_and_missing_values() -> None:
    for sales in (frame(), pl.from_pandas(frame())):
        said = text(by_name(dataframes(sales))["dataframe_columns"]("sales"))
        assert "3 rows, 2 columns" in said
        assert "Missing values (empty cells): region 1." in said
        assert "amount (int64)" in said.lower()
        assert "north" not in said


def test_results_have_the_name_of_the_frame_and_nothing_superfluous() -> None:
    sales, wide = frame(), pd.DataFrame({f"column number {number}": [1] for number in range(2000)})
    tools = by_name(dataframes(sales, wide))
    columns, describe = tools["dataframe_columns"], tools["dataframe_describe"]
    kind = str(sales["region"].dtype)
    assert text(columns("sales")) == (
        f"Table sales: pandas DataFrame, 3 rows, 2 columns\nColumns: region ({kind}), amount (int64)\n"
        "Missing values (empty cells): region 1."
    )
    said = text(describe("sales", ["amount"]))
    assert said.startswith("Table sales: pandas DataFrame, 3 rows, 2 columns\nStatistics over all rows:\n")
    assert "index" not in said
    assert "In part" not in said
    assert len(text(columns("wide"))) < 20_100
    assert text(columns("wide")).endswith(" more")
    assert "index" not in text(tools["dataframe_sql"]("SELECT * FROM sales"))


def test_a_meaningful_index_is_among_the_columns() -> None:
    days = pd.DataFrame({"x": [1]}, index=pd.Index(["Monday"], name="day"))
    said = text(by_name(dataframes(days))["dataframe_columns"]("days"))
    assert said.splitlines()[1] == f"Columns: day (index, {days.index.dtype}), x (int64)"


def test_statistics_of_all_columns_or_some() -> None:
    sales = frame()
    describe = by_name(dataframes(sales))["dataframe_describe"]
    assert "| amount (int64) | 3 | 2 | 1 | 1 | 1.5 | 2 | 2.5 | 3 |" in text(describe("sales", ["amount"]))
    assert "region" in text(describe("sales"))
    with pytest.raises(BadInput, match="amuont"):
        text(describe("sales", ["amuont"]))


def test_queries_join_frames_of_any_library() -> None:
    sales, people = frame(), pl.DataFrame({"region": ["north"], "boss": ["Ada"]})
    query = by_name(dataframes(sales, people))["dataframe_sql"]
    table = query("SELECT boss, amount FROM sales JOIN people USING (region)")
    assert table.value == {"boss": ["Ada"], "amount": [1]}


def test_frames_are_seen_in_their_present_state_and_not_changed() -> None:
    sales = frame()
    query = by_name(dataframes(sales))["dataframe_sql"]
    sales["twice"] = sales["amount"] * 2
    assert query("SELECT sum(twice) AS s FROM sales").value == {"s": [12]}
    for attack in ("DELETE FROM sales", "DROP VIEW sales", "UPDATE sales SET amount = 0", "CREATE TABLE x (y INTEGER)"):
        with pytest.raises(QueryRefused):
            query(attack)
    assert sales["amount"].tolist() == [1, 2, 3]


def test_nothing_else_can_be_read(tmp_path: Path) -> None:
    sales, hidden = frame(), frame()
    file = tmp_path / "data.csv"
    file.write_text("a\n1\n")
    query = by_name(dataframes(sales))["dataframe_sql"]
    for attack in ("FROM hidden", f"FROM '{file}'", f"FROM read_csv('{file}')", "FROM frames", "FROM sql"):
        with pytest.raises(QueryRefused):
            query(attack)
    assert len(hidden) == 3


def test_even_without_our_check_the_database_has_no_access_to_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import duckdb

    sales, hidden = frame(), frame()
    file = tmp_path / "data.csv"
    file.write_text("a\n1\n")
    query = by_name(dataframes(sales))["dataframe_sql"]
    monkeypatch.setattr("claude_magic.tools.ready.duckdb_database._check", lambda con, sql: None)
    assert query("SELECT max(amount) AS m FROM sales").value == {"m": [3]}
    for attack in ("FROM hidden", "FROM frame", f"FROM '{file}'", f"FROM read_csv('{file}')"):
        with pytest.raises(duckdb.Error):
            query(attack)
    assert len(hidden) == 3


def test_a_meaningful_index_can_be_queried() -> None:
    sales = frame().set_index("region")
    days = pd.DataFrame({"x": [1, 2]}, index=pd.date_range("2026-01-01", periods=2))
    both = frame().set_index("region", drop=False)
    description = by_name(dataframes(sales, days, both))["dataframe_sql"].description
    assert "\nsales(region VARCHAR, amount BIGINT)" in description
    assert "\ndays(index TIMESTAMP_NS, x BIGINT)" in description.replace("TIMESTAMP,", "TIMESTAMP_NS,")
    assert "\nboth(region VARCHAR, amount BIGINT)" in description


def test_names_with_times_and_zones() -> None:
    times = pd.DataFrame({"t": pd.date_range("2026-01-01", periods=2, tz="UTC")})
    table = by_name(dataframes(times))["dataframe_sql"]("SELECT * FROM times LIMIT 1")
    assert [value[:4] for value in table.value["t"]] in (["2026"], ["2025"])  # the zone is the machine's


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (dataframes, r"^Which frames\? .*tools.dataframes\(df, sales\)"),
        (lambda: dataframes(frame()), r"^Frame 1 \(a DataFrame\) is not a variable.* tools.dataframes\(sales="),
        (lambda: dataframes(x=[1, 2]), r"^x is a list, not a .*DataFrame"),
        (lambda: dataframes(x=pd.Series([1])), r"^x is a Series, .* to_frame\(\)"),
        (lambda: dataframes(x=pl.LazyFrame({"a": [1]})), r"^x is a LazyFrame, .* collect\(\)"),
        (lambda: dataframes(sales=frame(), Sales=frame()), r"^Two frames are called Sales .* case"),
    ],
)
def test_anything_but_a_frame_with_a_name_is_refused(call: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()


def test_a_name_twice_is_refused() -> None:
    sales = frame()
    with pytest.raises(BadInput, match="^Two frames are called sales"):
        dataframes(sales, sales=frame())


def test_frames_that_duckdb_cannot_read_can_still_be_inspected() -> None:
    waves = pd.DataFrame({"z": [1 + 2j]})
    with pytest.warns(UserWarning, match="Claude cannot query these frames.* DuckDB cannot read them: .*complex"):
        tools = dataframes(waves)
    assert list(by_name(tools)) == ["dataframe_columns", "dataframe_describe"]


def test_without_duckdb_there_is_a_warning_and_no_query() -> None:
    program = """
import importlib.util, sys, warnings
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "duckdb" else find(name, *rest)
sys.modules["duckdb"] = None
import pandas
from claude_magic.tools import dataframes
df = pandas.DataFrame({"a": [1]})
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    print([tool.name for tool in dataframes(df)])
print(said[0].message, said[0].filename)
"""
    assert run_python(program).splitlines() == [
        "['dataframe_columns', 'dataframe_describe']",
        "Claude cannot query these frames without DuckDB: pip install duckdb. <string>",
    ]
