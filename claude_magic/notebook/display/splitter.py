"""Splits growing Markdown into pieces that are complete in themselves.

A finished piece is returned once and never again; only the rest keeps changing. So the bytes that a
stream takes are proportional to the answer, however long it gets.
"""

from __future__ import annotations

import re

from claude_magic.notebook.display.fences import FenceTracker

MIN_PIECE = 1500
"""Characters from which finished blocks are returned as a piece."""
MAX_BLOCK = 3000
"""Characters at which a block that has not ended is cut."""

_TABLE_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|[\s:|-]*$")


class MarkdownSplitter:
    """Takes streamed text; returns finished pieces and keeps the unfinished rest.

    A block ends at a blank line that is followed by text in the first column, outside fenced code and
    displayed math. Where a block has to be cut, code is closed and reopened and a table's header is
    repeated, so that both halves render properly.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []  # complete lines of the rest
        self._partial: list[str] = []  # the line that is being written
        self._size = 0
        self._partial_size = 0
        self._boundary = 0  # number of lines that form finished blocks
        self._blank = False
        self._block_start = 0
        self._fence = FenceTracker()

    def feed(self, text: str) -> list[str]:
        """Add text, and return the pieces of Markdown that it finishes."""
        pieces = []
        *complete, partial = text.split("\n")
        for line in complete:
            self._partial.append(line)
            self._add_line("".join(self._partial))
            self._partial.clear()
            self._partial_size = 0
            if piece := self._ready():
                pieces.append(piece)
        if partial:
            self._partial.append(partial)
            self._partial_size += len(partial)
            while self._partial_size > MAX_BLOCK:
                pieces.append(self._cut_line())
        return pieces

    @property
    def rest(self) -> str:
        """The unfinished rest."""
        return "\n".join([*self._lines, "".join(self._partial)])

    @property
    def closing(self) -> str:
        """The fence that closes the code that is open; empty outside code."""
        return self._fence.closing

    def _add_line(self, line: str) -> None:
        inside = self._fence.is_open
        self._fence.read_line(line)
        if not inside and not self._fence.math:
            self._mark_boundary(line)
        self._lines.append(line)
        self._size += len(line) + 1
        self._blank = not line.strip()

    def _mark_boundary(self, line: str) -> None:
        """Mark a boundary where a block begins in the first column after a blank line."""
        if self._blank and line.strip() and not line[0].isspace():
            self._boundary = self._block_start = len(self._lines)

    def _ready(self) -> str:
        if self._boundary and self._size > MIN_PIECE:
            head = self._lines[: self._boundary]
            if sum(len(line) + 1 for line in head) > MIN_PIECE // 2 or self._size > MAX_BLOCK:
                return self._take(self._boundary)
        if self._size > MAX_BLOCK:
            return self._cut()
        return ""

    def _take(self, count: int, before: str = "", after: tuple[str, ...] = ()) -> str:
        piece = "\n".join(self._lines[:count]) + before
        self._lines = [*after, *self._lines[count:]]
        self._size = sum(len(line) + 1 for line in self._lines)
        self._boundary = self._block_start = 0
        return piece

    def _cut(self) -> str:
        """Cut a block that has not ended after its last complete line."""
        if self._fence.opening:
            return self._take(len(self._lines), "\n" + self.closing, (self._fence.opening,))
        block = self._lines[self._block_start :]
        if len(block) > 3 and _TABLE_RULE.match(block[1]):
            return self._take(len(self._lines), after=(block[0], block[1]))
        return self._take(len(self._lines))

    def _cut_line(self) -> str:
        """Cut a line that has not ended, at a space if possible."""
        line = "".join(self._partial)
        at = line.rfind(" ", MAX_BLOCK // 2, MAX_BLOCK) + 1 or MAX_BLOCK
        self._partial = [line[at:]]
        self._partial_size = len(line) - at
        self._lines.append(line[:at])
        self._size += at
        return self._cut()
