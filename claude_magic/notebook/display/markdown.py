"""An answer as Markdown, in any notebook front end, without a widget.

Finished pieces are displays of their own and are sent once; only the unfinished rest is updated,
ten times a second at most. At the end one bundle with the whole answer takes their place.

All drawing is done by one thread, from the state that it finds when it draws: an older state can
never overwrite a newer one, an interrupt never hits the middle of a message, and the last piece is
shown although nothing follows it.
"""

from __future__ import annotations

import contextvars
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from claude_magic.conversation.rendering import Ending, Opening
from claude_magic.messages.reply import Change
from claude_magic.messages.retry import Wait
from claude_magic.notebook.display.footer import escaped, footer, metadata, sent
from claude_magic.notebook.display.splitter import Splitter

FASTEST = 0.1
SLOWEST = 0.2
"""Seconds between two drawings: the more of an update is repetition, the longer."""
_ENVELOPE = 600
"""Bytes of a message beside its content, about."""
_SHARE = 6
"""So many bytes may be sent for each new one before drawing slows down."""
_THINKING_SHOWN = 600


class Publisher(Protocol):
    """What is used of IPython's display publisher."""

    def publish(self, data: dict[str, Any], metadata: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Show a bundle."""

    def clear_output(self, wait: bool = False) -> None:
        """Clear the cell."""


class MarkdownRenderer:
    """Draws into the cell that runs.

    Parameters
    ----------
    publisher : Publisher
    owns_cell : bool
        Whether nothing else is in the cell, so that it may be cleared.
    style : str
        Of the footer: ``full``, ``short`` or ``off``.
    clock : callable
        Seconds.
    replay : callable, optional
        Shows again what was in the cell before, once it has been cleared.
    """

    def __init__(
        self,
        publisher: Publisher,
        *,
        owns_cell: bool,
        style: str = "full",
        clock: Callable[[], float] = time.monotonic,
        replay: Callable[[], None] | None = None,
    ) -> None:
        self._publisher = publisher
        self._owns_cell = owns_cell
        self._style = style
        self._clock = clock
        self._replay = replay
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._splitter = Splitter()
        self._displays = [uuid.uuid4().hex]
        self._shown: set[str] = set()
        self._sent = self._plain_sent = ""
        self._head = ""  # stands above the first piece
        self._show_thinking = False
        self._started = 0.0
        self._text_begun = False
        # Shared with the thread, under the condition's lock:
        self._new: list[str] = []
        self._thinking: list[str] = []
        self._thinking_since: float | None = None
        self._waiting = ""
        self._dirty = False
        self._closing = False

    # -- from the conversation -------------------------------------------------------------------

    def start(self, opening: Opening) -> None:
        """Say what is sent, and begin to draw."""
        self._plain_sent = line = sent(opening)
        self._sent = f"*{escaped(line)}*" if line else ""
        self._head = f"{self._sent}\n\n" if line else ""
        self._show_thinking = opening.show_thinking
        self._started = self._clock()
        if opening.prefill:
            self._new.append(opening.prefill)
        self._dirty = True
        # The context carries the header of the cell's request: without it a thread's output lands elsewhere.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._draw,), name="claude display", daemon=True)
        self._thread.start()

    def update(self, change: Change | Wait) -> None:
        """Note what changed; the thread draws it."""
        with self._changed:
            if isinstance(change, Wait):
                self._waiting = str(change)
            elif change.kind == "text":
                self._waiting = ""
                self._new.append(change.text)
            elif change.kind == "thinking" or change.block.type == "thinking":
                self._waiting = ""
                self._thinking_since = self._thinking_since or self._clock()
                self._thinking.append(change.text)
            else:
                return
            self._dirty = True
            self._changed.notify()

    def finish(self, ending: Ending) -> None:
        """Put the whole answer in the place of its pieces."""
        if self._thread is not None:
            with self._changed:
                self._closing = True
                self._changed.notify()
            self._thread.join()
        markdown, plain = self._final(ending)
        data = {"text/markdown": markdown, "text/plain": plain} if markdown else {}
        first, *others = self._displays
        if self._owns_cell and self._shown and (others or not data):
            self._publisher.clear_output(wait=bool(data))
            self._shown.clear()
            if self._replay is not None:
                self._replay()
        if data or self._shown:
            self._publish(first, data, metadata(ending) if data else None)
        for display in others:  # what else is in the cell is not ours to clear
            if display in self._shown:
                self._publish(display, {})

    # -- in the thread ---------------------------------------------------------------------------

    def _draw(self) -> None:
        last = float("-inf")
        while True:
            with self._changed:
                # Until there is text, the seconds are shown to pass.
                self._changed.wait_for(lambda: self._dirty or self._closing, None if self._text_begun else 1.0)
                if self._closing:
                    return
                new = "".join(self._new)
                self._new.clear()
                self._dirty = False
                status = "" if new or self._text_begun else self._status()
            self._text_begun = self._text_begun or bool(new)
            now = self._clock()
            payload = self._paint(new, status)
            rate = len(new) / max(now - last, 1e-3)
            pause = min(max(payload / (_SHARE * rate) if rate else FASTEST, FASTEST), SLOWEST)
            last = now
            with self._changed:
                # The first words cut the pause short: they are shown at once.
                self._changed.wait_for(lambda: self._closing or (self._new and not self._text_begun), pause)

    def _paint(self, new: str, status: str) -> int:
        """Draw what is new; returns the bytes that had to be sent again for it."""
        for piece in self._splitter.feed(new):
            self._show(self._head + piece)
            self._head = ""
            self._displays.append(uuid.uuid4().hex)
        rest = self._splitter.rest
        self._show(self._head + (rest + "\n" + self._splitter.closing if self._splitter.closing else rest) + status)
        return len(rest) + _ENVELOPE

    def _show(self, markdown: str) -> None:
        if markdown.strip():
            self._publish(self._displays[-1], {"text/markdown": markdown})

    def _publish(self, display: str, data: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        """Show a bundle, in the place of what the display showed before."""
        self._publisher.publish(data, metadata, transient={"display_id": display}, update=display in self._shown)
        self._shown.add(display)

    def _status(self) -> str:
        """What happens while there is no text: never silence."""
        if self._waiting:
            return f"*{escaped(self._waiting)}*"
        if self._thinking_since is None:
            seconds = self._clock() - self._started
            return f"*waiting, {seconds:.0f} s*" if seconds >= 1 else "*…*"
        seconds = self._clock() - self._thinking_since
        thought = "".join(self._thinking)
        self._thinking[:] = [thought]
        tail = escaped(thought[-_THINKING_SHOWN:]).strip().replace("\n", "\n> ")
        return f"*thinking, {seconds:.0f} s*" + (
            f"\n\n> {'…' if len(thought) > _THINKING_SHOWN else ''}{tail}" if tail else ""
        )

    # -- the end ---------------------------------------------------------------------------------

    def _final(self, ending: Ending) -> tuple[str, str]:
        reply = ending.reply
        answer = reply.text if reply.begun else ""
        closer = Splitter()
        closer.feed(answer + "\n")
        closed = f"{answer}\n{closer.closing}" if closer.closing else answer
        line = footer(ending, self._style)
        thought = reply.thinking if self._show_thinking else ""
        quoted = "".join(f"> {line}\n" for line in thought.splitlines())
        markdown = [
            self._sent,
            f"<details><summary>thinking</summary>\n\n{quoted}\n</details>" if quoted else "",
            closed,
            "\n".join(f"> {escaped(notice)}  " for notice in ending.notices),
            f"*{escaped(line)}*" if line else "",
        ]
        plain = [self._plain_sent if not answer else "", answer, *ending.notices, f"({line})" if line else ""]
        return "\n\n".join(filter(None, markdown)), "\n\n".join(filter(None, plain))
