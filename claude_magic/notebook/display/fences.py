"""Where code and displayed math begin and end in Markdown, line by line."""

from __future__ import annotations

import re

_FENCE = re.compile(r"( *(?:[-*+] +|\d+[.)] +)?)(`{3,}|~{3,})(.*)")


class Fence:
    """Goes over lines, and knows in what the last of them ended.

    Attributes
    ----------
    opening : str
        The line that opened the code; empty outside code.
    math : bool
        Whether it is in displayed math.
    """

    def __init__(self) -> None:
        self.opening = ""
        self.math = False

    @property
    def open(self) -> bool:
        """Whether it is in code or in math."""
        return self.math or bool(self.opening)

    @property
    def indent(self) -> str:
        """The spaces before what closes the code."""
        match = _FENCE.match(self.opening)
        return " " * len(match[1]) if match else ""

    @property
    def closing(self) -> str:
        """What closes the code; empty outside code."""
        match = _FENCE.match(self.opening)
        return self.indent + match[2] if match else ""

    def line(self, line: str) -> None:
        """Go over a line."""
        match = _FENCE.match(line)
        if self.opening:
            if match and match[2].startswith(self.closing.strip()) and not match[3].strip():
                self.opening = ""
        elif match and "`" not in match[3]:
            self.opening = line
        elif line.strip().startswith("$$") and (self.math or line.count("$$") == 1):
            self.math = not self.math
