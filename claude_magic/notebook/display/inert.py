"""Makes Markdown inert: it cannot run or fetch anything, or hide what follows it.

JupyterLab trusts the output of a running cell, extracts formulas before it parses Markdown, and uses a
different parser. So nothing here depends on how a text is parsed: outside code, each character that
could begin a tag, an image, a link to an unsafe scheme or an unintended formula is written so that
every parser takes it for text. Code keeps such characters only in the plain form that all parsers
recognize as code; other code is written as ``<pre>`` with letters and entities. Text without any of
this is unchanged.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from claude_magic.notebook.display.inert_math import OPENS
from claude_magic.notebook.display.inert_text import ACTIVE, RISKY, entities, harmless

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Characters that some parsers treat as the end of a line."""
_OPENING = re.compile(r"( *(?:(?:[-*+]|\d{1,9}[.)]) {1,4})?)(`{3,}|~{3,})([\w .+#:=,{}()/-]*)")
_HEADING = re.compile(r"</h[1-6]|^ *(?:==+|--+)\s*$", re.IGNORECASE)
_FENCES = re.compile("```|~~~")
_DIAGRAMS = "mermaid"
"""Drawing these diagrams may fetch images and styles."""


def inert(markdown: str) -> str:
    """Make Markdown inert without changing how it looks.

    Parameters
    ----------
    markdown : str
        Complete blocks.

    Returns
    -------
    str
        The same string if there is nothing to do. Otherwise raw HTML, images, and links to schemes
        other than http, https and mailto are shown as their source, and a dollar sign that opens no
        formula is a dollar sign.
    """
    if not RISKY.search(markdown) and not _FENCES.search(markdown):
        return markdown
    lines = _LINE_ENDS.sub("\n", markdown).split("\n")
    output: list[str] = []
    end = 0
    for token, first, after in _code_blocks("\n".join(lines)):
        output += _inert_prose(lines[end:first], after_code=end > 0, before_code=True)
        code = _inert_code(token, lines[first:after])
        changed = code != lines[first:after]
        if changed and output and output[-1].strip():
            output.append("")
        output += code
        if (changed or OPENS.search(token.content)) and "".join(lines[after : after + 1]).strip():
            output.append("")  # no formula extends across a blank line
        end = after
    return "\n".join([*output, *_inert_prose(lines[end:], after_code=end > 0, before_code=False)])


def _code_blocks(markdown: str) -> Iterator[tuple[Token, int, int]]:
    """Each code block with the number of its first line and of the line after it."""
    for token in _parser().parse(markdown):
        if token.type in {"fence", "code_block"} and token.map:
            first, after = token.map
            yield token, first, after


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.core.ruler.disable(["inline", "text_join"])  # only blocks are needed
    parser.block.ruler.disable("reference")  # a definition that is made inert becomes a paragraph
    return parser


def _inert_prose(lines: list[str], *, after_code: bool, before_code: bool) -> Iterator[str]:
    at = 0
    for blank, group in groupby(lines, key=lambda line: not line.strip()):
        run = list(group)
        beside_code = (after_code and at == 0) or (before_code and at + len(run) == len(lines))
        at += len(run)
        yield "\n".join(run) if blank else harmless("\n".join(run), beside_code=beside_code)


def _inert_code(token: Token, lines: list[str]) -> list[str]:
    if token.type == "code_block" and not RISKY.search(token.content):
        return lines
    opening = _OPENING.fullmatch(lines[0])
    info = opening[3] if opening and _DIAGRAMS not in token.info.lower() else ""
    if opening and info == opening[3] and _is_plain(lines, len(opening[1]), opening[2]):
        if _has_no_heading(lines, len(opening[1])):
            return lines
    code = token.content.removesuffix("\n")
    if token.type == "fence" and not token.level:
        fence = "```"
        while any(_closes(line, fence) for line in code.split("\n")):
            fence += "`"
        fenced = [fence + info, *code.split("\n"), fence]
        if _has_no_heading(fenced, 0):
            return fenced
    return [f"{_container(token, lines[0])}<pre><code>{entities(code)}</code></pre>"]


def _has_no_heading(lines: list[str], indent: int) -> bool:
    """Whether JupyterLab's table of contents finds no heading in fenced code, which it would render.

    It recognizes code only by lines that begin with three backticks.
    """
    fences = sum(line.startswith("```") for line in lines)
    if not ACTIVE.search("\n".join(lines[1:-1])):
        return fences % 2 == 0
    return not any(map(_HEADING.search, lines)) if indent else fences == 2


def _is_plain(lines: list[str], indent: int, fence: str) -> bool:
    """Whether the closing fence matches the opening one, none comes earlier, and no line is indented less."""
    *inside, closing = lines[1:] or [""]
    spaces = " " * indent
    return closing == spaces + fence and all(
        (line.startswith(spaces) or not line.strip()) and not _closes(line, fence) for line in inside
    )


def _closes(line: str, fence: str) -> bool:
    """Whether some parser treats a line as the end of the code."""
    return line.lstrip().startswith(fence) and not line.strip("`~ \t")


def _container(token: Token, line: str) -> str:
    """The prefix of a code block's first line: bullets, quote marks and spaces."""
    line = line.expandtabs(4)
    if token.type == "fence":
        return line[: line.index(token.markup)]
    first = token.content.split("\n", 1)[0].expandtabs(4)
    return line[: len(line) - len(first)].removesuffix("    ")
