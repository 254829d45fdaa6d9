r"""Which dollars are formulas, and what a formula may hold.

The rule is Pandoc's: behind ``$`` and before the closing one stands no space, and behind that no
digit. So ``$5 and $6`` is money. A formula must also end where JupyterLab ends it: braces balance,
and no blank line or code is in it.
"""

from __future__ import annotations

import re

OPENS = re.compile(r"\$|\\\\[(\[]|\\begin\{")
"""What JupyterLab takes a formula to begin with."""
_LONGEST = 5000
"""Characters of a formula; MathJax has the same bound."""
_ALIVE = re.compile(
    r"\\(?:href|url|require|class|cssId|style|data|bbox|mmlToken|includegraphics|html[A-Za-z]*)(?![A-Za-z])"
)
"""Commands that make links, load, or style: a page without JupyterLab's filter would obey."""
_NO_FORMULA = re.compile(r"`|@@|\n\s*(?:[-*+>|#]|\d+[.)])\s")
_BRACE = re.compile(r"(?<!\\)[{}]")
_DOLLARS = re.compile(r"(?<!\\)\$\$?")
_TWO_DOLLARS = re.compile(r"(?<!\\)\$\$")


def formula(text: str, start: int, opening: str) -> tuple[str, int] | None:
    r"""The formula that begins somewhere.

    Parameters
    ----------
    text : str
    start : int
        Where its delimiter begins.
    opening : str
        The delimiter: ``$``, ``$$``, ``\\(``, ``\\[`` or ``\begin{…}``.

    Returns
    -------
    tuple of str and int, optional
        The formula, written so that it is text for a parser that sees no formula in it, and where
        it ends.
    """
    inside = start + len(opening)
    closing = _closing(text, inside, opening)
    if closing is None:
        return None
    at, end = closing
    content = text[inside:at]
    if opening == "$" and not _is_inline(text, start, at, end):
        return None
    if not content.strip() or not _balanced(content) or _ALIVE.search(content) or "`" in content or "@@" in content:
        return None
    if "|" in content and text[text.rfind("\n", 0, start) + 1 : start].lstrip(" >").startswith("|"):
        return None  # it would reach over the cells of a table
    return opening + _as_text(content) + text[at:end], end


def _closing(text: str, inside: int, opening: str) -> tuple[int, int] | None:
    within = inside + _LONGEST
    if opening in {"$", "$$"}:
        match = (_DOLLARS if opening == "$" else _TWO_DOLLARS).search(text, inside, within)
        return match.span() if match and match[0] == opening else None
    closing = {"\\\\(": "\\\\)", "\\\\[": "\\\\]"}.get(opening) or opening.replace("begin", "end", 1)
    at = text.find(closing, inside, within)
    return (at, at + len(closing)) if at >= 0 else None


def _is_inline(text: str, start: int, at: int, end: int) -> bool:
    content, before, behind = text[start + 1 : at], text[max(start - 1, 0) : start], text[end : end + 1]
    if not content or content[0].isspace() or content[-1].isspace() or _NO_FORMULA.search(content):
        return False
    if before.isalpha() or behind.isdigit():
        return False  # US$5; $5-$6
    return not behind.isalpha() or content[-1].isalnum() or content[-1] in ")}]'"  # not $HOME/$USER


def _balanced(content: str) -> bool:
    depth = 0
    for brace in _BRACE.findall(content):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def _as_text(content: str) -> str:
    """A formula that looks the same and holds nothing that is more than text to Markdown or in an attribute."""
    content = re.sub(r"<(?=[A-Za-z/!?])", "< ", content)
    content = re.sub(r"([!\]])(?=[\[(:])", r"\1 ", content)
    return content.replace('"', "''")
