"""A real JupyterHub, configured as the gateway's README says, with two users and their servers."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.gateway.real_server import RealServer, started
from tests.judges import require_judge
from tests.notebook.kernels import Kernel, harmless_environment
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
class Hub(RealServer):
    """A running Hub; a service that may do everything asks where nobody else is named."""

    api: str = ""

    @property
    def claude(self) -> str:
        """The address of the gateway."""
        return f"{self.url}/services/claude"

    def call(self, method: str, path: str, token: str = TESTER, body: object = None) -> Any:
        return super().call(method, path, token, body)

    def token(self, who: str, **more: Any) -> dict[str, Any]:
        """A new token of a user, as they make one on the Hub's page."""
        made: dict[str, Any] = self.call("POST", f"/hub/api/users/{who}/tokens", body=more)
        return made

    def start_server(self, who: str) -> None:
        """Start the server of a user."""
        self.call("POST", f"/hub/api/users/{who}/server")
        eventually(lambda: self.call("GET", f"/hub/api/users/{who}")["servers"][""]["ready"], PATIENCE)

    def start_kernel(self, who: str) -> tuple[str, Kernel]:
        """A kernel on the server of a user, and its id."""
        id = self.call("POST", f"/user/{who}/api/kernels", body={"name": "python3"})["id"]
        [file] = (self.folder / "home" / who).rglob(f"kernel-{id}.json")
        return id, self.connect(id, file)


def documented_configuration() -> str:
    """The configuration in the README."""
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
        The address of the API.
    key : str
    *options : str
        More options of the gateway.
    """
    program = require_judge("configurable-http-proxy")
    public, private, proxy, service = (free_port() for _ in range(4))
    text = (
        documented_configuration()
        .replace("127.0.0.1:8000", f"127.0.0.1:{public}")
        .replace("127.0.0.1:8790", f"127.0.0.1:{service}")
    )
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
    running = Hub(f"http://127.0.0.1:{public}", folder, PATIENCE, api=f"http://127.0.0.1:{private}/hub/api")
    command = [sys.executable, "-m", "jupyterhub", "--debug"]

    def ready() -> bool:
        return httpx2.get(f"{running.claude}/usage", timeout=PATIENCE).status_code == 302

    with started(command, {**harmless_environment(), "HOME": str(folder)}, folder, running, ready):
        for who in ("ada", "bob"):
            running.start_server(who)
        yield running
