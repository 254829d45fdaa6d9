"""Notebooks as text: their cells, and what these printed."""

from __future__ import annotations

import json
from typing import Any

from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import pluralize

_LONGEST_OUTPUT = 4_000
"""Characters of what one cell of a notebook has printed."""


def as_text(text: str, name: str) -> tuple[str, str]:
    """The text of a notebook file, and how many cells it has, in words."""
    try:
        cells = json.loads(text)["cells"]
        shown = [_cell(cell, number) for number, cell in enumerate(cells, 1)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadInput(f"{name} is no notebook of the present format. Open it in Jupyter and save it again.") from None
    return "\n\n".join(shown), pluralize(len(cells), "cell")


def _cell(cell: dict[str, Any], number: int) -> str:
    ran = f", run as {cell['execution_count']}" if cell.get("execution_count") else ""
    lines = [f"--- Cell {number} ({cell['cell_type']}{ran})", _text(cell["source"])]
    for output in cell.get("outputs", ()):
        if said := _output(output).strip():
            left = len(said) - _LONGEST_OUTPUT
            cut = f"\n… {left:,} more characters left out" if left > 0 else ""
            lines += [f"--- Output of cell {number}", said[:_LONGEST_OUTPUT] + cut]
    return "\n".join(lines)


def _output(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return _text(output["text"])
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    data = output.get("data", {})
    said = _text(data.get("text/plain", ""))
    return f"{said}\n(a picture, left out)" if any(kind.startswith("image/") for kind in data) else said


def _text(value: str | list[str]) -> str:
    """Text of a notebook, which may be stored in lines."""
    return value if isinstance(value, str) else "".join(value)
