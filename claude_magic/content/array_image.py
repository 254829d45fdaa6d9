"""Arrays as images: NumPy arrays, and everything with ``__array__``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    from PIL.Image import Image

_MIN_SIDE = 16
"""Pixels of the shorter side from which a two-dimensional array of floats is taken for an image."""


def is_image(array: Any) -> bool:
    """Whether an array is probably an image rather than numbers.

    That is an array of three dimensions, or one of two dimensions that holds bytes, 16-bit values,
    booleans, or (from 16 x 16 pixels) floats from 0 to 255.
    """
    if array.ndim == 3:
        return True  # if the shape is wrong, the error for images says how to fix it
    if array.ndim != 2 or 0 in array.shape:
        return False
    if array.dtype.kind == "f":
        return min(array.shape) >= _MIN_SIDE and bool((array >= 0).all() and (array <= 255).all())
    return array.dtype.kind == "b" or array.dtype.name in ("uint8", "uint16")


def array_to_image(value: object, name: str) -> Image:
    """Convert an array to a PIL image.

    Parameters
    ----------
    value : array
        Height x width, or height x width x 1, 3 or 4. uint8; uint16 (the full range); bool; float
        from 0 to 1; other integers from 0 to 255.
    name : str
        The user's expression, for errors.

    Raises
    ------
    BadInput
        For other shapes or values, NaN, or masked pixels; the message says how to fix it.
    """
    import numpy as np
    from PIL import Image

    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise BadInput(f"{name} has masked pixels, which an image cannot have. Send {_code(name)}.filled(0).")
    array = np.asarray(value)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise BadInput(_wrong_shape(array.shape, name))
    if 0 in array.shape:
        raise BadInput(f"{name} has no pixels (shape {array.shape}).")
    kind = array.dtype.kind
    if kind == "b":
        array = array.astype(np.uint8) * 255
    elif kind == "f":
        array = _floats_to_bytes(array, name)
    elif array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    elif kind not in "iu":
        raise BadInput(f"{name} is an array of {array.dtype}, which cannot be sent as an image.")
    elif array.dtype != np.uint8:
        if array.min() < 0 or array.max() > 255:
            raise BadInput(f"{name} holds integers outside 0 to 255. Scale it, then .astype(np.uint8).")
        array = array.astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(array))


def _floats_to_bytes(array: Any, name: str) -> Any:
    import numpy as np

    code = _code(name)
    if not np.isfinite(array).all():
        cure = f"np.nan_to_num({code})" if np.isnan(array).any() else f"np.clip({code}, 0, 1)"
        raise BadInput(f"{name} holds NaN or infinity. Send {cure}.")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        span = f" / np.ptp({code})" if high > low else ""
        cure = f"{code} / 255" if low >= 0 and high <= 255 else f"({code} - {code}.min()){span}"
        raise BadInput(f"{name} holds floats from {low:g} to {high:g}; an image needs 0 to 1. Send {cure}.")
    return np.rint(array * 255).astype(np.uint8)


def _wrong_shape(shape: tuple[int, ...], name: str) -> str:
    if len(shape) == 3 and shape[0] in (1, 3, 4):
        return f"{name} has its channels first (shape {shape}). Send {_code(name)}.transpose(1, 2, 0)."
    if len(shape) == 4:
        return f"{name} holds several images (shape {shape}). Send list({_code(name)})."
    return f"{name} has the shape {shape}; an image is height x width, or height x width x 1, 3 or 4 channels."


def _code(name: str) -> str:
    """The array in a line of code; results of calls from Python have no expression as a name."""
    try:
        found = ast.parse(name, mode="eval").body
    except (SyntaxError, ValueError):
        return "it"
    return name if isinstance(found, ast.Name | ast.Attribute | ast.Subscript | ast.Call) else f"({name})"
