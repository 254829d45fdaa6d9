"""The cells of the notebook: where the question of a cell goes, and what becomes of turns when cells run or go."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from claude_magic.conversation.journal import Journal
from claude_magic.engine.environment import Place
from claude_magic.conversation.turns import Turn


class CellTurns:
    """What happens to the turns of a conversation with the cells that asked them.

    Parameters
    ----------
    journal : Journal
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._told: set[str] = set()

    def deleted(self, cells: set[str]) -> None:
        """Leave out the turns of cells that were deleted."""
        turns = self._journal.state.turns
        gone = [turn for turn in turns if turn.place and turn.place.cell in cells and not turn.absent]
        if gone:
            self._mark(gone, absent=True, said="leaving out the answer of a deleted cell")

    def runs(self, cell: str) -> None:
        """Bring back the turns of a cell: what runs is alive, whatever was reported of it."""
        back = [turn for turn in self._journal.state.turns if turn.absent and turn.place and turn.place.cell == cell]
        if back:
            self._mark(back, absent=False, said="the return of a cell's answer")

    def ran(self, cell: str, execution: str, label: str, asked: int) -> None:
        """Leave out what a cell no longer asks, which ran to its end."""
        left = [
            turn
            for turn in self._journal.state.turns
            if (place := turn.place)
            and place.cell == cell
            and place.execution != execution
            and place.number is not None
            and place.number >= asked
        ]
        if left:
            self._journal.change_turns(
                f"leaving out what {label} no longer asks", lambda turn: None if turn in left else turn
            )

    def news(self) -> list[str]:
        """What is to be said of deleted cells, once for each."""
        absent = {turn.id for turn in self._journal.state.turns if turn.absent}
        news = absent - self._told
        self._told = absent
        if not news:
            return []
        if len(news) == 1:
            return ["The answer of a cell you deleted or cut is left out; run it again or claude.undo()."]
        return [f"{len(news)} answers of cells you deleted or cut are left out; run them again or claude.undo()."]

    def _mark(self, chosen: list[Turn], *, absent: bool, said: str) -> None:
        self._journal.change_turns(
            said, lambda turn: dataclasses.replace(turn, absent=absent) if turn in chosen else turn
        )


def slot(turns: Sequence[Turn], place: Place | None) -> tuple[int, Turn | None]:
    """Where a question of this place goes, and the turn that it replaces, if any.

    A question that the cell did not ask before follows the one that the same execution asked last.
    """
    if place is None or place.number is None or not place.cell:
        return len(turns), None
    end = len(turns)
    for index, turn in enumerate(turns):
        if turn.place is None or turn.place.cell != place.cell:
            continue
        if turn.place.execution == place.execution:
            end = index + 1
        elif turn.place.number == place.number:
            return index, turn
    return end, None


def asked_within(turn: Turn, place: Place | None) -> bool:
    """Whether a turn was asked by a function that this question called when its cell ran before: it will be again."""
    former = turn.place
    if place is None or former is None or place.number is None or former.number is None or not place.cell:
        return False
    return former.cell == place.cell and former.execution != place.execution and former.number > place.number
