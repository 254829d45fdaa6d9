"""Work with Claude inside a notebook.

In a notebook, ``%load_ext claude_magic`` and then ``%%claude``. In plain Python,
:class:`Conversation`. What is offered here is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from claude_magic.content.convert import register
    from claude_magic.content.boxes import Box
    from claude_magic.content.boxes import annotate
    from claude_magic.content.documents import Document
    from claude_magic.content.picture import Picture
    from claude_magic.content.tables.table import Table
    from claude_magic.conversation.conversation import Conversation
    from claude_magic.messages.client import Client
    from claude_magic.messages.errors import ClaudeError
    from claude_magic.messages.errors import Interrupted
    from claude_magic.messages.reply import Reply
    from claude_magic.messages.usage import Usage
    from claude_magic.notebook.export import export
    from claude_magic.tools.definition import Tool
    from claude_magic.tools.definition import tool

_OFFERED = {
    "Box": "content.boxes",
    "ClaudeError": "messages.errors",
    "Client": "messages.client",
    "Conversation": "conversation.conversation",
    "Document": "content.documents",
    "Interrupted": "messages.errors",
    "Picture": "content.picture",
    "Reply": "messages.reply",
    "Table": "content.tables",
    "Tool": "tools.definition",
    "Usage": "messages.usage",
    "annotate": "content.boxes",
    "export": "notebook.export",
    "register": "content",
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
    """What ``%load_ext claude_magic`` does."""
    from claude_magic import notebook

    notebook.load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What ``%unload_ext claude_magic`` does."""
    from claude_magic import notebook

    notebook.unload(shell)
