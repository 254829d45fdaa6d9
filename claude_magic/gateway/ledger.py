"""What everybody has spent, in SQLite: one row for each answer, from before it is asked for.

A row begins as a promise: the input as it was estimated, and what the output may come to. When the
answer has ended, what the API counted takes its place. A server that is killed leaves promises
behind; the next one to open the ledger alone closes them with what was seen, marked *at least*.

Every change is one transaction, so several servers of one user may share a ledger. Money is counted
in billionths of a dollar, whole ones.
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

from claude_magic.gateway.limits import Spent
from claude_magic.messages.usage import Usage

DOLLAR = 1_000_000_000
_PATIENCE = 5.0
"""Seconds to wait for another server that writes."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY,
    day TEXT NOT NULL,                -- the date in the server's zone
    asked TEXT NOT NULL,              -- ISO 8601, UTC
    user TEXT NOT NULL,
    kernel TEXT NOT NULL,             -- empty if it was asked from elsewhere
    model TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'whole', 'broken', 'lost')),
    at_least INTEGER NOT NULL,        -- whether the API could not count to the end
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_creation_input_tokens INTEGER NOT NULL,
    cache_read_input_tokens INTEGER NOT NULL,
    one_hour_cache_tokens INTEGER NOT NULL,
    web_searches INTEGER NOT NULL,
    cost INTEGER NOT NULL,            -- billionths of a US dollar
    promised_tokens INTEGER NOT NULL, -- what an open answer may still come to
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


class Entry(NamedTuple):
    """An answer that is about to be asked for.

    Attributes
    ----------
    user, kernel, model : str
    simulated : bool
    estimated : Usage
        The input.
    cost : int
        Of the input.
    promised_tokens, promised_cost : int
        What the output may come to.
    """

    user: str
    kernel: str
    model: str
    simulated: bool
    estimated: Usage
    cost: int
    promised_tokens: int
    promised_cost: int


