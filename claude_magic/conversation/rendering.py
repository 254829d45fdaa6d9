"""What a conversation tells whoever draws it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

from claude_magic.messages.reply import Change, Reply
from claude_magic.messages.retry import Wait


@dataclasses.dataclass(frozen=True)
class Opening:
    """What is known when a question goes out.

    Attributes
    ----------
    model : str
    sent : tuple of str
        What is sent beside the words of the question.
    prefill : str
    show_thinking : bool
        Whether the user asked to keep it.
    """

    model: str
    sent: tuple[str, ...]
    prefill: str
    show_thinking: bool


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a question ended.

    Attributes
    ----------
    reply : Reply
    notices : tuple of str
        What the reader must know: a cut, a replacement, a repair.
    turn, turns : int
        The turn's number from 1, and how many there are; 0 if it was not kept.
    spent : float or None
        US dollars of this kernel so far; None if a price is unknown.
    cost : float or None
        US dollars of this answer.
    turn_id : str
    """

    reply: Reply
    notices: Sequence[str]
    turn: int
    turns: int
    cost: float | None
    spent: float | None
    turn_id: str


class Renderer(Protocol):
    """Draws one answer. It may be slow or absent; the conversation does not know."""

    def start(self, opening: Opening) -> None:
        """The question is about to be sent."""

    def update(self, change: Change | Wait) -> None:
        """Something arrived, or another try is being waited for."""

    def finish(self, ending: Ending) -> None:
        """Leave the final form of the answer."""


class Silent:
    """Draws nothing."""

    def start(self, opening: Opening) -> None:
        """Nothing."""

    def update(self, change: Change | Wait) -> None:
        """Nothing."""

    def finish(self, ending: Ending) -> None:
        """Nothing."""
