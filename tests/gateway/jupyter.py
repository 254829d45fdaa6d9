"""A real Jupyter server with the gateway and three users."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.gateway.real_server import RealServer, started
from tests.notebook.kernels import Kernel, harmless_environment
from tests.processes import free_port

ADA, BOB, EVE = "token-of-ada", "token-of-bob", "token-of-eve"
_CONFIG = """
from jupyter_server.auth import Authorizer
from jupyter_server.auth.identity import IdentityProvider, User

class People(IdentityProvider):
    "Each user has a token."
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
class JupyterServer(RealServer):
    """A running server; ada asks where nobody else is named."""

    ledger = "data/claude_magic/ledger.db"
    process: subprocess.Popen[bytes] = dataclasses.field(init=False)

    def call(self, method: str, path: str, token: str = ADA, body: object = None) -> Any:
        return super().call(method, path, token, body)

    def start_kernel(self, token: str = ADA) -> tuple[str, Kernel]:
        """A kernel of a user, and its id."""
        id = self.call("POST", "/api/kernels", token, {"name": "python3"})["id"]
        return id, self.connect(id, self.folder / "runtime" / f"kernel-{id}.json")


@contextmanager
def jupyter_server(
    folder: Path, environment: dict[str, str], config: str = "", *, people: bool = True
) -> Iterator[JupyterServer]:
    """Start a server, and end it with its kernels.

    Parameters
    ----------
    folder : pathlib.Path
        For everything that it writes.
    environment : dict
        More variables of its environment.
    config : str
        More lines of its configuration.
    people : bool
        Whether each user has a token; otherwise one token is for everybody, as by default.
    """
    private = {"HOME": str(folder), "IPYTHONDIR": str(folder / "ipython"), "JUPYTER_TOKEN": ADA}
    for name in ("config", "data", "runtime"):
        (folder / name).mkdir(exist_ok=True)
        private[f"JUPYTER_{name.upper()}_DIR"] = str(folder / name)
    file, port, work = folder / "config" / "jupyter_server_config.py", free_port(), folder / "work"
    work.mkdir(exist_ok=True)
    file.write_text(_CONFIG.format(people="People" if people else "IdentityProvider", more=config))
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={work}"]
    command += ["--ServerApp.base_url=/base/", "--debug"]
    running = JupyterServer(f"http://127.0.0.1:{port}/base", folder)
    variables = {**harmless_environment(), **private, **environment}

    def ready() -> bool:
        return running.request("GET", "/api/status", ADA).is_success

    with started(command, variables, work, running, ready) as running.process:
        try:
            yield running
        finally:
            if running.process.poll() is None:
                for kernel in running.call("GET", "/api/kernels"):
                    running.call("DELETE", f"/api/kernels/{kernel['id']}")
