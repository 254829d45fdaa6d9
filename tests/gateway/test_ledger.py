"""The ledger loses nothing and counts nothing twice."""

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

from claude_magic.gateway.auth import Caller
from claude_magic.gateway.ledger import DOLLAR, Ledger, Reservation
from claude_magic.gateway.parsed_request import ParsedRequest
from claude_magic.gateway.quotas import DailyUsage, Quota
from claude_magic.gateway.rejection import Rejection
from claude_magic.gateway.relay import Gateway
from claude_magic.gateway.upstream import Upstream
from claude_magic.messages.errors import ServerError
from claude_magic.messages.usage import Usage
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.gateway.serving import serving
from tests.messages.servers import ask

NOON = datetime.datetime(2026, 11, 22, 12).timestamp()
DAY = 86400.0


def reservation(user: str = "ada", **changes: Any) -> Reservation:
    of = Reservation(user, "k", "claude-haiku-4-5", False, Usage(input_tokens=10), 1000, 50, 5000)
    return of._replace(**changes)


def allow(today: DailyUsage) -> None:
    """Accept whatever was spent."""


@pytest.fixture
def clock() -> list[float]:
    return [NOON]


@pytest.fixture
def ledger(tmp_path: Path, clock: list[float]) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "data" / "ledger.db", lambda: clock[0])
    yield opened
    opened.close()


def test_a_reservation_counts_until_it_is_settled(ledger: Ledger) -> None:
    number = ledger.reserve(reservation(), allow)
    assert ledger.used_today("ada") == DailyUsage(0, 0.0, 60, 6000 / DOLLAR)
    ledger.update(number, Usage(12, 1), 1300)
    assert ledger.used_today("ada") == DailyUsage(0, 0.0, 63, 6300 / DOLLAR)
    ledger.settle(number, "whole", Usage(12, 7, 100, 1000), 2000)
    assert ledger.used_today("ada") == DailyUsage(12 + 7 + 100 + 1000, 2000 / DOLLAR, 0, 0.0)
    assert ledger.used_today("bob") == DailyUsage()
    (row,) = ledger.usage()
    assert row == ("2026-11-22", "ada", "claude-haiku-4-5", False, 1, 1112, 7, 2000, False, 0)


def test_what_was_rejected_or_never_begun_leaves_nothing(ledger: Ledger) -> None:
    def reject(spent: DailyUsage) -> None:
        raise Rejection(429, "no")

    with pytest.raises(Rejection):
        ledger.reserve(reservation(), reject)
    ledger.release(ledger.reserve(reservation(), allow))
    assert ledger.usage() == []
    assert ledger.reserve(reservation(), allow)


def test_practice_does_not_spend_the_real_budget(ledger: Ledger) -> None:
    ledger.settle(ledger.reserve(reservation(simulated=True), allow), "whole", Usage(1, 1), 5)
    assert ledger.used_today("ada") == DailyUsage()
    assert ledger.used_today("ada", simulated=True).tokens == 2


def test_usage_by_day_user_and_model(ledger: Ledger, clock: list[float]) -> None:
    for user, model in (("ada", "a"), ("ada", "a"), ("bob", "a"), ("ada", "b")):
        ledger.settle(ledger.reserve(reservation(user, model=model), allow), "whole", Usage(1, 2), 3)
    clock[0] += DAY
    ledger.reserve(reservation(), allow)
    assert [(line.day[-2:], line.user, line.model, line.answers, line.cost) for line in ledger.usage()] == [
        ("23", "ada", "claude-haiku-4-5", 1, 1000),
        ("22", "ada", "a", 2, 6),
        ("22", "ada", "b", 1, 3),
        ("22", "bob", "a", 1, 3),
    ]
    assert [line.user for line in ledger.usage(user="bob")] == ["bob"]
    assert [(line.day, line.open, line.at_least) for line in ledger.usage(since="2026-11-23")] == [
        ("2026-11-23", 1, True)
    ]


