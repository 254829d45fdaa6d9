"""The status line: what is happening while no text arrives, so that a cell never looks dead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from claude_magic.messages.retry import Wait
from claude_magic.messages.text import pluralize
from claude_magic.notebook.display.footer import escaped

_THINKING_SHOWN = 600
_MOST_CALLS = 3
_STATE_WORDS = {"waiting": "waits until the notebook is free"}


@dataclasses.dataclass(frozen=True)
class _PendingCall:
    """A call that has not ended: ``being called``, ``confirming``, ``waiting`` or ``running``."""

    title: str
    state: str
    since: float


class Status:
    """Keeps track of what the user is waiting for.

    Parameters
    ----------
    clock : callable
        Returns seconds.

    Attributes
    ----------
    background : bool
        Whether the cell has ended, so that it cannot ask the user anything.
    """

    background = False

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: dict[str, _PendingCall] = {}
        self.begin()

    def begin(self) -> None:
        """Begin to show a status, because no text is arriving."""
        self._silent = True
        self._since = self._clock()
        self._waiting = ""
        self._thinking: list[str] = []
        self._thinking_since: float | None = None

    def end(self) -> None:
        """End the status, because text is arriving."""
        self._silent = False
        self._calls.clear()

    def wait(self, wait: Wait) -> None:
        """A retry is scheduled."""
        self._waiting = str(wait)

    def think(self, text: str) -> None:
        """Claude is thinking."""
        self._waiting = ""
        self._thinking_since = self._thinking_since or self._clock()
        self._thinking.append(text)

    def call(self, id: str, title: str, state: str) -> None:
        """Note the state of a call: ``being called``, ``confirming``, ``waiting`` or ``running``."""
        known = self._calls.get(id)
        since = known.since if known is not None and known.state == state else self._clock()
        self._calls[id] = _PendingCall(title, state, since)

    def __contains__(self, id: str) -> bool:
        return id in self._calls

    def answered(self, id: str) -> None:
        """A call has its result."""
        self._calls.pop(id, None)

    @property
    def counts_seconds(self) -> bool:
        """Whether to redraw every second; not while the user is asked something."""
        return self._silent and self.asked_about is None

    @property
    def markdown(self) -> str:
        """The status as Markdown; empty while text is arriving."""
        if not self._silent:
            return ""
        if self._waiting:
            return f"*{escaped(self._waiting)}*"
        if self._thinking_since is not None:
            return self._thoughts(self._thinking_since)
        if (asked := self.asked_about) is not None:
            how = "; claude.wait() asks for it" if self.background else ""
            return f"*{escaped(asked.title)} waits for your yes{how}*"
        if calls := self._in_state("running") or self._in_state("waiting") or self._in_state("being called"):
            lines = [
                f"*{escaped(call.title)} {_STATE_WORDS.get(call.state, call.state)}, {self._seconds(call.since)}*"
                for call in calls
            ]
            more = len(lines) - _MOST_CALLS
            return "  \n".join([*lines[:_MOST_CALLS], *([f"*and {pluralize(more, 'more call')}*"] if more > 0 else [])])
        return f"*waiting, {self._seconds(self._since)}*" if self._clock() - self._since >= 1 else "*…*"

    @property
    def asked_about(self) -> _PendingCall | None:
        """The call the user is being asked about; all are confirmed before the first one runs."""
        asked = [] if self._in_state("running") or self._in_state("waiting") else self._in_state("confirming")
        return asked[-1] if asked else None

    def _in_state(self, state: str) -> list[_PendingCall]:
        return [call for call in self._calls.values() if call.state == state]

    def _seconds(self, since: float) -> str:
        return f"{self._clock() - since:.0f} s"

    def _thoughts(self, since: float) -> str:
        thought = "".join(self._thinking)[-_THINKING_SHOWN - 1 :]
        self._thinking[:] = [thought]
        tail = escaped(thought[-_THINKING_SHOWN:]).strip().replace("\n", "\n> ")
        lead = "…" if len(thought) > _THINKING_SHOWN else ""
        return f"*thinking, {self._seconds(since)}*" + (f"\n\n> {lead}{tail}" if tail else "")
