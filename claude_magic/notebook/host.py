"""The kernel as the place where conversations live."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from claude_magic.conversation.host import Host
from claude_magic.conversation.rendering import Ending, Renderer
from claude_magic.conversation.settings import Settings
from claude_magic.conversation.turns import Place
from claude_magic.messages.credentials import Credentials, SimulatorCredentials
from claude_magic.notebook.cells import Cells
from claude_magic.notebook.context import Memory

if TYPE_CHECKING:
    from claude_magic.messages.client import Client
    from claude_magic.simulator import Simulator

SIMULATOR = "simulator"
_LAB_CELL = re.compile(r"[\w-]{1,64}")
"""The id of a cell as it is in a notebook's file; VS Code tells a longer one."""
_PACE = 60.0
"""Pieces a second that the simulator writes: about as fast as Claude."""


class Kernel(Host):
    """Places by cell, drawing by front end, and the simulator on request.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell

    Attributes
    ----------
    cells : Cells
    memory : Memory
    display, footer : str
    keep_images : bool
        As configured.
    """

    cells: Cells
    memory: Memory

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._simulator: Simulator | None = None
        self.display = "auto"
        self.footer = "full"
        self.keep_images = False

    def place(self, conversation: str) -> Place | None:
        """The running cell."""
        return self.cells.place(conversation)

    def notices(self) -> list[str]:
        """What the notebook shows and Claude does not see."""
        return self.cells.notices()

    def answered(self, ending: Ending) -> None:
        """Remember what this execution has shown already."""
        self.cells.current.endings.append(ending)

    def renderer(self, replay: Callable[[], None] | None = None) -> Renderer:
        """Markdown in a kernel, text in a terminal, or as configured.

        A widget is drawn only where somebody looks: front ends tell which cell runs, programs that
        execute notebooks do not. Where none can be had, its Markdown is seen, which is drawn more rarely;
        so where that is known, it is Markdown from the beginning.

        Parameters
        ----------
        replay : callable, optional
            Shows again what was in the cell before.
        """
        in_terminal = not hasattr(self._shell, "kernel")
        if self.display == "text" or (self.display in ("auto", "live") and in_terminal):
            from claude_magic.notebook.display.text import TextRenderer

            return TextRenderer(self.footer, flush=in_terminal)
        from claude_magic.notebook.display.markdown import MarkdownRenderer

        kind = MarkdownRenderer
        if self.cells.current.cell and (self.display == "live" or (self.display == "auto" and self._draws_widgets())):
            from claude_magic.notebook.display.live import LiveRenderer

            kind = LiveRenderer
        owns_cell = replay is not None and self.cells.is_one_question
        return kind(
            self._shell.display_pub,
            owns_cell=owns_cell,
            style=self.footer,
            replay=replay,
            keep_images=self.keep_images,
        )

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
        return super().connect(dataclasses.replace(settings, base_url=self._simulator.url), SimulatorCredentials())

    def close(self) -> None:
        """Stop the simulator."""
        if self._simulator is not None:
            self._simulator.stop()
            self._simulator = None
