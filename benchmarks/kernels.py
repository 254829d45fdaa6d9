"""A real kernel in the environment that runs this, spoken to as a front end does."""

from __future__ import annotations

import ast
import dataclasses
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.others import KEY

_PATIENCE = 240.0
FIGURES = "_meter.figures"
"""Of the cell that ran: from before its first line to behind its last one."""
_BEGIN = """
from benchmarks.meter import Meter as _Meter
_meter = _Meter()
get_ipython().events.register("pre_run_cell", lambda info: _meter.__enter__() and None)
get_ipython().events.register("post_run_cell", lambda result: _meter.__exit__())
"""
_CHECKOUT = str(Path(__file__).parents[1])


@dataclasses.dataclass
class Seen:
    """What a cell sent to the front end.

    Attributes
    ----------
    messages, size : int
        On iopub, that show something or change it, and the bytes of all.
    pieces : list of str
        Plain text and Markdown of each message.
    error : str
        The cell's.
    values : dict
        Expressions that were evaluated when it had run.
    """

    messages: int = 0
    size: int = 0
    pieces: list[str] = dataclasses.field(default_factory=list)
    error: str = ""
    values: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def shown(self) -> str:
        """All pieces."""
        return "".join(self.pieces)


class Kernel:
    """A kernel that runs cells."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, code: str, **expressions: str) -> Seen:
        """Run a cell, as JupyterLab does, to its end.

        Parameters
        ----------
        code : str
        **expressions : str
            Evaluated behind it; literals.

        Raises
        ------
        RuntimeError
            If the cell fails.
        """
        content = {"code": code, "silent": False, "store_history": True, "stop_on_error": True, "allow_stdin": False}
        asked = {**content, "user_expressions": {name: f"repr({value})" for name, value in expressions.items()}}
        message = self._client.session.msg("execute_request", asked, metadata={"cellId": "one"})
        self._client.shell_channel.send(message)
        seen = self._read(message["header"]["msg_id"])
        reply = self._client.get_shell_msg(timeout=_PATIENCE)
        while reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            reply = self._client.get_shell_msg(timeout=_PATIENCE)  # before it came what the kernel said when it began
        if seen.error:
            raise RuntimeError(seen.error)
        for name, value in reply["content"].get("user_expressions", {}).items():
            seen.values[name] = ast.literal_eval(ast.literal_eval(value["data"]["text/plain"]))
        return seen

    def _read(self, id: str) -> Seen:
        channel, seen = self._client.iopub_channel, Seen()
        end = time.monotonic() + _PATIENCE
        while (left := end - time.monotonic()) > 0:
            if not channel.socket.poll(1000 * left):
                break
            frames = channel.socket.recv_multipart()
            message = channel.session.deserialize(channel.session.feed_identities(frames)[1])
            kind, content = message["header"]["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != id:
                continue
            seen.size += sum(map(len, frames))
            if kind == "status" and content["execution_state"] == "idle":
                return seen
            if kind == "error":
                seen.error = f"{content['ename']}: {content['evalue']}"
            elif kind not in ("status", "execute_input"):
                seen.messages += 1
                data = content.get("data", {})
                seen.pieces.append(
                    content.get("text") or str(data.get("text/markdown") or data.get("text/plain") or "")
                )
        raise TimeoutError(f"the cell did not end in {_PATIENCE:.0f} s")


@contextmanager
def kernel(url: str = "") -> Iterator[Kernel]:
    """A running kernel that has run a cell.

    Parameters
    ----------
    url : str
        Where it finds the API.
    """
    from jupyter_client.manager import KernelManager

    api = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY, "PYTHONPATH": _CHECKOUT}
    with tempfile.TemporaryDirectory() as folder:
        # Sockets in its own folder: of two that begin at once, both may hold the same port to be free.
        where = {"transport": "ipc", "ip": str(Path(folder, "kernel"))} if os.name == "posix" else {}
        manager = KernelManager(kernel_name="python3", connection_file=str(Path(folder, "kernel.json")), **where)
        # What goes wrong in a cell comes as a message; the rest are warnings.
        manager.start_kernel(env={**os.environ, **api}, cwd=folder, stderr=subprocess.DEVNULL)
        client = manager.client()
        try:
            client.start_channels()
            client.wait_for_ready(timeout=_PATIENCE)
            running = Kernel(client)
            running.run(_BEGIN)
            yield running
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
