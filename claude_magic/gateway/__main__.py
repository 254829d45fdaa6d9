"""``python -m claude_magic.gateway``: the gateway as a service of JupyterHub."""

from __future__ import annotations

import sys


def main() -> None:
    """Serve, if JupyterHub is there."""
    try:
        from claude_magic.gateway.service import ClaudeService
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "jupyterhub":
            raise
        sys.exit("claude_magic.gateway: this is a service of JupyterHub, which is not installed here.")
    ClaudeService.launch_instance()


if __name__ == "__main__":
    main()
