"""Every state a conversation has been in: one list and a finger on it, so that anything can be undone."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from claude_magic.conversation.turns import Turn
from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    from claude_magic.tools.toolset import AnyTool


Steps = tuple[tuple[str, State], ...]
"""States, each with what led to it, in words."""


def beginning(state: State) -> Steps:
    """The steps of a conversation to which nothing has happened yet."""
    return (("the beginning", state),)


class Journal:
    """The states in order; changing, undoing and redoing are one assignment each.

    An interrupt between two bytecodes therefore leaves either the old state or the new one. What
    several threads change at the same time is changed one after the other: none of it is lost.
    """

    def __init__(self, state: State) -> None:
        self._lock = threading.Lock()
        self._entries: tuple[Steps, int] = (beginning(state), 0)

    def begin(self, steps: Steps, at: int = 0) -> None:
        """Begin with these steps; nothing of what was here before can be undone to."""
        with self._lock:
            self._entries = (steps, at)

    @property
    def state(self) -> State:
        """The present state."""
        entries, at = self._entries
        return entries[at][1]

    @property
    def steps(self) -> tuple[Steps, int]:
        """All states with what led to them, and which is the present one."""
        return self._entries

    def adopt(self, steps: Steps, at: int, said: str) -> None:
        """Go on with the steps of another journal; undoing goes back through them, and then to what was here.

        Parameters
        ----------
        steps : tuple
        at : int
            The one that becomes the present one.
        said : str
            What brought them here.
        """
        with self._lock:
            entries, here = self._entries
            kept = entries[: here + 1]
            self._entries = ((*kept, (said, steps[0][1]), *steps[1:]), len(kept) + at)

    def change(self, make: Callable[[State], tuple[str, State]]) -> None:
        """Make another state the present one.

        Parameters
        ----------
        make : callable
            Given the present one, says in words what changes, for the user who undoes it (``the answer
            in In [5]``), and what it becomes. Must not change the conversation itself.
        """
        with self._lock:
            entries, at = self._entries
            self._entries = ((*entries[: at + 1], make(entries[at][1])), at + 1)

    def replace(self, said: str, **fields: Any) -> None:
        """Give fields of the state other values, whatever they were."""
        self.change(lambda state: (said, dataclasses.replace(state, **fields)))

    def change_turns(self, said: str, make: Callable[[Turn], Turn | None]) -> None:
        """Make each turn another one; None takes it out."""

        def changed(state: State) -> tuple[str, State]:
            turns = tuple(new for turn in state.turns if (new := make(turn)) is not None)
            return said, dataclasses.replace(state, turns=turns)

        self.change(changed)

    def undo(self) -> Notice:
        """Take the last change back.

        Raises
        ------
        BadInput
            If there is none.
        """
        with self._lock:
            entries, at = self._entries
            if at == 0:
                raise BadInput("There is nothing to undo.")
            self._entries = (entries, at - 1)
        return Notice(f"Took back {entries[at][0]}. redo() brings it again.")

    def redo(self) -> Notice:
        """Bring back what was undone.

        Raises
        ------
        BadInput
            If nothing was, or something else was changed since.
        """
        with self._lock:
            entries, at = self._entries
            if at + 1 == len(entries):
                raise BadInput("There is nothing to redo.")
            self._entries = (entries, at + 1)
        return Notice(f"Brought back {entries[at + 1][0]}.")
