"""A real kernel, and a small front end that runs cells in it and shows their output."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.judges import require_judge

PATIENCE = 30.0
"""Seconds to wait for a kernel that does not answer."""

WITH_AND_WITHOUT_NEST_ASYNCIO = pytest.mark.parametrize(
    "kernel",
    ["", "import nest_asyncio; nest_asyncio.apply()"],
    ids=["nothing", "nest_asyncio"],
    indirect=True,
    scope="module",
)
"""In one of two kernels the user has patched the event loop before."""

_STATUS = re.compile(r"\*(…|waiting, \d+ s)\*")
_FENCE_LINE = re.compile(r"^ {0,3}`{3,}.*$", re.MULTILINE)
_AROUND = re.compile(
    r"(?:\*sent: (?P<sent>[^\n]*)\*\n\n)?(?P<answer>.*?)"
    r"(?:(?:\A|\n\n)(?P<notices>> [^\n]*(?:\n> [^\n]*)*))?(?:(?:\A|\n\n)\*(?P<footer>[^\n]* · [^\n]*)\*)?",
    re.DOTALL,
)


class Screen:
    """The outputs of one cell as a front end keeps them: with display ids and delayed clearing."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, Any]] = []
        self._ids: list[str | None] = []
        self._clear_at_next = False

    def apply(self, kind: str, content: Mapping[str, Any]) -> None:
        """Show one message."""
        if kind == "clear_output":
            if content["wait"]:
                self._clear_at_next = True
            else:
                self._clear()
        elif kind == "update_display_data":
            for output, display in zip(self.outputs, self._ids, strict=True):
                if display is not None and display == content["transient"].get("display_id"):
                    output["data"], output["metadata"] = content["data"], content["metadata"]
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if self._clear_at_next:
                self._clear()
            last = self.outputs[-1] if self.outputs else {}
            if kind == "stream" and last.get("name") == content["name"]:
                last["text"] += content["text"]
                return
            shown = {key: value for key, value in content.items() if key != "transient"}
            self.outputs.append({"output_type": kind, **shown})
            self._ids.append(content.get("transient", {}).get("display_id"))

    def _clear(self) -> None:
        self._clear_at_next = False
        self.outputs.clear()
        self._ids.clear()

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The outputs that are finished answers."""
        return [output for output in self.outputs if "claude_magic" in output.get("metadata", {})]

    @property
    def markdown(self) -> list[str]:
        """The Markdown of every output that has any."""
        return [output["data"]["text/markdown"] for output in self.outputs if "text/markdown" in output.get("data", {})]

    @property
    def letters(self) -> int:
        """Characters of the answer that can be seen."""
        return sum(letters(markdown) for markdown in self.markdown if not _STATUS.fullmatch(markdown))


def letters(markdown: str) -> int:
    """Characters without white space and the fences of code blocks."""
    return len("".join(_FENCE_LINE.sub("", markdown).split()))


@dataclasses.dataclass(frozen=True)
class Shown:
    """The parts of a finished answer."""

    sent: str
    answer: str
    notices: list[str]
    footer: str


def shown(output: Mapping[str, Any]) -> Shown:
    """Split the Markdown of a finished answer into Claude's text and what surrounds it."""
    match = _AROUND.fullmatch(output["data"]["text/markdown"])
    assert match is not None
    notices = [line.removeprefix("> ").rstrip() for line in (match["notices"] or "").splitlines()]
    return Shown(match["sent"] or "", match["answer"], notices, match["footer"] or "")


@dataclasses.dataclass(frozen=True)
class Message:
    """A message on iopub: when it came, and how many bytes it took."""

    at: float
    size: int
    kind: str
    content: dict[str, Any]


