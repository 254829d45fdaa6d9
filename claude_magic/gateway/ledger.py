"""What each user has spent, in SQLite: one row per answer, entered before the request is sent.

A row begins as a reservation: the estimated input and the most that the output may cost. When the
answer has ended, the usage that the API reported replaces it. A server that is killed leaves open
rows behind; the next server that has the ledger to itself closes them with what was received so far,
marked *at least*.

Every change is one transaction, so several servers of one user may share a ledger. Money is stored
as an integer, in billionths of a dollar.
"""

from __future__ import annotations

import datetime
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from claude_magic.gateway.quotas import DailyUsage
from claude_magic.messages.usage import Usage

DOLLAR = 1_000_000_000
_BUSY_TIMEOUT = 5.0
"""Seconds to wait while another server writes."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY,
    day TEXT NOT NULL,                -- the date in the server's zone
    asked TEXT NOT NULL,              -- ISO 8601, UTC
    user TEXT NOT NULL,
    kernel TEXT NOT NULL,             -- empty if the request came from elsewhere
    model TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'whole', 'broken', 'lost')),
    at_least INTEGER NOT NULL,        -- whether the counts are a lower bound
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_creation_input_tokens INTEGER NOT NULL,
    cache_read_input_tokens INTEGER NOT NULL,
    one_hour_cache_tokens INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    cost INTEGER NOT NULL,            -- billionths of a US dollar
    promised_tokens INTEGER NOT NULL, -- reserved for an open answer's output
    promised_cost INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_of_a_day ON answers (day, user);
"""
_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "one_hour_cache_tokens",
    "web_searches",
)
_TOKENS = "input_tokens + cache_creation_input_tokens + cache_read_input_tokens + output_tokens"


class Reservation(NamedTuple):
    """An answer about to be requested: the estimated input, its cost, and the most that the output may come to."""

    user: str
    kernel: str
    model: str
    simulated: bool
    estimated: Usage
    cost: int
    reserved_tokens: int
    reserved_cost: int


class UsageRow(NamedTuple):
    """The usage of one model by one user on one day; ``cost`` in billionths of a US dollar."""

    day: str
    user: str
    model: str
    simulated: bool
    answers: int
    input_tokens: int
    output_tokens: int
    cost: int
    at_least: bool
    open: int


