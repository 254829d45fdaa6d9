"""How much of a value is sent, and how much work goes into it."""

BUDGET = 6_000
"""Characters that a value may take up unless the user asks for more of it."""
ASKED_BUDGET = 100_000
"""Characters of a table of which the user has named the rows or columns."""
AROUND = 1_500
"""Characters of either budget that are for what stands around a table."""
MOST_COUNTED = 25_000_000
"""Cells, of a type that is quick to check, up to which missing values are counted."""
