"""NumPy arrays as text."""

from __future__ import annotations

import sys
from typing import Any

from claude_magic.content.parts import Part
from claude_magic.content.tables.cell_text import shorten_name, text_of
from claude_magic.content.tables.table_limits import BUDGET, MAX_COUNTED_CELLS
from claude_magic.messages.text import code_fence, one_line, replace_surrogates, truncate


def describe_array(value: Any, name: str) -> Part:
    """Describe an array: shape, type, range, and all values of a small one or those at the corners of a large one."""
    shape = " x ".join(f"{length:,}" for length in value.shape) or "no dimensions"
    lines = [f"Array {one_line(name)}: {shape}, {shorten_name(value.dtype)}"]
    if summary := _summary(value):
        lines.append(summary)
    flat = value.ravel() if value.ndim > 4 else value  # the corners of so many axes would be too many values
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
    """Range, mean and missing values of an array."""
    kind = array.dtype.kind
    if not array.size or kind not in "biufcmM":
        return ""
    if array.size > MAX_COUNTED_CELLS:
        return "Range and mean were not computed: the array is too large."
    numpy = sys.modules["numpy"]
    masked = array.size - array.count() if hasattr(array, "compressed") else 0
    values = array.compressed() if masked else array
    facts = [f"{masked:,} masked"] if masked else []
    if kind in "fcmM":
        missing = numpy.isnat(values) if kind in "mM" else numpy.isnan(values)
        if number := int(missing.sum()):
            values = values[~missing]
        facts.append(f"{number:,} {'NaT' if kind in 'mM' else 'NaN'}")
    if values.size:
        with numpy.errstate(all="ignore"):
            if kind == "b":
                facts.insert(0, f"{int(values.sum()):,} of {values.size:,} True")
            elif kind in "iuf":
                mean = values.mean(dtype="float64")
                facts.insert(0, f"min {text_of(values.min())}, max {text_of(values.max())}, mean {text_of(mean)}")
            elif kind == "c":
                facts.insert(0, f"mean {values.mean():.6g}")
            else:
                facts.insert(0, f"min {values.min()}, max {values.max()}")
    return ", ".join(facts)
