"""An answer as plain text, for a terminal: written as it streams."""

from __future__ import annotations

import io
import sys
from typing import TextIO

from claude_magic.engine.rendering import Ending, Opening
from claude_magic.messages.blocks import RawBlock, TextBlock
from claude_magic.messages.reply import ReplyUpdate
from claude_magic.messages.retry import Wait
from claude_magic.notebook.display import tool_call_view
from claude_magic.notebook.display.footer import footer, sent
from claude_magic.notebook.display.footnotes import Footnotes
from claude_magic.tools.calls import ANSWERED, Call


class TextRenderer:
    """Writes to a text stream.

    Parameters
    ----------
    style : str
        Of the footer: ``full``, ``short`` or ``off``.
    stream : text file, optional
        Defaults to standard output at the time of writing.
    flush : bool
        Whether to flush after each piece; a kernel flushes by itself, a few times a second.
    """

    def __init__(self, style: str = "full", stream: TextIO | None = None, *, flush: bool = True) -> None:
        self._style = style
        self._stream = stream
        self._flush = flush
        self._show_thinking = False
        self._in_thinking = False
        self._server_calls = tool_call_view.ServerCalls()
        self._notes = Footnotes(plain=True)
        self._last_kind = ""
        self._paused = False

    def start(self, opening: Opening) -> None:
        """Write what is sent."""
        self._show_thinking = opening.show_thinking
        if line := sent(opening.sent):
            self._write(f"{line}\n\n")
        if opening.prefill:
            self._write_text(self._notes.add(opening.prefill))

    def update(self, update: ReplyUpdate | Wait | Call) -> None:
        """Write what arrived."""
        if isinstance(update, Wait):
            if self._last_kind:
                self._pause()
                self._separate("call")
            self._write(f"[{update}]\n")
        elif isinstance(update, Call):
            self._update_call(update)
        elif update.kind == "text":
            if self._in_thinking:
                self._write("\n\n")
                self._in_thinking = False
            self._write_text(self._notes.add(update.text, update.block))
        elif update.kind == "stop" and isinstance(update.block, TextBlock):
            self._write_text(self._notes.stop(update.block))
        elif update.kind == "message":
            self._pause()
        elif update.kind == "thinking" and self._show_thinking:
            self._separate("text")
            if not self._in_thinking:
                self._write("thinking: ")
                self._in_thinking = True
            self._write(update.text)
        elif update.kind == "start" and not isinstance(update.block, TextBlock):
            self._server_calls.add(update.block)
            if isinstance(update.block, RawBlock) and (use := self._server_calls.answered_by(update.block)):
                self._write_call(tool_call_view.view_server_call(use, update.block))

    def _update_call(self, call: Call) -> None:
        if call.state in ANSWERED:
            self._write_call(tool_call_view.view_call(call))
        elif call.state == "confirming":
            self._pause()
            self._separate("call")  # the question to the user follows

    def _write_call(self, view: tool_call_view.ToolCallView) -> None:
        self._pause()
        self._separate("call")
        self._write(view.plain)

    def _write_text(self, text: str) -> None:
        if text:
            self._separate("text")
            self._write(text)

    def _pause(self) -> None:
        """Finish the text so far."""
        self._write_text(self._notes.pause())
        self._paused = True
        self._in_thinking = False

    def _separate(self, kind: str) -> None:
        """Leave a blank line before a new paragraph; consecutive calls only get a new line."""
        if self._last_kind and (self._paused or self._last_kind != kind):
            self._write("\n" if self._last_kind == kind == "call" else "\n\n")
        self._last_kind, self._paused = kind, False

    def finish(self, ending: Ending) -> None:
        """Write the sources, the notices and the footer."""
        lines = [f"* {notice}" for notice in ending.notices]
        if line := footer(ending, self._style):
            lines.append(f"({line})")
        self._write_text(self._notes.end())
        self._write("".join(f"\n\n{part}" for part in (self._notes.pending, self._notes.sources) if part))
        lead = "\n\n" if ending.reply.begun else ""
        self._write(lead + "".join(f"{line}\n" for line in lines))

    def _write(self, text: str) -> None:
        if text:
            stream = self._stream or sys.stdout
            stream.write(text)
            if self._flush:
                stream.flush()


class BufferedRenderer(TextRenderer):
    """Writes the answer once it is complete: a terminal cannot show text that grows beside the prompt."""

    def __init__(self, style: str = "full", stream: TextIO | None = None, *, flush: bool = True) -> None:
        self._buffer = io.StringIO()
        self._out = stream or sys.stdout
        super().__init__(style, self._buffer, flush=flush)

    def finish(self, ending: Ending) -> None:
        """Write the whole answer."""
        super().finish(ending)
        self._out.write(f"\n{self._buffer.getvalue()}")
        self._out.flush()
