"""The kernel as the place where conversations live."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from claude_magic.conversation.environment import ConversationEnvironment, Restored
from claude_magic.conversation.state import State
from claude_magic.engine.environment import Place
from claude_magic.engine.notice import Notice
from claude_magic.engine.rendering import Ending, Renderer
from claude_magic.engine.settings import Settings
from claude_magic.messages.credentials import Credentials, SimulatorCredentials
from claude_magic.notebook.context import Memory
from claude_magic.notebook.executions import Executions

if TYPE_CHECKING:
    from claude_magic.conversation.conversation import Conversation
    from claude_magic.messages.client import Client
    from claude_magic.simulator import Simulator
    from claude_magic.tools.worker import OutputContext

SIMULATOR = "simulator"
_LAB_CELL = re.compile(r"[\w-]{1,64}")
"""The id of a cell as it is in a notebook's file; VS Code tells a longer one."""
_PACE = 60.0
"""Pieces a second that the simulator writes: about as fast as Claude."""


class KernelEnvironment(ConversationEnvironment):
    """Places by cell, drawing by front end, and the simulator on request.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell

    Attributes
    ----------
    cells : Executions
    memory : Memory
    configurable : ClaudeMagics
        What ``%config`` shows.
    display, footer : str
    keep_images : bool
        As configured.
    """

    cells: Executions
    memory: Memory
    configurable: Any

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._simulator: Simulator | None = None
        self.display = "auto"
        self.footer = "full"
        self.keep_images = False

    def place(self, conversation: str) -> Place | None:
        """The running cell."""
        return self.cells.place(conversation)

    def peek(self, conversation: str) -> Place | None:
        """The running cell, of which this is no question."""
        return self.cells.peek(conversation)

    def output_context(self) -> OutputContext:
        """The running cell, also when another one runs."""
        if not hasattr(self._shell, "set_parent"):
            return super().output_context()
        from claude_magic.notebook.display.late_output import redirect_output

        return functools.partial(redirect_output, self._shell, self._shell.get_parent())

    @property
    def is_interactive(self) -> bool:
        """Whether somebody sits in front: a front end tells which cell runs, a program does not."""
        return bool(self.cells.current.cell) or super().is_interactive

    def configure(self, settings: Settings, name: str, value: object) -> None:
        """Change a setting where ``%config`` shows it."""
        setattr(self.configurable, name, value)

    def notices(self) -> list[str]:
        """What the notebook shows and Claude does not see."""
        return self.cells.notices()

    def finished(self, ending: Ending) -> None:
        """Remember what this execution has shown already."""
        self.cells.current.endings.append(ending)

    def renderer(self, replay: Callable[[], None] | None = None, *, background: bool = False) -> Renderer:
        """Markdown in a kernel, text in a terminal, or as configured.

        A widget is drawn only where somebody looks: front ends tell which cell runs, programs that
        execute notebooks do not. Where none can be had, its Markdown is seen, which is drawn more rarely;
        so where that is known, it is Markdown from the beginning.

        Parameters
        ----------
        replay : callable, optional
            Shows again what was in the cell before.
        background : bool
            Whether the cell will have ended when the answer comes.
        """
        in_terminal = not hasattr(self._shell, "kernel")
        if self.display == "text" or (self.display in ("auto", "live") and in_terminal):
            from claude_magic.notebook.display.terminal import BufferedRenderer, TextRenderer

            if background:
                return (BufferedRenderer if in_terminal else TextRenderer)(self.footer, sys.stdout, flush=in_terminal)
            return TextRenderer(self.footer, flush=in_terminal)
        from claude_magic.notebook.display.late_output import LateOutputPublisher
        from claude_magic.notebook.display.markdown import MarkdownRenderer
        from claude_magic.notebook.display.publisher import HookedPublisher

        kind = MarkdownRenderer
        if self.cells.current.cell and (self.display == "live" or (self.display == "auto" and self._draws_widgets())):
            from claude_magic.notebook.display.live import LiveRenderer

            kind = LiveRenderer
        owns_cell = replay is not None and self.cells.is_one_question
        publisher = self._shell.display_pub
        if background and isinstance(publisher, HookedPublisher):
            publisher = LateOutputPublisher(publisher, self._shell.get_parent())
        return kind(
            publisher,
            owns_cell=owns_cell,
            style=self.footer,
            replay=replay,
            keep_images=self.keep_images,
            source=self.cells.current.source if owns_cell else "",
        )

    def restored(self, name: str, state: State, path: str | os.PathLike[str] | None) -> Restored:
        """The answers that the saved notebook shows."""
        from claude_magic.notebook import restore

        found = restore.restored(name, state, path or restore.notebook_of(self._shell))
        self.cells.are_seen()
        return found

    def export(self, conversation: Conversation, path: str | os.PathLike[str]) -> Notice:
        """Write a conversation for people."""
        from claude_magic.notebook.export import export

        return export(conversation, path)

    def _draws_widgets(self) -> bool:
        """Whether the cell runs in a page that is built as JupyterLab's, and widgets are installed."""
        return (
            _LAB_CELL.fullmatch(self.cells.current.cell) is not None
            and "google.colab" not in sys.modules
            and all(importlib.util.find_spec(name) for name in ("anywidget", "comm"))
        )

    def connect(self, settings: Settings, credentials: Credentials) -> Client:
        """A client; for ``simulator`` one of our own, started here and ended with the kernel."""
        if settings.base_url.strip().lower() != SIMULATOR:
            return super().connect(settings, credentials)
        import dataclasses

        if self._simulator is None:
            from claude_magic.simulator import start

            self._simulator = start(pace=_PACE)
        client = super().connect(dataclasses.replace(settings, base_url=self._simulator.url), SimulatorCredentials())
        client.is_anthropic = client.simulated = True  # it behaves as Anthropic's servers do, and is known to
        return client

    def close(self) -> None:
        """Stop the simulator."""
        if self._simulator is not None:
            self._simulator.stop()
            self._simulator = None
