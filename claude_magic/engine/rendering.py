"""What a conversation tells whoever draws it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from claude_magic.content.thumbnails import Thumbnail
from claude_magic.messages.reply import ReplyUpdate, Reply
from claude_magic.messages.retry import Wait

if TYPE_CHECKING:
    from claude_magic.conversation.turns import Turn
    from claude_magic.tools.calls import Call


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
    pictures : sequence of Thumbnail
        Of those that are sent, in their order.
    stop : callable or None
        Ends an answer that is given in the background, where an interrupt does not reach it.
    """

    model: str
    sent: tuple[str, ...]
    prefill: str
    show_thinking: bool
    pictures: Sequence[Thumbnail] = ()
    stop: Callable[[], None] | None = None


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
    asked : Turn or None
        The question with its answer.
    conversation : str
    """

    reply: Reply
    notices: Sequence[str]
    turn: int
    turns: int
    cost: float | None
    spent: float | None
    turn_id: str
    asked: Turn | None = None
    conversation: str = "main"


class Renderer(Protocol):
    """Draws one answer. It may be slow or absent; the conversation does not know."""

    def start(self, opening: Opening) -> None:
        """The question is about to be sent."""

    def update(self, change: ReplyUpdate | Wait | Call) -> None:
        """Something arrived, another try is being waited for, or a call has gone a step on.

        Of a call that is to be confirmed it comes back when all before it is in sight.
        """

    def finish(self, ending: Ending) -> None:
        """Leave the final form of the answer."""


class SilentRenderer:
    """Draws nothing."""

    def start(self, opening: Opening) -> None:
        """Nothing."""

    def update(self, change: ReplyUpdate | Wait | Call) -> None:
        """Nothing."""

    def finish(self, ending: Ending) -> None:
        """Nothing."""


class GuardedRenderer:
    """Keeps a renderer that fails from ending the answer it draws.

    Parameters
    ----------
    renderer : Renderer

    Attributes
    ----------
    failure : Exception or None
        The first; nothing more is drawn after it but the end.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self.failure: Exception | None = None

    def start(self, opening: Opening) -> None:
        """The question is about to be sent."""
        self._try(lambda: self._renderer.start(opening))

    def update(self, change: ReplyUpdate | Wait | Call) -> None:
        """Something arrived."""
        if self.failure is None:
            self._try(lambda: self._renderer.update(change))

    def finish(self, ending: Ending) -> None:
        """Leave the final form of the answer."""
        self._try(lambda: self._renderer.finish(ending))

    def _try(self, draw: Callable[[], None]) -> None:
        try:
            draw()
        except Exception as error:  # noqa: BLE001  (whatever a renderer raises, the answer goes on)
            self.failure = self.failure or error
