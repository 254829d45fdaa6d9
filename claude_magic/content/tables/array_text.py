"""NumPy arrays as numbers; as pictures they are elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from claude_magic.content.parts import Part
from claude_magic.content.tables.cell_text import short, text_of
from claude_magic.content.tables.table_limits import BUDGET, MOST_COUNTED
from claude_magic.messages.text import code_fence, one_line, replace_surrogates, truncate


def corners(value: Any, name: str) -> Part:
    """Shape, type and range of an array, and its values: all of a small one, else those at the corners."""
    shape = " x ".join(f"{length:,}" for length in value.shape) or "no dimensions"
    lines = [f"Array {one_line(name)}: {shape}, {short(value.dtype)}"]
    if summary := _summary(value):
        lines.append(summary)
    flat = value.ravel() if value.ndim > 4 else value  # some values along each of many axes would be too many
    numpy = sys.modules["numpy"]
    with numpy.printoptions(threshold=400, edgeitems=3 if flat.ndim < 3 else 2, precision=6, linewidth=120):
        body = replace_surrogates(str(flat))
    if len(body) > BUDGET - 500:
        body = truncate(body, BUDGET - 500)
        lines.append("In part: the values are cut off at the end.")
    elif flat.size > 400:
        lines.append("In part: the values at the corners." if flat is value else "In part: the first and last values.")
    lines.append(code_fence(body))
    return Part({"type": "text", "text": "\n".join(lines)}, f"array, {shape}, {value.dtype}"[:200])


def _summary(array: Any) -> str:
    kind = array.dtype.kind
    if not array.size or kind not in "biufcmM":
        return ""
    if array.size > MOST_COUNTED:
        return "Range and mean are not computed: it is too large."
    numpy = sys.modules["numpy"]
    masked = array.size - array.count() if hasattr(array, "compressed") else 0
    values = array.compressed() if masked else array
    said = [f"{masked:,} masked"] if masked else []
    if kind in "fcmM":
        missing = numpy.isnat(values) if kind in "mM" else numpy.isnan(values)
        if number := int(missing.sum()):
            values = values[~missing]
        said.append(f"{number:,} {'NaT' if kind in 'mM' else 'NaN'}")
    if values.size:
        with numpy.errstate(all="ignore"):
            if kind == "b":
                said.insert(0, f"{int(values.sum()):,} of {values.size:,} True")
            elif kind in "iuf":
                mean = values.mean(dtype="float64")
                said.insert(0, f"min {text_of(values.min())}, max {text_of(values.max())}, mean {text_of(mean)}")
            elif kind == "c":
                said.insert(0, f"mean {values.mean():.6g}")
            else:
                said.insert(0, f"min {values.min()}, max {values.max()}")
    return ", ".join(said)
