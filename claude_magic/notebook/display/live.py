"""An answer drawn by a widget while it streams; at the end it becomes the same Markdown as without one.

The page mirrors the state of a widget model: pieces of HTML, of which only changed chunks are sent. The
front end keeps the state, so a view that is opened late misses nothing, and a chunk that never arrives
is missing only until the end. The page cannot ask for it: a kernel does not listen while a cell runs.

The notebook itself holds only Markdown at all times: the answer so far, updated every second or two,
over which the page draws where it can. So a notebook saved in mid-answer, a kernel that dies and a
front end without widgets all have the text.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Iterator, Sequence

from claude_magic.engine.rendering import Ending, Opening
from claude_magic.messages.text import pluralize
from claude_magic.notebook.display import markdown
from claude_magic.notebook.display.accumulator import TEXT_END, Segment
from claude_magic.notebook.display.gallery import gallery
from claude_magic.notebook.display.html import StreamingHTML, render_markdown
from claude_magic.notebook.display.html_diff import split_html
from claude_magic.notebook.display.markdown import MarkdownRenderer
from claude_magic.notebook.display.widget import LiveWidget

UNFINISHED = "*… this answer is not finished*"
"""Marks the Markdown of an answer that is still being written."""
SAVE_PAUSE = 1.5
"""Seconds between two updates of the Markdown behind the widget, at least."""
MIN_OUTPUT = 4000
"""Characters from which finished Markdown gets an output of its own: JupyterLab shows 50 outputs in a cell."""
MIN_PAUSE = 1 / 15
"""Seconds between two drawings."""
_IDLE_RATIO = 4
"""Pause after a drawing, as a multiple of the time it took: a very long block must not keep the kernel busy."""


class LiveRenderer(MarkdownRenderer):
    """Draws in the page, over the Markdown of a :class:`MarkdownRenderer`, which is updated less often."""

    _widget: LiveWidget | None = None
    _mark = ""

    def start(self, opening: Opening) -> None:
        """Show the widget, and begin to draw."""
        self._html = StreamingHTML()
        self._chunks: dict[int, list[str]] = {}
        self._synced: dict[str, str] = {}
        self._unsaved: list[Segment] = []  # drawn by the widget, but not yet in the Markdown
        self._saved_status = ""
        self._save_at = float("-inf")
        self._min_pause = MIN_PAUSE
        self._mark = f"claude-{uuid.uuid4().hex[:8]}"
        with self._or_without_widget():
            self._widget = LiveWidget(
                model=opening.model,
                mark=self._mark,
                pieces=0,
                number=0,
                says="Claude is answering.",
                background=opening.stop is not None,
            )
            if opening.stop is not None:
                self._widget.on_stop(opening.stop)
        super().start(opening)

    def finish(self, ending: Ending) -> None:
        """Replace the widget with the whole answer."""
        try:
            super().finish(ending)
        finally:
            self._close_widget()

    def _run(self) -> None:
        if self._sent:
            self._html.add(render_markdown(self._sent))
        super()._run()

    def _redraw_after(self) -> float | None:
        """Seconds after which to draw or save even if nothing happens."""
        pauses = [super()._redraw_after(), max(self._save_at - self._clock(), 0.0) if self._unsaved else None]
        return min((seconds for seconds in pauses if seconds is not None), default=None)

    def _draw_pictures(self) -> None:
        self._draw((), self._accumulator.status.markdown)  # decoding large pictures takes a while
        self._gallery = gallery(self._opening.pictures)
        self._html.add(render_markdown(self._gallery))

    def _draw(self, segments: Sequence[Segment], status: str) -> int:
        """Send new segments to the widget, and save them as Markdown now and then."""
        if self._widget is not None:
            with self._or_without_widget():
                self._draw_widget(segments, status)
        self._unsaved += segments
        if self._shown and self._widget is not None and not self._must_save(status):
            return 0
        unsaved, self._unsaved, self._saved_status = self._unsaved, [], status
        payload = len(self._head) + super()._draw(unsaved, f"\n\n{status}\n\n{UNFINISHED}")
        self._save_at = self._clock() + SAVE_PAUSE * max(1.0, payload / MIN_OUTPUT)
        return payload

    def _must_save(self, status: str) -> bool:
        """Whether to update the Markdown now; the first words are saved at once."""
        if self._saved_status and not status:
            return True
        return self._clock() >= self._save_at and (bool(self._unsaved) or status != self._saved_status)

    def _draw_widget(self, segments: Sequence[Segment], status: str) -> None:
        started = time.perf_counter()
        for segment in segments:
            if segment is TEXT_END:
                self._html.close()
            elif isinstance(segment, str):
                self._html.feed(segment)
            else:
                self._html.add(render_markdown(segment.markdown))
        self._sync({**self._changed_chunks(), **self._changed_status(status)})
        self._min_pause = max(MIN_PAUSE, _IDLE_RATIO * (time.perf_counter() - started))

    @contextlib.contextmanager
    def _or_without_widget(self) -> Iterator[None]:
        """Continue without the widget if it fails."""
        try:
            yield
        except Exception:
            logging.getLogger(__name__).debug("the answer continues without its widget", exc_info=True)
            self._close_widget()

    def _close_widget(self) -> None:
        widget, self._widget = self._widget, None
        self._min_pause = markdown.MIN_PAUSE
        with contextlib.suppress(Exception):
            if widget is not None:
                widget.close()

    def _finish_piece(self, markdown: str) -> None:
        """Collect finished pieces, which are resent until they are worth an output of their own."""
        self._head += markdown.strip("\n") + "\n\n"
        if len(self._head) > MIN_OUTPUT << min(len(self._displays) // 8, 3):
            self._show(self._head)
            self._head = ""
            self._displays.append(uuid.uuid4().hex)

    def _show(self, markdown: str) -> None:
        super()._show(f'{markdown}\n\n<span class="{self._mark}"></span>')  # the page finds outputs by this mark

    def _changed_chunks(self) -> dict[str, object]:
        """The chunks that have changed, by piece and index, and the number of chunks in each of these pieces."""
        state: dict[str, object] = {}
        changed = self._html.changes()
        for piece, html in changed.items():
            before, now = self._chunks.get(piece, []), split_html(html)
            self._chunks[piece] = now
            state[f"{piece}"] = len(now)
            state |= {f"{piece}.{n}": chunk for n, chunk in enumerate(now) if before[n : n + 1] != [chunk]}
        return {**state, "pieces": len(self._chunks), "changed": [*changed]} if changed else {}

    def _changed_status(self, status: str) -> dict[str, str]:
        """What has changed of the status, the thinking, and the announcement for screen readers."""
        line, _, thoughts = status.partition("\n\n")
        says = "Claude needs your yes." if self._accumulator.status.asked_about else "Claude is answering."
        now = {"status": line, "thoughts": thoughts, "says": says}
        changed = {name: text for name, text in now.items() if self._synced.get(name) != text}
        self._synced |= changed
        return {name: text if name == "says" else render_markdown(text) for name, text in changed.items()}

    def _sync(self, state: dict[str, object]) -> None:
        if state and self._widget is not None:
            self._widget.set(**state)

    def _final_texts(self, ending: Ending) -> tuple[str, str]:
        with self._or_without_widget():
            self._sync({"says": closing_announcement(ending), "ends": True})
        return super()._final_texts(ending)


def closing_announcement(ending: Ending) -> str:
    """How an answer ended, for screen readers."""
    reply = ending.reply
    words = pluralize(len(reply.text.split()), "word")
    if reply.complete:
        return f"Claude's answer is complete, {words}."
    return f"Claude's answer stopped after {words}." if reply.has_text else "Claude's answer stopped before it began."
