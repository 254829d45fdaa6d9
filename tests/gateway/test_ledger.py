"""The book: nothing is lost, nothing counts twice."""

from __future__ import annotations

import datetime
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claude_magic.gateway.asked import Asked
from claude_magic.gateway.callers import Caller
from claude_magic.gateway.core import Gateway
from claude_magic.gateway.ledger import DOLLAR, Entry, Ledger
from claude_magic.gateway.limits import Limits, Spent
from claude_magic.gateway.refusal import Refusal
from claude_magic.gateway.upstream import Upstream
from claude_magic.messages.errors import ServerError
from claude_magic.messages.usage import Usage
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.gateway.serving import serving
from tests.messages.servers import ask

NOON = datetime.datetime(2026, 11, 22, 12).timestamp()
DAY = 86400.0


def entry(user: str = "ada", **changes: Any) -> Entry:
    of = Entry(user, "k", "claude-haiku-4-5", False, Usage(input_tokens=10), 1000, 50, 5000)
    return of._replace(**changes)


def allow(spent: Spent) -> None:
    """Whatever was spent."""


@pytest.fixture
def clock() -> list[float]:
    return [NOON]


@pytest.fixture
def ledger(tmp_path: Path, clock: list[float]) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "data" / "ledger.db", lambda: clock[0])
    yield opened
    opened.close()


def test_a_promise_is_kept_until_it_is_settled(ledger: Ledger) -> None:
    number = ledger.promise(entry(), allow)
    assert ledger.spent("ada") == Spent(0, 0.0, 60, 6000 / DOLLAR)
    ledger.note(number, Usage(12, 1), 1300)
    assert ledger.spent("ada") == Spent(0, 0.0, 63, 6300 / DOLLAR)
    ledger.settle(number, "whole", Usage(12, 7, 100, 1000), 2000)
    assert ledger.spent("ada") == Spent(12 + 7 + 100 + 1000, 2000 / DOLLAR, 0, 0.0)
    assert ledger.spent("bob") == Spent()
    (line,) = ledger.lines()
    assert line == ("2026-11-22", "ada", "claude-haiku-4-5", False, 1, 1112, 7, 2000, False, 0)


def test_what_was_refused_or_never_begun_leaves_nothing(ledger: Ledger) -> None:
    def refuse(spent: Spent) -> None:
        raise Refusal(429, "rate_limit_error", "no")

    with pytest.raises(Refusal):
        ledger.promise(entry(), refuse)
    ledger.withdraw(ledger.promise(entry(), allow))
    assert ledger.lines() == []
    assert ledger.promise(entry(), allow)


def test_practice_does_not_spend_the_real_budget(ledger: Ledger) -> None:
    ledger.settle(ledger.promise(entry(simulated=True), allow), "whole", Usage(1, 1), 5)
    assert ledger.spent("ada") == Spent()
    assert ledger.spent("ada", simulated=True).tokens == 2


def test_lines_by_day_user_and_model(ledger: Ledger, clock: list[float]) -> None:
    for user, model in (("ada", "a"), ("ada", "a"), ("bob", "a"), ("ada", "b")):
        ledger.settle(ledger.promise(entry(user, model=model), allow), "whole", Usage(1, 2), 3)
    clock[0] += DAY
    ledger.promise(entry(), allow)
    assert [(line.day[-2:], line.user, line.model, line.answers, line.cost) for line in ledger.lines()] == [
        ("23", "ada", "claude-haiku-4-5", 1, 1000),
        ("22", "ada", "a", 2, 6),
        ("22", "ada", "b", 1, 3),
        ("22", "bob", "a", 1, 3),
    ]
    assert [line.user for line in ledger.lines(user="bob")] == ["bob"]
    assert [(line.day, line.open, line.at_least) for line in ledger.lines(since="2026-11-23")] == [
        ("2026-11-23", 1, True)
    ]


def test_a_day_ends_at_midnight_and_never_comes_back(ledger: Ledger, clock: list[float], tmp_path: Path) -> None:
    ledger.settle(ledger.promise(entry(), allow), "whole", Usage(5, 5), 1)
    clock[0] += DAY / 2
    assert ledger.today() == "2026-11-23"
    assert ledger.spent("ada").tokens == 0
    ledger.settle(ledger.promise(entry(), allow), "whole", Usage(7, 7), 1)
    clock[0] -= 10 * DAY  # somebody sets the clock back for a new budget
    assert ledger.today() == "2026-11-23"
    assert ledger.spent("ada").tokens == 14
    ledger.close()
    again = Ledger(tmp_path / "data" / "ledger.db", lambda: clock[0])
    assert again.spent("ada").tokens == 14
    again.close()


