"""What a conversation needs of its environment in addition to what a question does: restoring and exporting."""

from __future__ import annotations

import dataclasses
import os
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from claude_magic.conversation.state import State
from claude_magic.conversation.turns import Turn
from claude_magic.engine.environment import Environment
from claude_magic.engine.notice import Notice
from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

EXPORTERS = "claude_magic.exporters"
"""The entry points that write conversations for people; how answers are shown is decided above this package."""


@dataclasses.dataclass(frozen=True)
class Restored:
    """What was found in a notebook.

    Attributes
    ----------
    turns : tuple of Turn
        They go before the turns that are already there.
    system : str or None
        The system prompt, if there is none yet.
    step : str
        For the journal.
    text : str
        For the user: what is back, and what is missing.
    """

    turns: tuple[Turn, ...]
    system: str | None
    step: str
    text: str

    def before(self, state: State) -> State:
        """The current state with them: an answer may have arrived while the notebook was read."""
        here = {turn.place.cell for turn in state.turns if turn.place and turn.place.cell}
        turns = (turn for turn in self.turns if turn.place is None or turn.place.cell not in here)
        return dataclasses.replace(state, turns=(*turns, *state.turns), system=state.system or self.system)


class ConversationEnvironment(Environment):
    """Plain Python, which exports conversations but has no notebook to restore them from."""

    def restored(self, name: str, state: State, path: str | os.PathLike[str] | None) -> Restored:
        """The turns that a saved notebook shows and a conversation does not have.

        Parameters
        ----------
        name : str
            Of the conversation.
        state : State
        path : path, optional
            By default the notebook that is open.

        Raises
        ------
        BadInput
            If there are none to be found.
        """
        raise BadInput("Answers are restored within a notebook: %load_ext claude_magic, then claude.restore(path).")

    def export(self, conversation: Any, path: str | os.PathLike[str]) -> Notice:
        """Write a conversation for people.

        Parameters
        ----------
        conversation : Conversation
        path : path
        """
        found = tuple(entry_points(group=EXPORTERS))
        if not found:
            raise BadInput("The package is not installed, only found on the path: pip install it to export.")
        export: Callable[[Any, str | os.PathLike[str]], Notice] = found[0].load()
        return export(conversation, path)
