"""Turns: questions with everything that answered them."""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

from claude_magic.content.parts import Part
from claude_magic.engine.environment import Place
from claude_magic.engine.message import Message
from claude_magic.messages.reply import Reply
from claude_magic.messages.text import one_line
from claude_magic.messages.usage import format_cost

if TYPE_CHECKING:
    from claude_magic.engine.outcome import Outcome
    from claude_magic.engine.prepare import Prepared
    from claude_magic.tools.calls import Call


@dataclasses.dataclass(frozen=True, eq=False)
class Turn:
    """A question with everything that answered it, as it stands in the history. Immutable.

    Attributes
    ----------
    id : str
    prompt : str
        The question for people, with values by their names.
    messages : tuple of Message
        The question, Claude's messages, and the results of its calls.
    reply : Reply
    asked : datetime.datetime
    place : Place or None
        None outside a notebook, or where the front end does not send the cell's id.
    absent : bool
        Whether its cell was deleted: it keeps its place, but Claude does not see it.
    """

    id: str
    prompt: str
    messages: tuple[Message, ...]
    reply: Reply
    asked: datetime.datetime
    place: Place | None
    absent: bool = False

    @classmethod
    def of(cls, prepared: Prepared, result: Outcome, place: Place | None) -> Turn:
        """The turn that a question has made."""
        return cls(
            id=new_id(),
            prompt=prepared.question.text,
            messages=(prepared.request.own[0], *(result.answer or ())),
            reply=prepared.request.reply,
            asked=prepared.at,
            place=place,
        )

    @property
    def parts(self) -> list[Part]:
        """Everything of it that was sent to Claude."""
        return [part for message in self.messages for part in message.parts]

    @property
    def pictures(self) -> int:
        """How many pictures it carries."""
        return sum(message.pictures for message in self.messages)

    @property
    def called(self) -> set[str]:
        """The names of the tools that are called in it, server tools included."""
        blocks = (block for message in self.messages for block in message.content if isinstance(block, dict))
        return {str(block["name"]) for block in blocks if block["type"].endswith("tool_use")}

    @property
    def tool_calls(self) -> list[Call]:
        """The calls that Claude made, with their results and errors."""
        return self.reply.tool_calls

    @property
    def state(self) -> str:
        """``complete``, or why it is not."""
        if self.absent:
            return "cell deleted"
        return "complete" if self.reply.complete else (self.reply.stop_reason or "stopped")

    def __repr__(self) -> str:
        where = f" {self.place.label}" if self.place else ""
        return f"<Turn{where}: {one_line(self.prompt, 50)!r}, {self.state}>"


class Turns(Sequence[Turn]):
    """The turns that Claude sees; ``del claude.turns[2]`` makes it forget one.

    Parameters
    ----------
    visible : callable
        Returns the turns as they are now.
    forget : callable
        Removes a list of turns from the conversation.
    """

    def __init__(self, visible: Callable[[], tuple[Turn, ...]], forget: Callable[[list[Turn]], None]) -> None:
        self._visible = visible
        self._forget = forget

    def __len__(self) -> int:
        return len(self._visible())

    @overload
    def __getitem__(self, index: int) -> Turn: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Turn, ...]: ...
    def __getitem__(self, index: int | slice) -> Turn | tuple[Turn, ...]:
        return self._visible()[index]

    def __iter__(self) -> Iterator[Turn]:
        return iter(self._visible())

    def __delitem__(self, index: int | slice) -> None:
        chosen = self._visible()[index]
        self._forget(list(chosen) if isinstance(chosen, tuple) else [chosen])

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [("", "cell", "question", "tokens", "cost", "state")]
        for number, turn in enumerate(self):
            usage = turn.reply.usage
            rows.append(
                (
                    str(number),
                    turn.place.label if turn.place else "",
                    one_line(turn.prompt, 50),
                    f"{usage.total_input + usage.output_tokens:,}",
                    format_cost(turn.reply.cost),
                    turn.state,
                )
            )
        return rows

    def __repr__(self) -> str:
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


def new_id() -> str:
    """An id for a turn."""
    return uuid.uuid4().hex[:12]


def seen(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Those of the turns that Claude sees."""
    return tuple(turn for turn in turns if not turn.absent)
