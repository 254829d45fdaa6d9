"""The code in an answer: its fenced Markdown blocks."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LANGUAGE = re.compile(r"[{.\s]*([^\s{},:]*)")


class Code(str):
    """A code block without its fences; otherwise a normal string.

    Attributes
    ----------
    language : str
        As the answer names it, for example ``python``; empty if it does not.
    complete : bool
        Whether its fence is closed; if not, the answer may have been cut off inside the block.
    """

    language: str
    complete: bool

    def __new__(cls, text: str, language: str = "", *, complete: bool = True) -> Code:  # noqa: D102
        code = super().__new__(cls, text)
        code.language = language
        code.complete = complete
        return code


def find_code_blocks(markdown: str) -> list[Code]:
    """The fenced code blocks, in order.

    Blocks inside lists and quotes are included, without the indentation or ``>`` in front of their
    lines; indented and inline code is not. A fence inside a longer fence is part of that block.
    """
    if "```" not in markdown and "~~~" not in markdown:
        return []
    return [_code(token) for token in _parser().parse(markdown) if token.type == "fence"]


def _code(token: Token) -> Code:
    text = token.content.removesuffix("\n")
    match = _LANGUAGE.match(token.info)
    first, behind = token.map or (0, 0)
    inside = text.count("\n") + 1 if token.content else 0
    # A closed block has a line beyond its opening and its content.
    return Code(text, match[1] if match else "", complete=behind - first > inside + 1)


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # HTML in an answer is text and must not hide code.
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.core.ruler.disable(["inline", "text_join"])  # only blocks are needed
    return parser
