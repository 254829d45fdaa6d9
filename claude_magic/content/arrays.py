"""Arrays as pictures: numpy's, and anything with ``__array__``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from claude_magic.content.parts import Part
from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    from PIL.Image import Image

_SMALLEST = 16
"""Pixels of the shorter side from which a plain two-dimensional array of floats is taken for a picture."""


def from_array(value: Any, name: str) -> list[Part]:
    """An array: a picture if it is meant as one, else what a plot belongs to, else its numbers."""
    from claude_magic.content import pictures, plots

    if is_picture(value) or plots.figure_of(value) is not None:
        return pictures.from_any(value, name)
    from claude_magic.content.tables import table

    return table.from_array(value, name)


def is_picture(array: Any) -> bool:
    """Whether an array is meant as a picture, rather than as numbers.

    Three dimensions with 1, 3 or 4 channels at the end; or two dimensions of bytes, 16-bit values,
    truth values, or (from 16 x 16 on) of floats from 0 to 255.
    """
    if array.ndim == 3:
        return True  # what else it may be is for an error to say
    if array.ndim != 2 or 0 in array.shape:
        return False
    if array.dtype.kind == "f":
        return min(array.shape) >= _SMALLEST and bool((array >= 0).all() and (array <= 255).all())
    return array.dtype.kind == "b" or array.dtype.name in ("uint8", "uint16")


def to_image(value: Any, name: str) -> Image:
    """An array as a PIL image.

    Parameters
    ----------
    value : array
        Height x width, or height x width x 1, 3 or 4. uint8; uint16 (its whole range); bool; float
        from 0 to 1; other whole numbers from 0 to 255.

    Raises
    ------
    BadInput
        For other shapes, values, NaN or masked pixels; the line says how to mend it.
    """
    import numpy as np
    from PIL import Image

    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise BadInput(f"{name} has masked pixels, which a picture cannot leave out. Send {_code(name)}.filled(0).")
    array = np.asarray(value)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise BadInput(_wrong_shape(array, name))
    if 0 in array.shape:
        raise BadInput(f"{name} has no pixels (shape {array.shape}).")
    kind = array.dtype.kind
    if kind == "b":
        array = array.astype(np.uint8) * 255
    elif kind == "f":
        array = _of_floats(array, name)
    elif array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    elif kind not in "iu":
        raise BadInput(f"{name} is an array of {array.dtype}, which is no picture.")
    elif array.dtype != np.uint8:
        if array.min() < 0 or array.max() > 255:
            raise BadInput(f"{name} holds whole numbers beyond 0 to 255. Scale it, then .astype(np.uint8).")
        array = array.astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(array))


def _of_floats(array: Any, name: str) -> Any:
    import numpy as np

    code = _code(name)
    if not np.isfinite(array).all():
        cure = f"np.nan_to_num({code})" if np.isnan(array).any() else f"np.clip({code}, 0, 1)"
        raise BadInput(f"{name} holds NaN or infinity. Send {cure}.")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        span = f" / np.ptp({code})" if high > low else ""
        cure = f"{code} / 255" if low >= 0 and high <= 255 else f"({code} - {code}.min()){span}"
        raise BadInput(f"{name} holds floats from {low:g} to {high:g}; a picture's go from 0 to 1. Send {cure}.")
    return np.rint(array * 255).astype(np.uint8)


def _wrong_shape(array: Any, name: str) -> str:
    if array.ndim == 3 and array.shape[0] in (1, 3, 4):
        return f"{name} has its channels first (shape {array.shape}). Send {_code(name)}.transpose(1, 2, 0)."
    if array.ndim == 4:
        return f"{name} holds several pictures (shape {array.shape}). Send list({_code(name)})."
    return f"{name} has the shape {array.shape}, which is no picture: height x width, or x 1, 3 or 4 channels."


def _code(name: str) -> str:
    """What stands for the array in a line of code: values of Python calls have no expression as a name."""
    try:
        found = ast.parse(name, mode="eval").body
    except (SyntaxError, ValueError):
        return "it"
    return name if isinstance(found, ast.Name | ast.Attribute | ast.Subscript | ast.Call) else f"({name})"
