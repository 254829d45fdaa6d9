"""One key for a room: a Jupyter Server extension that passes requests on to the API and keeps the books.

The key stays with the server. A kernel gets an address on this server and a token of its own; what
it spends is counted by user and day.
"""

from __future__ import annotations


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    from claude_magic.gateway.extension import ClaudeGateway

    return [{"module": "claude_magic.gateway.extension", "app": ClaudeGateway}]
