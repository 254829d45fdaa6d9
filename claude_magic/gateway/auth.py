"""Who is asking: users, and kernels with tokens of their own."""

from __future__ import annotations

import dataclasses
import secrets

from tornado.httputil import HTTPHeaders


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who sent a request, and pays for it.

    The user's name stays the same from day to day; ``kernel`` is empty if the request did not come from one.
    """

    user: str
    kernel: str = ""


@dataclasses.dataclass(frozen=True)
class KernelOwner:
    """Whom a kernel's token stands for; ``identity`` is Jupyter's user object, for its authorizer."""

    caller: Caller
    identity: object


class KernelTokens:
    """The tokens of running kernels. They are kept in memory only and end with the kernel or the server."""

    def __init__(self) -> None:
        self._owners: dict[str, KernelOwner] = {}
        self._tokens: dict[str, str] = {}

    def issue(self, caller: Caller, identity: object = None) -> str:
        """Return the token of a kernel, the same one after a restart."""
        if caller.kernel not in self._tokens:
            token = secrets.token_urlsafe(32)
            self._tokens[caller.kernel] = token
            self._owners[token] = KernelOwner(caller, identity)
        return self._tokens[caller.kernel]

    def revoke(self, kernel: str) -> None:
        """Revoke the token of a kernel that has ended."""
        self._owners.pop(self._tokens.pop(kernel, ""), None)

    def find(self, token: str) -> KernelOwner | None:
        """Look up the owner of a token."""
        return self._owners.get(token)

    def __repr__(self) -> str:
        return f"<KernelTokens of {len(self._tokens)} kernels>"


def token_in(headers: HTTPHeaders) -> str:
    """Return the token of a request, from ``Authorization`` or ``x-api-key``; empty if it has none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()
