"""Values as text for the cells of a Markdown table."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re

from claude_magic.messages.text import truncate

MAX_NAME = 80
"""Characters of the name or type of a column."""
_MAX_TEXT = 2_001
"""Characters of a cell that are read: one more than are ever shown."""
MAX_INTEGER_BITS = 10_000
"""Bits of an integer beyond which Python refuses to convert it to decimal digits."""


def text_of(value: object) -> str:
    """A value as readable text. Of a long value more is returned than is shown, so that a cut can be noticed."""
    if is_missing(value):
        return ""
    if isinstance(value, str):
        return value[:_MAX_TEXT] or '""'  # an empty cell would mean a missing value
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        return format_float(float(value))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple | bytes | bytearray):
        value = value[:_MAX_TEXT]
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        return hex(value)[:_MAX_TEXT]
    return str(value)[:_MAX_TEXT]


def format_float(value: float) -> str:
    """Six significant digits, or more if there are more before the decimal point."""
    return f"{value:.0f}" if 999_999.5 <= abs(value) < 1e15 else f"{value:.6g}"


def is_missing(value: object) -> bool:
    """Whether a value is None, NaN, NaT or NA."""
    if value is None or type(value).__name__ in ("NaTType", "NAType"):
        return True
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    if isinstance(value, float | numbers.Real) or type(value).__name__ in ("datetime64", "timedelta64"):
        return bool(value != value)  # noqa: PLR0124  (only NaN and NaT differ from themselves)
    return False


_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\|]")


def escape_cell(text: str) -> str:
    """Escape everything that would end a cell, in a way that can be undone."""
    return _UNSAFE.sub(lambda found: r"\|" if found[0] == "|" else found[0].encode("unicode_escape").decode(), text)


def shorten_name(name: object) -> str:
    """The name or type of a column, truncated."""
    return truncate(str(name) or '""', MAX_NAME)
