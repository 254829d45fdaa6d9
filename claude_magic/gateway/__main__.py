"""``python -m claude_magic.gateway``: run the gateway as a JupyterHub service."""

from __future__ import annotations

import sys


def main() -> None:
    """Start the service, or exit with one line if JupyterHub is not installed."""
    try:
        from claude_magic.gateway.hub_service import ClaudeService
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "jupyterhub":
            raise
        sys.exit("claude_magic.gateway: runs as a JupyterHub service, and jupyterhub is not installed here.")
    ClaudeService.launch_instance()


if __name__ == "__main__":
    main()
