"""Makes Markdown inert: it can run nothing, fetch nothing, and hide nothing that follows.

JupyterLab trusts what a running cell shows, takes formulas out before it reads Markdown, and reads
Markdown with another parser than ours. So nothing here depends on how a text is parsed: outside
code each character that could begin a tag, an image, a link to another scheme or an unmeant
formula is written so that it is text to every parser. Only code keeps them, where it has the plain
form that all parsers see as code; other code is written as ``<pre>`` of letters and entities.
What holds nothing of the kind stays as it was written.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from claude_magic.notebook.display.inert_math import OPENS
from claude_magic.notebook.display.inert_text import ALIVE, RISKY, entities, harmless

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What some parsers take for the end of a line."""
_OPENING = re.compile(r"( *(?:(?:[-*+]|\d{1,9}[.)]) {1,4})?)(`{3,}|~{3,})([\w .+#:=,{}()/-]*)")
_HEADING = re.compile(r"</h[1-6]|^ *(?:==+|--+)\s*$", re.IGNORECASE)
_FENCES = re.compile("```|~~~")
_DIAGRAMS = "mermaid"
"""Its pictures and styles are fetched while it is drawn."""


def inert(markdown: str) -> str:
    """Markdown that shows the same and in which nothing is alive.

    Parameters
    ----------
    markdown : str
        Whole blocks.

    Returns
    -------
    str
        The same string if there is nothing to do. Otherwise raw HTML and images are the text that
        was written, so are links to other schemes than http, https and mailto, and a dollar that
        opens no formula is a dollar.
    """
    if not RISKY.search(markdown) and not _FENCES.search(markdown):
        return markdown
    lines = _LINE_ENDS.sub("\n", markdown).split("\n")
    written: list[str] = []
    end = 0
    for token, first, behind in _code("\n".join(lines)):
        written += _prose(lines[end:first], behind_code=end > 0, before_code=True)
        code = _inert_code(token, lines[first:behind])
        changed = code != lines[first:behind]
        if changed and written and written[-1].strip():
            written.append("")
        written += code
        if (changed or OPENS.search(token.content)) and "".join(lines[behind : behind + 1]).strip():
            written.append("")  # no formula reaches over a blank line
        end = behind
    return "\n".join([*written, *_prose(lines[end:], behind_code=end > 0, before_code=False)])


def _code(markdown: str) -> Iterator[tuple[Token, int, int]]:
    """Blocks of code, with their first line and the one behind."""
    for token in _parser().parse(markdown):
        if token.type in {"fence", "code_block"} and token.map:
            first, behind = token.map
            yield token, first, behind


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.core.ruler.disable(["inline", "text_join"])  # blocks are all that is asked of it
    parser.block.ruler.disable("reference")  # one that does not stay is a paragraph
    return parser


def _prose(lines: list[str], *, behind_code: bool, before_code: bool) -> Iterator[str]:
    at = 0
    for blank, group in groupby(lines, key=lambda line: not line.strip()):
        run = list(group)
        beside_code = (behind_code and at == 0) or (before_code and at + len(run) == len(lines))
        at += len(run)
        yield "\n".join(run) if blank else harmless("\n".join(run), beside_code=beside_code)


def _inert_code(token: Token, lines: list[str]) -> list[str]:
    if token.type == "code_block" and not RISKY.search(token.content):
        return lines
    opening = _OPENING.fullmatch(lines[0])
    info = opening[3] if opening and _DIAGRAMS not in token.info.lower() else ""
    if opening and info == opening[3] and _is_plain(lines, len(opening[1]), opening[2]):
        if _is_no_heading(lines, len(opening[1])):
            return lines
    code = token.content.removesuffix("\n")
    if token.type == "fence" and not token.level:
        fence = "```"
        while any(_closes(line, fence) for line in code.split("\n")):
            fence += "`"
        fenced = [fence + info, *code.split("\n"), fence]
        if _is_no_heading(fenced, 0):
            return fenced
    return [f"{_container(token, lines[0])}<pre><code>{entities(code)}</code></pre>"]


def _is_no_heading(lines: list[str], indent: int) -> bool:
    """Whether a table of contents takes no line of fenced code for a heading, which it would draw.

    That of JupyterLab knows code by the lines that begin with three backticks, and nothing else.
    """
    fences = sum(line.startswith("```") for line in lines)
    if not ALIVE.search("\n".join(lines[1:-1])):
        return fences % 2 == 0
    return not any(map(_HEADING.search, lines)) if indent else fences == 2


def _is_plain(lines: list[str], indent: int, fence: str) -> bool:
    """Whether fenced code is closed as it was opened and not before, and nothing in it stands left of the fence."""
    *inside, closing = lines[1:] or [""]
    spaces = " " * indent
    return closing == spaces + fence and all(
        (line.startswith(spaces) or not line.strip()) and not _closes(line, fence) for line in inside
    )


def _closes(line: str, fence: str) -> bool:
    """Whether some parser takes a line for the end of the code."""
    return line.lstrip().startswith(fence) and not line.strip("`~ \t")


def _container(token: Token, line: str) -> str:
    """What stands before a block of code in its first line: bullets, quote marks, spaces."""
    line = line.expandtabs(4)
    if token.type == "fence":
        return line[: line.index(token.markup)]
    first = token.content.split("\n", 1)[0].expandtabs(4)
    return line[: len(line) - len(first)].removesuffix("    ")