class Line(NamedTuple):
    """What one user had of one model on one day; ``cost`` in billionths of a US dollar."""

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
    """The book of a server.

    Parameters
    ----------
    path : pathlib.Path
        Its folder is made if need be; nobody else may read the file.
    clock : callable
        Seconds since 1970.

    Attributes
    ----------
    lost : int
        Answers that a server which was killed had left open, closed now.

    Raises
    ------
    OSError, sqlite3.Error
        If the file can be neither read nor written.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._owed: list[tuple[int, str, Usage, int]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._latest: str = self._db.execute("SELECT COALESCE(MAX(day), '') FROM answers").fetchone()[0]
        self.lost = 0
        self._presence = sqlite3.connect(path.with_name(path.name + "-servers"), isolation_level=None, timeout=0)
        if self._alone():
            self.lost = self._close_what_was_left_open()
        self._stay()

    def today(self) -> str:
        """The date in the server's zone; never one before the latest in the book, whatever the clock says."""
        self._latest = max(self._latest, self._date())
        return self._latest

    @property
    def clock_is_back(self) -> bool:
        """Whether the clock says a day before the latest in the book."""
        return self._date() < self.today()

    def spent(self, user: str, *, simulated: bool = False) -> Spent:
        """What a user has spent today."""
        row = self._db.execute(
            f"SELECT COALESCE(SUM({_TOKENS}) FILTER (WHERE state != 'open'), 0),"  # noqa: S608  our own words
            " COALESCE(SUM(cost) FILTER (WHERE state != 'open'), 0),"
            f" COALESCE(SUM({_TOKENS} + promised_tokens) FILTER (WHERE state = 'open'), 0),"
            " COALESCE(SUM(cost + promised_cost) FILTER (WHERE state = 'open'), 0)"
            " FROM answers WHERE day = ? AND user = ? AND simulated = ?",
            (self.today(), user, simulated),
        ).fetchone()
        return Spent(row[0], row[1] / DOLLAR, row[2], row[3] / DOLLAR)

    def promise(self, entry: Entry, check: Callable[[Spent], None]) -> int:
        """Enter an answer before it is asked for.

        Parameters
        ----------
        entry : Entry
        check : callable
            Raises if the user has spent too much for it; nothing is entered then.

        Returns
        -------
        int
            The number of the row.
        """
        self._pay_what_is_owed()
        with self._transaction():
            check(self.spent(entry.user, simulated=entry.simulated))
            now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
            values = (
                self.today(),
                f"{now:%Y-%m-%dT%H:%M:%SZ}",
                *entry[:4],
                "open",
                True,
                *(getattr(entry.estimated, name) for name in _COUNTS),
                entry.cost,
                entry.promised_tokens,
                entry.promised_cost,
            )
            marks = ", ".join("?" * len(values))
            number = self._db.execute(f"INSERT INTO answers VALUES (NULL, {marks})", values).lastrowid  # noqa: S608
        assert number is not None  # noqa: S101  an INSERT has one
        return number

    def note(self, number: int, usage: Usage, cost: int) -> None:
        """What the API has counted at the beginning of an answer, in case that its end is never seen."""
        with suppress(sqlite3.Error):  # the end will say it, too
            self._write(number, "open", usage, cost)

    def settle(self, number: int, state: str, usage: Usage, cost: int) -> None:
        """What an answer came to in the end; said again later if it cannot be written now.

        Parameters
        ----------
        number : int
        state : str
            ``whole`` or ``broken``.
        usage : Usage
        cost : int
        """
        try:
            self._write(number, state, usage, cost)
        except sqlite3.Error:
            self._owed.append((number, state, usage, cost))

    def withdraw(self, number: int) -> None:
        """Take an answer out that was never begun."""
        with suppress(sqlite3.Error):  # it stays open, and counts until the next server closes it
            self._db.execute("DELETE FROM answers WHERE id = ?", (number,))

    def lines(self, since: str = "", user: str | None = None) -> list[Line]:
        """Who had what, by day, user and model, the latest day first.

        Parameters
        ----------
        since : str
            The first day, ``YYYY-MM-DD``.
        user : str, optional
            This one alone.
        """
        rows = self._db.execute(
            "SELECT day, user, model, simulated, COUNT(*),"
            " SUM(input_tokens + cache_creation_input_tokens + cache_read_input_tokens), SUM(output_tokens),"
            " SUM(cost), MAX(at_least), SUM(state = 'open')"
            " FROM answers WHERE day >= ? AND (user = ? OR ? IS NULL)"
            " GROUP BY day, user, model, simulated ORDER BY day DESC, user, model",
            (since, user, user),
        )
        return [Line._make((*row[:3], bool(row[3]), *row[4:8], bool(row[8]), row[9])) for row in rows]

    def close(self) -> None:
        """Write what is still to be written, and close the file."""
        with suppress(sqlite3.Error):
            self._pay_what_is_owed()
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

    def _pay_what_is_owed(self) -> None:
        while self._owed:
            self._write(*self._owed[0])
            del self._owed[0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # a full disk has ended it already
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _alone(self) -> bool:
        """Whether no other server that lives has this ledger open; a lock ends with its process, however it ends."""
        try:
            self._presence.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return False
        return True

    def _stay(self) -> None:
        """Be seen by servers that start later, for as long as this one lives."""
        if self._presence.in_transaction:
            self._presence.execute("ROLLBACK")
        self._presence.execute(f"PRAGMA busy_timeout = {int(_PATIENCE * 1000)}")
        self._presence.execute("BEGIN")
        self._presence.execute("SELECT * FROM sqlite_schema").fetchall()  # the lock comes with the first read

    def _close_what_was_left_open(self) -> int:
        return self._db.execute(
            "UPDATE answers SET state = 'lost', promised_tokens = 0, promised_cost = 0 WHERE state = 'open'"
        ).rowcount
