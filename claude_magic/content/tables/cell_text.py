"""Values as the text of a cell in a Markdown table."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
from typing import Any

from claude_magic.messages.text import truncate

LONGEST_NAME = 80
"""Characters of the name or type of a column."""
_LONGEST_TEXT = 2_001
"""Characters of a cell that are looked at: one more than is ever shown."""
LONGEST_NUMBER = 10_000
"""Bits of a whole number beyond which Python refuses to write it in decimal digits."""


def text_of(value: Any) -> str:
    """A value as a reader wants it, too long by at least one character if it is not all."""
    if is_missing(value):
        return ""
    if isinstance(value, str):
        return value[:_LONGEST_TEXT] or '""'  # for an empty cell is a missing value
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        return number(float(value))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, list | tuple | bytes | bytearray):
        value = value[:_LONGEST_TEXT]
    if isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
        return hex(value)[:_LONGEST_TEXT]
    return str(value)[:_LONGEST_TEXT]


def number(value: float) -> str:
    """Six significant digits, but no digit before the point is lost."""
    return f"{value:.0f}" if 999_999.5 <= abs(value) < 1e15 else f"{value:.6g}"


def is_missing(value: Any) -> bool:
    """Whether it is None, NaN, NaT or NA."""
    if value is None or type(value).__name__ in ("NaTType", "NAType"):
        return True
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    if isinstance(value, float | numbers.Real) or type(value).__name__ in ("datetime64", "timedelta64"):
        return bool(value != value)  # noqa: PLR0124 - so it is with NaN and NaT only
    return False


_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\\\|]")


def escaped(text: str) -> str:
    """Text that stays in its cell, in a way that can be undone."""
    return _UNSAFE.sub(lambda found: r"\|" if found[0] == "|" else found[0].encode("unicode_escape").decode(), text)


def short(name: object) -> str:
    """The name or type of a column, shortened."""
    return truncate(str(name) or '""', LONGEST_NAME)
