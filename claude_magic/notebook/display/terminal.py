"""An answer as plain text, for a terminal: written as it comes."""

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
        Whether to write through at once; a kernel does that by itself, a few times a second.
    """

    def __init__(self, style: str = "full", stream: TextIO | None = None, *, flush: bool = True) -> None:
        self._style = style
        self._stream = stream
        self._flush = flush
        self._show_thinking = False
        self._in_thinking = False
        self._notes = Footnotes(plain=True)
        self._uses = tool_call_view.Uses()
        self._before = ""
        self._ended = False

    def start(self, opening: Opening) -> None:
        """Say what is sent."""
        self._show_thinking = opening.show_thinking
        if line := sent(opening.sent):
            self._write(f"{line}\n\n")
        self._continue(self._notes.add(opening.prefill))

    def update(self, change: ReplyUpdate | Wait | Call) -> None:
        """Write what came."""
        if isinstance(change, Wait):
            if self._before:
                self._pause()
                self._separate("call")
            self._write(f"[{change}]\n")
        elif not isinstance(change, ReplyUpdate):
            self._go_on(change)
        elif change.kind == "text":
            if self._in_thinking:
                self._write("\n\n")
                self._in_thinking = False
            self._continue(self._notes.add(change.text, change.block))
        elif change.kind == "stop" and isinstance(change.block, TextBlock):
            self._continue(self._notes.stop(change.block))
        elif change.kind == "message":
            self._pause()
        elif change.kind == "thinking" and self._show_thinking:
            self._separate("text")
            if not self._in_thinking:
                self._write("thinking: ")
                self._in_thinking = True
            self._write(change.text)
        elif change.kind == "start":
            self._uses.see(change.block)
            if isinstance(change.block, RawBlock) and (use := self._uses.answered_by(change.block)):
                self._call(tool_call_view.of_result(use, change.block))

    def _go_on(self, call: Call) -> None:
        """A call that is run here has another state."""
        if call.state in ANSWERED:
            self._call(tool_call_view.of_call(call))
        elif call.state == "confirming":
            self._pause()
            self._separate("call")  # the question follows

    def _call(self, fold: tool_call_view.Fold) -> None:
        self._pause()
        self._separate("call")
        self._write(fold.plain)

    def _continue(self, text: str) -> None:
        if text:
            self._separate("text")
            self._write(text)

    def _pause(self) -> None:
        """What has come of the text is finished."""
        self._continue(self._notes.pause())
        self._ended = True
        self._in_thinking = False

    def _separate(self, kind: str) -> None:
        """Begin something else than what was written before."""
        if self._before and (self._ended or self._before != kind):
            self._write("\n" if self._before == kind == "call" else "\n\n")
        self._before, self._ended = kind, False

    def finish(self, ending: Ending) -> None:
        """Write what must be known, and the footer."""
        lines = [f"* {notice}" for notice in ending.notices]
        if line := footer(ending, self._style):
            lines.append(f"({line})")
        notes = self._notes
        self._continue(notes.end())
        self._write("".join(f"\n\n{part}" for part in (notes.due, notes.notes) if part))
        lead = "\n\n" if ending.reply.begun else ""
        self._write(lead + "".join(f"{line}\n" for line in lines))

    def _write(self, text: str) -> None:
        if text:
            stream = self._stream or sys.stdout
            stream.write(text)
            if self._flush:
                stream.flush()


class WholeRenderer(TextRenderer):
    """Writes when the answer is whole: in a terminal there is no place for one that grows beside the prompt."""

    def __init__(self, style: str = "full", stream: TextIO | None = None, *, flush: bool = True) -> None:
        self._whole = io.StringIO()
        self._out = stream or sys.stdout
        super().__init__(style, self._whole, flush=flush)

    def finish(self, ending: Ending) -> None:
        """Write all of it."""
        super().finish(ending)
        self._out.write(f"\n{self._whole.getvalue()}")
        self._out.flush()
