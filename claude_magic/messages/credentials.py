"""The key or token: where it comes from, and how it stays unseen.

The value is looked up at each send and kept in no attribute that could be printed; what can be
printed says where it comes from, never what it is.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

from claude_magic.messages.errors import BadInput, NoCredentials

KEY_IN_TEXT = re.compile(r"sk-ant-[A-Za-z0-9_-]{16,}")
"""What looks like a real key (not merely a mention of how keys begin)."""

_CUSTOM = "ANTHROPIC_CUSTOM_HEADERS"
_OF_A_SECRET = re.compile(r"auth|cookie|key|password|secret|token")
"""What headers are called that hold one; others hold names of teams and the like."""
_SHORTEST_SECRET = 16
"""Characters; local servers take any word for a key, and that word may stand in an honest error."""

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
        variables = os.environ if environ is None else environ
        # Closures show nothing in a repr, nor in a dump of attributes.
        self._variable: Callable[[str], str] = lambda name: variables.get(name, "")
        self._given: Callable[[], str] | None = None

    def set_key(self, key: str) -> Callable[[], None]:
        """Use this key from now on, for the life of the process; it is saved nowhere.

        Returns
        -------
        callable
            Puts back what there was before.
        """
        value, before = _clean(key, "The key"), self._given
        self._given = lambda: value
        return lambda: setattr(self, "_given", before)

    def forget(self) -> None:
        """Drop a key that was set by :meth:`set_key`."""
        self._given = None

    @property
    def source(self) -> str | None:
        """Where the key comes from, in words; None if there is none."""
        if self._given is not None:
            return "login"
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
            if self._variable(name).strip():
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
        value = _clean(self._variable(source), source)
        return ("x-api-key", value) if source == "ANTHROPIC_API_KEY" else ("authorization", f"Bearer {value}")

    def hide(self, text: str) -> str:
        """A text without the key: some servers quote it back in their errors."""
        for value in self._secrets():
            if len(value) >= _SHORTEST_SECRET:
                text = text.replace(value, "***")
        return KEY_IN_TEXT.sub("***", text)

    def _secrets(self) -> Iterator[str]:
        with contextlib.suppress(BadInput):  # then nothing was sent that could come back
            yield self.header()[1].removeprefix("Bearer ")
        more = custom_headers({_CUSTOM: self._variable(_CUSTOM)})
        yield from (value.removeprefix("Bearer ") for name, value in more.items() if _OF_A_SECRET.search(name))

    def __reduce__(self) -> NoReturn:
        raise TypeError("Credentials are neither pickled nor copied: a key would go with them.")

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


def custom_headers(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The ``Name: value`` lines of ``ANTHROPIC_CUSTOM_HEADERS``, which may hold secrets as well."""
    lines = (os.environ if environ is None else environ).get(_CUSTOM, "").splitlines()
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip() and value.strip()}


def _clean(value: str, what: str) -> str:
    value = value.strip() if isinstance(value, str) else "not a string"
    if value and value.isascii() and value.isprintable() and " " not in value:
        return value
    problem = "holds characters that no key has: copy it again" if value else "is empty"
    del value  # programs that print tracebacks with local variables must not find it here
    raise BadInput(f"{what} {problem}.")
