"""Kernels of this server are started with an address and a token in place of the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_client.provisioning import LocalProvisioner

if TYPE_CHECKING:
    from claude_magic.gateway.extension import ClaudeGateway

NAME = "claude-magic"


class ClaudeProvisioner(LocalProvisioner):
    """Starts local kernels; outside of a Jupyter server with the gateway it does nothing more."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Add what the kernel needs to find the gateway."""
        kwargs = await super().pre_launch(**kwargs)
        if (extension := self._extension()) is not None:
            kwargs["env"] = extension.kernel_environment(kwargs["env"], self.kernel_id)
        return kwargs

    async def cleanup(self, restart: bool = False) -> None:
        """The token ends with the kernel, but not when it is restarted."""
        if not restart and (extension := self._extension()) is not None:
            extension.kernel_ended(self.kernel_id)
        await super().cleanup(restart)

    def _extension(self) -> ClaudeGateway | None:
        """The extension of the server among whose kernels this is one."""
        owner = self.parent
        while owner is not None:
            if (application := getattr(owner, "web_app", None)) is not None:
                extension: ClaudeGateway | None = application.settings.get("claude_gateway")
                return extension
            owner = getattr(owner, "parent", None)
        return None
