"""What a real Jupyter server and a real JupyterHub have in common: a process, users, kernels and a ledger."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, cast

import httpx2
from jupyter_client.blocking.client import BlockingKernelClient

from claude_magic.messages import limits
from tests.notebook.kernels import PATIENCE, Kernel
from tests.processes import eventually

QUESTION = "%%claude\nWhy is the sky blue?"
WIRE = {"model": limits.resolve("haiku"), "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}


@dataclasses.dataclass
class RealServer:
    """A running server; ``patience`` is in seconds."""

    ledger: ClassVar = "ledger.db"
    """Its file, in the folder."""
    url: str
    folder: Path
    patience: float = PATIENCE
    kernels: dict[str, BlockingKernelClient] = dataclasses.field(default_factory=dict)

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text("utf-8", "replace")

    def request(self, method: str, path: str, token: str, body: object = None) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}".strip(), "anthropic-version": "2023-06-01"}
        return httpx2.request(method, self.url + path, json=body, headers=headers, timeout=self.patience)

    def call(self, method: str, path: str, token: str, body: object = None) -> Any:
        """The JSON of an answer."""
        answer = self.request(method, path, token, body)
        assert answer.is_success, answer.text
        return json.loads(answer.text or "null")

    def rejection(self, method: str, path: str, token: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of an answer that is an error."""
        answer = self.request(method, path, token, body)
        assert answer.is_error, answer.text
        return answer.status_code, answer.json()

    def connect(self, id: str, connection_file: Path) -> Kernel:
        """Talk to a kernel of the server until the server ends."""
        client = BlockingKernelClient(connection_file=str(connection_file))
        client.load_connection_file()
        client.start_channels()
        self.kernels[id] = client
        until_ready(client)
        return Kernel(cast("Any", None), client)

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the ledger."""
        with contextlib.closing(sqlite3.connect(self.folder / self.ledger)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM answers ORDER BY id")]


def until_ready(client: BlockingKernelClient) -> None:
    """Wait until a kernel answers on both channels; its heartbeat, which jupyter_client checks first, may be late."""
    deadline = time.monotonic() + PATIENCE
    asked: set[str] = set()
    while True:
        asked.add(client.kernel_info())
        try:
            # The messages of a kernel that was restarted may arrive after those of its successor.
            while client.get_iopub_msg(timeout=1)["parent_header"].get("msg_id") not in asked:
                pass
        except queue.Empty:
            assert time.monotonic() < deadline, "the kernel does not answer"
        else:
            return


def load(kernel: Kernel) -> str:
    """Load the extension and return what it prints."""
    ran = kernel.run("%load_ext claude_magic")
    assert ran.status == "ok", ran.error
    return ran.printed


def environ_of(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


def command_lines() -> dict[int, bytes]:
    """The command line of every process."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            found[int(file.parent.name)] = file.read_bytes()
    return found


@contextmanager
def started(
    command: list[str],
    environment: dict[str, str],
    folder: Path,
    server: RealServer,
    ready: Callable[[], bool],
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until it is ready, and end it with the kernels that the tests talk to and what it started."""
    with (server.folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )

    def answers() -> bool:
        assert process.poll() is None, f"the server ended:\n{server.log}"
        try:
            return ready()
        except httpx2.HTTPError:
            return False

    try:
        eventually(answers, server.patience)
        yield process
    finally:
        for client in server.kernels.values():
            client.stop_channels()
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(server.patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
