"""A real Jupyter server with the gateway, on which two people work."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from jupyter_client.blocking.client import BlockingKernelClient

from tests.notebook.kernels import PATIENCE, Kernel
from tests.processes import eventually, free_port

_CONFIG = """
from jupyter_server.auth import Authorizer
from jupyter_server.auth.identity import IdentityProvider, User

class People(IdentityProvider):
    "Each has a token of their own."
    def get_user(self, handler):
        name = {{"token-of-ada": "ada", "token-of-bob": "bob", "token-of-eve": "eve"}}.get(self.get_token(handler))
        if name is None:
            return None
        handler._token_authenticated = True
        return User(username=name)

class NotEve(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return (user.username, action, resource) != ("eve", "execute", "claude")

c.ServerApp.jpserver_extensions = {{"claude_magic.gateway": True}}
c.ServerApp.identity_provider_class = {people}
c.ServerApp.authorizer_class = NotEve
{more}
"""


@dataclasses.dataclass
class Room:
    """A server that runs."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    kernels: dict[str, BlockingKernelClient] = dataclasses.field(default_factory=dict)

    def call(self, method: str, path: str, token: str = "token-of-ada", body: object = None) -> Any:
        """Ask the server's REST interface."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "anthropic-version": "2023-06-01"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.loads(response.read() or "null")

    def refused(self, method: str, path: str, token: str, body: object = None) -> tuple[int, Any]:
        """Status and body of an answer that is an error."""
        try:
            self.call(method, path, token, body)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())
        raise AssertionError(f"{method} {path} was not refused")

    def start_kernel(self, who: str = "ada") -> tuple[str, Kernel]:
        """A kernel of one of the people, and its id."""
        id = self.call("POST", "/api/kernels", f"token-of-{who}", {"name": "python3"})["id"]
        client = BlockingKernelClient(connection_file=str(self.folder / "runtime" / f"kernel-{id}.json"))
        client.load_connection_file()
        client.start_channels()
        self.kernels[id] = client
        until_ready(client)
        return id, Kernel(cast("Any", None), client)

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text("utf-8", "replace")


def until_ready(client: BlockingKernelClient) -> None:
    """Wait until a kernel answers and is heard; its heart, which jupyter_client asks first, may be late."""
    deadline = time.monotonic() + PATIENCE
    asked: set[str] = set()
    while True:
        asked.add(client.kernel_info())
        try:
            # Of a kernel that was restarted, what the former one said may still come.
            while client.get_iopub_msg(timeout=1)["parent_header"].get("msg_id") not in asked:
                pass
        except queue.Empty:
            assert time.monotonic() < deadline, "the kernel does not answer"
        else:
            return


@contextmanager
def room(folder: Path, environment: dict[str, str], config: str = "", *, people: bool = True) -> Iterator[Room]:
    """Start a server, and end it with its kernels.

    Parameters
    ----------
    folder : pathlib.Path
        For everything that it writes.
    environment : dict
        What it finds beside what is harmless of ours.
    config : str
        Further lines of its configuration.
    people : bool
        Whether each user has a token; else one token holds for all, as by default.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "JUPYTER", "JPY_"))
    }
    private = {"HOME": str(folder), "IPYTHONDIR": str(folder / "ipython"), "JUPYTER_TOKEN": "token-of-ada"}
    for name in ("config", "data", "runtime"):
        (folder / name).mkdir(exist_ok=True)
        private[f"JUPYTER_{name.upper()}_DIR"] = str(folder / name)
    file, port = folder / "config" / "jupyter_server_config.py", free_port()
    file.write_text(_CONFIG.format(people="People" if people else "IdentityProvider", more=config))
    (folder / "work").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder / 'work'}"]
    command += ["--ServerApp.base_url=/room/", "--debug"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**inherited, **private, **environment},
            cwd=folder / "work",
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Room(f"http://127.0.0.1:{port}/room", folder, process)
    try:
        eventually(lambda: _answers(running))
        yield running
    finally:
        for client in running.kernels.values():
            client.stop_channels()
        if process.poll() is None:
            for kernel in running.call("GET", "/api/kernels"):
                running.call("DELETE", f"/api/kernels/{kernel['id']}")
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(running: Room) -> bool:
    assert running.process.poll() is None, f"the server ended:\n{running.log}"
    try:
        running.call("GET", "/api/status")
    except OSError:
        return False
    return True
