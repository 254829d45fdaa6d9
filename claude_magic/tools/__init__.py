"""Python functions as tools that Claude calls: ``@tool``, and some that are ready to use.

What is offered here is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from claude_magic.tools.definition import Tool as Tool
    from claude_magic.tools.definition import tool as tool
    from claude_magic.tools.ready import dataframes as dataframes
    from claude_magic.tools.ready import python as python
    from claude_magic.tools.ready import sql as sql

_OFFERED = {
    "Tool": "definition",
    "dataframes": "ready",
    "python": "ready",
    "sql": "ready",
    "tool": "definition",
}
__all__ = [*_OFFERED]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _OFFERED:
        return getattr(importlib.import_module(f"{__name__}.{_OFFERED[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_OFFERED])
