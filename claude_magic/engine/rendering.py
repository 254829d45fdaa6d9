"""What a run tells the renderer that draws its answer."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from claude_magic.content.thumbnails import Thumbnail
from claude_magic.messages.reply import Reply, ReplyUpdate
from claude_magic.messages.retry import Wait

if TYPE_CHECKING:
    from claude_magic.tools.calls import Call

    Update = ReplyUpdate | Wait | Call


@dataclasses.dataclass(frozen=True)
class Opening:
    """What is known when a question is sent.

    Attributes
    ----------
    model : str
    sent : tuple of str
        What is sent besides the text of the question.
    prefill : str
    show_thinking : bool
        Whether the user asked to keep it.
    pictures : sequence of Thumbnail
        Of the pictures that are sent, in order.
    stop : callable or None
        Stops an answer in the background, which no interrupt reaches.
    """

    model: str
    sent: tuple[str, ...]
    prefill: str
    show_thinking: bool
    pictures: Sequence[Thumbnail] = ()
    stop: Callable[[], None] | None = None


@dataclasses.dataclass(frozen=True)
class Asked:
    """The question that an ending belongs to.

    Attributes
    ----------
    text : str
        For people, with values by their names.
    at : datetime.datetime
    number : int or None
        Its index within its cell.
    in_cell : bool
        Whether it was asked in a cell.
    """

    text: str
    at: datetime.datetime
    number: int | None
    in_cell: bool


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a question ended.

    Attributes
    ----------
    reply : Reply
    notices : sequence of str
        What the reader must know: a cut, a replacement, a repair.
    turn, turns : int
        The turn's number from 1, and how many there are; 0 if it was not kept.
    cost, spent : float or None
        US dollars of this answer, and of this kernel so far; None if a price is unknown.
    turn_id : str
    asked : Asked or None
        None if it was not sent.
    conversation : str
    """

    reply: Reply
    notices: Sequence[str]
    turn: int
    turns: int
    cost: float | None
    spent: float | None
    turn_id: str
    asked: Asked | None = None
    conversation: str = "main"


class Renderer(Protocol):
    """Draws one answer. It may be slow or absent; the run does not know."""

    def start(self, opening: Opening) -> None:
        """The question is about to be sent."""

    def update(self, update: Update) -> None:
        """Something arrived, a retry is being waited for, or a tool call changed its state.

        For a call that needs confirmation it returns once everything before it has been drawn.
        """

    def finish(self, ending: Ending) -> None:
        """Leave the final form of the answer."""


class SilentRenderer:
    """Draws nothing."""

    def _ignore(self, _: object) -> None:
        pass

    start = update = finish = _ignore


class GuardedRenderer:
    """Keeps a renderer that fails from ending the answer that it draws.

    Parameters
    ----------
    renderer : Renderer

    Attributes
    ----------
    failure : Exception or None
        The first failure; after it only the ending is drawn.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self.failure: Exception | None = None

    def start(self, opening: Opening) -> None:
        """The question is about to be sent."""
        self._try(lambda: self._renderer.start(opening))

    def update(self, update: Update) -> None:
        """Something arrived."""
        if self.failure is None:
            self._try(lambda: self._renderer.update(update))

    def finish(self, ending: Ending) -> None:
        """Leave the final form of the answer."""
        self._try(lambda: self._renderer.finish(ending))

    def _try(self, draw: Callable[[], None]) -> None:
        try:
            draw()
        except Exception as error:  # noqa: BLE001  (whatever a renderer raises, the answer continues)
            self.failure = self.failure or error
