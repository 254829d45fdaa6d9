"""An answer as Markdown, in any notebook front end, without a widget.

Finished pieces are separate displays and are sent once; only the unfinished rest is updated, at most
ten times a second. At the end a single output with the whole answer replaces them.

One thread does all the drawing, from the state at that moment: an older state can never overwrite a
newer one, an interrupt never hits the middle of a message, and the last piece is shown even if
nothing follows it. It is fed through a queue only: an interrupt that hits the ``with`` statement of a
condition would leave its lock held for ever.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from claude_magic.engine.rendering import Ending, Opening
from claude_magic.messages.reply import ReplyUpdate
from claude_magic.messages.retry import Wait
from claude_magic.notebook.display.accumulator import IN_PROGRESS, TEXT_END, Accumulator, CallUpdate, Event, Segment
from claude_magic.notebook.display.footer import escaped, footer, metadata, sent
from claude_magic.notebook.display.gallery import ToolGallery, gallery
from claude_magic.notebook.display.inert import inert
from claude_magic.notebook.display.publisher import Bundle, HookedPublisher, Metadata, Publisher
from claude_magic.notebook.display.reply_view import render_reply
from claude_magic.notebook.display.splitter import MarkdownSplitter
from claude_magic.tools.calls import Call

MIN_PAUSE = 0.1
MAX_PAUSE = 0.2
"""Seconds between two drawings: the more of an update is repetition, the longer."""
_ENVELOPE = 600
"""Approximate bytes of a message besides its content."""
_MAX_OVERHEAD = 6
"""Bytes that may be sent for each new byte before drawing slows down."""
_DRAWING_TIMEOUT = 2.0
"""Seconds after which a tool call proceeds even if the text before it has not been drawn."""


class MarkdownRenderer:
    """Draws into the running cell.

    Parameters
    ----------
    publisher : Publisher
    owns_cell : bool
        Whether the cell shows nothing else, so that it may be cleared.
    style : str
        Of the footer: ``full``, ``short`` or ``off``.
    clock : callable
        Returns seconds.
    replay : callable, optional
        Shows the earlier outputs of the cell again after it has been cleared.
    keep_images : bool
        Whether thumbnails of the pictures that were sent stay above the finished answer.
    source : str
        The source of the cell, if it is a single question.
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
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._tool_gallery = ToolGallery()
        self._accumulator = Accumulator(clock, self._tool_gallery)
        self._splitter = MarkdownSplitter()
        self._displays = [uuid.uuid4().hex]
        self._shown: set[str] = set()
        self._opening = Opening("", (), "", show_thinking=False)
        self._sent = self._gallery = ""
        self._head = ""  # shown above the first piece
        self._hooked = False
        self._min_pause = MIN_PAUSE
        # Used by the drawing thread only, once it runs:
        self._stale = True
        self._locks: list[threading.Lock] = []
        self._closing = False

    # -- called by the run -----------------------------------------------------------------------

    def start(self, opening: Opening) -> None:
        """Show what is sent, and begin to draw."""
        self._opening = opening
        if line := sent(opening.sent):
            self._sent = f"*{escaped(line)}*"
            self._head = f"{self._sent}\n\n"
        self._tool_gallery.model = opening.model
        self._accumulator.status.background = opening.stop is not None
        self._accumulator.begin(opening.prefill)
        # The context carries the header of the cell's request, without which a thread's output goes elsewhere.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="claude display", daemon=True)
        self._thread.start()

    def update(self, update: ReplyUpdate | Wait | Call) -> None:
        """Pass the update on to the drawing thread."""
        if isinstance(update, ReplyUpdate | Wait):
            self._events.put(update)
            return
        self._watch(update)
        drawn = threading.Lock()
        drawn.acquire()
        self._events.put(CallUpdate(update, update.state, drawn))
        if update.state in IN_PROGRESS:
            # The text before the call has to be visible before anything that the tool shows.
            drawn.acquire(timeout=_DRAWING_TIMEOUT)

    def _watch(self, call: Call) -> None:
        """Watch for other output in the cell, which must then not be cleared."""
        in_another_thread = self._accumulator.status.background or (call.tool is not None and call.tool.parallel)
        if call.state == "confirming" or in_another_thread:
            self._owns_cell = False  # output of another thread cannot be watched
        elif not self._hooked and self._hooks is not None:
            self._hooks.register_hook(self._note_other_output)
            self._hooked = True

    def _note_other_output(self, message: dict[str, Any]) -> dict[str, Any]:
        self._owns_cell = False
        if message["header"]["msg_type"] == "clear_output":
            self._shown.clear()  # what was drawn is gone and must be published again
        return message

    def finish(self, ending: Ending) -> None:
        """Replace the pieces with the whole answer."""
        if self._hooks is not None and self._hooked:
            self._hooks.unregister_hook(self._note_other_output)
        if self._thread is not None:
            self._events.put(None)
            self._thread.join()
        markdown, plain = self._final_texts(ending)
        data = {"text/markdown": markdown, "text/plain": plain} if markdown else {}
        first, *others = self._displays
        if self._owns_cell and self._shown and (others or not data):
            self._publisher.clear_output(wait=bool(data))
            self._shown.clear()
            if self._replay is not None:
                self._replay()
        if data or self._shown:
            self._publish(first, data, metadata(ending, plain, self._source) if data else None)
        for display in others:  # the cell holds other output, so it is not cleared
            if display in self._shown:
                self._publish(display, {})

    # -- in the drawing thread -------------------------------------------------------------------

    def _run(self) -> None:
        if self._opening.pictures:
            self._draw_pictures()
        last = float("-inf")
        while not self._closing:
            segments = self._accumulator.take()
            locks, self._locks = self._locks, []
            self._stale = False
            status = self._accumulator.status.markdown
            now = self._clock()
            payload = self._draw(segments, status)
            for drawn in locks:
                drawn.release()
            rate = sum(len(segment) for segment in segments if isinstance(segment, str)) / max(now - last, 1e-3)
            pause = max(min(payload / (_MAX_OVERHEAD * rate) if rate else 0.0, MAX_PAUSE), self._min_pause)
            last = now
            # The first words and a waiting tool call cut the pause short.
            self._listen(pause, lambda: self._locks or (self._accumulator and status))  # noqa: B023
            # Until there is text, the passing seconds are shown.
            self._listen(self._redraw_after(), lambda: self._stale)

    def _redraw_after(self) -> float | None:
        """Seconds after which to draw even if nothing happens."""
        return 1.0 if self._accumulator.status.counts_seconds else None

    def _listen(self, seconds: float | None, enough: Callable[[], object]) -> None:
        """Take events until there is enough to draw, the answer ends, or the time is up."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._closing and not enough():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return
            try:
                self._take(self._events.get(timeout=left))
            except queue.Empty:
                return

    def _take(self, event: Event | None) -> None:
        """Take an event into account; None ends the thread."""
        if event is None:
            self._closing = True
            return
        if isinstance(event, CallUpdate) and event.state in IN_PROGRESS:
            self._locks.append(event.drawn)
        self._stale = self._accumulator.add(event) or self._stale

    def _draw_pictures(self) -> None:
        """Show the pictures in a display of their own, which is not resent with the answer."""
        self._show(self._head)  # decoding large pictures takes a while
        self._gallery = gallery(self._opening.pictures)
        self._show(self._head + self._gallery)
        self._head = ""
        self._displays.append(uuid.uuid4().hex)

    def _draw(self, segments: Sequence[Segment], status: str) -> int:
        """Draw new segments, and return the bytes that had to be resent for them."""
        for segment in segments:
            if segment is TEXT_END:
                rest, self._splitter = self._splitter.rest, MarkdownSplitter()
                self._finish_piece(inert(rest))
            elif isinstance(segment, str):
                for piece in self._splitter.feed(segment):
                    self._finish_piece(inert(piece))
            elif segment is not None:
                self._finish_piece(segment.markdown)
        rest = self._splitter.rest
        shown = rest + "\n" + self._splitter.closing if self._splitter.closing else rest
        self._show(self._head + inert(shown) + status)
        return len(rest) + _ENVELOPE

    def _finish_piece(self, markdown: str) -> None:
        """Show a piece that will not change; what follows gets a new display."""
        if markdown.strip():
            self._show(self._head + markdown)
            self._head = ""
            self._displays.append(uuid.uuid4().hex)

    def _show(self, markdown: str) -> None:
        if markdown.strip():
            self._publish(self._displays[-1], {"text/markdown": markdown})

    def _publish(self, display: str, data: Bundle, metadata: Metadata = None) -> None:
        """Show an output in a display, replacing its content."""
        self._publisher.publish(data, metadata, transient={"display_id": display}, update=display in self._shown)
        self._shown.add(display)

    def _final_texts(self, ending: Ending) -> tuple[str, str]:
        """The whole output, as Markdown and as plain text."""
        reply = ending.reply
        answer = plain_answer = ""
        if reply.begun:
            answer = render_reply(reply, pictures=self._tool_gallery) if self._keep_images else render_reply(reply)
            plain_answer = render_reply(reply, plain=True)
        line = footer(ending, self._style)
        thinking = reply.thinking if self._opening.show_thinking else ""
        quoted = "".join(f"> {line}\n" for line in thinking.splitlines())
        markdown = [
            self._sent,
            self._gallery if self._keep_images else "",
            f"<details><summary>thinking</summary>\n\n{inert(quoted)}\n</details>" if quoted else "",
            answer,
            "\n".join(f"> {escaped(notice)}  " for notice in ending.notices),
            f"*{escaped(line)}*" if line else "",
        ]
        head = "" if answer else sent(self._opening.sent)
        plain = [head, plain_answer, *ending.notices, f"({line})" if line else ""]
        return "\n\n".join(filter(None, markdown)), "\n\n".join(filter(None, plain))
