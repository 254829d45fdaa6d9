r"""What an answer cites: numbers behind the cited words, and notes under the answer.

JupyterLab's Markdown knows no footnotes. So a number is ``\[1\]``, which is ``[1]`` everywhere and
never a link, and the notes are a list under a rule. What is quoted in them is escaped: nothing in
a document can draw, fetch or run anything.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from claude_magic.messages.blocks import Block, TextBlock
from claude_magic.messages.reply import Reply
from claude_magic.messages.text import code_fence, one_line
from claude_magic.notebook.display.fences import Fence
from claude_magic.notebook.display.footer import escaped, link
from claude_magic.notebook.display.inert import inert
from claude_magic.notebook.display.tool_call_view import Pictures, folds

_LONGEST = 300
"""Characters of a passage that are shown."""
_LONGEST_TITLE = 100
_PLACES = {  # kind: what is counted, from where to where, and what makes it count from 1
    "page_location": ("page", "start_page_number", "end_page_number", 0),
    "char_location": ("character", "start_char_index", "end_char_index", 1),
    "content_block_location": ("passage", "start_block_index", "end_block_index", 1),
    "search_result_location": ("passage", "start_block_index", "end_block_index", 1),
}
_WORD = re.compile(r"[^\W_]")
_OPENS = re.compile(r"\s*(?:[-*+] +|\d+[.)] +)?(?:```|~~~|\$\$)")
_AFTER_WORDS = " \t\r\n|"
"""What a number is put before: the end of a line, and of a table's row."""


@dataclasses.dataclass(frozen=True)
class Note:
    """A passage that is cited.

    Attributes
    ----------
    title, place, url, text : str
        Empty where they are not known.
    """

    title: str
    place: str
    url: str
    text: str

    @classmethod
    def of(cls, citation: Mapping[str, Any]) -> Note:
        """Read a citation of any kind; what a server leaves out stays empty."""
        title = citation.get("document_title") or citation.get("title")
        url = citation.get("url") or citation.get("source") or ""
        index = citation.get("document_index")
        if not title and not url:
            title = f"document {index + 1}" if isinstance(index, int) else "a source"
        return cls(str(title or ""), _place(citation), str(url), str(citation.get("cited_text") or ""))

    @property
    def plain(self) -> str:
        """In one line."""
        head = filter(None, (one_line(self.title, _LONGEST_TITLE), self.place, self.url))
        return ", ".join(head) + self._quoted()

    @property
    def markdown(self) -> str:
        """In one line of Markdown in which nothing is alive but an address that one can click on."""
        title = one_line(self.title, _LONGEST_TITLE)
        head = filter(None, (f"*{escaped(title)}*" if title else "", self.place, link(self.url)))
        return ", ".join(head) + escaped(self._quoted())

    def _quoted(self) -> str:
        text = one_line(self.text, _LONGEST)
        return f": “{text}”" if text else ""


