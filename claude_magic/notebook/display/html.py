"""Markdown as HTML that may be put into a page, piece by piece while it grows.

HTML in an answer is text, its images are text, and only links that a reader clicks on lead
anywhere. What comes out of the parser goes through a sanitizer all the same.
"""

from __future__ import annotations

import functools
import html
import io
import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from claude_magic.notebook.display.inert_math import formula

if TYPE_CHECKING:
    import nh3
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from pygments.lexer import Lexer

MATH = "claude-math"
"""Class of a formula that the page may typeset."""
GOES_ON = "g"
"""Class of what stands behind code that goes on in the next piece."""
LONGEST = 2500
"""Characters from which what has come of a block is a piece: to draw costs no more the longer a block is."""
LONGEST_MATH = 3000
"""Characters for which displayed math that has not ended is waited for."""
_LONGEST_HIGHLIGHTED = 50_000
_COLOURS = {
    "Token.Keyword": "k",
    "Token.Operator": "o",
    "Token.Operator.Word": "k",
    "Token.Literal.String": "s",
    "Token.Literal.Number": "m",
    "Token.Comment": "c",
    "Token.Name.Function": "d",
    "Token.Name.Class": "d",
    "Token.Name.Decorator": "n",
    "Token.Name.Tag": "t",
    "Token.Name.Attribute": "a",
}
"""Classes, by Pygments' kinds of tokens; few, because each costs bytes."""

_TAGS = (
    "h1 h2 h3 h4 h5 h6 p br hr ul ol li blockquote pre code em strong s a table thead tbody tr th td "
    "span details summary input img"
)
_ATTRIBUTES = {
    "*": set[str](),
    "a": {"href"},
    "code": {"class"},
    "img": {"src", "width", "height", "alt"},
    "input": {"type", "checked", "disabled"},
    "ol": {"start"},
    "pre": {"class"},
    "span": {"class"},
    "td": {"style"},
    "th": {"style"},
}
_ALLOWED = {
    "class": re.compile(f"{MATH}|[a-z]"),
    "href": re.compile(r"(https?|mailto):.*", re.IGNORECASE | re.DOTALL),
    "src": re.compile(r"data:image/jpeg;base64,[\w+/=]*"),
    "style": re.compile(r"text-align: ?(left|right|center)"),
    "type": re.compile("checkbox"),
}


def rendered(markdown: str) -> str:
    """Markdown of our own, in which HTML is meant, as HTML.

    Parameters
    ----------
    markdown : str
        Made by this package; what it quotes is escaped.
    """
    return _sanitizer().clean(_parser(ours=True).render(markdown))


