"""What a kernel knows about the gateway on its Jupyter server.

The server sets four environment variables in its kernels: ``ANTHROPIC_BASE_URL`` and
``ANTHROPIC_AUTH_TOKEN``, which any client understands, and two that say what is behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

ADDRESS = "CLAUDE_MAGIC_GATEWAY"
UPSTREAM = "CLAUDE_MAGIC_UPSTREAM"
TOKEN = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105  a name, not a token
SIMULATOR = "simulator"


class KernelGateway(NamedTuple):
    """The gateway that serves a kernel; ``upstream`` is the host behind it, or ``simulator``."""

    address: str
    upstream: str

    @property
    def source(self) -> str:
        """Where the key comes from, as shown to the user."""
        if self.upstream == SIMULATOR:
            return "practice on this Jupyter server: simulated answers, no key needed"
        return "key from this Jupyter server"

    def unreachable(self) -> str:
        """What to do if it does not answer."""
        return (
            f"The Jupyter server that started this kernel no longer answers ({self.address}). "
            "Open the notebook on a running server and restart the kernel."
        )


def gateway_from(environ: Mapping[str, str], base_url: str) -> KernelGateway | None:
    """The gateway named in an environment, if it is the base URL that requests go to."""
    address = environ.get(ADDRESS, "")
    if not address or address.rstrip("/") != base_url.strip().rstrip("/"):
        return None
    return KernelGateway(address, environ.get(UPSTREAM, ""))
