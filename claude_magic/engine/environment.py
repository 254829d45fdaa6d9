"""Where conversations live: what a notebook gives them, and what plain Python does."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from typing import TYPE_CHECKING

from claude_magic.conversation.state import State
from claude_magic.engine.rendering import Ending, Renderer, SilentRenderer
from claude_magic.engine.settings import Settings
from claude_magic.engine.environment import Place
from claude_magic.conversation.turns import Turn
from claude_magic.messages.credentials import Credentials
from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    from claude_magic.conversation.conversation import Conversation
    from claude_magic.messages.client import Client
    from claude_magic.tools.worker import OutputContext
    from claude_magic.tools.calls import Call


@dataclasses.dataclass(frozen=True)
class Restored:
    """What was found in a notebook.

    Attributes
    ----------
    turns : tuple of Turn
        What comes before the turns that are there.
    system : str or None
        The system prompt, where there is none yet.
    step : str
        For the journal.
    said : str
        For the user: what is back, and what is missing.
    """

    turns: tuple[Turn, ...]
    system: str | None
    step: str
    said: str

    def before(self, state: State) -> State:
        """The conversation with them, as it is by now: an answer may have come while the notebook was read."""
        here = {turn.place.cell for turn in state.turns if turn.place and turn.place.cell}
        turns = (turn for turn in self.turns if turn.place is None or turn.place.cell not in here)
        return dataclasses.replace(state, turns=(*turns, *state.turns), system=state.system or self.system)


class Environment:
    """Where conversations live. In plain Python: nowhere in particular, and nothing is shown."""

    def place(self, conversation: str) -> Place | None:
        """Where the question stands that is asked in the conversation of this name; asked once for each."""
        return None

    def peek(self, conversation: str) -> Place | None:
        """Where the next question of this conversation would stand; counts nothing."""
        return None

    def renderer(self, *, background: bool = False) -> Renderer:
        """Who draws the answer.

        Parameters
        ----------
        background : bool
            Whether the cell that runs now will have ended by then.
        """
        return SilentRenderer()

    def confirm(self, call: Call) -> str:
        """Whether a call may run: ``yes``, ``no`` or ``always``; asked where its answer is streamed to.

        Raises
        ------
        BadInput
            If nobody is there to be asked.
        """
        from claude_magic.tools.calls import ask_in_cell

        return ask_in_cell(call)

    def here(self) -> OutputContext:
        """Makes contexts in which what is shown goes where it goes now."""
        return contextlib.nullcontext

    @property
    def attended(self) -> bool:
        """Whether somebody sits in front: in plain Python, where there is a prompt in a terminal."""
        return hasattr(sys, "ps1") and sys.stdin is not None and sys.stdin.isatty()

    def configure(self, settings: Settings, name: str, value: object) -> None:
        """Change a setting."""
        setattr(settings, name, value)

    def notices(self) -> list[str]:
        """What the reader should know beside what the conversation knows."""
        return []

    def answered(self, ending: Ending) -> None:
        """A question has ended and was drawn."""

    def restored(self, conversation: Conversation, path: str | os.PathLike[str] | None) -> Restored:
        """The turns that a saved notebook shows, among those that the conversation has.

        Raises
        ------
        BadInput
            If there are none to be found.
        """
        raise BadInput("A notebook's answers are restored in a notebook: %load_ext claude_magic, claude.restore(path).")

    def connect(self, settings: Settings, credentials: Credentials) -> Client:
        """A client for these settings."""
        from claude_magic.messages.client import DEFAULT_BASE_URL, Client

        if settings.base_url.strip().lower() == "simulator":
            raise BadInput(
                "In plain Python the simulator is started by hand: from claude_magic.simulator import start; then "
                "ANTHROPIC_BASE_URL is start().url."
            )

        return Client(
            settings.base_url or DEFAULT_BASE_URL,
            credentials,
            version=settings.version,
            betas=settings.betas,
            timeout=settings.timeout,
            max_retries=settings.max_retries,
        )
