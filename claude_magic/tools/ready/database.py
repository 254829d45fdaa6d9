"""What a database has to do for Claude: tell its columns, and answer one query without being changed."""

from __future__ import annotations

import abc
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple


class QueryRefused(ValueError):
    """A query that is more than one SELECT; the text is for Claude."""


class Column(NamedTuple):
    """A column, with its table as it is written in SQL."""

    table: str
    name: str
    type: str


class Found(NamedTuple):
    """The first rows of a result."""

    names: Sequence[str]
    rows: Sequence[Sequence[object]]


class Database(abc.ABC):
    """A connection of the user's.

    Attributes
    ----------
    dialect : str
        Which SQL it speaks.
    """

    dialect: str

    @abc.abstractmethod
    def columns(self) -> list[Column]:
        """Those of all tables and views, table by table."""

    @abc.abstractmethod
    def query(self, sql: str, most: int, timeout: float) -> Found:
        """Run one SELECT.

        Parameters
        ----------
        sql : str
            Written by a model.
        most : int
            Rows that are read; the database does not have to make more of them.
        timeout : float
            Seconds.

        Raises
        ------
        QueryRefused
            If it is anything else than one SELECT, or would read what is not in the database.
        TimeoutError
            If it took too long.
        """


@contextlib.contextmanager
def time_limit(seconds: float, interrupt: Callable[[], object]) -> Iterator[None]:
    """Have a query interrupted when its time is up.

    Raises
    ------
    TimeoutError
        Instead of what the interrupted query raises.
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
                f"The query was stopped after {seconds:g} s. Ask for less: a WHERE, an aggregate, fewer joined tables."
            ) from error
        raise
    finally:
        timer.cancel()
        timer.join()  # else it might interrupt what comes next


def quoted(name: str) -> str:
    """A name as it is written in SQL."""
    return name if name.isidentifier() and name.islower() else '"' + name.replace('"', '""') + '"'
