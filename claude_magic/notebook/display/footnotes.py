r"""Citations as footnotes: numbers behind the cited words, and a list of sources under the answer.

JupyterLab's Markdown has no footnotes. So a number is written ``\[1\]``, which is ``[1]`` everywhere
and never a link, and the sources are a list under a rule. Quoted passages are escaped: nothing in a
document can draw, fetch or run anything.
"""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Mapping

from claude_magic.messages.blocks import Block, TextBlock
from claude_magic.messages.text import one_line
from claude_magic.notebook.display.fences import FenceTracker
from claude_magic.notebook.display.footer import escaped, link

_LONGEST_PASSAGE = 300
"""Characters of a cited passage that are shown."""
_LONGEST_TITLE = 100
_LOCATIONS = {  # by type: unit, first key, last key, what to add so that counting starts at 1
    "page_location": ("page", "start_page_number", "end_page_number", 0),
    "char_location": ("character", "start_char_index", "end_char_index", 1),
    "content_block_location": ("passage", "start_block_index", "end_block_index", 1),
    "search_result_location": ("passage", "start_block_index", "end_block_index", 1),
}
_WORD = re.compile(r"[^\W_]")
_OPENS = re.compile(r"\s*(?:[-*+] +|\d+[.)] +)?(?:```|~~~|\$\$)")
_AFTER_WORDS = " \t\r\n|"
"""Characters that a number goes before: white space, and the end of a table row."""


@dataclasses.dataclass(frozen=True)
class Citation:
    """A cited passage and its source; what is unknown is empty."""

    title: str
    location: str
    url: str
    text: str

    @classmethod
    def from_wire(cls, citation: Mapping[str, object]) -> Citation:
        """Read a citation of any type; fields that the server omits stay empty."""
        title = citation.get("document_title") or citation.get("title")
        url = citation.get("url") or citation.get("source") or ""
        index = citation.get("document_index")
        if not title and not url:
            title = f"document {index + 1}" if isinstance(index, int) else "a source"
        return cls(str(title or ""), _location(citation), str(url), str(citation.get("cited_text") or ""))

    @property
    def plain(self) -> str:
        """The source and the passage in one line."""
        head = filter(None, (one_line(self.title, _LONGEST_TITLE), self.location, self.url))
        return ", ".join(head) + self._quoted()

    @property
    def markdown(self) -> str:
        """The same as Markdown, fully escaped except for a link to a web address."""
        title = one_line(self.title, _LONGEST_TITLE)
        head = filter(None, (f"*{escaped(title)}*" if title else "", self.location, link(self.url)))
        return ", ".join(head) + escaped(self._quoted())

    def _quoted(self) -> str:
        text = one_line(self.text, _LONGEST_PASSAGE)
        return f": “{text}”" if text else ""


class _Line:
    """The line being written; each query takes constant time, however long the line gets."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.has_words = False
        self.in_code = False
        self._start = ""

    def append(self, piece: str) -> None:
        self.pieces.append(piece)
        self.has_words = self.has_words or _WORD.search(piece) is not None
        self.in_code ^= piece.count("`") % 2 == 1
        self._start += piece[: max(0, 100 - len(self._start))]

    @property
    def may_open(self) -> bool:
        """Whether code or math may begin with this line."""
        return _OPENS.match(self._start) is not None


class Footnotes:
    """Adds footnote numbers to an answer as it streams.

    A number goes where a cited block of text ends, before white space. Where it would break something
    (inside code or math, or after a bare rule or bullet) it waits for the next suitable place.

    Parameters
    ----------
    plain : bool
        Whether the answer is shown as plain text instead of Markdown.
    """

    def __init__(self, *, plain: bool = False) -> None:
        self._plain = plain
        self._numbers: dict[Citation, int] = {}
        self._pending: list[int] = []
        self._block: Block | None = None
        self._held = ""
        self._line = _Line()
        self._fence = FenceTracker()

    def add(self, text: str, block: Block | None = None) -> str:
        """Add text and return what can be shown of it.

        Parameters
        ----------
        text : str
        block : Block, optional
            The block that the text belongs to. A new block ends the one before: not every server
            sends an event for that.
        """
        before = self.stop(self._block) if block is not self._block else ""
        self._block = block
        text = self._held + text
        shown = text.rstrip(_AFTER_WORDS)
        self._held = text[len(shown) :]
        return before + self._show(shown)

    def stop(self, block: Block | None) -> str:
        """End a block and return its numbers."""
        if block is None or block is not self._block:
            return ""
        self._block = None
        for citation in block.citations if isinstance(block, TextBlock) else ():
            number = self._numbers.setdefault(Citation.from_wire(citation), len(self._numbers) + 1)
            self._pending += [number] if number not in self._pending else []
        return self._show(self._placed()) if self._pending else ""

    def end(self) -> str:
        """End the answer and return what has been held back."""
        rest = self.stop(self._block) + self._show(self._held)
        self._held = ""
        return rest

    def pause(self) -> str:
        """Return what has been held back, before something other than text follows; open code is closed."""
        rest = self.end()
        if not self._plain and self.closing:
            rest += f"\n{self.closing}"
        self._line, self._fence = _Line(), FenceTracker()
        return rest

    @property
    def pending(self) -> str:
        """The numbers that have found no place yet."""
        listed = ", ".join(map(str, self._pending))
        return (f"[{listed}]" if self._plain else rf"\[{listed}\]") if listed else ""

    @property
    def closing(self) -> str:
        """The fence that closes the code that is open; empty outside code."""
        return self._fence_here().closing

    @property
    def sources(self) -> str:
        """The list of citations; empty if there are none."""
        if self._plain:
            return "\n".join(f"[{number}] {citation.plain}" for citation, number in self._numbers.items())
        listed = "\n".join(f"{number}. {citation.markdown}" for citation, number in self._numbers.items())
        return f"---\n\n{listed}" if listed else ""

    def _placed(self) -> str:
        """The pending numbers as they can be written here; empty if they cannot."""
        if self._fence_here().is_open:
            return ""
        if self._fence.is_open:  # this line closes code or math: nothing may follow on it
            placed = f"\n{self._fence.indent}{self.pending}"
        elif self._line.has_words and not self._line.in_code:
            placed = f" {self.pending}"
        else:
            return ""
        self._pending.clear()
        return placed

    def _fence_here(self) -> FenceTracker:
        """The state of code and math if the line ended here."""
        here = copy.copy(self._fence)
        if here.is_open or self._line.may_open:
            here.read_line("".join(self._line.pieces))
        return here

    def _show(self, text: str) -> str:
        for number, piece in enumerate(text.split("\n")):
            if number:
                self._fence.read_line("".join(self._line.pieces))
                self._line = _Line()
            self._line.append(piece)
        return text


def _location(citation: Mapping[str, object]) -> str:
    """``page 3`` or ``pages 3–5``; the API's ends are exclusive."""
    unit, start, end, shift = _LOCATIONS.get(str(citation.get("type")), ("", "", "", 0))
    first, after = citation.get(start), citation.get(end)
    if not isinstance(first, int) or not isinstance(after, int):
        return ""
    first, last = first + shift, after + shift - 1
    return f"{unit} {first:,}" if last <= first else f"{unit}s {first:,}–{last:,}"
