"""Environment variables: what the server takes out of its own, and what it gives to kernels instead."""

from __future__ import annotations

import os
from collections.abc import Mapping

from claude_magic.messages import gateway_environment

CREDENTIALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_BASE_URL")
"""The key, and the address it belongs to."""


def take_credentials(environ: os._Environ[str]) -> dict[str, str]:
    """Move key and address out of this process's environment, so that no child process inherits them."""
    environ.pop(gateway_environment.ADDRESS, None)  # set if this server was started from a terminal of another one
    environ.pop(gateway_environment.UPSTREAM, None)
    return {name: value for name in CREDENTIALS if (value := environ.pop(name, ""))}


def kernel_environment(environ: Mapping[str, str], url: str, token: str, host: str, model: str = "") -> dict[str, str]:
    """Add to a kernel's environment what it needs to use the gateway.

    Parameters
    ----------
    environ : mapping
        The kernel's environment so far. A key or an address in it can only come from the kernel spec,
        since the server's own were taken out; it is then left unchanged.
    url : str
        The gateway's address.
    token : str
        The kernel's own token.
    host : str
        The host behind the gateway.
    model : str
        The default model, if users may not use the usual one.
    """
    if any(environ.get(name) for name in CREDENTIALS):
        return dict(environ)
    return {
        **({"ANTHROPIC_MODEL": model} if model else {}),
        **environ,
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": token,
        gateway_environment.ADDRESS: url,
        gateway_environment.UPSTREAM: host,
    }
