"""The gateway of the Jupyter server, beside the same question asked directly.

Server, simulator and asker are processes of their own, on one machine. The simulator writes as fast
as it can, which no model does: what is measured is the gateway's work, not the wait for Claude. The
floor is claude_magic's own client without the gateway.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.cases import FLOOR, OURS, TIME, Case, Measure, Scene, Turn, Way
from tests.processes import free_port

_TOKEN = "benchmark"  # noqa: S105  of a server on this machine, for as long as it is measured
_PATIENCE = 60.0

# Both end when the process that measures does, however it ends: that closes their standard input.
_SIMULATOR = """
import sys
from claude_magic.simulator import start
print(start().url, flush=True)
sys.stdin.read()
"""
_SERVER = """
import os, sys, threading
from jupyter_server.serverapp import ServerApp
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
ServerApp.launch_instance(argv=sys.argv[1:])
"""


class Question:
    """What is asked, and where reading ends.

    Parameters
    ----------
    plan : str
        For the simulator.
    size : int
        Bytes of the question beside the plan.
    whole : bool
        Whether the answer is read to its end, or to its first text.
    """

    def __init__(self, plan: str, size: int = 0, *, whole: bool = True) -> None:
        self._words = f"simulate: {plan}\n" + "x" * size
        self._whole = whole

    def asked(self, url: str) -> Turn:
        """Asks once more whenever it is called, on a connection that is kept."""
        from claude_magic.messages.client import Client
        from claude_magic.messages.credentials import Credentials
        from claude_magic.messages.exchange import RequestBody

        client = Client(url, Credentials({"ANTHROPIC_AUTH_TOKEN": _TOKEN}), max_retries=0)
        message = {"role": "user", "content": self._words}
        wire = {"model": "claude-haiku-4-5", "max_tokens": 1000, "stream": True, "messages": [message]}
        body = RequestBody([json.dumps(wire).encode()])

        def ask() -> Mapping[str, float]:
            begun = time.perf_counter()
            stream = client.stream(body)
            changes = iter(stream)
            for _ in changes:
                if stream.reply.text and not self._whole:
                    break
            seconds = time.perf_counter() - begun
            changes.close()  # type: ignore[attr-defined]
            assert stream.reply.text
            return {TIME: 1e3 * seconds}

        return ask


def make(scene: Scene) -> None:
    """Nothing is needed beforehand."""


def directly(question: Callable[[Scene], Question]) -> Way:
    """To the simulator."""

    def ready(scene: Scene) -> Turn:
        return question(scene).asked(_simulator(scene))

    return ready


def through_the_gateway(question: Callable[[Scene], Question]) -> Way:
    """To a Jupyter server, which asks the simulator."""

    def ready(scene: Scene) -> Turn:
        return question(scene).asked(_server(_simulator(scene), scene))

    return ready


def _simulator(scene: Scene) -> str:
    process = _start(scene, [_SIMULATOR], stdout=subprocess.PIPE)
    assert process.stdout is not None
    return str(process.stdout.readline().decode().strip())


def _server(upstream: str, scene: Scene) -> str:
    import jupyter_server  # noqa: F401  says if it is missing

    folder, port = scene.folder, free_port()
    homes = {
        name: str(folder / "jupyter") for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    key = {"ANTHROPIC_API_KEY": "any-key", "ANTHROPIC_BASE_URL": upstream, "JUPYTER_TOKEN": _TOKEN}
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    options += [f"--ServerApp.root_dir={folder}", "--ServerApp.jpserver_extensions=claude_magic.gateway=True"]
    process = _start(scene, [_SERVER, *options], stdout=subprocess.DEVNULL, env={**os.environ, **homes, **key})
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return f"http://127.0.0.1:{port}/claude"


def _start(scene: Scene, program: list[str], **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", *program]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[1], **options
    )
    scene.keep.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def _case(name: str, question: Callable[[Scene], Question]) -> Case:
    return Case(name, {FLOOR: directly(question), OURS: through_the_gateway(question)}, [Measure(TIME, "ms")])


CASES = (
    _case("first text", lambda scene: Question("deltas=20; chars=20", whole=False)),
    _case("2,000 pieces of 20 characters", lambda scene: Question(f"deltas={2000 // scene.scale}; chars=20")),
    _case("1 MB in pieces of 1,000 characters", lambda scene: Question(f"deltas={1000 // scene.scale}; chars=1000")),
    _case("question of 700 kB, first text", lambda scene: Question("deltas=1", 700_000 // scene.scale, whole=False)),
)
