"""An answer as plain text, for a terminal: written as it comes."""

from __future__ import annotations

import sys
from typing import TextIO

from claude_magic.conversation.rendering import Ending, Opening
from claude_magic.messages.reply import Change
from claude_magic.messages.retry import Wait
from claude_magic.notebook.display.footer import footer, sent


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

    def start(self, opening: Opening) -> None:
        """Say what is sent."""
        self._show_thinking = opening.show_thinking
        if line := sent(opening):
            self._write(f"{line}\n\n")
        self._write(opening.prefill)

    def update(self, change: Change | Wait) -> None:
        """Write what came."""
        if isinstance(change, Wait):
            self._write(f"[{change}]\n")
        elif change.kind == "text":
            if self._in_thinking:
                self._write("\n\n")
                self._in_thinking = False
            self._write(change.text)
        elif change.kind == "thinking" and self._show_thinking:
            if not self._in_thinking:
                self._write("thinking: ")
                self._in_thinking = True
            self._write(change.text)

    def finish(self, ending: Ending) -> None:
        """Write what must be known, and the footer."""
        lines = [f"* {notice}" for notice in ending.notices]
        if line := footer(ending, self._style):
            lines.append(f"({line})")
        lead = "\n\n" if ending.reply.begun else ""
        self._write(lead + "".join(f"{line}\n" for line in lines))

    def _write(self, text: str) -> None:
        if text:
            stream = self._stream or sys.stdout
            stream.write(text)
            if self._flush:
                stream.flush()
