"""Cuts growing Markdown into pieces that can stand as they are.

A piece that is finished is handed out once and never again; only the rest goes on changing. So a
stream costs bytes in proportion to the answer, however long it gets.
"""

from __future__ import annotations

import re

from claude_magic.notebook.display.fences import Fence

RUN = 1500
"""Characters from which a run of finished blocks is handed out."""
LONGEST = 3000
"""Characters at which a block that does not end is cut."""

_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|[\s:|-]*$")


class Splitter:
    """Takes text as it comes; gives finished pieces and the unfinished rest.

    A block ends at a blank line after which something begins in the first column, outside fenced
    code and displayed math. Where a block has to be cut, code is closed and opened again, and a
    table gets its head again, so that both halves read as what they are.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []  # complete lines of the rest
        self._partial: list[str] = []  # the line that is being written
        self._size = 0
        self._partial_size = 0
        self._boundary = 0  # so many lines make finished blocks
        self._blank = False
        self._block_start = 0
        self._fence = Fence()

    def feed(self, text: str) -> list[str]:
        """Add text; what is finished comes back.

        Parameters
        ----------
        text : str

        Returns
        -------
        list of str
            Markdown, each piece complete in itself.
        """
        pieces = []
        *complete, partial = text.split("\n")
        for line in complete:
            self._partial.append(line)
            self._line("".join(self._partial))
            self._partial.clear()
            self._partial_size = 0
            if piece := self._ready():
                pieces.append(piece)
        if partial:
            self._partial.append(partial)
            self._partial_size += len(partial)
            while self._partial_size > LONGEST:
                pieces.append(self._cut_line())
        return pieces

    @property
    def rest(self) -> str:
        """What is not finished."""
        return "\n".join([*self._lines, "".join(self._partial)])

    @property
    def closing(self) -> str:
        """What closes the code that the text ends in; empty outside code."""
        return self._fence.closing

    def _line(self, line: str) -> None:
        inside = self._fence.open
        self._fence.line(line)
        if not inside and not self._fence.math:
            self._begin(line)
        self._lines.append(line)
        self._size += len(line) + 1
        self._blank = not line.strip()

    def _begin(self, line: str) -> None:
        """Note a boundary where a block begins behind a blank line, in the first column."""
        if self._blank and line.strip() and not line[0].isspace():
            self._boundary = self._block_start = len(self._lines)

    def _ready(self) -> str:
        if self._boundary and self._size > RUN:
            head = self._lines[: self._boundary]
            if sum(len(line) + 1 for line in head) > RUN // 2 or self._size > LONGEST:
                return self._take(self._boundary)
        if self._size > LONGEST:
            return self._cut()
        return ""

    def _take(self, count: int, before: str = "", after: tuple[str, ...] = ()) -> str:
        piece = "\n".join(self._lines[:count]) + before
        self._lines = [*after, *self._lines[count:]]
        self._size = sum(len(line) + 1 for line in self._lines)
        self._boundary = self._block_start = 0
        return piece

    def _cut(self) -> str:
        """Cut a block that does not end, at its last line."""
        if self._fence.opening:
            return self._take(len(self._lines), "\n" + self.closing, (self._fence.opening,))
        block = self._lines[self._block_start :]
        if len(block) > 3 and _RULE.match(block[1]):
            return self._take(len(self._lines), after=(block[0], block[1]))
        return self._take(len(self._lines))

    def _cut_line(self) -> str:
        """Cut a line that does not end, at a space if there is one."""
        line = "".join(self._partial)
        at = line.rfind(" ", LONGEST // 2, LONGEST) + 1 or LONGEST
        self._partial = [line[at:]]
        self._partial_size = len(line) - at
        self._lines.append(line[:at])
        self._size += at
        return self._cut()