def test_a_day_ends_at_midnight_and_never_comes_back(ledger: Ledger, clock: list[float], tmp_path: Path) -> None:
    ledger.settle(ledger.reserve(reservation(), allow), "whole", Usage(5, 5), 1)
    clock[0] += DAY / 2
    assert ledger.today() == "2026-11-23"
    assert ledger.used_today("ada").tokens == 0
    ledger.settle(ledger.reserve(reservation(), allow), "whole", Usage(7, 7), 1)
    clock[0] -= 10 * DAY  # somebody sets the clock back for a new budget
    assert ledger.today() == "2026-11-23"
    assert ledger.used_today("ada").tokens == 14
    ledger.close()
    again = Ledger(tmp_path / "data" / "ledger.db", lambda: clock[0])
    assert again.used_today("ada").tokens == 14
    again.close()


def test_a_clock_that_is_set_back_is_logged_once(
    ledger: Ledger, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    gateway = Gateway(Upstream({"ANTHROPIC_API_KEY": KEY}), ledger, lambda user: Quota())
    request = ParsedRequest.parse(b'{"model": "claude-haiku-4-5", "messages": []}')
    for days, logged in ((0, 0), (1, 0), (-2, 1), (0, 1), (5, 1), (-1, 2)):
        clock[0] += days * DAY
        with gateway.metered(Caller("ada"), request):
            assert caplog.text.count("the clock was set back") == logged
    assert "until 2026-11-26 is over" in caplog.text


def test_nobody_else_can_read_it(ledger: Ledger, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "data" / "ledger.db").stat().st_mode) == 0o600


def test_a_running_server_keeps_its_reservations_when_another_one_starts(ledger: Ledger, tmp_path: Path) -> None:
    number = ledger.reserve(reservation(), allow)
    other = Ledger(tmp_path / "data" / "ledger.db", lambda: NOON)
    assert other.lost == 0
    assert other.used_today("ada") == ledger.used_today("ada") == DailyUsage(0, 0.0, 60, 6000 / DOLLAR)
    ledger.settle(number, "whole", Usage(1, 1), 9)
    other.settle(other.reserve(reservation(), allow), "whole", Usage(2, 2), 9)
    other.close()
    assert ledger.used_today("ada").tokens == 6


KILLED = """
import sys
from pathlib import Path
from claude_magic.gateway.ledger import Ledger, Reservation
from claude_magic.messages.usage import Usage
ledger = Ledger(Path(sys.argv[1]))
for number in range(1000000):
    reservation = Reservation("ada", "k", "m", False, Usage(input_tokens=10), 100, 50, 500)
    row = ledger.reserve(reservation, lambda today: None)
    print("reserved", row, flush=True)
    if number % 3:
        ledger.update(row, Usage(11, 1), 120)
        print("updated", row, flush=True)
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
        for line in process.stdout:  # what it printed before it was killed
            if line.endswith("\n"):
                word, row = line.split()
                said.setdefault(int(row), []).append(word)
    ledger = Ledger(path)
    found = {row[0]: row[1:] for row in ledger._db.execute("SELECT id, state, output_tokens, cost FROM answers")}
    for number, words in said.items():
        state, output, cost = found[number]
        if "settled" in words:
            assert (state, output, cost) == ("whole", 7, 170)
        elif "updated" in words:
            assert (state, output, cost) in [("lost", 1, 120), ("whole", 7, 170)]
        else:
            assert (state, output, cost) in [("lost", 0, 100), ("lost", 1, 120), ("whole", 7, 170)]
    assert 0 <= len(found) - len(said) <= 1
    assert ledger.lost == sum(state == "lost" for state, _, _ in found.values()) > 0
    assert ledger.used_today("ada").reserved_tokens == 0
    ledger.close()
    again = Ledger(path)
    assert again.lost == 0
    assert again._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again.close()


def fill(ledger: Ledger) -> None:
    """Keep the file from growing, as if the disk were full."""
    pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_refuses_before_anything_is_sent(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Quota(tokens_per_day=10**9)) as served:
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
    number = ledger.reserve(reservation(), allow)
    ledger._db.execute("PRAGMA query_only = ON")
    ledger.settle(number, "whole", Usage(3, 4), 5)
    ledger._db.execute("PRAGMA query_only = OFF")
    assert ledger.used_today("ada").reserved_tokens == 60
    ledger.reserve(reservation("bob"), allow)
    assert ledger.used_today("ada") == DailyUsage(7, 5 / DOLLAR)


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear friend, " * 500)
    with pytest.raises(sqlite3.DatabaseError):
        Ledger(path)
    assert path.read_text() == "Dear friend, " * 500
