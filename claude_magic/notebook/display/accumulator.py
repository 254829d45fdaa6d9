"""Turns what happens during an answer into segments to draw, in order, and a status line for everything else."""

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

IN_PROGRESS = ("confirming", "waiting", "running")
"""States of a call in which the cell may show something besides the answer."""
TEXT_END = None
"""The segment that ends a run of text."""

Segment = str | tool_call_view.ToolCallView | None
"""Text, a tool call that has ended, or :data:`TEXT_END`."""


class CallUpdate(NamedTuple):
    """A tool call that is run in the kernel has changed its state; the lock is released once that is drawn."""

    call: Call
    state: str
    drawn: threading.Lock


Event = ReplyUpdate | Wait | CallUpdate
"""What the drawing thread is told."""


class Accumulator:
    """Collects segments and the status from events.

    Parameters
    ----------
    clock : callable
        Returns seconds.
    pictures : callable
        Returns the pictures in a call's result, as Markdown.

    Attributes
    ----------
    status : Status
        What is happening while there is no text.
    """

    def __init__(self, clock: Callable[[], float], pictures: tool_call_view.Pictures) -> None:
        self.status = Status(clock)
        self._pictures = pictures
        self._decoder = codecs.getincrementaldecoder("utf-16-le")("replace")  # surrogate pairs may arrive in halves
        self._notes = Footnotes()
        self._server_calls = tool_call_view.ServerCalls()
        self._segments: list[Segment] = []

    def __bool__(self) -> bool:
        return bool(self._segments)

    def begin(self, prefill: str) -> None:
        """Begin the answer with the prefill, if any."""
        self.status.begin()
        if prefill:
            self.status.end()
            self._segments.append(self._notes.add(prefill))

    def take(self) -> list[Segment]:
        """The segments since the last call."""
        segments, self._segments = self._segments, []
        return segments

    def add(self, event: Event) -> bool:
        """Take an event into account, and tell whether there is anything new to draw."""
        if isinstance(event, Wait):
            self.status.wait(event)
        elif isinstance(event, CallUpdate):
            self._add_call_update(event.call, event.state)
        elif event.kind == "message":
            self._end_text()
        elif event.kind == "text":
            if event.text:
                self.status.end()
            text = self._decoder.decode(event.text.encode("utf-16-le", "surrogatepass"))
            self._segments.append(self._notes.add(text, event.block))
        elif event.kind == "stop" and (numbers := self._notes.stop(event.block)):
            self._segments.append(numbers)
        elif event.kind == "thinking" or event.block.type == "thinking":
            self.status.think(event.text)
        elif event.kind == "input" or not self._add_tool_block(event):
            return False
        return True

    def _add_tool_block(self, update: ReplyUpdate) -> bool:
        """Take a tool use or its result into account; false if the block is something else."""
        block = update.block
        if isinstance(block, ToolUseBlock):
            if update.kind == "start":
                self._end_text()
                self._server_calls.add(block)
            elif block.id not in self.status:
                return False  # some servers report the end of a block late
            state = "being called" if block.type == "tool_use" else "running"
            self.status.call(block.id, tool_call_view.title_of_block(block), state)
            return True
        use = self._server_calls.answered_by(block) if update.kind == "start" else None
        if use is None or not isinstance(block, RawBlock):
            return False
        self._end_text()
        self.status.answered(use.id)
        self._segments.append(tool_call_view.view_server_call(use, block))
        return True

    def _add_call_update(self, call: Call, state: str) -> None:
        self._end_text()
        if state in IN_PROGRESS:
            self.status.call(call.id, tool_call_view.title(call), state)
        elif state in ANSWERED:
            self.status.answered(call.id)
            self._segments.append(tool_call_view.view_call(call, self._pictures(call)))

    def _end_text(self) -> None:
        """Finish the text so far, because something else follows."""
        self._segments += [self._notes.pause(), TEXT_END]
        self.status.begin()