class Ledger:
    """The spending of a server's users.

    Parameters
    ----------
    path : pathlib.Path
        The file, readable by its owner only; missing folders are created.
    clock : callable
        Seconds since 1970.

    Attributes
    ----------
    lost : int
        How many open answers of a killed server were closed now.

    Raises
    ------
    OSError, sqlite3.Error
        If the file cannot be read or written.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._pending: list[tuple[int, str, Usage, int]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_TIMEOUT)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._latest: str = self._db.execute("SELECT COALESCE(MAX(day), '') FROM answers").fetchone()[0]
        self.lost = 0
        self._presence = sqlite3.connect(path.with_name(path.name + "-servers"), isolation_level=None, timeout=0)
        if self._is_alone():
            self.lost = self._close_open_rows()
        self._hold_presence()

    def today(self) -> str:
        """Return the date in the server's zone, but never one before the latest in the ledger."""
        self._latest = max(self._latest, self._date())
        return self._latest

    @property
    def clock_is_back(self) -> bool:
        """Whether the clock shows a day before the latest in the ledger."""
        return self._date() < self.today()

    def used_today(self, user: str, *, simulated: bool = False) -> DailyUsage:
        """Return what a user has spent and reserved today."""
        row = self._db.execute(
            f"SELECT COALESCE(SUM({_TOKENS}) FILTER (WHERE state != 'open'), 0),"  # noqa: S608  only constants
            " COALESCE(SUM(cost) FILTER (WHERE state != 'open'), 0),"
            f" COALESCE(SUM({_TOKENS} + promised_tokens) FILTER (WHERE state = 'open'), 0),"
            " COALESCE(SUM(cost + promised_cost) FILTER (WHERE state = 'open'), 0)"
            " FROM answers WHERE day = ? AND user = ? AND simulated = ?",
            (self.today(), user, simulated),
        ).fetchone()
        return DailyUsage(row[0], row[1] / DOLLAR, row[2], row[3] / DOLLAR)

    def reserve(self, reservation: Reservation, check: Callable[[DailyUsage], None]) -> int:
        """Enter an answer before it is requested.

        Parameters
        ----------
        reservation : Reservation
        check : callable
            Raises if the user has spent too much; nothing is entered then.

        Returns
        -------
        int
            The number of the row.
        """
        self._write_pending()
        with self._transaction():
            check(self.used_today(reservation.user, simulated=reservation.simulated))
            now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
            values = (
                self.today(),
                f"{now:%Y-%m-%dT%H:%M:%SZ}",
                *reservation[:4],
                "open",
                True,
                *(getattr(reservation.estimated, name) for name in _COUNTS),
                reservation.cost,
                reservation.reserved_tokens,
                reservation.reserved_cost,
            )
            marks = ", ".join("?" * len(values))
            number = self._db.execute(f"INSERT INTO answers VALUES (NULL, {marks})", values).lastrowid  # noqa: S608
        assert number is not None  # noqa: S101  set after every INSERT
        return number

    def update(self, number: int, usage: Usage, cost: int) -> None:
        """Enter the usage reported at the beginning of an answer, in case its end is never received."""
        with suppress(sqlite3.Error):  # settle() will write it again
            self._write(number, "open", usage, cost)

    def settle(self, number: int, state: str, usage: Usage, cost: int) -> None:
        """Enter the final usage of an answer, ``whole`` or ``broken``; what cannot be written now is written later."""
        try:
            self._write(number, state, usage, cost)
        except sqlite3.Error:
            self._pending.append((number, state, usage, cost))

    def release(self, number: int) -> None:
        """Remove the row of an answer that never began."""
        with suppress(sqlite3.Error):  # the row stays open, and counts until the next server closes it
            self._db.execute("DELETE FROM answers WHERE id = ?", (number,))

    def usage(self, since: str = "", user: str | None = None) -> list[UsageRow]:
        """Return the usage by day, user and model, the latest day first.

        Parameters
        ----------
        since : str
            The first day, ``YYYY-MM-DD``.
        user : str, optional
            Only this user's.
        """
        rows = self._db.execute(
            "SELECT day, user, model, simulated, COUNT(*),"
            " SUM(input_tokens + cache_creation_input_tokens + cache_read_input_tokens), SUM(output_tokens),"
            " SUM(cost), MAX(at_least), SUM(state = 'open')"
            " FROM answers WHERE day >= ? AND (user = ? OR ? IS NULL)"
            " GROUP BY day, user, model, simulated ORDER BY day DESC, user, model",
            (since, user, user),
        )
        return [UsageRow._make((*row[:3], bool(row[3]), *row[4:8], bool(row[8]), row[9])) for row in rows]

    def close(self) -> None:
        """Write pending rows, and close the file."""
        with suppress(sqlite3.Error):
            self._write_pending()
        self._db.close()
        self._presence.close()

    def _date(self) -> str:
        return datetime.date.fromtimestamp(self._clock()).isoformat()

    def _write(self, number: int, state: str, usage: Usage, cost: int) -> None:
        counts = ", ".join(f"{name} = ?" for name in _COUNTS)
        still_open = state == "open"
        self._db.execute(
            f"UPDATE answers SET state = ?, at_least = ?, cost = ?, {counts},"  # noqa: S608
            " promised_tokens = promised_tokens * ?, promised_cost = promised_cost * ? WHERE id = ?",
            (
                state,
                still_open or usage.at_least,
                cost,
                *(getattr(usage, name) for name in _COUNTS),
                still_open,
                still_open,
                number,
            ),
        )

    def _write_pending(self) -> None:
        while self._pending:
            self._write(*self._pending[0])
            del self._pending[0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # SQLite has already rolled back if the disk is full
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _is_alone(self) -> bool:
        """Whether no other running server has the ledger open. Locks end with their process, even if it is killed."""
        try:
            self._presence.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return False
        return True

    def _hold_presence(self) -> None:
        """Take a shared lock, so that servers that start later see this one."""
        if self._presence.in_transaction:
            self._presence.execute("ROLLBACK")
        self._presence.execute(f"PRAGMA busy_timeout = {int(_BUSY_TIMEOUT * 1000)}")
        self._presence.execute("BEGIN")
        self._presence.execute("SELECT * FROM sqlite_schema").fetchall()  # the first read takes the lock

    def _close_open_rows(self) -> int:
        return self._db.execute(
            "UPDATE answers SET state = 'lost', promised_tokens = 0, promised_cost = 0 WHERE state = 'open'"
        ).rowcount
