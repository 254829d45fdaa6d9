"""An answer drawn by a widget while it comes; afterwards it is the same Markdown as without one.

What the page shows is the state of a model, in pieces of HTML of which only those that changed are
sent. The state is kept where it arrives, so nothing is lost to a view that comes late, and a piece
that never arrives is missing only until the end. The page cannot ask for it: while a cell runs, a
kernel does not listen.

In the notebook there is only Markdown, at any time: the answer so far, brought up to date every
second or two. The page draws in its place where it can. So a notebook that is saved in mid-answer,
a kernel that dies and a front end without widgets all have the text.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from claude_magic.engine.rendering import Ending, Opening
from claude_magic.messages.reply import ReplyUpdate
from claude_magic.messages.retry import Wait
from claude_magic.messages.text import pluralize
from claude_magic.notebook.display import markdown
from claude_magic.notebook.display.accumulator import FINISHED, News, Piece, Step
from claude_magic.notebook.display.gallery import gallery
from claude_magic.notebook.display.html import Growing, rendered
from claude_magic.notebook.display.html_diff import chunks
from claude_magic.notebook.display.markdown import MarkdownRenderer
from claude_magic.notebook.display.tool_call_view import Fold
from claude_magic.notebook.display.widget import Page

UNFINISHED = "*… this answer is not finished*"
"""Stands below what is kept of an answer that is still being written."""
KEPT = 1.5
"""Seconds between two states of the Markdown below the widget, at least."""
PART = 4000
"""Characters from which finished Markdown is an output of its own: JupyterLab shows 50 in a cell."""
FASTEST = 1 / 15
"""Seconds between two drawings."""
_IDLE = 4
"""So many times as long as a drawing took, nothing is drawn: a very long block must not keep the kernel busy."""


class LiveRenderer(MarkdownRenderer):
    """Draws in the page above what a :class:`MarkdownRenderer` shows more rarely, and leaves what that leaves."""

    _page: Page | None = None
    _mark = ""

    def start(self, opening: Opening) -> None:
        """Show the widget, and begin to draw."""
        self._growing = Growing()
        self._chunks: dict[int, list[str]] = {}
        self._told: dict[str, Any] = {}
        self._asks = False
        self._later: list[Piece] = []  # what is drawn, but not kept yet
        self._kept = ""  # what was said to happen when it was
        self._due = float("-inf")
        self._fastest = FASTEST
        self._mark = f"claude-{uuid.uuid4().hex[:8]}"
        with self._or_without():
            self._page = Page(
                model=opening.model,
                mark=self._mark,
                pieces=0,
                number=0,
                says="Claude is answering.",
                background=opening.stop is not None,
            )
            if opening.stop is not None:
                self._page.on_stop(opening.stop)
        super().start(opening)

    def finish(self, ending: Ending) -> None:
        """Put the whole answer in the place of the widget."""
        try:
            super().finish(ending)
        finally:
            self._give_up()

    # -- in the thread ---------------------------------------------------------------------------

    def _note(self, news: News) -> None:
        if isinstance(news, Step):
            self._asks = news.state == "confirming"
        elif isinstance(news, ReplyUpdate | Wait):
            self._asks = False
        super()._note(news)

    def _draw(self) -> None:
        if self._sent:
            self._growing.add(rendered(self._sent))
        super()._draw()

    def _patience(self) -> float | None:
        """Seconds after which something is to be drawn although nothing happens."""
        until = [super()._patience(), max(self._due - self._clock(), 0.0) if self._later else None]
        return min((seconds for seconds in until if seconds is not None), default=None)

    def _paint_pictures(self) -> None:
        self._paint((), self._pieces.status.markdown)  # unpacking large pictures takes a while
        self._gallery = gallery(self._pictures)
        self._growing.add(rendered(self._gallery))

    def _paint(self, new: Sequence[Piece], status: str) -> int:
        """Send what is new, and now and then keep it as Markdown."""
        folds = [piece() if callable(piece) else piece for piece in new]
        if self._page is not None:
            with self._or_without():
                self._paint_page(folds, status)
        self._later += [
            fold if fold is None or isinstance(fold, str) else functools.partial(_same, fold) for fold in folds
        ]
        if self._shown and self._page is not None and not self._is_due(status):
            return 0
        later, self._later, self._kept = self._later, [], status
        payload = len(self._head) + super()._paint(later, f"\n\n{status}\n\n{UNFINISHED}")
        self._due = self._clock() + KEPT * max(1.0, payload / PART)
        return payload

    def _is_due(self, status: str) -> bool:
        """Whether what is kept is to be brought up to date; the first words are kept at once."""
        if self._kept and not status:
            return True
        return self._clock() >= self._due and (bool(self._later) or status != self._kept)

    def _paint_page(self, new: Sequence[str | Fold | None], status: str) -> None:
        begun = time.perf_counter()
        for piece in new:
            if piece is FINISHED:
                self._growing.close()
            elif isinstance(piece, str):
                self._growing.feed(piece)
            else:
                self._growing.add(rendered(piece.markdown))
        self._send({**self._changed(), **self._said(status)})
        self._fastest = max(FASTEST, _IDLE * (time.perf_counter() - begun))

    @contextlib.contextmanager
    def _or_without(self) -> Iterator[None]:
        """Whatever happens to the widget, the answer goes on."""
        try:
            yield
        except Exception:
            logging.getLogger(__name__).debug("the answer goes on without its widget", exc_info=True)
            self._give_up()

    def _give_up(self) -> None:
        """Go on without the widget."""
        page, self._page = self._page, None
        self._fastest = markdown.FASTEST
        with contextlib.suppress(Exception):
            if page is not None:
                page.close()

    def _finished(self, markdown: str) -> None:
        """Gather what is finished: it is sent again until it is worth an output of its own."""
        self._head += markdown.strip("\n") + "\n\n"
        if len(self._head) > PART << min(len(self._displays) // 8, 3):
            self._show(self._head)
            self._head = ""
            self._displays.append(uuid.uuid4().hex)

    def _show(self, markdown: str) -> None:
        super()._show(f'{markdown}\n\n<span class="{self._mark}"></span>')  # by which the page finds it

    def _changed(self) -> dict[str, Any]:
        """The chunks that have changed, by piece and number, and how many there are of each piece."""
        state: dict[str, Any] = {}
        changed = self._growing.changes()
        for piece, html in changed.items():
            before, now = self._chunks.get(piece, []), chunks(html)
            self._chunks[piece] = now
            state[f"{piece}"] = len(now)
            state |= {f"{piece}.{n}": chunk for n, chunk in enumerate(now) if before[n : n + 1] != [chunk]}
        return {**state, "pieces": len(self._chunks), "changed": [*changed]} if changed else {}

    def _said(self, status: str) -> dict[str, str]:
        """What happens now, what is thought, and what is to be said aloud."""
        line, _, thoughts = status.partition("\n\n")
        says = "Claude needs your yes." if self._asks else "Claude is answering."
        now = {"status": line, "thoughts": thoughts, "says": says}
        changed = {name: text for name, text in now.items() if self._told.get(name) != text}
        self._told |= changed
        return {name: text if name == "says" else rendered(text) for name, text in changed.items()}

    def _send(self, state: dict[str, Any]) -> None:
        if state and self._page is not None:
            self._page.set(**state)

    # -- the end ---------------------------------------------------------------------------------

    def _final(self, ending: Ending) -> tuple[str, str]:
        with self._or_without():
            self._send({"says": outcome(ending), "ends": True})
        return super()._final(ending)


def _same(fold: Fold) -> Fold:
    return fold


def outcome(ending: Ending) -> str:
    """How an answer ended, to be said aloud."""
    reply = ending.reply
    words = pluralize(len(reply.text.split()), "word")
    if reply.complete:
        return f"Claude's answer is complete, {words}."
    return f"Claude's answer stopped after {words}." if reply.has_text else "Claude's answer stopped before it began."
