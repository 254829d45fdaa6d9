"""Work with Claude inside a notebook.

In a notebook, ``%load_ext claude_magic`` and then ``%%claude``. In plain Python,
:class:`Conversation`. The names offered here are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from claude_magic.content.bounding_boxes import Box as Box
    from claude_magic.content.bounding_boxes import annotate as annotate
    from claude_magic.content.convert import register as register
    from claude_magic.content.documents import Document as Document
    from claude_magic.content.picture import Picture as Picture
    from claude_magic.content.tables.table import Table as Table
    from claude_magic.conversation.conversation import Conversation as Conversation
    from claude_magic.messages.client import Client as Client
    from claude_magic.messages.errors import ClaudeError as ClaudeError
    from claude_magic.messages.errors import Interrupted as Interrupted
    from claude_magic.messages.reply import Reply as Reply
    from claude_magic.messages.usage import Usage as Usage
    from claude_magic.notebook.export import export as export
    from claude_magic.tools.definition import Tool as Tool
    from claude_magic.tools.definition import tool as tool

_OFFERED = {
    "Box": "content.bounding_boxes",
    "ClaudeError": "messages.errors",
    "Client": "messages.client",
    "Conversation": "conversation.conversation",
    "Document": "content.documents",
    "Interrupted": "messages.errors",
    "Picture": "content.picture",
    "Reply": "messages.reply",
    "Table": "content.tables.table",
    "Tool": "tools.definition",
    "Usage": "messages.usage",
    "annotate": "content.bounding_boxes",
    "export": "notebook.export",
    "register": "content.convert",
    "tool": "tools.definition",
}
__version__ = "0.1.0"
__all__ = [*_OFFERED, "__version__", "load_ipython_extension", "unload_ipython_extension"]  # noqa: PLE0604


if not TYPE_CHECKING:  # a type checker would take any name for one of the package

    def __getattr__(name: str) -> Any:
        if name in _OFFERED:
            return getattr(importlib.import_module(f"{__name__}.{_OFFERED[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_OFFERED])


def load_ipython_extension(shell: Any) -> None:
    """Register ``%%claude`` and ``%claude`` in a shell; ``%load_ext claude_magic`` calls this."""
    from claude_magic import notebook

    notebook.load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take out everything that loading put in; ``%unload_ext claude_magic`` calls this."""
    from claude_magic import notebook

    notebook.unload(shell)
