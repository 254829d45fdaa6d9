"""``%claude What is this?`` is a question; ``%claude?`` is help.

IPython takes a question mark at the end of any line for a request for help on the last word. Lines
that ask Claude are therefore turned into the call that they mean before IPython looks at them.
"""

from __future__ import annotations

import re

_ASKS = re.compile(r"%claude[ \t]+(?P<text>\S.*\?)\s*")


def transform(lines: list[str]) -> list[str]:
    """Rewrite ``%claude TEXT?`` lines of a cell, for ``input_transformers_cleanup``.

    Parameters
    ----------
    lines : list of str
        With their line ends.

    Returns
    -------
    list of str
        As many lines.
    """
    if not any("%claude" in line and line.rstrip().endswith("?") for line in lines):
        return lines
    if lines[0].startswith("%%"):
        return lines  # the body of a cell magic is not ours to change
    return [_rewritten(line) if number in _statements(lines) else line for number, line in enumerate(lines)]


def _rewritten(line: str) -> str:
    body = line.lstrip()
    match = _ASKS.fullmatch(body)
    if match is None:
        return line
    indent = line[: len(line) - len(body)]
    return f"{indent}get_ipython().run_line_magic('claude', {match['text']!r})\n"


def _statements(lines: list[str]) -> set[int]:
    """Numbers of the lines on which a statement begins: not those inside a longer string."""
    from IPython.core.inputtransformer2 import make_tokens_by_line

    return {line[0].start[0] - 1 for line in make_tokens_by_line(lines) if line}
