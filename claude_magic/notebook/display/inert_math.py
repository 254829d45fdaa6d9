r"""Which dollar signs delimit formulas, and what a formula may contain.

The rule is Pandoc's: no space after the opening ``$`` or before the closing one, and no digit after
that. So ``$5 and $6`` is money. A formula must also end where JupyterLab ends it: braces are balanced,
and it contains no blank line or code.
"""

from __future__ import annotations

import re

OPENS = re.compile(r"\$|\\\\[(\[]|\\begin\{")
"""What begins a formula in JupyterLab."""
_LONGEST = 5000
"""Characters of a formula; MathJax has the same limit."""
_ACTIVE = re.compile(
    r"\\(?:href|url|require|class|cssId|style|data|bbox|mmlToken|includegraphics|html[A-Za-z]*)(?![A-Za-z])"
)
"""Commands that link, load or style, which a page without JupyterLab's filter would execute."""
_NOT_IN_FORMULA = re.compile(r"`|@@|\n\s*(?:[-*+>|#]|\d+[.)])\s")
_BRACE = re.compile(r"(?<!\\)[{}]")
_DOLLARS = re.compile(r"(?<!\\)\$\$?")
_TWO_DOLLARS = re.compile(r"(?<!\\)\$\$")


def formula(text: str, start: int, opening: str) -> tuple[str, int] | None:
    r"""Find the formula that begins at a position.

    Parameters
    ----------
    text : str
    start : int
        Where its opening delimiter begins.
    opening : str
        The delimiter: ``$``, ``$$``, ``\\(``, ``\\[`` or ``\begin{…}``.

    Returns
    -------
    tuple of str and int, optional
        The formula, written so that a parser that does not recognize it takes it for text, and where
        it ends; None if there is none.
    """
    inside = start + len(opening)
    closing = _closing(text, inside, opening)
    if closing is None:
        return None
    at, end = closing
    content = text[inside:at]
    if opening == "$" and not _is_inline(text, start, at, end):
        return None
    if not content.strip() or not _balanced(content) or _ACTIVE.search(content) or "`" in content or "@@" in content:
        return None
    if "|" in content and text[text.rfind("\n", 0, start) + 1 : start].lstrip(" >").startswith("|"):
        return None  # it would extend across the cells of a table
    return opening + _as_text(content) + text[at:end], end


def _closing(text: str, inside: int, opening: str) -> tuple[int, int] | None:
    limit = inside + _LONGEST
    if opening in {"$", "$$"}:
        match = (_DOLLARS if opening == "$" else _TWO_DOLLARS).search(text, inside, limit)
        return match.span() if match and match[0] == opening else None
    closing = {"\\\\(": "\\\\)", "\\\\[": "\\\\]"}.get(opening) or opening.replace("begin", "end", 1)
    at = text.find(closing, inside, limit)
    return (at, at + len(closing)) if at >= 0 else None


def _is_inline(text: str, start: int, at: int, end: int) -> bool:
    content, before, after = text[start + 1 : at], text[max(start - 1, 0) : start], text[end : end + 1]
    if not content or content[0].isspace() or content[-1].isspace() or _NOT_IN_FORMULA.search(content):
        return False
    if before.isalpha() or after.isdigit():
        return False  # US$5; $5-$6
    return not after.isalpha() or content[-1].isalnum() or content[-1] in ")}]'"  # not $HOME/$USER


def _balanced(content: str) -> bool:
    depth = 0
    for brace in _BRACE.findall(content):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0


def _as_text(content: str) -> str:
    """A formula that looks the same and is plain text to Markdown and in an attribute."""
    content = re.sub(r"<(?=[A-Za-z/!?])", "< ", content)
    content = re.sub(r"([!\]])(?=[\[(:])", r"\1 ", content)
    return content.replace('"', "''")
