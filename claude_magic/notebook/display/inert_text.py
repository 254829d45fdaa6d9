r"""Text outside blocks of code in which nothing is alive, whatever parser reads it.

It is not parsed: it is read once from left to right, and what could begin something that is alive
becomes an entity, or a ``<span>`` where a formula could begin. (Formulas are looked for a second
time in the finished page, within the bounds of an element.)
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
"""What may stand before a block in its first line."""

RISKY = re.compile(rf"[<$\\&]|!\[|\]\(|\]:|@@\d|{_BEFORE}\[[^\[\]\n]*$", re.MULTILINE)
"""What anything that is alive needs."""
_LINK = re.compile(rf"\]\({_PLACE}\)")
_DEFINITION = re.compile(rf" {{0,3}}\[[^\[\]<$\\`&]+\]:(?=[ \t]*\S){_PLACE}")
_MAY_DEFINE = re.compile(rf"{_BEFORE}\[", re.MULTILINE)
_OURS = rf"<span>\\[$\\]</span>|<code>{_ENCODED}</code>|<pre><code>{_ENCODED}</code></pre>"
_FENCE_LIKE = re.compile(rf"({_BEFORE})(`{{3,}}(?=[^`\n]*$)|~{{3,}}|(?<![^\n])`{{3,}})", re.MULTILINE)
_IN_A_LINE = re.compile(r"(?:[^\s<>&]|</span>|</code>|[\w,;:|] )\Z")
"""Behind this a ``<br>`` is one; where a line begins, all up to a blank line would be HTML."""
_TOKEN = re.compile(
    rf"""
    (?P<kept>{_OURS}|<br[ ]?/?>|<(?i:https?://|mailto:){_IN_ADDRESS}+>|<[\w.+-]+@[\w.-]+>)
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
ALIVE = re.compile(r"<[A-Za-z/!?]|!\[|\]\(|\]:|@@\d")
_BEGINS_FORMULA = re.compile(r"\\\\[(\[]|\\begin\{")
_CALM_CODE = re.compile(r"""[\w\s<>/="'.,:;()+#%?!&{}-]*""")
_BLOCK = re.compile(r"\n\s*(?:[-*+>|#=]|\d+[.)])")
"""What begins in another line and ends a paragraph."""
_CODE = re.compile(r"`[^`\n]*`")
_RESTLESS = re.compile(r"[<\[\]\\$&~@]|://|www\.|``")


def entities(text: str) -> str:
    """Text of letters, digits, spaces and entities."""
    return re.sub(r"[^\w ]|_", lambda match: f"&#{ord(match[0])};", text)


def harmless(text: str, *, beside_code: bool) -> str:
    """Lines of Markdown without a blank one, with nothing alive in them.

    Parameters
    ----------
    text : str
    beside_code : bool
        Whether they may stand beside a block of code.
    """
    if RISKY.search(text) and (beside_code or not all(_DEFINITION.fullmatch(line) for line in text.split("\n"))):
        text = _without_open_label(_Run(text, beside_code).written())
    return _FENCE_LIKE.sub(lambda match: match[1] + entities(match[2]), text)


def _without_open_label(text: str) -> str:
    """Text without a ``[`` at the start of a line whose end some parsers would look for in what follows."""
    closed = max((match.end() for match in re.finditer(r"(?<!\\)\]", text)), default=0)
    line, newline, rest = text[closed:].partition("\n") if closed else ("", "", text)
    return text[:closed] + line + newline + _MAY_DEFINE.sub(lambda match: match[0][:-1] + "&#91;", rest)


class _Run:
    """Reads a text once, token by token."""

    def __init__(self, text: str, beside_code: bool) -> None:
        self._text = text
        self._at = 0
        self._pieces: list[str] = []
        self._ticks = _places_of_ticks(text)
        self._regular = _is_regular(text)
        # What a parser may take for a link, a tag or deleted text could swallow where code begins.
        self._calm = self._regular and not _RESTLESS.search(_CODE.sub("", text))
        self._may_define = _MAY_DEFINE.search(text) is not None
        self._lone_dollar = _SHOWN_DOLLAR.sub("", text).count("$") == 1 and not beside_code

    def written(self) -> str:
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
            match[0].startswith("<br") and not _IN_A_LINE.search(before)
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
            return entities(match[0])  # a table of contents takes it for a fence
        places = self._ticks[ticks]
        while places and places[-1] < match.end():
            places.pop()
        if not places:
            return match[0]
        content = self._text[match.end() : places[-1]]
        if _BLOCK.search(content):
            return match[0]
        self._at = places[-1] + ticks
        if not RISKY.search(content) or self._may_stay(content, ticks):
            return self._text[match.start() : self._at]
        code = entities(content.replace("\n", " ").strip())
        return f"<code>{code}</code>"

    def _may_stay(self, code: str, ticks: int) -> bool:
        if not self._regular or _BEGINS_FORMULA.search(code):
            return False
        return not ALIVE.search(code) or (self._calm and ticks == 1 and _CALM_CODE.fullmatch(code) is not None)

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
            return match[0] if self._lone_dollar else _shown("\\") * (len(slashes) // 2) + _shown("$")
        if after.startswith("begin"):
            opening = f"\\{after}"
        elif after and len(slashes) > 1:
            opening = f"\\\\{after}"
        else:
            return match[0]
        if match[0] == opening and (found := formula(self._text, match.start(), opening)):
            written, self._at = found
            return written
        if after.startswith("begin"):
            return _shown("\\") * ((len(slashes) + 1) // 2) + after
        return _shown("\\") * (len(slashes) // 2) + "\\" * odd + after

    def _again(self, match: re.Match[str], slashes: str) -> str:
        """What is behind the backslashes is read as if they were not there."""
        self._at = match.end("slashes")
        return slashes

    def _dollars(self, match: re.Match[str]) -> str:
        if found := formula(self._text, match.start(), match[0]):
            written, self._at = found
            return written
        return match[0] if self._lone_dollar else _shown("$") * len(match[0])

    def _entity(self, match: re.Match[str]) -> str:
        import html

        meant = html.unescape(match[0])
        return _shown(meant) if meant in {"$", "\\"} else match[0]

    def _link(self, match: re.Match[str]) -> str:
        kept = _LINK.match(self._text, match.start())
        if kept is None:
            return "]&#40;"
        self._at = kept.end()
        return kept[0]


def _shown(character: str) -> str:
    r"""A ``$`` or a backslash that begins no formula."""
    return rf"<span>\{character}</span>"


def _places_of_ticks(text: str) -> dict[int, list[int]]:
    """Where runs of so many backticks begin, the last first."""
    places: dict[int, list[int]] = defaultdict(list)
    for match in re.finditer("`+", text):
        places[len(match[0])].append(match.start())
    for found in places.values():
        found.reverse()
    return places


def _is_regular(text: str) -> bool:
    """Whether each line opens and closes code as all parsers see it."""
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
