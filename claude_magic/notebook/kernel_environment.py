"""The environment of conversations in a kernel."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Configurable

from claude_magic.conversation.conversation_environment import ConversationEnvironment, Restored
from claude_magic.conversation.state import State
from claude_magic.engine.environment import Place
from claude_magic.engine.notice import Notice
from claude_magic.engine.rendering import Ending, Renderer
from claude_magic.engine.settings import Settings
from claude_magic.messages.credentials import Credentials, SimulatorCredentials
from claude_magic.notebook.cell_history import CellHistory
from claude_magic.notebook.executions import Executions

if TYPE_CHECKING:
    from claude_magic.conversation.conversation import Conversation
    from claude_magic.messages.client import Client
    from claude_magic.simulator import Simulator
    from claude_magic.tools.worker import OutputContext

SIMULATOR = "simulator"
_LAB_CELL = re.compile(r"[\w-]{1,64}")
"""The id of a cell as a notebook's file has it; VS Code sends a longer one."""
_PACE = 60.0
"""Deltas per second of the simulator: about as fast as Claude."""


class KernelEnvironment(ConversationEnvironment):
    """A kernel: questions have places in cells, the front end decides how answers are drawn.

    ``configurable`` is what ``%config`` shows. It sets ``display``, ``footer`` and ``keep_images``; see
    :class:`~claude_magic.notebook.traits.ConfiguredMagics`.
    """

    executions: Executions
    history: CellHistory
    configurable: Configurable

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._simulator: Simulator | None = None
        self.display = "auto"
        self.footer = "full"
        self.keep_images = False

    def place(self, conversation: str) -> Place | None:
        """The running cell."""
        return self.executions.place(conversation)

    def peek(self, conversation: str) -> Place | None:
        """The running cell, without counting a question."""
        return self.executions.peek(conversation)

    def output_context(self) -> OutputContext:
        """The running cell; output goes there even if another one runs by then."""
        if not hasattr(self._shell, "set_parent"):
            return super().output_context()
        from claude_magic.notebook.display.late_output import redirect_output

        return functools.partial(redirect_output, self._shell, self._shell.get_parent())

    @property
    def is_interactive(self) -> bool:
        """Whether a person is there: a front end sends the cell's id, a program that runs a notebook does not."""
        return bool(self.executions.current.cell) or super().is_interactive

    def configure(self, settings: Settings, name: str, value: object) -> None:
        """Change a setting through its trait, so that ``%config`` shows it."""
        setattr(self.configurable, name, value)

    def notices(self) -> list[str]:
        """A notice about answers that the notebook shows and Claude does not see."""
        return self.executions.notices()

    def finished(self, ending: Ending) -> None:
        """Record that this execution has shown an answer."""
        self.executions.current.endings.append(ending)

    def renderer(self, replay: Callable[[], None] | None = None, *, background: bool = False) -> Renderer:
        """A widget or Markdown in a kernel, text in a terminal, or as configured.

        A widget needs a front end that draws it and sends the cell's id. Elsewhere its Markdown would
        be shown, updated less often; so where that is known, the renderer is Markdown from the start.

        Parameters
        ----------
        replay : callable, optional
            Shows again what the cell showed before the answer.
        background : bool
            Whether the cell will have ended when the answer arrives.
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

        kind, execution = MarkdownRenderer, self.executions.current
        if execution.cell and (self.display == "live" or (self.display == "auto" and self._draws_widgets())):
            from claude_magic.notebook.display.live import LiveRenderer

            kind = LiveRenderer
        owns_cell = replay is not None and self.executions.is_single_question
        publisher = self._shell.display_pub
        if background and isinstance(publisher, HookedPublisher):
            publisher = LateOutputPublisher(publisher, self._shell.get_parent())
        return kind(
            publisher,
            owns_cell=owns_cell,
            style=self.footer,
            replay=replay,
            keep_images=self.keep_images,
            source=execution.source if owns_cell else "",
        )

    def restored(self, name: str, state: State, path: str | os.PathLike[str] | None) -> Restored:
        """The answers that the saved notebook shows."""
        from claude_magic.notebook import restore

        found = restore.restored(name, state, path or restore.notebook_of(self._shell))
        self.executions.restored()
        return found

    def export(self, conversation: Conversation, path: str | os.PathLike[str]) -> Notice:
        """Write a conversation for people to read."""
        from claude_magic.notebook.export import export

        return export(conversation, path)

    def _draws_widgets(self) -> bool:
        """Whether the front end is JupyterLab or built on it, and widgets are installed."""
        return (
            _LAB_CELL.fullmatch(self.executions.current.cell) is not None
            and "google.colab" not in sys.modules
            and all(importlib.util.find_spec(name) for name in ("anywidget", "comm"))
        )

    def connect(self, settings: Settings, credentials: Credentials) -> Client:
        """A client; for ``simulator``, of a simulator that is started here and stops with the kernel."""
        if settings.base_url.strip().lower() != SIMULATOR:
            return super().connect(settings, credentials)
        if self._simulator is None:
            from claude_magic.simulator import start

            self._simulator = start(pace=_PACE)
        client = super().connect(dataclasses.replace(settings, base_url=self._simulator.url), SimulatorCredentials())
        client.is_anthropic = client.simulated = True  # it behaves as Anthropic's servers do
        return client

    def close(self) -> None:
        """Stop the simulator."""
        if self._simulator is not None:
            self._simulator.stop()
            self._simulator = None
