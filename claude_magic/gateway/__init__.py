"""A gateway to the Messages API: one key on the server, a token for each kernel, a daily budget for each user.

It runs as an extension of a Jupyter server or as a service of a JupyterHub. What is public here is
the two applications and their options, imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claude_magic.gateway.extension import ClaudeGateway as ClaudeGateway
    from claude_magic.gateway.hub_service import ClaudeService as ClaudeService

_PUBLIC = {"ClaudeGateway": "extension", "ClaudeService": "hub_service"}
__all__ = [*_PUBLIC]  # noqa: PLE0604


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    from claude_magic.gateway.extension import ClaudeGateway as ClaudeGateway

    return [{"module": "claude_magic.gateway.extension", "app": ClaudeGateway}]


if not TYPE_CHECKING:  # a type checker would accept any name

    def __getattr__(name: str) -> object:
        if name in _PUBLIC:
            return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
