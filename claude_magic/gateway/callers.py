"""Who asks: a user, perhaps from a kernel, which shows a token of its own."""

from __future__ import annotations

import dataclasses
import secrets
from typing import Any

from tornado.httputil import HTTPHeaders


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who is asking, and is billed.

    Attributes
    ----------
    user : str
        A name that stays the same from day to day.
    kernel : str
        Its id; empty for a request from elsewhere.
    """

    user: str
    kernel: str = ""


@dataclasses.dataclass(frozen=True)
class Ticket:
    """To whom a kernel belongs.

    Attributes
    ----------
    caller : Caller
    identity : object
        The user as Jupyter knows them, for its authorizer.
    """

    caller: Caller
    identity: Any


class KernelTokens:
    """The tokens of the kernels that run, in memory alone: they end with the kernel or the server."""

    def __init__(self) -> None:
        self._tickets: dict[str, Ticket] = {}
        self._tokens: dict[str, str] = {}

    def issue(self, caller: Caller, identity: Any = None) -> str:
        """The token of a kernel; restarted, it gets the same one again."""
        if caller.kernel not in self._tokens:
            token = secrets.token_urlsafe(32)
            self._tokens[caller.kernel] = token
            self._tickets[token] = Ticket(caller, identity)
        return self._tokens[caller.kernel]

    def end(self, kernel: str) -> None:
        """The kernel is gone: its token is worth nothing any more."""
        self._tickets.pop(self._tokens.pop(kernel, ""), None)

    def find(self, token: str) -> Ticket | None:
        """To whom a token belongs."""
        return self._tickets.get(token)

    def __repr__(self) -> str:
        return f"<KernelTokens of {len(self._tokens)} kernels>"


def token_in(headers: HTTPHeaders) -> str:
    """The token that a request shows, where the API's clients put theirs; empty if there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()
