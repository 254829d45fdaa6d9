"""Markdown as HTML that is safe to put into a page, piece by piece while it grows.

HTML and images in an answer are shown as text, and links lead somewhere only when clicked. The output
of the parser is sanitized all the same.
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

_Env = dict[str, dict[str, Any]]
"""The environment of markdown-it, with link references by label."""
MATH = "claude-math"
"""CSS class of a formula that the page may typeset."""
CONTINUED = "g"
"""CSS class of the marker after code that continues in the next piece."""
MAX_PIECE = 2500
"""Characters from which an unfinished block is cut, so that drawing a long block costs no more."""
MAX_OPEN_MATH = 3000
"""Characters up to which open displayed math is kept in one piece."""
_MAX_HIGHLIGHTED = 50_000
_TOKEN_CLASSES = {
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
"""CSS classes by Pygments token type; few, because each costs bytes."""

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


def render_markdown(markdown: str) -> str:
    """Render trusted Markdown, which may contain HTML.

    Parameters
    ----------
    markdown : str
        Written by this package; quotations in it are escaped.
    """
    return _sanitizer().clean(_parser(trusted=True).render(markdown))


class StreamingHTML:
    """Converts streamed Markdown to pieces of HTML, of which only the last one changes.

    A piece is finished once a complete line begins another block: only then is it certain that a list
    does not continue and a paragraph does not become a heading. Together the pieces are the HTML of the
    whole text.
    """

    def __init__(self) -> None:
        self._sources: list[str] = []  # Markdown of the finished pieces; empty for HTML that was added
        self._rest = ""
        self._env: _Env = {"references": {}}
        self._newlines = io.IncrementalNewlineDecoder(None, translate=True)
        self._changed: dict[int, str] = {}
        self._tail = ""
        self._stale = False

    def feed(self, text: str) -> None:
        """Add Markdown."""
        self._rest += self._newlines.decode(text)
        self._stale = True

    def add(self, html: str) -> None:
        """Finish the text so far, and add trusted HTML after it."""
        self.close()
        if html:
            self._finish("", html)

    def close(self) -> None:
        """Finish the text so far as it is."""
        self.feed(self._newlines.decode("", final=True))
        if self._rest and not self._rest.endswith("\n"):
            self._rest += "\n"  # the last line may be a link reference definition
        self._render()
        if self._rest.strip():
            self._finish(self._rest, self._tail)
        self._rest = self._tail = ""

    def changes(self) -> dict[int, str]:
        """The HTML of the pieces that have changed since the last call, by piece number."""
        self._render()
        changed, self._changed = self._changed, {}
        return changed

    def _render(self) -> None:
        if not self._stale:
            return
        self._stale = False
        lines = self._rest.split("\n")
        self._read_references("\n".join(lines[:-1]))
        tokens, env = self._parse()
        starts = [token.map[0] for token in tokens if token.map and token.level == 0 and token.nesting >= 0]
        certain = [start for start in starts if start < len(lines) - 1]
        if len(certain) > 1:
            cut = next(i for i, token in enumerate(tokens) if token.level == 0 and (token.map or [0])[0] == certain[-1])
            self._finish("\n".join(lines[: certain[-1]]) + "\n", _html(tokens[:cut], env))
            self._rest = "\n".join(lines[certain[-1] :])
            tokens = tokens[cut:]
        if tokens and len(self._rest) > 2 * MAX_PIECE:
            while len(self._rest) > 2 * MAX_PIECE:
                self._cut(tokens[0].type)
            tokens, env = self._parse()
        tail = _html(tokens, env)
        if tail != self._tail or len(self._sources) in self._changed:
            self._tail = self._changed[len(self._sources)] = tail

    def _cut(self, kind: str) -> None:
        """Finish the beginning of a long block; the rest of code or a table repeats the opening lines."""
        *lines, partial = self._rest.split("\n")
        heads = {"fence": 1, "table_open": 2}.get(kind, 0)
        is_one_line = len(lines) <= heads and len(partial) > MAX_PIECE
        sizes = itertools.accumulate(len(line) + 1 for line in lines)
        count = next((number for number, size in enumerate(sizes, 1) if size > MAX_PIECE), len(lines))
        if count <= heads and not is_one_line:
            heads = 0
        if not is_one_line:
            source = "\n".join(lines[:count]) + "\n"
            rest = [*lines[:heads], *lines[count:], partial]
        else:
            source = partial[: partial.rfind(" ", MAX_PIECE // 2, MAX_PIECE) + 1 or MAX_PIECE]
            rest = [*lines, partial[len(source) :]]
            source = "\n".join([*lines, source])
        html = self._render_source(source)
        if kind == "fence":
            html += f'<span class="{CONTINUED}"></span>'  # at the end, so that chunks already sent stay as they are
        self._finish(source, html)
        self._rest = "\n".join(rest)

    def _parse(self) -> tuple[list[Token], _Env]:
        """The tokens of the rest, in which open displayed math is closed."""
        parser = _parser(trusted=False)
        env = self._copy_env()
        tokens = parser.parse(self._rest, env)
        if "$$" in self._rest and _is_in_math(tokens, self._rest):
            tokens = parser.parse(f"{self._rest}\n$$", env)
        return tokens, env

    def _copy_env(self) -> _Env:
        return {"references": dict(self._env["references"])}

    def _render_source(self, source: str) -> str:
        env = self._copy_env()
        return _html(_parser(trusted=False).parse(source, env), env)

    def _read_references(self, lines: str) -> None:
        """Read link reference definitions, and render finished pieces again that may use them."""
        if "]:" not in lines:
            return
        references = len(self._env["references"])
        _parser(trusted=False).parse(lines, self._env)
        if len(self._env["references"]) == references:
            return
        for number, source in enumerate(self._sources):
            if "[" in source:
                self._changed[number] = self._render_source(source)

    def _finish(self, source: str, html: str) -> None:
        self._changed[len(self._sources)] = html
        self._sources.append(source)
        self._tail = ""


def _is_in_math(tokens: Sequence[Token], text: str) -> bool:
    """Whether the text ends in open displayed math, which is still a paragraph to the parser."""
    for token in tokens:
        if token.type == "inline" and token.level == 1 and token.content.startswith("$$") and token.map:
            if token.content.count("$$") == 1:
                return sum(map(len, text.split("\n")[token.map[0] :])) < MAX_OPEN_MATH
    return False


def _html(tokens: Sequence[Token], env: _Env) -> str:
    parser = _parser(trusted=False)
    return _sanitizer().clean(parser.renderer.render(tokens, parser.options, env))


@functools.cache
def _parser(*, trusted: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.tasklists import tasklists_plugin

    parser = MarkdownIt("commonmark", {"html": trusted, "highlight": _highlighted}).enable(["table", "strikethrough"])
    if trusted:
        return parser
    parser.use(tasklists_plugin).use(dollarmath_plugin, allow_labels=False, allow_digits=False, double_inline=True)
    for kind, rule in (("image", _image), ("math_inline", _math), ("math_inline_double", _math)):
        parser.add_render_rule(kind, rule)
    parser.add_render_rule("math_block", _math_block)
    return parser


def _image(_: object, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    """An image as its Markdown source, because showing it would fetch it."""
    return html.escape(f"![{tokens[index].content}]({tokens[index].attrGet('src')})")


def _math(_: object, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    return _formula(tokens[index].content, tokens[index].markup)


def _math_block(_: object, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    return f"<p>{_formula(tokens[index].content.strip(), tokens[index].markup)}</p>\n"


def _formula(content: str, markup: str) -> str:
    """A formula as its source, to be typeset in the page; as code if it could do more than show a formula."""
    source = f"{markup}{content}{markup}"
    found = formula(source, 0, markup)
    if found is None or found[1] < len(source):
        return f"<code>{html.escape(source)}</code>"
    return f'<span class="{MATH}">{html.escape(found[0])}</span>'


def _highlighted(code: str, language: str, attributes: str) -> str:
    """Code with a span around each token that has a colour; empty for an unknown language."""
    lexer = _lexer(language) if len(code) <= _MAX_HIGHLIGHTED else None
    if lexer is None:
        return ""
    found = []
    for name, tokens in itertools.groupby(lexer.get_tokens(code), lambda token: _token_class(token[0])):
        text = html.escape("".join(text for _, text in tokens), quote=False)
        found.append(f'<span class="{name}">{text}</span>' if name else text)
    return "".join(found)


@functools.cache
def _token_class(kind: Any) -> str:
    """The CSS class of a token type: its own or that of its nearest ancestor."""
    return _TOKEN_CLASSES.get(str(kind)) or (_token_class(kind.parent) if kind.parent else "")


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
        attribute_filter=_filter_attribute,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    """The value of an attribute if it is allowed."""
    allowed = _ALLOWED.get(name)
    return value if allowed is None or allowed.fullmatch(value) else None