class _Line:
    """The line that is being written: what is asked of it costs no more the longer it is."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.words = False
        self.in_code = False
        self._start = ""

    def add(self, piece: str) -> None:
        self.pieces.append(piece)
        self.words = self.words or _WORD.search(piece) is not None
        self.in_code ^= piece.count("`") % 2 == 1
        self._start += piece[: max(0, 100 - len(self._start))]

    @property
    def may_open(self) -> bool:
        """Whether it may be one that code or math begins with."""
        return _OPENS.match(self._start) is not None


class Footnotes:
    """Takes an answer as it comes, and gives it back with numbers in it.

    A number stands where a cited block of text ends, before white space. Where it would break
    something (inside code and math, behind a rule or a bullet) it waits for the next such place.

    Parameters
    ----------
    plain : bool
        Whether it is for reading as it is, not for Markdown.
    """

    def __init__(self, *, plain: bool = False) -> None:
        self._plain = plain
        self._numbers: dict[Note, int] = {}
        self._due: list[int] = []
        self._block: Block | None = None
        self._held = ""
        self._line = _Line()
        self._fence = Fence()

    def add(self, text: str, block: Block | None = None) -> str:
        """Add text; what can be shown of it comes back.

        Parameters
        ----------
        text : str
        block : Block, optional
            The one that it belongs to. When another begins, the one before has ended: not every
            server says so.
        """
        before = self.stop(self._block) if block is not self._block else ""
        self._block = block
        text = self._held + text
        shown = text.rstrip(_AFTER_WORDS)
        self._held = text[len(shown) :]
        return before + self._show(shown)

    def stop(self, block: Block | None) -> str:
        """A block has ended; its numbers come back."""
        if block is None or block is not self._block:
            return ""
        self._block = None
        for citation in block.citations if isinstance(block, TextBlock) else ():
            number = self._numbers.setdefault(Note.of(citation), len(self._numbers) + 1)
            self._due += [number] if number not in self._due else []
        return self._show(self._behind()) if self._due else ""

    def end(self) -> str:
        """What is left when the answer is over."""
        rest = self.stop(self._block) + self._show(self._held)
        self._held = ""
        return rest

    def pause(self) -> str:
        """What is left before something else follows; code that is open is closed, and not opened again."""
        rest = self.end()
        if self.closing and not self._plain:
            rest += f"\n{self.closing}"
        self._line, self._fence = _Line(), Fence()
        return rest

    @property
    def due(self) -> str:
        """The numbers that found no place."""
        listed = ", ".join(map(str, self._due))
        return (f"[{listed}]" if self._plain else rf"\[{listed}\]") if listed else ""

    @property
    def closing(self) -> str:
        """What closes the code that the text ends in; empty outside code."""
        return self._here().closing

    @property
    def notes(self) -> str:
        """The list of what is cited; empty if nothing is."""
        if self._plain:
            return "\n".join(f"[{number}] {note.plain}" for note, number in self._numbers.items())
        listed = "\n".join(f"{number}. {note.markdown}" for note, number in self._numbers.items())
        return f"---\n\n{listed}" if listed else ""

    def _behind(self) -> str:
        """The numbers that are due, as they can stand here; empty if they cannot."""
        if self._here().open:
            return ""
        if self._fence.open:  # the line closes code or math: nothing may follow in it
            placed = f"\n{self._fence.indent}{self.due}"
        elif self._line.words and not self._line.in_code:
            placed = f" {self.due}"
        else:
            return ""
        self._due.clear()
        return placed

    def _here(self) -> Fence:
        """In what the text is, were the line to end here."""
        here = copy.copy(self._fence)
        if here.open or self._line.may_open:
            here.line("".join(self._line.pieces))
        return here

    def _show(self, text: str) -> str:
        for number, piece in enumerate(text.split("\n")):
            if number:
                self._fence.line("".join(self._line.pieces))
                self._line = _Line()
            self._line.add(piece)
        return text


def written(reply: Reply, *, plain: bool = False, pictures: Pictures = lambda call: "") -> str:
    """The whole answer with its calls and its notes.

    Parameters
    ----------
    reply : Reply
    plain : bool
        Not for Markdown. Otherwise code that was cut is closed, so that something can follow.
    pictures : callable
        Those of a call's result, for Markdown.
    """
    notes = Footnotes(plain=plain)
    found = list(folds(reply, pictures))
    paragraphs: list[str] = []
    for message in reply.messages:
        at = {block: fold for one, block, fold in found if one is message and block is not None}
        pieces = [notes.add(message.prefill)]
        for block in message.blocks:
            if isinstance(block, TextBlock) and block.text:
                typed = message.to_frame is not None and not plain
                pieces.append(notes.add(_json(block.text) if typed else block.text, block))
            elif block in at:
                text = "".join(pieces) + notes.pause()
                paragraphs += [text, at[block].plain] if plain else [inert(text), at[block].markdown]
                pieces.clear()
        text = "".join(pieces) + notes.pause()
        paragraphs.append(text if plain else inert(text))
        ran = [fold for one, block, fold in found if one is message and block is None]
        paragraphs += ["\n".join(fold.plain for fold in ran)] if plain else [fold.markdown for fold in ran]
    return "\n\n".join(filter(None, (*paragraphs, notes.due, notes.notes)))


def _json(text: str) -> str:
    """A typed answer to be read by people; unchanged if it is no JSON by itself."""
    try:
        return code_fence(json.dumps(json.loads(text), indent=2, ensure_ascii=False), "json")
    except ValueError:
        return text


def _place(citation: Mapping[str, Any]) -> str:
    """``page 3`` or ``pages 3–5``; the API's ends are exclusive."""
    unit, start, end, shift = _PLACES.get(str(citation.get("type")), ("", "", "", 0))
    first, behind = citation.get(start), citation.get(end)
    if not isinstance(first, int) or not isinstance(behind, int):
        return ""
    first, last = first + shift, behind + shift - 1
    return f"{unit} {first:,}" if last <= first else f"{unit}s {first:,}–{last:,}"
