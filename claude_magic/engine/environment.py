"""Where conversations live: what a notebook provides for them, and what plain Python does."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from typing import TYPE_CHECKING

from claude_magic.engine.rendering import Renderer, SilentRenderer
from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    from claude_magic.engine.rendering import Ending
    from claude_magic.engine.settings import Settings
    from claude_magic.messages.client import Client
    from claude_magic.messages.credentials import Credentials
    from claude_magic.tools.calls import Call
    from claude_magic.tools.worker import OutputContext


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in the notebook a question was asked.

    Attributes
    ----------
    cell : str
        The cell's id; empty where the front end does not send it.
    execution : str
        The execution of the cell, by the id of its request.
    number : int or None
        The index of the question within that execution, from 0; None for a question that is never replaced.
    label : str
        For people, for example ``In [5]``.
    """

    cell: str
    execution: str
    number: int | None
    label: str


class Environment:
    """What conversations need from where they live. This one is plain Python: no cells, and nothing is shown."""

    def place(self, conversation: str) -> Place | None:
        """Where the question stands that is now asked in this conversation; called once for each."""
        return None

    def peek(self, conversation: str) -> Place | None:
        """Where the next question of this conversation would stand, without asking it."""
        return None

    def renderer(self, *, background: bool = False) -> Renderer:
        """What draws the answer.

        Parameters
        ----------
        background : bool
            Whether the cell that runs now will have ended by then.
        """
        return SilentRenderer()

    def confirm(self, call: Call) -> str:
        """Ask whether a call may run: ``yes``, ``no`` or ``always``.

        Raises
        ------
        BadInput
            If nobody can be asked.
        """
        from claude_magic.tools.calls import ask_in_cell

        return ask_in_cell(call)

    def output_context(self) -> OutputContext:
        """A factory of contexts in which output goes where it goes now."""
        return contextlib.nullcontext

    @property
    def is_interactive(self) -> bool:
        """Whether a person is there to see what happens: in plain Python, at a prompt in a terminal."""
        return hasattr(sys, "ps1") and sys.stdin is not None and sys.stdin.isatty()

    def configure(self, settings: Settings, name: str, value: object) -> None:
        """Change a setting."""
        setattr(settings, name, value)

    def notices(self) -> list[str]:
        """What the reader should know in addition to what the conversation reports."""
        return []

    def finished(self, ending: Ending) -> None:
        """A question has ended and its answer has been drawn."""

    def connect(self, settings: Settings, credentials: Credentials) -> Client:
        """A client for these settings.

        Raises
        ------
        BadInput
            For the built-in simulator, which plain Python starts itself.
        """
        from claude_magic.messages.client import Client
        from claude_magic.messages.network import DEFAULT_BASE_URL

        if settings.base_url.strip().lower() == "simulator":
            raise BadInput(
                "In plain Python, start the simulator yourself: from claude_magic.simulator import start; then set "
                "ANTHROPIC_BASE_URL to start().url."
            )
        return Client(
            settings.base_url or DEFAULT_BASE_URL,
            credentials,
            version=settings.version,
            betas=settings.betas,
            timeout=settings.timeout,
            max_retries=settings.max_retries,
        )