class Growing:
    """Takes the text of an answer as it comes; gives HTML, of which only the last piece changes.

    A piece is finished when a block that follows it begins in a line that is complete: only then
    is it sure that a list does not go on, or a paragraph does not become a heading. What is put
    together from the pieces is what the whole text would give.
    """

    def __init__(self) -> None:
        self._sources: list[str] = []  # of the finished pieces; empty for HTML that was added
        self._rest = ""
        self._known: dict[str, Any] = {"references": {}}
        self._newlines = io.IncrementalNewlineDecoder(None, translate=True)
        self._changed: dict[int, str] = {}
        self._tail = ""
        self._fed = False

    def feed(self, text: str) -> None:
        """Add text."""
        self._rest += self._newlines.decode(text)
        self._fed = True

    def add(self, own: str) -> None:
        """Add HTML of our own behind the text, which is finished by that."""
        self.close()
        if own:
            self._piece("", own)

    def close(self) -> None:
        """What has come is finished as it stands."""
        self.feed(self._newlines.decode("", final=True))
        if self._rest and not self._rest.endswith("\n"):
            self._rest += "\n"  # a last line may define what a link refers to
        self._draw()
        if self._rest.strip():
            self._piece(self._rest, self._tail)
        self._rest = self._tail = ""

    def changes(self) -> dict[int, str]:
        """The HTML of the pieces that have changed since this was asked, by their number."""
        self._draw()
        changed, self._changed = self._changed, {}
        return changed

    def _draw(self) -> None:
        if not self._fed:
            return
        self._fed = False
        lines = self._rest.split("\n")
        self._define("\n".join(lines[:-1]))
        tokens, known = self._parse()
        starts = [token.map[0] for token in tokens if token.map and token.level == 0 and token.nesting >= 0]
        sure = [start for start in starts if start < len(lines) - 1]
        if len(sure) > 1:
            cut = next(i for i, token in enumerate(tokens) if token.level == 0 and (token.map or [0])[0] == sure[-1])
            self._piece("\n".join(lines[: sure[-1]]) + "\n", _html(tokens[:cut], known))
            self._rest = "\n".join(lines[sure[-1] :])
            tokens = tokens[cut:]
        if tokens and len(self._rest) > 2 * LONGEST:
            while len(self._rest) > 2 * LONGEST:
                self._cut(tokens[0].type)
            tokens, known = self._parse()
        tail = _html(tokens, known)
        if tail != self._tail or len(self._sources) in self._changed:
            self._tail = self._changed[len(self._sources)] = tail

    def _cut(self, kind: str) -> None:
        """Finish what has come of a block that does not end; code and tables go on with their first lines."""
        *lines, partial = self._rest.split("\n")
        heads = {"fence": 1, "table_open": 2}.get(kind, 0)
        is_one_line = len(lines) <= heads and len(partial) > LONGEST
        sizes = itertools.accumulate(len(line) + 1 for line in lines)
        count = next((number for number, size in enumerate(sizes, 1) if size > LONGEST), len(lines))
        if count <= heads and not is_one_line:
            heads = 0
        if not is_one_line:
            source = "\n".join(lines[:count]) + "\n"
            rest = [*lines[:heads], *lines[count:], partial]
        else:
            source = partial[: partial.rfind(" ", LONGEST // 2, LONGEST) + 1 or LONGEST]
            rest = [*lines, partial[len(source) :]]
            source = "\n".join([*lines, source])
        known = {"references": dict(self._known["references"])}
        written = _html(_parser(ours=False).parse(source, known), known)
        if kind == "fence":
            written += f'<span class="{GOES_ON}"></span>'  # at the end: what was sent of it stays as it is
        self._piece(source, written)
        self._rest = "\n".join(rest)

    def _parse(self) -> tuple[list[Token], dict[str, Any]]:
        """The tokens of the rest, with displayed math closed where it is open."""
        parser = _parser(ours=False)
        known = {"references": dict(self._known["references"])}
        tokens = parser.parse(self._rest, known)
        if "$$" in self._rest and _is_in_math(tokens, self._rest):
            tokens = parser.parse(f"{self._rest}\n$$", known)
        return tokens, known

    def _define(self, lines: str) -> None:
        """Learn what links refer to; finished pieces may have waited for it."""
        if "]:" not in lines:
            return
        references = len(self._known["references"])
        _parser(ours=False).parse(lines, self._known)
        if len(self._known["references"]) == references:
            return
        for number, source in enumerate(self._sources):
            if "[" in source:
                known = {"references": dict(self._known["references"])}
                self._changed[number] = _html(_parser(ours=False).parse(source, known), known)

    def _piece(self, source: str, finished: str) -> None:
        self._changed[len(self._sources)] = finished
        self._sources.append(source)
        self._tail = ""


def _is_in_math(tokens: Sequence[Token], text: str) -> bool:
    """Whether the text ends in displayed math: to the parser that is a paragraph as yet."""
    for token in tokens:
        if token.type == "inline" and token.level == 1 and token.content.startswith("$$") and token.map:
            if token.content.count("$$") == 1:
                return sum(map(len, text.split("\n")[token.map[0] :])) < LONGEST_MATH
    return False


def _html(tokens: Sequence[Token], known: dict[str, Any]) -> str:
    parser = _parser(ours=False)
    return _sanitizer().clean(parser.renderer.render(tokens, parser.options, known))


@functools.cache
def _parser(*, ours: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.tasklists import tasklists_plugin

    parser = MarkdownIt("commonmark", {"html": ours, "highlight": _highlighted}).enable(["table", "strikethrough"])
    if ours:
        return parser
    parser.use(tasklists_plugin).use(dollarmath_plugin, allow_labels=False, allow_digits=False, double_inline=True)
    for kind, write in (("image", _image), ("math_inline", _math), ("math_inline_double", _math)):
        parser.add_render_rule(kind, write)
    parser.add_render_rule("math_block", _math_block)
    return parser


def _image(_: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """An image as the text that was written: to show it would be to fetch it."""
    return html.escape(f"![{tokens[index].content}]({tokens[index].attrGet('src')})")


def _math(_: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return _formula(tokens[index].content, tokens[index].markup)


def _math_block(_: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    return f"<p>{_formula(tokens[index].content.strip(), tokens[index].markup)}</p>\n"


def _formula(content: str, markup: str) -> str:
    """A formula as it was written, to be typeset in the page; one that could do more than that is code."""
    written = f"{markup}{content}{markup}"
    found = formula(written, 0, markup)
    if found is None or found[1] < len(written):
        return f"<code>{html.escape(written)}</code>"
    return f'<span class="{MATH}">{html.escape(found[0])}</span>'


def _highlighted(code: str, language: str, attributes: str) -> str:
    """Code with a span around what has a colour; empty for a language that is not known."""
    lexer = _lexer(language) if len(code) <= _LONGEST_HIGHLIGHTED else None
    if lexer is None:
        return ""
    found = []
    for colour, tokens in itertools.groupby(lexer.get_tokens(code), lambda token: _colour(token[0])):
        text = html.escape("".join(text for _, text in tokens), quote=False)
        found.append(f'<span class="{colour}">{text}</span>' if colour else text)
    return "".join(found)


@functools.cache
def _colour(kind: Any) -> str:
    """The class of a token: that of the nearest kind above it which has one."""
    return _COLOURS.get(str(kind)) or (_colour(kind.parent) if kind.parent else "")


@functools.lru_cache(64)
def _lexer(language: str) -> Lexer | None:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False) if language else None
    except ClassNotFound:
        return None


@functools.cache
def _sanitizer() -> nh3.Cleaner:
    import nh3

    return nh3.Cleaner(
        tags=set(_TAGS.split()),
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    """A value that may stay."""
    allowed = _ALLOWED.get(name)
    return value if allowed is None or allowed.fullmatch(value) else None
