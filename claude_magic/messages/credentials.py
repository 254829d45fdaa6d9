"""The key or token: where it comes from, and how it stays unseen.

The value is looked up at each send and kept in no attribute that could be printed; what can be
printed says where it comes from, never what it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from claude_magic.messages.errors import BadInput, NoCredentials

KEY_IN_TEXT = re.compile(r"sk-ant-[A-Za-z0-9_-]{16,}")
"""What looks like a real key (not merely a mention of how keys begin)."""

NO_KEY = (
    "No API key. claude.login() asks for one (nothing is saved); or set ANTHROPIC_API_KEY before Jupyter "
    "starts; or %config ClaudeMagics.base_url = 'simulator' to try without."
)


class Credentials:
    """Finds what identifies us to the API, at each send anew.

    Parameters
    ----------
    environ : mapping, optional
        Where ``ANTHROPIC_API_KEY`` (sent as ``x-api-key``) and ``ANTHROPIC_AUTH_TOKEN`` (sent as a
        Bearer token) are looked up; the key wins. Defaults to the process's environment.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._given: Callable[[], str] | None = None

    def set_key(self, key: str) -> None:
        """Use this key from now on, for the life of the process; it is saved nowhere."""
        value = _clean(key, "the key")
        self._given = lambda: value  # a closure shows nothing in a repr, nor in a dump of attributes

    def forget(self) -> None:
        """Drop a key that was set by :meth:`set_key`."""
        self._given = None

    @property
    def source(self) -> str | None:
        """Where the key comes from, in words; None if there is none."""
        if self._given is not None:
            return "login"
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
            if self._environ.get(name, "").strip():
                return name
        return None

    def header(self) -> tuple[str, str]:
        """Name and value of the header to send, exactly one.

        Raises
        ------
        NoCredentials
            If there is neither key nor token.
        BadInput
            If the value cannot stand in a header.
        """
        source = self.source
        if source is None:
            raise NoCredentials(NO_KEY)
        if self._given is not None:
            return "x-api-key", self._given()
        value = _clean(self._environ[source], source)
        return ("x-api-key", value) if source == "ANTHROPIC_API_KEY" else ("authorization", f"Bearer {value}")

    def __repr__(self) -> str:
        return f"<Credentials from {self.source or 'nowhere'}>"


class SimulatorCredentials(Credentials):
    """What is shown to the simulator, so that the real key never leaves for it."""

    def __init__(self) -> None:
        super().__init__({"ANTHROPIC_API_KEY": "simulator"})

    @property
    def source(self) -> str | None:
        """The simulator asks for no key of the user's."""
        return "simulator" if self._given is None else "login"

    def header(self) -> tuple[str, str]:
        """A word in place of a key."""
        return "x-api-key", "simulator"


def _clean(value: str, what: str) -> str:
    value = value.strip()
    if not value:
        raise BadInput(f"{what} is empty.")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise BadInput(f"{what} holds characters that no key has: copy it again.")
    return value
