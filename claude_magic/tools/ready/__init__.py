"""Tools that are ready to use: Python in the notebook, SQL on a database, tables of the notebook."""

from __future__ import annotations

from claude_magic.tools.ready.frames import dataframes
from claude_magic.tools.ready.kernel import python
from claude_magic.tools.ready.query import sql

__all__ = ["dataframes", "python", "sql"]
