"""Processes beside the tests: programs for a new interpreter, and servers with a port, awaited until they are ready."""

from __future__ import annotations

import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 30.0
"""Seconds to wait for something that should happen."""


def eventually(condition: Callable[[], object], timeout: float = PATIENCE) -> None:
    """Poll a condition until it holds; for state that cannot notify anyone when it changes."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"still false after {timeout:.0f} s"
        time.sleep(0.05)


def free_port() -> int:
    """A free port for a program that has to be told one.

    It is random, and below the ports that the system hands out by itself (from 32768 on Linux), so
    that neither another worker nor an outgoing connection takes it before the program does.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def run_python(program: str, env: Mapping[str, str] | None = None) -> str:
    """Everything that a program prints in a new interpreter, also to standard error."""
    run = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        cwd=Path(__file__).parents[1], timeout=2 * PATIENCE, env=env,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    return run.stdout


@contextmanager
def running(command: list[str], ready: str, output: Path) -> Iterator[str]:
    """Run a server until the end of the block.

    Parameters
    ----------
    command : list of str
    ready : str
        A regular expression for the line that it prints when it listens; its group is the address, which is returned.
    output : pathlib.Path
        The file for everything that it prints.
    """
    with output.open("wb") as written:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT)

    def address() -> re.Match[str] | None:
        printed = output.read_text("utf-8", "replace")
        assert process.poll() is None, printed
        return re.search(ready, printed)

    try:
        eventually(address, 60)
        found = address()
        assert found is not None
        yield found[1]
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
