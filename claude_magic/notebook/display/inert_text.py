r"""Makes text outside code blocks inert for every parser.

The text is not parsed but scanned once from left to right. Whatever could begin active content becomes
an entity, or a ``<span>`` where a formula could begin: the finished page is searched for formulas once
more, but no formula crosses the boundary of an element.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable

from claude_magic.notebook.display.inert_math import formula

_IN_ADDRESS = r"(?:[\w:/?#!'*+,;=%.~-]|@(?!@)|&amp;|&(?![#\w]*;))"
_ADDRESS = rf"(?:(?i:https?://|mailto:)|(?![\w+.-]*:))(?:{_IN_ADDRESS}|\({_IN_ADDRESS}*\))*"
_TITLE = r"(?:[ \t]+\"[\w \t.,:;!?%/+*()'-]*\")?[ \t]*"
_PLACE = rf"[ \t]*(?:{_ADDRESS}|<{_ADDRESS}>){_TITLE}"
_ENCODED = r"(?:[^\W_]|[ ]|&\#\d+;)*"

_BEFORE = r"^[ \t>*+\d.)-]*"
"""What may precede a block in its first line."""

RISKY = re.compile(rf"[<$\\&]|!\[|\]\(|\]:|@@\d|{_BEFORE}\[[^\[\]\n]*$", re.MULTILINE)
"""Characters that active content cannot do without."""
_LINK = re.compile(rf"\]\({_PLACE}\)")
_DEFINITION = re.compile(rf" {{0,3}}\[[^\[\]<$\\`&]+\]:(?=[ \t]*\S){_PLACE}")
_MAY_DEFINE = re.compile(rf"{_BEFORE}\[", re.MULTILINE)
_OWN_TAGS = rf"<span>\\[$\\]</span>|<code>{_ENCODED}</code>|<pre><code>{_ENCODED}</code></pre>"
_FENCE_LIKE = re.compile(rf"({_BEFORE})(`{{3,}}(?=[^`\n]*$)|~{{3,}}|(?<![^\n])`{{3,}})", re.MULTILINE)
_BEFORE_BR = re.compile(r"(?:[^\s<>&]|</span>|</code>|[\w,;:|] )\Z")
"""What a ``<br>`` may follow; at the start of a line it would turn everything up to a blank line into HTML."""
_TOKEN = re.compile(
    rf"""
    (?P<kept>{_OWN_TAGS}|<br[ ]?/?>|<(?i:https?://|mailto:){_IN_ADDRESS}+>|<[\w.+-]+@[\w.-]+>)
    |(?P<tag><(?=[A-Za-z/!?]))
    |(?P<ticks>`+)
    |(?P<slashes>\\+)(?P<after>\$|<(?=[A-Za-z/!?])|`+|&|[(\[]|begin\{{[A-Za-z]*\*?\}})?
    |(?P<dollars>\$\$?)
    |(?P<entity>&\#?\w+;)
    |(?P<image>!\[)
    |(?P<link>\]\()
    |(?P<definition>\]:)
    |(?P<mark>@@(?=\d))
    """,
    re.VERBOSE,
)
_SHOWN_DOLLAR = re.compile(r"(?<!\\)<span>\\\$</span>")
ACTIVE = re.compile(r"<[A-Za-z/!?]|!\[|\]\(|\]:|@@\d")
_BEGINS_FORMULA = re.compile(r"\\\\[(\[]|\\begin\{")
_SAFE_CODE = re.compile(r"""[\w\s<>/="'.,:;()+#%?!&{}-]*""")
_BLOCK = re.compile(r"\n\s*(?:[-*+>|#=]|\d+[.)])")
"""What ends a paragraph when a line begins with it."""
_CODE = re.compile(r"`[^`\n]*`")
_AMBIGUOUS = re.compile(r"[<\[\]\\$&~@]|://|www\.|``")


def entities(text: str) -> str:
    """Text as letters, digits, spaces and entities only."""
    return re.sub(r"[^\w ]|_", lambda match: f"&#{ord(match[0])};", text)


def harmless(text: str, *, beside_code: bool) -> str:
    """Make consecutive lines of Markdown, none of them blank, inert.

    Parameters
    ----------
    text : str
    beside_code : bool
        Whether a code block may precede or follow them.
    """
    if RISKY.search(text) and (beside_code or not all(_DEFINITION.fullmatch(line) for line in text.split("\n"))):
        text = _without_open_label(_Scanner(text, beside_code).inert_text())
    return _FENCE_LIKE.sub(lambda match: match[1] + entities(match[2]), text)


def _without_open_label(text: str) -> str:
    """Text without an unclosed ``[`` at the start of a line, whose end some parsers would seek in later text."""
    closed = max((match.end() for match in re.finditer(r"(?<!\\)\]", text)), default=0)
    line, newline, rest = text[closed:].partition("\n") if closed else ("", "", text)
    return text[:closed] + line + newline + _MAY_DEFINE.sub(lambda match: match[0][:-1] + "&#91;", rest)


class _Scanner:
    """Reads a text once, token by token."""

    def __init__(self, text: str, beside_code: bool) -> None:
        self._text = text
        self._at = 0
        self._pieces: list[str] = []
        self._ticks = _tick_positions(text)
        self._regular = _is_regular(text)
        # What a parser may take for a link, a tag or deleted text could swallow the beginning of code.
        self._unambiguous = self._regular and not _AMBIGUOUS.search(_CODE.sub("", text))
        self._may_define = _MAY_DEFINE.search(text) is not None
        self._lone_dollar = _SHOWN_DOLLAR.sub("", text).count("$") == 1 and not beside_code

    def inert_text(self) -> str:
        handle: dict[str, Callable[[re.Match[str]], str]] = {
            "kept": self._kept,
            "tag": lambda _: "&lt;",
            "ticks": self._code,
            "slashes": self._slashes,
            "after": self._slashes,
            "dollars": self._dollars,
            "entity": self._entity,
            "image": lambda _: "!&#91;",
            "link": self._link,
            "definition": lambda match: "]&#58;" if self._may_define else match[0],
            "mark": lambda _: "@&#64;",
        }
        while match := _TOKEN.search(self._text, self._at):
            self._pieces.append(self._text[self._at : match.start()])
            self._at = match.end()
            self._pieces.append(handle[match.lastgroup or ""](match))
        return "".join([*self._pieces, self._text[self._at :]])

    def _kept(self, match: re.Match[str]) -> str:
        before = "".join(self._pieces[-3:])[-10:]
        if (match[0].startswith("<pre>") and not self._is_whole_line(match)) or (
            match[0].startswith("<br") and not _BEFORE_BR.search(before)
        ):
            self._at = match.start() + 1
            return "&lt;"
        return match[0]

    def _is_whole_line(self, match: re.Match[str]) -> bool:
        start = self._text.rfind("\n", 0, match.start()) + 1
        before = self._text[start : match.start()]
        return re.fullmatch(r"[ >]*(?:(?:[-*+]|\d+[.)]) +)?", before) is not None and (
            self._text[match.end() : match.end() + 1] in {"", "\n"}
        )

    def _code(self, match: re.Match[str]) -> str:
        ticks = len(match[0])
        if ticks > 2 and self._text[max(match.start() - 1, 0) : match.start()] in {"", "\n"}:
            return entities(match[0])  # JupyterLab's table of contents takes it for a fence
        positions = self._ticks[ticks]
        while positions and positions[-1] < match.end():
            positions.pop()
        if not positions:
            return match[0]
        content = self._text[match.end() : positions[-1]]
        if _BLOCK.search(content):
            return match[0]
        self._at = positions[-1] + ticks
        if not RISKY.search(content) or self._may_keep(content, ticks):
            return self._text[match.start() : self._at]
        code = entities(content.replace("\n", " ").strip())
        return f"<code>{code}</code>"

    def _may_keep(self, code: str, ticks: int) -> bool:
        if not self._regular or _BEGINS_FORMULA.search(code):
            return False
        return not ACTIVE.search(code) or (self._unambiguous and ticks == 1 and _SAFE_CODE.fullmatch(code) is not None)

    def _slashes(self, match: re.Match[str]) -> str:
        slashes, after = match["slashes"], match["after"] or ""
        odd = len(slashes) % 2
        if after.startswith("`"):
            return slashes[odd:] + entities(after) if odd else self._again(match, slashes)
        if after == "&":
            return match[0] if odd else self._again(match, slashes)
        if after == "<":
            return slashes[odd:] + "&lt;" if odd else self._again(match, slashes)
        if after == "$":
            return match[0] if self._lone_dollar else _literal("\\") * (len(slashes) // 2) + _literal("$")
        if after.startswith("begin"):
            opening = f"\\{after}"
        elif after and len(slashes) > 1:
            opening = f"\\\\{after}"
        else:
            return match[0]
        if match[0] == opening and (found := formula(self._text, match.start(), opening)):
            source, self._at = found
            return source
        if after.startswith("begin"):
            return _literal("\\") * ((len(slashes) + 1) // 2) + after
        return _literal("\\") * (len(slashes) // 2) + "\\" * odd + after

    def _again(self, match: re.Match[str], slashes: str) -> str:
        """Continue after the backslashes as if they were not there."""
        self._at = match.end("slashes")
        return slashes

    def _dollars(self, match: re.Match[str]) -> str:
        if found := formula(self._text, match.start(), match[0]):
            source, self._at = found
            return source
        return match[0] if self._lone_dollar else _literal("$") * len(match[0])

    def _entity(self, match: re.Match[str]) -> str:
        import html

        meant = html.unescape(match[0])
        return _literal(meant) if meant in {"$", "\\"} else match[0]

    def _link(self, match: re.Match[str]) -> str:
        kept = _LINK.match(self._text, match.start())
        if kept is None:
            return "]&#40;"
        self._at = kept.end()
        return kept[0]


def _literal(character: str) -> str:
    r"""A ``$`` or a backslash that cannot begin a formula."""
    return rf"<span>\{character}</span>"


def _tick_positions(text: str) -> dict[int, list[int]]:
    """Where runs of backticks begin, last first, by their length."""
    positions: dict[int, list[int]] = defaultdict(list)
    for match in re.finditer("`+", text):
        positions[len(match[0])].append(match.start())
    for found in positions.values():
        found.reverse()
    return positions


def _is_regular(text: str) -> bool:
    """Whether all parsers agree where code opens and closes in each line."""
    for line in text.split("\n"):
        runs = re.findall("`+", line)
        if (
            runs[::2] != runs[1::2]
            or "\\`" in line
            or line.startswith("```")
            or (runs and "|" in "".join(_CODE.findall(line)))
        ):
            return False
    return True
