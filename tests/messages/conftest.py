"""A key in the environment, clients that are closed, a shell."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from claude_magic.messages.client import Client
from claude_magic.messages.retry import Retries
from tests.conftest import KEY

Connect = Callable[..., Client]


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return KEY


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients, and closes them at the end."""
    clients: list[Client] = []

    def make(*arguments: Any, **options: Any) -> Client:
        clients.append(Client(*arguments, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each wait, which then does not take place."""
    seconds: list[float] = []

    def sleep(retries: Retries, length: float) -> None:
        seconds.append(length)

    monkeypatch.setattr(Retries, "_sleep", sleep)
    return seconds


class Shell(InteractiveShell):
    """Keeps what it shows of an error."""

    shown: tuple[str, ...] = ()

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        self.shown = tuple("\n".join(stb).splitlines())

    def run(self, code: str) -> tuple[str, ...]:
        """What is shown of the error that some code ends in."""
        self.shown = ()
        self.run_cell(code)
        return self.shown


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """An IPython of this test's own."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    shell = Shell()
    shell.history_manager.enabled = False
    yield shell
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()
