"""From running a cell to the first character that is handed to the display.

Each subject runs a cell in an IPython shell of its own; what is published or written to standard
output counts as handed over. The floor's cell asks over a raw socket and writes what it reads.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import answers, others
from benchmarks.cases import FLOOR, OURS, Case, Measure, Scene, Turn, Way
from benchmarks.server import address

FIRST = "first character"
_TIMES = 25
"""Questions of one turn, of which the middle one counts."""
_WORD = "Hello"
_PIECES = [f"{_WORD} "] * 50


def make(scene: Scene) -> None:
    """Write an answer."""
    answers.write(scene.folder, "hello", [answers.text(_PIECES)])


class _Screen:
    """Takes what a cell shows; knows when the answer's first word came."""

    def __init__(self) -> None:
        self.first: float | None = None

    def write(self, text: str) -> int:
        if self.first is None and _WORD in text:
            self.first = time.perf_counter()
        return len(text)

    def clear(self) -> None:
        """The next answer is another one."""
        self.first = None

    def seen(self) -> float:
        """When the first word came."""
        if self.first is None:
            raise ValueError("the answer was not shown")
        return self.first

    def flush(self) -> None:
        """Nothing is kept back."""

    def isatty(self) -> bool:
        return False


def _shell(screen: _Screen) -> Any:
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Publisher(DisplayPublisher):  # type: ignore[misc]
        def publish(self, data: dict[str, Any], *_: object, **__: object) -> None:
            screen.write(data.get("text/markdown", ""))

        def clear_output(self, wait: bool = False) -> None:
            pass

    class Shell(InteractiveShell):  # type: ignore[misc]
        display_pub_class = Publisher

    config = Config()
    config.HistoryManager.enabled = False
    return Shell(config=config)


def _way(prepare: Callable[[str], tuple[dict[str, Any], str, Callable[[], object]]], *, kept: bool) -> Way:
    """Cells that are measured.

    Parameters
    ----------
    prepare : callable
        From the server's address to names of the cell, the cell, and what closes the connection.
    kept : bool
        Whether the connection is kept from one cell to the next.
    """

    def way(scene: Scene) -> Turn:
        screen = _Screen()
        names, cell, close = prepare(address(scene, "hello"))
        shell = _shell(screen)
        shell.user_ns.update(names)
        if "claude" in cell:
            shell.run_line_magic("load_ext", "claude_magic")
            shell.run_line_magic("config", "ClaudeMagics.display = 'markdown'")
            shell.magics_manager.registry["ClaudeMagics"].base_url = names["url"]
            home = shell.magics_manager.registry["ClaudeMagics"].conversations
            close = home.close

        def seconds() -> float:
            if not kept:
                close()
            screen.clear()
            begun = time.perf_counter()
            shell.run_cell(cell, store_history=False)
            return screen.seen() - begun

        def turn() -> dict[str, float]:
            before, sys.stdout = sys.stdout, screen
            try:
                return {FIRST: 1e3 * statistics.median(seconds() for _ in range(scene.few(_TIMES)))}
            finally:
                sys.stdout = before

        return turn

    return way


Prepared = tuple[dict[str, Any], str, Callable[[], object]]


def _floor(url: str) -> Prepared:
    socket = answers.Socket(url)
    names = {"socket": socket, "body": [answers.question()], "show": lambda piece: print(piece, end="")}
    return names, "socket.ask(body, show);", socket.close


def _ours(url: str) -> Prepared:
    return {"url": url}, "%%claude --once\nGo on.", lambda: None


def _anthropic(url: str) -> Prepared:
    client = others.sdk(url)

    def ask() -> None:
        with others.sdk_stream(client) as stream:
            for piece in stream.text_stream:
                sys.stdout.write(piece)

    return {"ask": ask}, "ask()", client._client.close


def _chatlas(url: str) -> Prepared:
    chat = others.chatlas(url)

    def ask() -> None:
        chat.set_turns([])
        for piece in chat.stream("Go on."):
            sys.stdout.write(piece)

    return {"ask": ask}, "ask()", chat.provider._client.close


def _claudette(url: str) -> Prepared:
    chat = others.claudette(url)

    def ask() -> None:
        chat.h = []
        for piece in chat("Go on.", stream=True):
            sys.stdout.write(piece)

    return {"ask": ask}, "ask()", lambda: None


_SUBJECTS = {FLOOR: _floor, OURS: _ours, "anthropic": _anthropic, "chatlas": _chatlas, "claudette": _claudette}
CASES = (
    Case(
        "kept connection",
        {subject: _way(prepare, kept=True) for subject, prepare in _SUBJECTS.items()},
        [Measure(FIRST, "ms", ratio=9.0)],
    ),
    Case(
        "new connection",
        {subject: _way(_SUBJECTS[subject], kept=False) for subject in (FLOOR, OURS)},
        [Measure(FIRST, "ms")],
    ),
)
