"""Start kernels with the gateway's address and a token in place of the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from jupyter_client.provisioning import LocalProvisioner

NAME = "claude-magic"
SETTING = "claude_gateway"
"""The setting of the Jupyter server's web application that holds its :class:`KernelTracker`."""


class KernelTracker(Protocol):
    """The server's side: it knows whose kernels there are, by their ids."""

    def kernel_environment(self, environ: Mapping[str, str], kernel: str) -> dict[str, str]:
        """Add to a kernel's environment what it needs to use the gateway."""

    def kernel_ended(self, kernel: str) -> None:
        """Revoke the token of a kernel that has ended."""


class ClaudeProvisioner(LocalProvisioner):
    """Starts local kernels. Without a Jupyter server that runs the gateway it adds nothing to that."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Add the gateway to the kernel's environment."""
        kwargs = await super().pre_launch(**kwargs)
        if (tracker := self._tracker()) is not None:
            kwargs["env"] = tracker.kernel_environment(kwargs["env"], self.kernel_id)
        return kwargs

    async def cleanup(self, restart: bool = False) -> None:
        """Revoke the kernel's token, unless the kernel restarts."""
        if not restart and (tracker := self._tracker()) is not None:
            tracker.kernel_ended(self.kernel_id)
        await super().cleanup(restart)

    def _tracker(self) -> KernelTracker | None:
        """Find the gateway of the server that owns this kernel."""
        owner = self.parent
        while owner is not None:
            if (application := getattr(owner, "web_app", None)) is not None:
                tracker: KernelTracker | None = application.settings.get(SETTING)
                return tracker
            owner = getattr(owner, "parent", None)
        return None