class Running:
    """One execution of a cell."""

    def __init__(self, kernel: Kernel, id: str, answers: Sequence[str] = ()) -> None:
        self._kernel = kernel
        self._id = id
        self._answers = [*answers]
        self.prompts: list[str] = []
        """The prompts that the cell showed for input."""
        self._idle = False
        kernel.cells[id] = self
        self._reply: dict[str, Any] | None = None
        self.messages: list[Message] = []
        self.screen = Screen()
        self.seen: list[tuple[float, int]] = []
        """Times, each with the number of visible characters of the answer."""

    def until(
        self, condition: Callable[[Screen], object], timeout: float = PATIENCE, *, may_have_ended: bool = False
    ) -> None:
        """Read messages until something is on the screen."""
        deadline = time.monotonic() + timeout
        while not condition(self.screen):
            left = deadline - time.monotonic()
            assert left > 0, f"not seen in {timeout:.0f} s; the cell shows {self.screen.outputs}"
            assert may_have_ended or not self._idle, f"the cell ended without it and shows {self.screen.outputs}"
            self._read(min(left, 0.02))  # the condition may be about something other than the screen

    def later(self, condition: Callable[[Screen], object], timeout: float = PATIENCE) -> None:
        """Read messages until something is on the screen of a cell that may have ended."""
        self.until(condition, timeout, may_have_ended=True)

    def during(self, seconds: float) -> None:
        """Read messages for a while."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def finish(self, timeout: float = PATIENCE) -> Running:
        """Read messages until the cell has ended."""
        deadline = time.monotonic() + timeout
        while not self._idle:
            left = deadline - time.monotonic()
            assert left > 0, f"did not end in {timeout:.0f} s; the cell shows {self.screen.outputs}"
            self._read(left)
        while self._reply is None:
            reply = self._kernel.client.get_shell_msg(timeout=max(deadline - time.monotonic(), 1))
            if reply["parent_header"].get("msg_id") == self._id:
                self._reply = reply["content"]
        return self

    def _read(self, timeout: float) -> None:
        """Take one message, if one comes."""
        if self._answers:
            timeout = min(timeout, 0.02)
            self._answer()
        channel = self._kernel.client.iopub_channel
        if not channel.socket.poll(timeout * 1000):
            return
        frames = channel.socket.recv_multipart()
        now = time.monotonic()
        message = channel.session.deserialize(channel.session.feed_identities(frames)[1])
        kind, content = message["header"]["msg_type"], message["content"]
        if (owner := self._kernel.cells.get(message["parent_header"].get("msg_id"))) is not None:
            owner._take(Message(now, sum(map(len, frames)), kind, content))

    def _take(self, message: Message) -> None:
        """Show a message, which may come when the cell has ended."""
        kind, content = message.kind, message.content
        self.messages.append(message)
        if kind == "status" and content["execution_state"] == "idle":
            self._idle = True
        self.screen.apply(kind, content)
        self.seen.append((message.at, self.screen.letters))

    def _answer(self) -> None:
        """Type the next answer, if the cell asks."""
        client = self._kernel.client
        if client.stdin_channel.socket.poll(0):
            self.prompts.append(client.get_stdin_msg(timeout=1)["content"]["prompt"])
            client.input(self._answers.pop(0))

    @property
    def status(self) -> str:
        """``ok`` or ``error``."""
        assert self._reply is not None
        return str(self._reply["status"])

    @property
    def result(self) -> dict[str, Any]:
        """The content of the reply."""
        assert self._reply is not None
        return self._reply

    @property
    def error(self) -> list[str]:
        """The lines of the error that the cell shows; no line if it shows none."""
        errors = [output for output in self.screen.outputs if output["output_type"] == "error"]
        assert len(errors) <= 1
        return errors[0]["traceback"] if errors else []

    @property
    def answer(self) -> Shown:
        """The only answer that the cell shows."""
        assert len(self.screen.answers) == 1, self.screen.outputs
        return shown(self.screen.answers[0])

    @property
    def size(self) -> int:
        """Bytes of its messages."""
        return sum(message.size for message in self.messages)

    @property
    def printed(self) -> str:
        """What the cell printed."""
        return "".join(output["text"] for output in self.screen.outputs if output["output_type"] == "stream")


class Kernel:
    """A kernel with a front end that sends the id of the cell."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client
        self.cells: weakref.WeakValueDictionary[str, Running] = weakref.WeakValueDictionary()
        """Executions still in use, by the id of their request."""

    def start(self, code: str, cell: str = "", deleted: Sequence[str] = (), answers: Sequence[str] = ()) -> Running:
        """Begin to execute a cell.

        Parameters
        ----------
        code : str
        cell : str
            Its id; empty for a front end that sends none.
        deleted : sequence of str
            Ids of cells that were deleted since the last execution.
        answers : sequence of str
            What the user types, as often as the cell asks; without any nobody can be asked.
        """
        metadata = {"cellId": cell, "deletedCells": [*deleted]} if cell else {}
        return self._send(code, metadata, answers=answers)

    def run(self, code: str, cell: str = "", deleted: Sequence[str] = (), timeout: float = PATIENCE) -> Running:
        """Execute a cell to its end."""
        return self.start(code, cell, deleted).finish(timeout)

    def value(self, expression: str) -> Any:
        """A literal from the kernel, without running a cell."""
        ran = self._send("", {}, {"it": f"repr({expression})"}).finish()
        found = ran.result["user_expressions"]["it"]
        assert found["status"] == "ok", found
        return ast.literal_eval(ast.literal_eval(found["data"]["text/plain"]))

    def interrupt(self) -> None:
        """What the Stop button does."""
        self.manager.interrupt_kernel()

    def _send(
        self,
        code: str,
        metadata: dict[str, Any],
        expressions: dict[str, str] | None = None,
        answers: Sequence[str] = (),
    ) -> Running:
        content = {
            "code": code,
            "silent": expressions is not None,
            "store_history": expressions is None,
            "user_expressions": expressions or {},
            "allow_stdin": bool(answers),
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        return Running(self, message["header"]["msg_id"], answers)


def harmless_environment() -> dict[str, str]:
    """Our environment without what Claude, Jupyter and JupyterHub read from it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "JUPYTER", "JPY_"))}


def exported(*outputs: Any) -> str:
    """A notebook of cells with these outputs, as nbconvert's HTML."""
    require_judge("jupyter-nbconvert")
    from nbconvert.exporters import HTMLExporter

    cells = [nbformat.v4.new_code_cell("%%claude", outputs=[nbformat.from_dict(output)]) for output in outputs]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.validate(notebook)
    return str(HTMLExporter().from_notebook_node(notebook)[0])


@contextmanager
def running_kernel(folder: Path, url: str, errors: Path | None = None) -> Iterator[Kernel]:
    """A kernel of its own home and folders.

    Parameters
    ----------
    folder : pathlib.Path
        For everything that it writes.
    url : str
        Where it finds the API.
    errors : pathlib.Path, optional
        The file for what its process writes to standard error.
    """
    private = {
        name: str(folder)
        for name in ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    manager = KernelManager(kernel_name="python3", connection_file=str(folder / "kernel.json"))
    api = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "any-key"}
    stderr = errors.open("wb") if errors is not None else None
    manager.start_kernel(env={**harmless_environment(), **private, **api}, cwd=str(folder), stderr=stderr)
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        if stderr is not None:
            stderr.close()
