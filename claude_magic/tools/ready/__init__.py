"""Tools that are ready to use: Python in the notebook, SQL on a database, tables of the notebook."""

from __future__ import annotations

from claude_magic.tools.ready.frames import dataframes as dataframes
from claude_magic.tools.ready.kernel import python as python
from claude_magic.tools.ready.query import sql as sql

__all__ = ["dataframes", "python", "sql"]
