"""Every state a conversation has been in: one list and a position in it, so that anything can be undone."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from claude_magic.conversation.state import State
from claude_magic.conversation.turns import Turn
from claude_magic.engine.notice import Notice
from claude_magic.messages.errors import BadInput

Steps = tuple[tuple[str, State], ...]
"""States, each with a description of what led to it."""


def first_step(state: State) -> Steps:
    """The steps of a conversation to which nothing has happened yet."""
    return (("the beginning", state),)


class Journal:
    """The states in order; changing, undoing and redoing are one assignment each.

    An interrupt between two bytecodes therefore leaves either the old state or the new one. Changes
    from several threads are made one after the other: none of them is lost.

    Parameters
    ----------
    state : State
        The first.
    """

    def __init__(self, state: State) -> None:
        self._lock = threading.Lock()
        self._entries: tuple[Steps, int] = (first_step(state), 0)

    def begin(self, steps: Steps, at: int = 0) -> None:
        """Start over with these steps; what was here before cannot be undone to."""
        with self._lock:
            self._entries = (steps, at)

    @property
    def state(self) -> State:
        """The present state."""
        entries, at = self._entries
        return entries[at][1]

    @property
    def steps(self) -> tuple[Steps, int]:
        """All states with what led to them, and the index of the present one."""
        return self._entries

    def adopt(self, steps: Steps, at: int, step: str) -> None:
        """Continue with the steps of another journal; undoing goes back through them, then to what was here.

        Parameters
        ----------
        steps : tuple
        at : int
            The index of the one that becomes present.
        step : str
            What brought them here.
        """
        with self._lock:
            entries, here = self._entries
            kept = entries[: here + 1]
            self._entries = ((*kept, (step, steps[0][1]), *steps[1:]), len(kept) + at)

    def change(self, make: Callable[[State], tuple[str, State]]) -> None:
        """Make a change.

        Parameters
        ----------
        make : callable
            Given the present state, returns what changes, in words for the user who undoes it (``the
            answer in In [5]``), and the new state. Must not change the conversation itself.
        """
        with self._lock:
            entries, at = self._entries
            self._entries = ((*entries[: at + 1], make(entries[at][1])), at + 1)

    def replace(self, step: str, **fields: Any) -> None:
        """Set fields of the state, whatever they were."""
        self.change(lambda state: (step, dataclasses.replace(state, **fields)))

    def change_turns(self, step: str, make: Callable[[Turn], Turn | None]) -> None:
        """Replace each turn by what a function makes of it; None removes it."""

        def changed(state: State) -> tuple[str, State]:
            turns = tuple(new for turn in state.turns if (new := make(turn)) is not None)
            return step, dataclasses.replace(state, turns=turns)

        self.change(changed)

    def undo(self) -> Notice:
        """Take back the last change.

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
        return Notice(f"Took back {entries[at][0]}. redo() brings it back.")

    def redo(self) -> Notice:
        """Bring back what was undone.

        Raises
        ------
        BadInput
            If nothing was, or something else has changed since.
        """
        with self._lock:
            entries, at = self._entries
            if at + 1 == len(entries):
                raise BadInput("There is nothing to redo.")
            self._entries = (entries, at + 1)
        return Notice(f"Brought back {entries[at + 1][0]}.")
