"""An answer as Markdown, in any notebook front end, without a widget.

Finished pieces are displays of their own and are sent once; only the unfinished rest is updated,
ten times a second at most. At the end one bundle with the whole answer takes their place.

All drawing is done by one thread, from the state that it finds when it draws: an older state can
never overwrite a newer one, an interrupt never hits the middle of a message, and the last piece is
shown although nothing follows it. What is to be drawn comes to it through a queue and nothing else:
an interrupt that hits the ``with`` of a condition leaves its lock held for ever.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from claude_magic.content.thumbnails import Thumbnail
from claude_magic.engine.rendering import Ending, Opening
from claude_magic.messages.reply import ReplyUpdate
from claude_magic.messages.retry import Wait
from claude_magic.notebook.display.accumulator import FINISHED, UNDER_WAY, News, Piece, Pieces, Step
from claude_magic.notebook.display.footer import escaped, footer, metadata, sent
from claude_magic.notebook.display.footnotes import written
from claude_magic.notebook.display.gallery import Small, gallery
from claude_magic.notebook.display.inert import inert
from claude_magic.notebook.display.publisher import HookedPublisher, Publisher
from claude_magic.notebook.display.splitter import Splitter
from claude_magic.tools.calls import Call

FASTEST = 0.1
SLOWEST = 0.2
"""Seconds between two drawings: the more of an update is repetition, the longer."""
_ENVELOPE = 600
"""Bytes of a message beside its content, about."""
_SHARE = 6
"""So many bytes may be sent for each new one before drawing slows down."""
_PATIENCE = 2.0
"""Seconds until a call goes on although what came before it could not be drawn."""


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
    keep_images : bool
        Whether the pictures that were sent stay, small, above the finished answer.
    source : str
        Of the cell, if it is one question.
    """

    def __init__(
        self,
        publisher: Publisher,
        *,
        owns_cell: bool,
        style: str = "full",
        clock: Callable[[], float] = time.monotonic,
        replay: Callable[[], None] | None = None,
        keep_images: bool = False,
        source: str = "",
    ) -> None:
        self._publisher = publisher
        self._hooks = publisher if isinstance(publisher, HookedPublisher) else None
        self._owns_cell = owns_cell
        self._style = style
        self._clock = clock
        self._replay = replay
        self._keep_images = keep_images
        self._source = source
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._small = Small()
        self._pieces = Pieces(clock, self._small)
        self._splitter = Splitter()
        self._displays = [uuid.uuid4().hex]
        self._shown: set[str] = set()
        self._sent = self._plain_sent = ""
        self._head = ""  # stands above the first piece
        self._pictures: Sequence[Thumbnail] = ()
        self._gallery = ""
        self._show_thinking = False
        self._watched = False
        self._fastest = FASTEST
        # The thread's own, from when it runs:
        self._dirty = True
        self._awaited: list[threading.Lock] = []
        self._closing = False

    # -- from the conversation -------------------------------------------------------------------

    def start(self, opening: Opening) -> None:
        """Say what is sent, and begin to draw."""
        self._plain_sent = line = sent(opening.sent)
        self._sent = f"*{escaped(line)}*" if line else ""
        self._head = f"{self._sent}\n\n" if line else ""
        self._pictures = opening.pictures
        self._small.model = opening.model
        self._show_thinking = opening.show_thinking
        self._pieces.status.background = opening.stop is not None
        self._pieces.begin(opening.prefill)
        # The context carries the header of the cell's request: without it a thread's output lands elsewhere.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._draw,), name="claude display", daemon=True)
        self._thread.start()

    def update(self, change: ReplyUpdate | Wait | Call) -> None:
        """Pass it to the thread, which draws it."""
        if isinstance(change, ReplyUpdate | Wait):
            self._news.put(change)
            return
        self._watch(change)
        seen = threading.Lock()
        seen.acquire()
        self._news.put(Step(change, change.state, seen))
        if change.state in UNDER_WAY:
            # What was said before the call has to be seen before what the tool shows.
            seen.acquire(timeout=_PATIENCE)

    def _watch(self, call: Call) -> None:
        """See whether something else comes into the cell than the answer, which is then not ours alone."""
        in_another_thread = self._pieces.status.background or (call.tool is not None and call.tool.parallel)
        if call.state == "confirming" or in_another_thread:
            self._owns_cell = False  # what another thread shows cannot be seen
        elif not self._watched and self._hooks is not None:
            self._hooks.register_hook(self._sees_other)
            self._watched = True

    def _sees_other(self, message: dict[str, Any]) -> dict[str, Any]:
        self._owns_cell = False
        if message["header"]["msg_type"] == "clear_output":
            self._shown.clear()  # what was drawn is gone, and has to be shown anew
        return message

    def finish(self, ending: Ending) -> None:
        """Put the whole answer in the place of its pieces."""
        if self._hooks is not None and self._watched:
            self._hooks.unregister_hook(self._sees_other)
        if self._thread is not None:
            self._news.put(None)
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
            self._publish(first, data, metadata(ending, plain, self._source) if data else None)
        for display in others:  # what else is in the cell is not ours to clear
            if display in self._shown:
                self._publish(display, {})

    # -- in the thread ---------------------------------------------------------------------------

    def _draw(self) -> None:
        if self._pictures:
            self._paint_pictures()
        last = float("-inf")
        while not self._closing:
            new = self._pieces.take()
            awaited, self._awaited = self._awaited, []
            self._dirty = False
            status = self._pieces.status.markdown
            now = self._clock()
            payload = self._paint(new, status)
            for seen in awaited:
                seen.release()
            rate = sum(len(piece) for piece in new if isinstance(piece, str)) / max(now - last, 1e-3)
            pause = max(min(payload / (_SHARE * rate) if rate else 0.0, SLOWEST), self._fastest)
            last = now
            # The first words cut the pause short, and so does who waits for it: they are shown at once.
            self._listen(pause, lambda: self._awaited or (self._pieces and status))  # noqa: B023
            # Until there is text, the seconds are shown to pass.
            self._listen(self._patience(), lambda: self._dirty)

    def _patience(self) -> float | None:
        """Seconds after which something is drawn although nothing happens."""
        return 1.0 if self._pieces.status.passes else None

    def _listen(self, seconds: float | None, enough: Callable[[], object]) -> None:
        """Take what comes, until it is enough, or the end, or the time has passed."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._closing and not enough():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return
            try:
                self._note(self._news.get(timeout=left))
            except queue.Empty:
                return

    def _note(self, news: News) -> None:
        """Take one thing into what is to be drawn."""
        if news is None:
            self._closing = True
            self._dirty = True
            return
        if isinstance(news, Step) and news.state in UNDER_WAY:
            self._awaited.append(news.seen)
        self._dirty = self._pieces.note(news) or self._dirty

    def _paint_pictures(self) -> None:
        """Draw what is sent in a display of its own, which is not sent again with the answer."""
        self._show(self._head)  # unpacking large pictures takes a while
        self._gallery = gallery(self._pictures)
        self._show(self._head + self._gallery)
        self._head = ""
        self._displays.append(uuid.uuid4().hex)

    def _paint(self, new: Sequence[Piece], status: str) -> int:
        """Draw what is new; returns the bytes that had to be sent again for it."""
        for piece in new:
            if piece is FINISHED:
                rest, self._splitter = self._splitter.rest, Splitter()
                self._finished(inert(rest))
            elif isinstance(piece, str):
                for finished in self._splitter.feed(piece):
                    self._finished(inert(finished))
            elif piece is not None:
                self._finished(piece().markdown)
        rest = self._splitter.rest
        shown = rest + "\n" + self._splitter.closing if self._splitter.closing else rest
        self._show(self._head + inert(shown) + status)
        return len(rest) + _ENVELOPE

    def _finished(self, markdown: str) -> None:
        """Show what does not change any more; what follows has a display of its own."""
        if markdown.strip():
            self._show(self._head + markdown)
            self._head = ""
            self._displays.append(uuid.uuid4().hex)

    def _show(self, markdown: str) -> None:
        if markdown.strip():
            self._publish(self._displays[-1], {"text/markdown": markdown})

    def _publish(self, display: str, data: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        """Show a bundle, in the place of what the display showed before."""
        self._publisher.publish(data, metadata, transient={"display_id": display}, update=display in self._shown)
        self._shown.add(display)

    # -- the end ---------------------------------------------------------------------------------

    def _final(self, ending: Ending) -> tuple[str, str]:
        reply = ending.reply
        answer = plain_answer = ""
        if reply.begun:
            answer = written(reply, pictures=self._small) if self._keep_images else written(reply)
            plain_answer = written(reply, plain=True)
        line = footer(ending, self._style)
        thought = reply.thinking if self._show_thinking else ""
        quoted = "".join(f"> {line}\n" for line in thought.splitlines())
        markdown = [
            self._sent,
            self._gallery if self._keep_images else "",
            f"<details><summary>thinking</summary>\n\n{inert(quoted)}\n</details>" if quoted else "",
            answer,
            "\n".join(f"> {escaped(notice)}  " for notice in ending.notices),
            f"*{escaped(line)}*" if line else "",
        ]
        plain = [self._plain_sent if not answer else "", plain_answer, *ending.notices, f"({line})" if line else ""]
        return "\n\n".join(filter(None, markdown)), "\n\n".join(filter(None, plain))
