"""An answer drawn by a widget while it comes; afterwards it is the same Markdown as without one.

What the page shows is the state of a model, in pieces of HTML of which only those that changed are
sent. The state is kept where it arrives, so nothing is lost to a view that comes late, and a piece
that never arrives is missing only until the end. The page cannot ask for it: while a cell runs, a
kernel does not listen.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from claude_magic.content.words import counted
from claude_magic.conversation.rendering import Ending, Opening
from claude_magic.messages.reply import Change
from claude_magic.messages.retry import Wait
from claude_magic.notebook.display.html import Growing, rendered
from claude_magic.notebook.display.markdown import FINISHED, MarkdownRenderer, News, Piece, Step
from claude_magic.notebook.display.pictures import gallery

VIEW = "application/vnd.jupyter.widget-view+json"
FASTEST = 1 / 15
"""Seconds between two drawings."""
CHUNK = 160
"""Characters of HTML that are sent again at least when one of them changes."""
_IDLE = 4
"""So many times as long as a drawing took, nothing is drawn: a very long block must not keep the kernel busy."""
_UNIT = re.compile(r'<(?:[^">]|"[^"]*")*>|&[^;\s<]*;|[^<&]{1,80}|.', re.DOTALL)
"""What may not be cut: chunks of two states together are still a row of whole tags and texts."""


@functools.cache
def _module() -> dict[str, str]:
    """What the page needs to draw, the same for every answer: the view's code, and which widget runs it."""
    major, minor, *_ = version("anywidget").split(".")
    fits = f"~{major}.{minor}.0"
    here = Path(__file__)
    return {
        "_model_name": "AnyModel",
        "_model_module": "anywidget",
        "_model_module_version": fits,
        "_view_name": "AnyView",
        "_view_module": "anywidget",
        "_view_module_version": fits,
        "_esm": here.with_suffix(".js").read_text("utf-8"),
        "_css": here.with_suffix(".css").read_text("utf-8"),
        "_anywidget_id": __name__,
    }


class Page:
    """The model of a widget: what is set here is set in the page.

    The module needs nothing of ipywidgets in the kernel, only the protocol that all widgets speak.

    Parameters
    ----------
    state : dict
        What it begins with.
    """

    def __init__(self, **state: Any) -> None:
        from comm import create_comm

        self._comm = create_comm(
            target_name="jupyter.widget",
            data={"state": {**_module(), **state}, "buffer_paths": []},
            metadata={"version": "2.1.0"},
        )
        self._number = 0
        self.view = {"version_major": 2, "version_minor": 0, "model_id": self._comm.comm_id}

    def set(self, **state: Any) -> None:
        """Change a part of the state; the number tells the page what is older."""
        self._number += 1
        self._comm.send({"method": "update", "state": {**state, "number": self._number}, "buffer_paths": []})

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call a function when the page's button is pressed; the kernel hears of it between cells."""
        self._comm.on_msg(lambda message: stop() if _is_stop(message) else None)

    def close(self) -> None:
        """Take it out of the page."""
        self._comm.close()


class LiveRenderer(MarkdownRenderer):
    """Draws into a widget in the cell that runs, and leaves what a :class:`MarkdownRenderer` leaves."""

    _page: Page | None = None

    def start(self, opening: Opening) -> None:
        """Show the widget, and begin to draw."""
        self._growing = Growing()
        self._chunks: dict[int, list[str]] = {}
        self._told: dict[str, Any] = {}
        self._asks = False
        self._fastest = FASTEST
        background = opening.stop is not None
        self._page = Page(model=opening.model, pieces=0, number=0, says="Claude is answering.", background=background)
        if opening.stop is not None:
            self._page.on_stop(opening.stop)
        self._publish(self._displays[0], {VIEW: self._page.view, "text/plain": "The answer is drawn while it comes."})
        super().start(opening)

    def finish(self, ending: Ending) -> None:
        """Put the whole answer in the place of the widget."""
        try:
            super().finish(ending)
        finally:
            if self._page is not None:
                self._page.close()

    # -- in the thread ---------------------------------------------------------------------------

    def _note(self, news: News) -> None:
        if isinstance(news, Step):
            self._asks = news.state == "confirming"
        elif isinstance(news, Change | Wait):
            self._asks = False
        super()._note(news)

    def _paint_pictures(self) -> None:
        self._paint((), self._status.markdown)  # unpacking large pictures takes a while
        self._gallery = gallery(self._pictures)
        self._growing.add(rendered(self._gallery))

    def _paint(self, new: Sequence[Piece], status: str) -> int:
        """Send what is new."""
        begun = time.perf_counter()
        if self._head:
            self._growing.add(rendered(self._head))
            self._head = ""
        for piece in new:
            if piece is FINISHED:
                self._growing.close()
            elif isinstance(piece, str):
                self._growing.feed(piece)
            else:
                self._growing.add(rendered(piece().markdown))
        self._send({**self._pieces(), **self._said(status)})
        self._fastest = max(FASTEST, _IDLE * (time.perf_counter() - begun))
        return 0

    def _pieces(self) -> dict[str, Any]:
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
        self._send({"says": outcome(ending), "ends": True})
        return super()._final(ending)


def chunks(html: str) -> list[str]:
    """HTML in chunks that stay the same when something is added behind them.

    Parameters
    ----------
    html : str
        As the sanitizer writes it.
    """
    found: list[str] = []
    chunk: list[str] = []
    size = 0
    for unit in _UNIT.findall(html):
        chunk.append(unit)
        size += len(unit)
        if size >= CHUNK:
            found.append("".join(chunk))
            chunk, size = [], 0
    return [*found, "".join(chunk)] if chunk else found


def _is_stop(message: dict[str, Any]) -> bool:
    data = message["content"]["data"]
    return data.get("method") == "custom" and (data.get("content") or {}).get("stop") is True


def outcome(ending: Ending) -> str:
    """How an answer ended, to be said aloud."""
    reply = ending.reply
    words = counted(len(reply.text.split()), "word")
    if reply.complete:
        return f"Claude's answer is complete, {words}."
    return f"Claude's answer stopped after {words}." if reply.has_text else "Claude's answer stopped before it began."
