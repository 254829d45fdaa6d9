"""Notebook files as text: the cells and what they printed."""

from __future__ import annotations

import json
from typing import Any

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import pluralize

_MAX_OUTPUT = 4_000
"""Characters of the printed output of a cell."""


def notebook_to_text(source: str, name: str) -> tuple[str, str]:
    """Convert the contents of a notebook file to text; also returns its length, for example ``12 cells``."""
    try:
        cells = json.loads(source)["cells"]
        shown = [_cell(cell, number) for number, cell in enumerate(cells, 1)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadInput(
            f"{name} is not a notebook in the current format. Open it in Jupyter and save it again."
        ) from None
    return "\n\n".join(shown), pluralize(len(cells), "cell")


def _cell(cell: dict[str, Any], number: int) -> str:
    ran = f", run as {cell['execution_count']}" if cell.get("execution_count") else ""
    lines = [f"--- Cell {number} ({cell['cell_type']}{ran})", _text(cell["source"])]
    for output in cell.get("outputs", ()):
        if printed := _output(output).strip():
            left = len(printed) - _MAX_OUTPUT
            cut = f"\n… {left:,} more characters left out" if left > 0 else ""
            lines += [f"--- Output of cell {number}", printed[:_MAX_OUTPUT] + cut]
    return "\n".join(lines)


def _output(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return _text(output["text"])
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    data = output.get("data", {})
    plain = _text(data.get("text/plain", ""))
    return f"{plain}\n(a picture, left out)" if any(kind.startswith("image/") for kind in data) else plain


def _text(value: str | list[str]) -> str:
    """Text of a notebook, which may be stored as a list of lines."""
    return value if isinstance(value, str) else "".join(value)
