"""How much of a value is sent, and how much work goes into describing it."""

BUDGET = 6_000
"""Characters for a value, unless the user asks for more of it."""
REQUESTED_BUDGET = 100_000
"""Characters for a table whose rows or columns the user has chosen."""
NOTES_BUDGET = 1_500
"""Characters of either budget that are reserved for the lines around a table."""
MAX_COUNTED_CELLS = 25_000_000
"""Cells that are searched for missing values, if their type makes that fast."""
