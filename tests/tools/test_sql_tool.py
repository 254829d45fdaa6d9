"""``tools.sql``: the description of a database, the results of queries, and that no query changes anything."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import psycopg
import pytest
import sqlalchemy

from claude_magic.messages.errors import BadInput
from claude_magic.tools import results, sql
from claude_magic.tools.ready.database import QueryRefused
from tests.judges import require_judge
from tests.processes import run_python

SETUP = (
    "CREATE TABLE sales (region VARCHAR(10), amount INTEGER)",
    "INSERT INTO sales VALUES ('north', 1), ('south', 2), (NULL, 3)",
    "CREATE VIEW large AS SELECT * FROM sales WHERE amount > 1",
)


def columns(value: Any) -> dict[str, list[Any]]:
    """The columns of a result that is complete."""
    columns: dict[str, list[Any]] = value.value
    assert value.rows == len(next(iter(columns.values())))
    return columns


class Base(NamedTuple):
    """A database under test: the connection, and how to look at everything in it."""

    con: Any
    state: Callable[[], Any]


@pytest.fixture
def lite() -> Iterator[Base]:
    con = sqlite3.connect(":memory:")
    con.executescript(";".join(SETUP))
    con.execute("CREATE TEMP TABLE mine (x)")
    con.commit()

    def state() -> Any:
        pragmas = ("query_only", "user_version", "foreign_keys", "recursive_triggers", "database_list")
        held = [con.execute(f"PRAGMA {name}").fetchall() for name in pragmas]
        tables = ("sales", "mine", "sqlite_master", "sqlite_temp_master")
        held += [con.execute(f"SELECT * FROM {table}").fetchall() for table in tables]
        return held, con.total_changes, con.in_transaction

    yield Base(con, state)
    con.close()


@pytest.fixture
def duck() -> Iterator[Base]:
    con = duckdb.connect()
    con.execute(";".join(SETUP))
    con.execute("CREATE TEMP TABLE mine (x INTEGER); CREATE SEQUENCE numbers; CREATE TEMP SEQUENCE own")

    def state() -> Any:
        queries = (
            "SELECT * FROM sales",
            "SELECT * FROM mine",
            "SELECT name, value FROM duckdb_settings()",
            "SELECT table_name, database_name FROM duckdb_tables()",
            "SELECT view_name FROM duckdb_views()",
            "SELECT sequence_name, last_value FROM duckdb_sequences()",
            "SELECT database_name, path FROM duckdb_databases()",
            "SELECT type_name FROM duckdb_types()",
        )
        return [con.execute(query).fetchall() for query in queries]

    yield Base(con, state)
    con.close()


@pytest.fixture(params=["sqlite3", "duckdb", "sqlalchemy engine", "sqlalchemy connection"])
def base(request: pytest.FixtureRequest) -> Iterator[Base]:
    """Databases in memory, by every kind of connection."""
    if request.param == "duckdb":
        yield request.getfixturevalue("duck")
        return
    lite = request.getfixturevalue("lite")
    if request.param == "sqlite3":
        yield lite
        return
    # The pool gives the one connection back by a rollback, which has nothing to roll back here.
    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: lite.con, poolclass=sqlalchemy.StaticPool)
    if request.param == "sqlalchemy engine":
        yield Base(engine, lite.state)
    else:
        with engine.connect() as con:
            yield Base(con, lite.state)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[sqlalchemy.URL]:
    """A private server, reached through a socket in its own folder."""
    programs = [*Path("/usr/lib/postgresql").glob("*/bin"), Path(shutil.which("initdb") or "/nowhere/initdb").parent]
    programs = [path for path in programs if (path / "initdb").exists()]
    bin = programs[0] if programs else Path(require_judge("initdb")).parent
    directory = Path(tempfile.mkdtemp(prefix="pg"))
    user = "postgres" if os.geteuid() == 0 else None  # the server does not run as root
    if user:
        shutil.chown(directory, user)
    options: dict[str, Any] = {"user": user, "cwd": directory, "stdout": subprocess.DEVNULL}
    data = directory / "data"
    subprocess.run([bin / "initdb", "-D", data, "-A", "trust", "-U", "tester", "--no-sync"], check=True, **options)
    start: list[str | Path] = ["-l", directory / "log", "-o", f"-F -h '' -k {directory}", "-w", "start"]
    subprocess.run([bin / "pg_ctl", "-D", data, *start], check=True, **options)
    try:
        yield sqlalchemy.URL.create("postgresql+psycopg", "tester", database="postgres", query={"host": str(directory)})
    finally:
        subprocess.run([bin / "pg_ctl", "-D", data, "-m", "immediate", "stop"], check=True, **options)
        shutil.rmtree(directory)


@pytest.fixture
def postgres(postgres_url: sqlalchemy.URL) -> Iterator[Base]:
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.begin() as con:
        con.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE SCHEMA IF NOT EXISTS other")
        con.exec_driver_sql(";".join(SETUP) + "; CREATE SEQUENCE numbers")

    def state() -> Any:
        queries = (
            "SELECT * FROM sales",
            "SELECT last_value, is_called FROM numbers",
            "SELECT schemaname, tablename FROM pg_tables",
            "SELECT name, setting FROM pg_settings WHERE strpos(name, '.') = 0",
        )
        with engine.connect() as con:
            return [con.exec_driver_sql(query).all() for query in queries]

    yield Base(engine, state)
    engine.dispose()


# The description


def test_the_description_names_what_there_is(base: Base) -> None:
    tool = sql(base.con)
    assert (tool.name, tool.confirm, list(tool.input_schema["properties"])) == ("sql", False, ["sql"])
    lines = tool.description.splitlines()
    lines = [line.replace("VARCHAR(10)", "VARCHAR") for line in lines[lines.index("Tables and views:") + 1 :]]
    assert {"sales(region VARCHAR, amount INTEGER)", "large(region VARCHAR, amount INTEGER)"} < set(lines)
    assert [line.partition("(")[0] for line in sorted(lines)] == ["large", "mine", "sales"]


def test_names_are_written_as_sql_wants_them(duck: Base, lite: Base) -> None:
    duck.con.execute('CREATE SCHEMA other; CREATE TABLE other."Big ""one" (q INTEGER, "a b" INTEGER)')
    assert '\nother."Big ""one"(q INTEGER, "a b" INTEGER)' in sql(duck.con).description
    lite.con.execute("ATTACH ':memory:' AS second")
    lite.con.execute('CREATE TABLE second."two words" ("A" INTEGER)')
    assert '\nsecond."two words"("A" INTEGER)' in sql(lite.con).description
    assert columns(sql(lite.con)('SELECT * FROM second."two words"')) == {"A": []}


def test_a_large_schema_stays_small(lite: Base) -> None:
    wide = ", ".join(f"column_number_{number} INTEGER" for number in range(900))
    lite.con.execute(f"CREATE TABLE wide ({wide})")
    assert "wide(column_number_0 INTEGER" in sql(lite.con).description
    for number in range(800):
        lite.con.execute(f"CREATE TABLE table_number_{number} (first INTEGER, second INTEGER, third INTEGER)")
    text = sql(lite.con).description
    assert len(text) < 9_000
    assert "large" in text
    assert " more" in text.splitlines()[-1]


def test_a_view_that_is_broken_stops_nothing(lite: Base) -> None:
    lite.con.executescript("CREATE TABLE gone (x); CREATE VIEW broken AS SELECT * FROM gone; DROP TABLE gone")
    assert "broken" not in sql(lite.con).description


def test_several_databases_have_names(lite: Base, duck: Base) -> None:
    assert [sql(lite.con, name="a_sql").name, sql(duck.con, name="b_sql").name] == ["a_sql", "b_sql"]


# Results


@pytest.mark.parametrize(
    "query",
    [
        "SELECT amount FROM sales ORDER BY 1",
        "SELECT amount FROM sales ORDER BY 1;",
        "-- words\nSELECT amount /* and more */ FROM sales ORDER BY 1 ; -- the end",
        "WITH a AS (SELECT amount FROM sales) SELECT * FROM a ORDER BY amount",
        "WITH RECURSIVE a(amount) AS (SELECT 1 UNION ALL SELECT amount + 1 FROM a WHERE amount < 3) SELECT * FROM a",
        "SELECT amount FROM sales WHERE '; --' <> 'ä;' ORDER BY 1; /* ; */ -- ;",
        "select AMOUNT as amount from SALES order by amount",
        "SELECT amount FROM sales WHERE amount = 1 UNION SELECT amount FROM large ORDER BY amount",
    ],
)
def test_a_select_is_answered(base: Base, query: str) -> None:
    assert columns(sql(base.con)(query)) == {"amount": [1, 2, 3]}


def test_values_stay_as_they_are(base: Base) -> None:
    query = "SELECT NULL AS empty, 9007199254740993 AS large, 'ä' AS text, amount, amount FROM sales LIMIT 1"
    expected = {"empty": [None], "large": [2**53 + 1], "text": ["ä"], "amount": [1], "amount_1": [1]}
    assert columns(sql(base.con)(query)) == expected
    assert columns(sql(base.con)("SELECT * FROM sales WHERE 1 = 2")) == {"region": [], "amount": []}


def test_the_result_has_no_meaningless_names(base: Base) -> None:
    def told(value: Any) -> str:
        parts, notes = results.value_parts(value, "sql")
        assert notes == ()
        return "\n".join(part.wire["text"] for part in parts).replace("int64", "int")

    query = "SELECT amount, NULL AS empty FROM sales ORDER BY amount"
    expected = "\n\n| amount (int) | empty (object) |\n| --- | --- |\n| 1 |  |\n| 2 |  |"
    missing = "\nMissing values (empty cells): empty "
    assert told(sql(base.con)(query)) == f"Result: 3 rows, 2 columns{missing}3.{expected}\n| 3 |  |"
    assert told(sql(base.con, rows=2)(query)).startswith(f"Result: 2 rows, 2 columns{missing}2.{expected}\n")
    assert told(sql(base.con, rows=2)(query)).endswith("There are more rows; these are the first 2.")
    assert told(sql(base.con)("SELECT amount FROM sales WHERE 1 = 2")).startswith("Result: 0 rows, 1 column\n")


def test_shortened_cells_are_reported(lite: Base) -> None:
    query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, hex(zeroblob(700)) AS z FROM n"
    [part], _ = results.value_parts(sql(lite.con, rows=300)(f"{query} LIMIT 300"), "sql")
    assert "In part: 300 cells shortened to 80 characters with … at the end." in part.wire["text"]
    assert part.about == "300 rows, 2 columns"


def test_rows_are_limited_and_claude_is_told_of_more(base: Base) -> None:
    tool = sql(base.con, rows=2)
    table, note = tool("SELECT amount FROM sales ORDER BY amount")
    assert columns(table) == {"amount": [1, 2]}
    assert note == "There are more rows; these are the first 2."
    assert columns(tool("SELECT amount FROM large ORDER BY amount")) == {"amount": [2, 3]}


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


def test_only_as_many_rows_as_needed_are_computed(lite: Base, duck: Base) -> None:
    table, _ = sql(lite.con)(ENDLESS)
    assert len(columns(table)["i"]) == 100
    failing = "SELECT CASE WHEN range < 500000 THEN range ELSE error('read on') END AS i FROM range(1000000)"
    table, _ = sql(duck.con)(failing)
    assert len(columns(table)["i"]) == 100


def test_a_query_that_takes_too_long_is_stopped(base: Base) -> None:
    name, before = type(base.con).__module__, base.state()
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"
    tool = sql(base.con, timeout=0.2)
    with pytest.raises(TimeoutError, match=r"^The query was stopped after 0.2 s\. Ask for less: "):
        tool(endless if "duckdb" in name else ENDLESS.replace("SELECT i FROM", "SELECT max(i) FROM"))
    assert base.state() == before
    assert columns(tool("SELECT count(*) AS n FROM sales")) == {"n": [3]}


def test_a_row_factory_of_the_user_does_not_interfere(lite: Base) -> None:
    lite.con.row_factory = form = lambda cursor, row: {"only": len(row)}
    assert columns(sql(lite.con)("SELECT amount FROM sales")) == {"amount": [1, 2, 3]}
    assert lite.con.row_factory is form


def test_open_transactions_of_the_user_stay(lite: Base, duck: Base) -> None:
    lite.con.execute("INSERT INTO sales VALUES ('west', 4)")
    assert columns(sql(lite.con)("SELECT max(amount) AS m FROM sales")) == {"m": [4]}
    assert lite.con.in_transaction
    tool = sql(duck.con)
    duck.con.begin()
    duck.con.execute("INSERT INTO sales VALUES ('west', 4)")
    with pytest.raises(RuntimeError, match=r"in a transaction: it needs con.commit\(\) or con.rollback\(\) first"):
        tool("SELECT 1")
    duck.con.commit()
    assert columns(tool("SELECT max(amount) AS m FROM sales")) == {"m": [4]}


def test_an_unread_result_does_not_interfere(duck: Base) -> None:
    tool = sql(duck.con)
    duck.con.execute("SELECT * FROM range(100000)").fetchone()
    assert columns(tool("SELECT 1 AS one")) == {"one": [1]}


def test_duckdb_sees_what_the_user_registered_and_what_views_read(duck: Base, tmp_path: Path) -> None:
    file = tmp_path / "here.csv"
    file.write_text("a\n1\n")
    duck.con.register("frame", pd.DataFrame({"x": [5]}))
    duck.con.execute(f"CREATE VIEW from_file AS FROM '{file}'")
    duck.con.execute('CREATE TABLE "odd.name" AS SELECT 7 AS x')
    tool = sql(duck.con)
    assert columns(tool("FROM frame")) == {"x": [5]}
    assert columns(tool("FROM from_file")) == {"a": [1]}
    assert columns(tool('FROM main."odd.name"')) == columns(tool('FROM "odd.name"')) == {"x": [7]}
    assert columns(tool("DESCRIBE frame"))["column_name"] == ["x"]
    assert columns(tool("SELECT table_name FROM information_schema.tables WHERE table_name = 'sales'"))
    assert columns(tool("SELECT TIMESTAMPTZ '2026-01-01 00:00:00+00' = t AS same FROM (SELECT TIMESTAMPTZ "
                        "'2026-01-01 00:00:00+00' AS t)")) == {"same": [True]}  # fmt: skip
    assert isinstance(columns(tool("SELECT now() AS t"))["t"][0], str)
    assert columns(tool("PIVOT sales ON region IN ('north') USING sum(amount)"))


# Refusals

ATTACKS = [
    "DROP TABLE sales",
    "INSERT INTO sales VALUES ('x', 9)",
    "INSERT INTO sales VALUES ('x', 9) RETURNING amount",
    "UPDATE sales SET amount = 0",
    "DELETE FROM sales",
    "DELETE FROM sales RETURNING *",
    "REPLACE INTO sales VALUES ('x', 9)",
    "TRUNCATE sales",
    "CREATE TABLE another AS SELECT 1 AS x",
    "CREATE TEMP VIEW another AS SELECT 1 AS x",
    "ALTER TABLE sales ADD COLUMN x INTEGER",
    "INSERT INTO mine VALUES (1)",
    "PRAGMA user_version = 7",
    "PRAGMA query_only = 1",
    "SET threads = 1",
    "SET TRANSACTION READ WRITE",
    "ATTACH ':memory:' AS another",
    "BEGIN",
    "COMMIT",
    "VACUUM",
    "PREPARE p AS SELECT 1",
    "COPY sales TO '{file}'",
    "EXPORT DATABASE '{file}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CALL pragma_version()",
    "USE memory",
    "CHECKPOINT",
]
AROUND = [
    "{}",
    "/* SELECT */ {}",
    "-- SELECT\n{}",
    "SELECT 1; {}",
    "SELECT 1;\n-- x\n{}",
    "{}; SELECT 1",
    "COMMIT; {}",
    "ROLLBACK; {}",
    "WITH a AS (SELECT 1) {}",
    "WITH a AS ({}) SELECT * FROM a",
    "SELECT * FROM ({})",
    "EXPLAIN {}",
    "EXPLAIN ANALYZE {}",
    "SELECT '; {}",
    "SELECT 1 UNION {}",
    "SELECT 1\x00; {}",
]


def attacked(base: Base, tmp_path: Path, expected: Any) -> None:
    tool, before, file = sql(base.con), base.state(), tmp_path / "written"
    for around in AROUND:
        for attack in ATTACKS:
            query = around.format(attack.format(file=file))
            with pytest.raises(expected):
                print(query, tool(query))  # shown if it is not refused
            assert base.state() == before, query
    assert not file.exists()
    assert columns(tool("SELECT count(*) AS n FROM sales")) == {"n": [3]}


@pytest.mark.slow
def test_nothing_but_select_is_run(base: Base, tmp_path: Path) -> None:
    # In SQLite, FROM (LOAD httpfs) is a table with another name.
    attacked(base, tmp_path, (QueryRefused, sqlite3.OperationalError))


@pytest.mark.parametrize("query", ["", ";", "-- nothing", "SELECT", "SELECT 1; SELECT 2", "SELECT /* open"])
def test_anything_but_a_query_is_refused(base: Base, query: str) -> None:
    with pytest.raises(QueryRefused):
        sql(base.con)(query)


def test_duckdb_says_why_only_where_that_helps(duck: Base) -> None:
    for query, end in (
        ("DROP TABLE sales", "nothing else is run."),
        ("SELECT 1; DROP TABLE sales", "nothing else is run."),
        ("SELEC 1", 'nothing else is run: syntax error at or near "SELEC"'),
    ):
        with pytest.raises(QueryRefused) as refused:
            sql(duck.con)(query)
        assert str(refused.value).endswith(end)


def test_parameters_and_unknown_tables_are_errors(base: Base) -> None:
    for query in ("SELECT * FROM sales WHERE amount = ?", "SELECT * FROM nowhere", "SELECT nothing FROM sales"):
        with pytest.raises((QueryRefused, sqlite3.Error, duckdb.Error)):
            sql(base.con)(query)


READING = [
    "FROM read_csv('{file}')",
    "FROM READ_CSV('{file}')",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM main.read_csv('{file}')",
    "FROM '{file}'",
    'FROM "{file}"',
    "DESCRIBE '{file}'",
    "SUMMARIZE '{file}'",
    "SELECT (SELECT max(a) FROM '{file}')",
    "WITH x AS (FROM '{file}') SELECT * FROM x",
    "SELECT * FROM sales WHERE amount IN (FROM '{file}')",
    "FROM data.csv",
    "WITH csv AS (SELECT 1) SELECT * FROM data.csv",
    """SELECT * FROM (WITH "{file}" AS (SELECT 1) SELECT 1), '{file}'""",
    "PIVOT '{file}' ON a IN (1) USING count(*)",
    "FROM glob('{file}')",
    "FROM query('FROM ''{file}''')",
    "FROM query_table('{file}')",
    "FROM sniff_csv('{file}')",
    "FROM parquet_schema('{file}')",
    "SELECT * FROM sales, LATERAL (FROM read_csv('{file}'))",
    "FROM duckdb_settings()",
    "FROM duckdb_secrets()",
    "FROM pg_settings",
    "FROM pg_catalog.pg_settings",
    "SELECT current_setting('http_proxy_password')",
    "SELECT Current_Setting('http_proxy_password')",
    "FROM hidden_frame",
    "SELECT * FROM (WITH hidden_frame AS (SELECT 1) SELECT 1), sql",
    "SELECT nextval('numbers')",
    "SELECT nextval('own')",
    "SELECT setval('own', 9)",
    "SELECT setseed(0.5)",
    "WITH x AS (INSERT INTO mine VALUES (7) RETURNING x) SELECT * FROM x",
    "WITH x AS (DELETE FROM sales RETURNING *) SELECT * FROM x",
]


@pytest.mark.parametrize("query", READING)
def test_duckdb_reads_nothing_but_the_database(
    duck: Base, tmp_path: Path, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hidden_frame = pd.DataFrame({"secret": [1]})
    file = tmp_path / "data.csv"
    file.write_text("a\n1\n")
    duck.con.execute("SET http_proxy_password = 'hunter2'")
    tool, before = sql(duck.con), duck.state()
    with pytest.raises((QueryRefused, duckdb.Error)) as refused:
        tool(query.format(file=file))
    assert "hunter2" not in str(refused.value)
    assert duck.state() == before
    assert len(hidden_frame) == 1
    assert columns(tool("SELECT 1 AS one")) == {"one": [1]}


def test_variables_are_not_read_even_if_duckdb_looks_everywhere(duck: Base) -> None:
    secret = pd.DataFrame({"secret": [1]})
    duck.con.execute("SET python_scan_all_frames = true")
    assert duck.con.execute("FROM secret").fetchall() == [(1,)]
    with pytest.raises(QueryRefused, match="There is no table secret in the database"):
        sql(duck.con)("FROM secret")
    assert len(secret) == 1


def test_even_without_our_check_nothing_is_written(duck: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_magic.tools.ready.duckdb_database._check", lambda con, sql: None)
    tool, before = sql(duck.con), duck.state()
    with pytest.raises(duckdb.Error, match="read-only mode"):
        tool("WITH x AS (INSERT INTO sales VALUES ('x', 9) RETURNING amount) SELECT * FROM x")
    assert columns(tool("WITH x AS (INSERT INTO mine VALUES (7) RETURNING x) SELECT * FROM x")) == {"x": [7]}
    assert duck.state() == before  # temporary tables can be written even then, so it is rolled back


def test_a_file_of_sqlite_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "sales.db"
    with contextlib.closing(sqlite3.connect(path)) as con:
        con.executescript(";".join(SETUP))
        before = path.read_bytes()
        tool = sql(con)
        for attack in ("DROP TABLE sales", "VACUUM INTO '/tmp/x'", f"ATTACH '{tmp_path / 'new.db'}' AS n"):
            with pytest.raises(QueryRefused):
                tool(attack)
        assert columns(tool("SELECT count(*) AS n FROM sales")) == {"n": [3]}
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# PostgreSQL, a real server


def test_postgres_is_told_and_asked(postgres: Base) -> None:
    with postgres.con.begin() as con:
        con.exec_driver_sql("CREATE TABLE IF NOT EXISTS other.things (id INTEGER)")
    tool = sql(postgres.con)
    assert "\nsales(region character varying, amount integer)" in tool.description
    assert "\nother.things(id integer)" in tool.description
    assert columns(tool("SELECT amount, 10 % 3 AS a, '%s :x' AS b FROM sales ORDER BY 1 LIMIT 1; -- x")) == {
        "amount": [1],
        "a": [1],
        "b": ["%s :x"],
    }
    assert columns(tool("WITH a AS (SELECT 1 AS x) SELECT x, x FROM a")) == {"x": [1], "x_1": [1]}
    table, note = sql(postgres.con, rows=2)("SELECT i FROM generate_series(1, 10000000) AS i")
    assert (columns(table), "first 2" in note) == ({"i": [1, 2]}, True)


@pytest.mark.parametrize("level", [None, "AUTOCOMMIT"])
def test_postgres_is_not_changed(postgres: Base, tmp_path: Path, level: str | None) -> None:
    engine = postgres.con if level is None else postgres.con.execution_options(isolation_level=level)
    attacked(Base(engine, postgres.state), tmp_path, psycopg.Error)
    before, tool = postgres.state(), sql(engine)
    for query in (
        "SELECT nextval('numbers')",
        "EXPLAIN SELECT 1",
        "SHOW ALL",
        "SELECT * INTO another FROM sales",
        "SELECT * FROM sales FOR UPDATE",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "COPY sales TO PROGRAM 'cat'",
        "DO 'BEGIN DELETE FROM sales; END'",
    ):
        with pytest.raises(psycopg.Error):
            tool(query)
    assert postgres.state() == before


def test_a_connection_to_postgres_stays_as_it_is(postgres: Base) -> None:
    with postgres.con.connect() as con:
        con.exec_driver_sql("INSERT INTO sales VALUES ('west', 4)")
        assert columns(sql(con)("SELECT max(amount) AS m FROM sales")) == {"m": [3]}  # what is committed
        con.commit()
        assert columns(sql(con)("SELECT max(amount) AS m FROM sales")) == {"m": [4]}


def test_postgres_stops_what_takes_too_long(postgres: Base) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled, match="statement timeout"):
        sql(postgres.con, timeout=0.2)("SELECT pg_sleep(60)")


# Errors for the user


def test_databases_that_cannot_be_protected_are_refused() -> None:
    engine = sqlalchemy.create_engine("mysql+pymysql://me:hunter2@db.example/x", module=sqlite3)
    with pytest.raises(BadInput, match=r"^tools.sql .*SQLite, DuckDB and PostgreSQL .* not mysql\.") as no:
        sql(engine)
    assert "hunter2" not in str(no.value)
    with pytest.raises(BadInput, match=r"^tools.sql takes .* not this str\."):
        sql("sales.db")


@pytest.mark.parametrize("options", [{"rows": 0}, {"rows": 1.5}, {"rows": True}, {"timeout": 0}])
def test_limits_are_above_zero(lite: Base, options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=f"^tools.sql\\({next(iter(options))}="):
        sql(lite.con, **options)


def test_optional_packages_are_not_imported() -> None:
    program = """
import sqlite3, sys
from claude_magic.tools import results, sql
sql(sqlite3.connect(":memory:"))("SELECT 1")
print([name for name in ("duckdb", "sqlalchemy", "pandas", "polars", "numpy", "IPython") if name in sys.modules])
"""
    assert run_python(program) == "[]\n"
