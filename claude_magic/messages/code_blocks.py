"""The code in an answer: what stands between fences, as Markdown knows them."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_LANGUAGE = re.compile(r"[{.\s]*([^\s{},:]*)")


class Code(str):
    """A block of code, without its fences; a string like any other.

    Attributes
    ----------
    language : str
        As the answer names it, for example ``python``; empty where it names none.
    complete : bool
        Whether its fence was closed: where it was not, the answer may have been cut in the middle of it.
    """

    language: str
    complete: bool

    def __new__(cls, text: str, language: str = "", *, complete: bool = True) -> Code:  # noqa: D102
        code = super().__new__(cls, text)
        code.language = language
        code.complete = complete
        return code


def blocks(markdown: str) -> list[Code]:
    """The fenced blocks of code, in order.

    Those in lists and quotes count, without what stands before their lines; indented code and code
    within a line do not. What is fenced within a longer fence is a part of that block.

    Parameters
    ----------
    markdown : str
    """
    if "```" not in markdown and "~~~" not in markdown:
        return []
    return [_code(token) for token in _parser().parse(markdown) if token.type == "fence"]


def _code(token: Token) -> Code:
    text = token.content.removesuffix("\n")
    match = _LANGUAGE.match(token.info)
    return Code(text, match[1] if match else "", complete=_is_closed(token))


def _is_closed(token: Token) -> bool:
    """Whether the block has a line more than its opening and its content."""
    first, behind = token.map or (0, 0)
    inside = token.content.removesuffix("\n").count("\n") + 1 if token.content else 0
    return behind - first > inside + 1


@functools.cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")  # HTML is text in an answer, and hides no code
    parser.core.ruler.disable(["inline", "text_join"])  # blocks are all that is asked of it
    return parser
