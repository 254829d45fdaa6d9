"""A real JupyterHub, configured as its README says, with two users and their servers."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx2
from jupyter_client.blocking.client import BlockingKernelClient

from tests.gateway.room import until_ready
from tests.judges import require_judge
from tests.notebook.kernels import Kernel
from tests.processes import eventually, free_port

PATIENCE = 120.0
"""Seconds: a Hub, its proxy and a server of each user start one after another."""
TESTER = "token-of-the-tester-0123456789abcdef"
README = Path(__file__).parents[2] / "claude_magic" / "gateway" / "README.md"
_AROUND = """
c.JupyterHub.services[0]["command"] += [{options}]
c.JupyterHub.services[0]["environment"] = {environment}
c.JupyterHub.services.append({{"name": "tester", "api_token": {tester!r}}})
rights = ["admin:users", "admin:servers", "access:servers", "tokens"]
c.JupyterHub.load_roles.append({{"name": "tester", "services": ["tester"], "scopes": rights}})
c.JupyterHub.bind_url = "http://127.0.0.1:{public}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{private}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.ConfigurableHTTPProxy.command = [{program!r}]
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "a-password-for-everybody"
c.Authenticator.allowed_users = {{"ada", "bob"}}
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {home!r}
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root"]
c.Spawner.start_timeout = c.Spawner.http_timeout = {patience}
"""


@dataclasses.dataclass
class Hub:
    """A Hub that runs."""

    url: str
    api: str
    folder: Path
    kernels: list[BlockingKernelClient] = dataclasses.field(default_factory=list)

    @property
    def claude(self) -> str:
        """The address of the gateway."""
        return f"{self.url}/services/claude"

    @property
    def log(self) -> str:
        return (self.folder / "hub.log").read_text("utf-8", "replace")

    def call(self, method: str, path: str, body: object = None, token: str = TESTER) -> Any:
        """Ask the Hub, or the server of a user."""
        headers = {"Authorization": f"Bearer {token}", "anthropic-version": "2023-06-01"}
        answer = httpx2.request(method, self.url + path, json=body, headers=headers, timeout=PATIENCE)
        assert answer.is_success, answer.text
        return json.loads(answer.text or "null")

    def token(self, who: str, **more: Any) -> dict[str, Any]:
        """A new token of a user, as they make one on the Hub's page."""
        made: dict[str, Any] = self.call("POST", f"/hub/api/users/{who}/tokens", more)
        return made

    def start_server(self, who: str) -> None:
        """Start the server of a user."""
        self.call("POST", f"/hub/api/users/{who}/server")
        eventually(lambda: self.call("GET", f"/hub/api/users/{who}")["servers"][""]["ready"], PATIENCE)

    def start_kernel(self, who: str) -> tuple[str, Kernel]:
        """A kernel on the server of a user, and its id."""
        id = self.call("POST", f"/user/{who}/api/kernels", {"name": "python3"})["id"]
        [file] = (self.folder / "home" / who).rglob(f"kernel-{id}.json")
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        client.start_channels()
        self.kernels.append(client)
        until_ready(client)
        return id, Kernel(cast("Any", None), client)

    def rows(self) -> list[dict[str, Any]]:
        """The ledger."""
        connection = sqlite3.connect(self.folder / "ledger.db")
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute("SELECT * FROM answers ORDER BY id")]
        connection.close()
        return found


def promised() -> str:
    """The configuration that the README shows."""
    found = re.search(r"<!-- hub -->\n```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@contextmanager
def hub(folder: Path, api: str, key: str, *options: str) -> Iterator[Hub]:
    """Start a Hub with the servers of ada and bob, and end all of it.

    Parameters
    ----------
    folder : pathlib.Path
        For everything that it writes.
    api : str
        Whom the gateway asks.
    key : str
    *options : str
        More of the gateway's.
    """
    program = require_judge("configurable-http-proxy")
    public, private, proxy, service = (free_port() for _ in range(4))
    text = promised().replace("127.0.0.1:8000", f"127.0.0.1:{public}").replace("127.0.0.1:8790", f"127.0.0.1:{service}")
    (folder / "claude.key").write_text(key)
    text = text.replace("/etc/jupyterhub/claude.key", str(folder / "claude.key"))
    text += _AROUND.format(
        options=", ".join(map(repr, (*options, f"--ledger={folder / 'ledger.db'}"))),
        environment={"ANTHROPIC_BASE_URL": api, "HOME": str(folder)},
        tester=TESTER,
        public=public,
        private=private,
        proxy=proxy,
        program=program,
        home=str(folder / "home" / "{username}"),
        patience=PATIENCE,
    )
    (folder / "jupyterhub_config.py").write_text(text)
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "JUPYTER", "JPY_"))
    }
    running = Hub(f"http://127.0.0.1:{public}", f"http://127.0.0.1:{private}/hub/api", folder)
    with (folder / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "--debug"],
            env={**inherited, "HOME": str(folder)},
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        eventually(lambda: _answers(running, process), PATIENCE)
        for who in ("ada", "bob"):
            running.start_server(who)
        yield running
    finally:
        for client in running.kernels:
            client.stop_channels()
        if process.poll() is None:
            process.terminate()  # it ends its proxy, its services and the servers of its users
        try:
            process.wait(PATIENCE)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _answers(running: Hub, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"the Hub ended:\n{running.log}"
    try:
        return httpx2.get(f"{running.claude}/usage", timeout=PATIENCE).status_code == 302
    except httpx2.HTTPError:
        return False
