"""Turns and the cells that asked them: where a question goes, and what becomes of turns when cells run or go."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from claude_magic.conversation.journal import Journal
from claude_magic.conversation.state import State
from claude_magic.conversation.turns import Turn, seen
from claude_magic.engine.environment import Place
from claude_magic.messages.text import one_line, pluralize
from claude_magic.tools.toolset import merge_tools, tool_name

if TYPE_CHECKING:
    from claude_magic.tools.toolset import AnyTool

_MANY_QUESTIONS = 6
"""The question of one execution at which the reader is told what carrying the earlier ones costs."""


class CellTurns:
    """What happens to the turns of a conversation with the cells that asked them.

    Parameters
    ----------
    journal : Journal
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._reported: set[str] = set()

    def deleted(self, cells: set[str]) -> None:
        """Leave out the turns of deleted cells."""
        turns = self._journal.state.turns
        gone = [turn for turn in turns if turn.place and turn.place.cell in cells and not turn.absent]
        if gone:
            self._mark(gone, absent=True, step="leaving out the answer of a deleted cell")

    def runs(self, cell: str) -> None:
        """Bring back the turns of a cell that runs: it exists, whatever was reported about it."""
        back = [turn for turn in self._journal.state.turns if turn.absent and turn.place and turn.place.cell == cell]
        if back:
            self._mark(back, absent=False, step="the return of a cell's answer")

    def ran(self, cell: str, execution: str, label: str, asked: int) -> None:
        """Drop the turns that a cell no longer asks for after it ran to its end."""
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
            step = f"leaving out what {label} no longer asks"
            self._journal.change_turns(step, lambda turn: None if turn in left else turn)

    def news(self) -> list[str]:
        """What to report about deleted cells, once for each."""
        absent = {turn.id for turn in self._journal.state.turns if turn.absent}
        news = absent - self._reported
        self._reported = absent
        if not news:
            return []
        if len(news) == 1:
            return ["The answer of a cell you deleted or cut is left out; run it again or claude.undo()."]
        return [f"{len(news)} answers of cells you deleted or cut are left out; run them again or claude.undo()."]

    def _mark(self, chosen: list[Turn], *, absent: bool, step: str) -> None:
        self._journal.change_turns(
            step, lambda turn: dataclasses.replace(turn, absent=absent) if turn in chosen else turn
        )


def slot(turns: Sequence[Turn], place: Place | None) -> tuple[int, Turn | None]:
    """The index at which a question asked in this place goes, and the turn that it replaces, if any.

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
    """Whether a turn was asked by a tool of this question when its cell ran before, as it will be again."""
    former = turn.place
    if place is None or former is None or place.number is None or former.number is None or not place.cell:
        return False
    return former.cell == place.cell and former.execution != place.execution and former.number > place.number


def insert(turn: Turn, state: State, held: Sequence[AnyTool], *, new: bool) -> tuple[State, str, list[str]]:
    """Put a turn in its place.

    Parameters
    ----------
    turn : Turn
    state : State
        As it is now.
    held : sequence
        The tools when it was asked.
    new : bool
        Whether the conversation starts over with it.

    Returns
    -------
    tuple
        The new state, the step for the journal, and what the reader must know.
    """
    place = turn.place
    index, former = slot(state.turns, place)
    # A function that it called may have removed its own definition.
    called = {call.name for call in turn.tool_calls} - set(map(tool_name, state.tools))
    tools = merge_tools(state.tools, (tool for tool in held if tool_name(tool) in called))
    later = state.turns[index + (former is not None) :]
    after = dataclasses.replace(state, turns=(*(() if new else state.turns[:index]), turn, *later), tools=tools)
    kind = "new answer" if former is not None else "answer"
    step = f"the {kind} in {place.label}" if place else f"the answer to {one_line(turn.prompt, 30)!r}"
    notices = [] if former is None else [_replaced(former, len(seen(later)))]
    if place is not None and place.number == _MANY_QUESTIONS - 1:
        images = sum(turn.pictures for turn in seen(after.turns))
        so_far = f" ({pluralize(images, 'image')} so far)" if images else ""
        notices.append(f"Each call carries the earlier ones{so_far}. For independent questions: once=True.")
    return after, step, notices


def _replaced(former: Turn, later: int) -> str:
    others = f"; {later} later answer{'s were' if later != 1 else ' was'} given to the old version" if later else ""
    return f"Replaced your question of {former.asked:%H:%M} here{others}."
