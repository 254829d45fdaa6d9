"""The interface to a database: list its columns, and answer one query without being modified."""

from __future__ import annotations

import abc
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple


class QueryRefused(ValueError):
    """A query that is not exactly one SELECT; the message is for Claude."""


class Column(NamedTuple):
    """A column; the names are quoted as SQL requires."""

    table: str
    name: str
    type: str


class QueryResult(NamedTuple):
    """The first rows of a result."""

    names: Sequence[str]
    rows: Sequence[Sequence[object]]


class Database(abc.ABC):
    """A database to which the user is connected; ``dialect`` names its kind of SQL."""

    dialect: str

    @abc.abstractmethod
    def columns(self) -> list[Column]:
        """List the columns of all tables and views, table by table."""

    @abc.abstractmethod
    def query(self, sql: str, limit: int, timeout: float) -> QueryResult:
        """Run one SELECT.

        Parameters
        ----------
        sql : str
            Written by a model.
        limit : int
            Most rows to fetch; the database need not compute any more.
        timeout : float
            Seconds.

        Raises
        ------
        QueryRefused
            If it is anything but one SELECT, or would read from outside the database.
        TimeoutError
            If it took too long. A server may raise an error of its own instead.
        """


@contextlib.contextmanager
def time_limit(seconds: float, interrupt: Callable[[], object]) -> Iterator[None]:
    """Interrupt a query at its timeout.

    Raises
    ------
    TimeoutError
        In place of the error that the interrupted query raises.
    """
    late = threading.Event()

    def stop() -> None:
        late.set()
        interrupt()

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if late.is_set():
            raise TimeoutError(
                f"The query was stopped after {seconds:g} s. Ask for less: use WHERE, aggregate, or join fewer tables."
            ) from error
        raise
    finally:
        timer.cancel()
        timer.join()  # or it might interrupt the next query


def quoted(name: str) -> str:
    """A name, in double quotes if SQL requires them."""
    return name if name.isidentifier() and name.islower() else '"' + name.replace('"', '""') + '"'
