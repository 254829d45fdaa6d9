"""What a kernel knows of the Jupyter server that passes its requests on.

Such a server puts four names into the environment of its kernels: ``ANTHROPIC_BASE_URL`` and
``ANTHROPIC_AUTH_TOKEN``, which any client understands, and two that say what is behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

ADDRESS = "CLAUDE_MAGIC_GATEWAY"
UPSTREAM = "CLAUDE_MAGIC_UPSTREAM"
TOKEN = "ANTHROPIC_AUTH_TOKEN"  # noqa: S105  the name of one
SIMULATOR = "simulator"


class KernelGateway(NamedTuple):
    """A gateway.

    Attributes
    ----------
    address : str
    upstream : str
        The host that answers in the end, or ``simulator``.
    """

    address: str
    upstream: str

    @property
    def source(self) -> str:
        """Where the key comes from, in words."""
        if self.upstream == SIMULATOR:
            return "practice on this Jupyter server: simulated answers, no key needed"
        return "key from this Jupyter server"

    def gone(self) -> str:
        """What to do when it does not answer."""
        return (
            f"The Jupyter server that started this kernel does not answer any more ({self.address}). "
            "Open the notebook on a server that runs, and start its kernel again."
        )


def gateway_from(environ: Mapping[str, str], base_url: str) -> KernelGateway | None:
    """The gateway that an environment names, if that is where requests go.

    Parameters
    ----------
    environ : mapping
    base_url : str
        Where requests are to go.
    """
    address = environ.get(ADDRESS, "")
    if not address or address.rstrip("/") != base_url.strip().rstrip("/"):
        return None
    return KernelGateway(address, environ.get(UPSTREAM, ""))
