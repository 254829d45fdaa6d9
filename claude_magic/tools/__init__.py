"""Tools for Claude: ``@tool`` makes one of a Python function, and three are ready to use.

Each name is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claude_magic.tools.definition import Tool as Tool
    from claude_magic.tools.definition import tool as tool
    from claude_magic.tools.ready.dataframe_tools import dataframes as dataframes
    from claude_magic.tools.ready.python_tool import python as python
    from claude_magic.tools.ready.sql_tool import sql as sql

_MODULES = {
    "Tool": "definition",
    "dataframes": "ready.dataframe_tools",
    "python": "ready.python_tool",
    "sql": "ready.sql_tool",
    "tool": "definition",
}
__all__ = [*_MODULES]  # noqa: PLE0604


if not TYPE_CHECKING:  # a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            value: object = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
