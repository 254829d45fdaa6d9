"""Where fenced code and displayed math begin and end in Markdown, line by line."""

from __future__ import annotations

import re

_FENCE = re.compile(r"( *(?:[-*+] +|\d+[.)] +)?)(`{3,}|~{3,})(.*)")


class FenceTracker:
    """Reads lines and knows whether the last one ended inside fenced code or displayed math.

    Attributes
    ----------
    opening : str
        The line that opened the code; empty outside code.
    math : bool
        Whether the last line ended inside displayed math.
    """

    opening = ""
    math = False

    @property
    def is_open(self) -> bool:
        """Whether code or math is still open."""
        return self.math or bool(self.opening)

    @property
    def indent(self) -> str:
        """The spaces before the closing fence."""
        match = _FENCE.match(self.opening)
        return " " * len(match[1]) if match else ""

    @property
    def closing(self) -> str:
        """The fence that closes the open code; empty outside code."""
        match = _FENCE.match(self.opening)
        return self.indent + match[2] if match else ""

    def read_line(self, line: str) -> None:
        """Take the next line into account."""
        match = _FENCE.match(line)
        if self.opening:
            if match and match[2].startswith(self.closing.strip()) and not match[3].strip():
                self.opening = ""
        elif match and "`" not in match[3]:
            self.opening = line
        elif line.strip().startswith("$$") and (self.math or line.count("$$") == 1):
            self.math = not self.math
