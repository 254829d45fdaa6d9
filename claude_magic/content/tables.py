"""Tables as text, cut where a reader would cut them, and never silently."""

from __future__ import annotations

from typing import Any

from claude_magic.content import Part
from claude_magic.messages.limits import Model

MOST_ROWS = 10
MOST_COLUMNS = 20


def from_pandas(value: Any, name: str, model: Model) -> list[Part]:
    """A DataFrame or Series: shape, types, and the first and last rows.

    Parameters
    ----------
    value : pandas.DataFrame or pandas.Series
        At most 10 rows and 20 columns of it are sent, from both ends; the text says how many
        there are.
    """
    frame = value.to_frame() if value.ndim == 1 else value
    rows, columns = frame.shape
    shown_rows, shown_columns = min(rows, MOST_ROWS), min(columns, MOST_COLUMNS)
    shown_types = ", ".join(f"{column} {kind}" for column, kind in frame.dtypes.iloc[:MOST_COLUMNS].items())
    body = frame.to_string(max_rows=MOST_ROWS, max_cols=MOST_COLUMNS, show_dimensions=False)
    text = f"Table {name}: {rows} rows, {columns} columns; columns and types: {shown_types}\n```\n{body}\n```"
    part_of = "" if shown_rows == rows else f"{shown_rows} of "
    of_columns = "" if shown_columns == columns else f"{shown_columns} of "
    summary = f"{part_of}{rows:,} rows, {of_columns}{columns:,} columns"
    return [Part({"type": "text", "text": text}, summary)]
