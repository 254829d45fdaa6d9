"""What is drawn of what comes: text and ended calls are pieces in their order, all else is the status line."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable
from typing import NamedTuple

from claude_magic.messages.blocks import RawBlock, ToolUseBlock
from claude_magic.messages.reply import ReplyUpdate
from claude_magic.messages.retry import Wait
from claude_magic.notebook.display import tool_call_view
from claude_magic.notebook.display.footnotes import Footnotes
from claude_magic.notebook.display.status import Status
from claude_magic.tools.calls import ANSWERED, Call

UNDER_WAY = ("confirming", "waiting", "running")
"""States of a call in which something else may come into the cell."""
FINISHED = None
"""Stands between pieces where the text before is finished."""

Piece = str | Callable[[], tool_call_view.Fold] | None
"""Text, a call that is put into Markdown in the thread, or the end of a text."""


class Step(NamedTuple):
    """A call that is run here has come into a state; the lock is released when that is seen."""

    call: Call
    state: str
    seen: threading.Lock


News = ReplyUpdate | Wait | Step | None
"""What the thread is told; None: it is the end."""


class Pieces:
    """Makes pieces of news, as they come.

    Parameters
    ----------
    clock : callable
        Seconds.
    small : callable
        The pictures of a call's result, as Markdown.

    Attributes
    ----------
    status : Status
        What happens while there is no text.
    """

    def __init__(self, clock: Callable[[], float], small: Callable[[Call], str]) -> None:
        self.status = Status(clock)
        self._small = small
        self._halves = codecs.getincrementaldecoder("utf-16-le")("replace")  # a character may come in two
        self._notes = Footnotes()
        self._uses = tool_call_view.Uses()
        self._new: list[Piece] = []

    def __bool__(self) -> bool:
        return bool(self._new)

    def begin(self, prefill: str) -> None:
        """The answer begins with these words, if any."""
        self.status.begin()
        if prefill:
            self.status.end()
            self._new.append(self._notes.add(prefill))

    def take(self) -> list[Piece]:
        """What has come since the last time."""
        new, self._new = self._new, []
        return new

    def note(self, news: ReplyUpdate | Wait | Step) -> bool:
        """Take one thing in; whether there is anything new to draw."""
        if isinstance(news, Wait):
            self.status.wait(news)
        elif isinstance(news, Step):
            self._go_on(news.call, news.state)
        elif news.kind == "message":
            self._pause()
        elif news.kind == "text":
            if news.text:
                self.status.end()
            text = self._halves.decode(news.text.encode("utf-16-le", "surrogatepass"))
            self._new.append(self._notes.add(text, news.block))
        elif news.kind == "stop" and (numbers := self._notes.stop(news.block)):
            self._new.append(numbers)
        elif news.kind == "thinking" or news.block.type == "thinking":
            self.status.think(news.text)
        elif news.kind == "input" or not self._sees_tool(news):
            return False
        return True

    def _sees_tool(self, change: ReplyUpdate) -> bool:
        """A block that is no text: whether a call begins, goes on or ends with it."""
        block = change.block
        if isinstance(block, ToolUseBlock):
            if change.kind == "start":
                self._pause()
                self._uses.see(block)
            elif block.id not in self.status:
                return False  # some servers say late that a block has ended
            state = "being called" if block.type == "tool_use" else "running"
            self.status.call(block.id, tool_call_view.title_of(block), state)
            return True
        if change.kind == "start" and isinstance(block, RawBlock) and (use := self._uses.answered_by(block)):
            self._pause()
            self.status.answered(use.id)
            self._new.append(lambda: tool_call_view.of_result(use, block))
            return True
        return False

    def _go_on(self, call: Call, state: str) -> None:
        """A call that is run here has another state."""
        self._pause()
        if state in UNDER_WAY:
            self.status.call(call.id, tool_call_view.title(call), state)
        elif state in ANSWERED:
            self.status.answered(call.id)
            small = self._small
            self._new.append(lambda: tool_call_view.of_call(call, small(call)))

    def _pause(self) -> None:
        """Something else than text follows: what has come of that is finished."""
        self._new += [self._notes.pause(), FINISHED]
        self.status.begin()
