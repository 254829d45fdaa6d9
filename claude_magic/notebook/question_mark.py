"""An input transformer: ``%claude What is this?`` is a question; only ``%claude?`` is help.

To IPython, a question mark at the end of any line asks for help on the last word. Lines that ask
Claude are therefore replaced with a call of the magic first.
"""

from __future__ import annotations

import re

_MAGIC = re.compile(r"(?P<before>\s*(?:\w+\s*=\s*)?)%(?P<magic>\w+)[ \t]+(?P<rest>\S.*\?)\s*", re.DOTALL)


def transform(lines: list[str]) -> list[str]:
    """Rewrite ``%claude TEXT?`` lines of a cell, for ``input_transformers_cleanup``.

    Parameters
    ----------
    lines : list of str
        With their line endings.

    Returns
    -------
    list of str
        The same number of lines.
    """
    if not any("%claude" in line for line in lines) or not any(line.rstrip().endswith("?") for line in lines):
        return lines
    if lines[0].startswith("%%"):
        return lines  # the body belongs to that cell magic
    rewritten, at = list(lines), 0
    beginnings = _statements(lines)
    while at < len(lines):
        end = at + 1
        if at in beginnings and "%claude" in lines[at]:
            while end < len(lines) and lines[end - 1].rstrip("\r\n").endswith("\\"):
                end += 1  # the line continues
            rewritten[at:end] = _rewritten(lines[at:end])
        at = end
    return rewritten


def _rewritten(lines: list[str]) -> list[str]:
    joined = " ".join(line.rstrip("\r\n").removesuffix("\\") for line in lines)
    match = _MAGIC.fullmatch(joined)
    if match is None or not (match["magic"] == "claude" or "%claude " in match["rest"]):
        return lines
    call = f"get_ipython().run_line_magic({match['magic']!r}, {match['rest']!r})"
    return [f"{match['before']}{call}\n", *(["\n"] * (len(lines) - 1))]


def _statements(lines: list[str]) -> set[int]:
    """Indices of the lines on which a statement begins, which excludes those inside a string."""
    from IPython.core.inputtransformer2 import make_tokens_by_line

    return {line[0].start[0] - 1 for line in make_tokens_by_line(lines) if line}