def test_a_clock_that_is_set_back_is_logged_once(
    ledger: Ledger, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    gateway = Gateway(Upstream({"ANTHROPIC_API_KEY": KEY}), ledger, lambda user: Limits())
    asked = Asked.read(b'{"model": "claude-haiku-4-5", "messages": []}')
    for days, logged in ((0, 0), (1, 0), (-2, 1), (0, 1), (5, 1), (-1, 2)):
        clock[0] += days * DAY
        with gateway.answering(Caller("ada"), asked):
            assert caplog.text.count("the clock was set back; until 2026-11-") == logged
    assert "until 2026-11-26 is over" in caplog.text


def test_nobody_else_reads_it(ledger: Ledger, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "data" / "ledger.db").stat().st_mode) == 0o600


def test_a_server_that_lives_keeps_its_promises_when_another_one_starts(ledger: Ledger, tmp_path: Path) -> None:
    number = ledger.promise(entry(), allow)
    other = Ledger(tmp_path / "data" / "ledger.db", lambda: NOON)
    assert other.lost == 0
    assert other.spent("ada") == ledger.spent("ada") == Spent(0, 0.0, 60, 6000 / DOLLAR)
    ledger.settle(number, "whole", Usage(1, 1), 9)
    other.settle(other.promise(entry(), allow), "whole", Usage(2, 2), 9)
    other.close()
    assert ledger.spent("ada").tokens == 6


KILLED = """
import sys
from pathlib import Path
from claude_magic.gateway.ledger import Entry, Ledger
from claude_magic.messages.usage import Usage
ledger = Ledger(Path(sys.argv[1]))
for number in range(1000000):
    entry = Entry("ada", "k", "m", False, Usage(input_tokens=10), 100, 50, 500)
    row = ledger.promise(entry, lambda spent: None)
    print("promised", row, flush=True)
    if number % 3:
        ledger.note(row, Usage(11, 1), 120)
        print("noted", row, flush=True)
    if number % 2:
        ledger.settle(row, "whole", Usage(11, 7), 170)
        print("settled", row, flush=True)
"""


@pytest.mark.parametrize("after", [50, 173, 500])
def test_a_server_that_is_killed_loses_nothing_and_counts_nothing_twice(tmp_path: Path, after: int) -> None:
    path = tmp_path / "ledger.db"
    command = [sys.executable, "-c", KILLED, str(path)]
    said: dict[int, list[str]] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(after):
            word, row = process.stdout.readline().split()
            said.setdefault(int(row), []).append(word)
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:  # what it said before it knew
            if line.endswith("\n"):
                word, row = line.split()
                said.setdefault(int(row), []).append(word)
    ledger = Ledger(path)
    found = {row[0]: row[1:] for row in ledger._db.execute("SELECT id, state, output_tokens, cost FROM answers")}
    for row, words in said.items():
        state, output, cost = found[row]
        if "settled" in words:
            assert (state, output, cost) == ("whole", 7, 170)
        elif "noted" in words:
            assert (state, output, cost) in [("lost", 1, 120), ("whole", 7, 170)]
        else:
            assert (state, output, cost) in [("lost", 0, 100), ("lost", 1, 120), ("whole", 7, 170)]
    assert 0 <= len(found) - len(said) <= 1
    assert ledger.lost == sum(state == "lost" for state, _, _ in found.values()) > 0
    assert ledger.spent("ada").promised_tokens == 0
    ledger.close()
    again = Ledger(path)
    assert again.lost == 0
    assert again._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again.close()


def fill(ledger: Ledger) -> None:
    """Let the file grow no more, as on a disk that is full."""
    pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_refuses_before_anything_is_sent(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Limits(tokens_per_day=10**9)) as served:
        served.do(lambda gateway: fill(gateway.ledger))
        client = served.client(max_retries=5)
        problem = None
        for _ in range(300):
            try:
                list(client.stream(ask(max_tokens=5)))
            except ServerError as error:
                problem = error
                break
        assert problem is not None
        assert "The ledger of this Jupyter server cannot be written (database or disk is full)" in str(problem)
        assert problem.should_retry is False
        asked = sum(request.path == "/v1/messages" for request in simulator.requests)
        assert asked == len(served.rows())
        served.do(lambda gateway: gateway.ledger._db.execute("PRAGMA max_page_count = 100000").fetchall())
        list(client.stream(ask(max_tokens=5)))


def test_what_cannot_be_written_now_is_written_later(ledger: Ledger, tmp_path: Path) -> None:
    number = ledger.promise(entry(), allow)
    ledger._db.execute("PRAGMA query_only = ON")
    ledger.settle(number, "whole", Usage(3, 4), 5)
    ledger._db.execute("PRAGMA query_only = OFF")
    assert ledger.spent("ada").promised_tokens == 60
    ledger.promise(entry("bob"), allow)
    assert ledger.spent("ada") == Spent(7, 5 / DOLLAR)


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear friend, " * 500)
    with pytest.raises(sqlite3.DatabaseError):
        Ledger(path)
    assert path.read_text() == "Dear friend, " * 500
