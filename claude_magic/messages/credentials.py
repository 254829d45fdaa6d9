"""The API key or token: where it comes from, and how it stays secret.

The value is looked up for each request and never kept in an attribute that could be printed;
anything printed says where the key comes from, never what it is.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

from claude_magic.messages.errors import BadInput, NoCredentials

KEY_IN_TEXT = re.compile(r"sk-ant-[A-Za-z0-9_-]{16,}")
"""What looks like a real key, not just a mention of how keys begin."""

_CUSTOM = "ANTHROPIC_CUSTOM_HEADERS"
_SECRET_HEADER = re.compile(r"auth|cookie|key|password|secret|token")
"""Names of custom headers that may hold a secret; others hold team names and the like."""
_MIN_SECRET = 16
"""Characters. Local servers take any word as a key, and that word may appear in a normal error message."""

NO_KEY = (
    "No API key. Run claude.login() to enter one (it is not saved); or set ANTHROPIC_API_KEY before starting "
    "Jupyter; or try without a key: %config ClaudeMagics.base_url = 'simulator'."
)


class Credentials:
    """Finds the key or token for each request.

    Parameters
    ----------
    environ : mapping, optional
        Where ``ANTHROPIC_API_KEY`` (sent as ``x-api-key``) and ``ANTHROPIC_AUTH_TOKEN`` (sent as a
        bearer token) are looked up; the key wins. Defaults to the environment of the process.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        variables = os.environ if environ is None else environ
        # Closures, because they reveal nothing in a repr or a dump of attributes.
        self._look_up: Callable[[str], str] = lambda name: variables.get(name, "")
        self._given: Callable[[], str] | None = None

    def set_key(self, key: str) -> Callable[[], None]:
        """Use this key until the process ends. It is not saved.

        Returns
        -------
        callable
            Restores the previous key.
        """
        value, before = _clean(key, "The key"), self._given
        self._given = lambda: value
        return lambda: setattr(self, "_given", before)

    def forget(self) -> None:
        """Drop a key set by :meth:`set_key`."""
        self._given = None

    @property
    def source(self) -> str | None:
        """``login``, or the environment variable the key comes from; None if there is no key."""
        if self._given is not None:
            return "login"
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
            if self._look_up(name).strip():
                return name
        return None

    def header(self) -> tuple[str, str]:
        """Name and value of the one header to send.

        Raises
        ------
        NoCredentials
            If there is neither key nor token.
        BadInput
            If the value cannot be used in a header.
        """
        source = self.source
        if source is None:
            raise NoCredentials(NO_KEY)
        if self._given is not None:
            return "x-api-key", self._given()
        value = _clean(self._look_up(source), source)
        return ("x-api-key", value) if source == "ANTHROPIC_API_KEY" else ("authorization", f"Bearer {value}")

    def hide(self, text: str) -> str:
        """Replace the key in a text, because some servers quote it in their errors."""
        for value in self._secrets():
            if len(value) >= _MIN_SECRET:
                text = text.replace(value, "***")
        return without_keys(text)

    def _secrets(self) -> Iterator[str]:
        with contextlib.suppress(BadInput):  # then it was never sent either
            yield self.header()[1].removeprefix("Bearer ")
        more = custom_headers({_CUSTOM: self._look_up(_CUSTOM)})
        yield from (value.removeprefix("Bearer ") for name, value in more.items() if _SECRET_HEADER.search(name))

    def __reduce__(self) -> NoReturn:
        raise TypeError("Credentials cannot be pickled or copied, because the key would be included.")

    def __repr__(self) -> str:
        return f"<Credentials from {self.source or 'nowhere'}>"


class SimulatorCredentials(Credentials):
    """Credentials for the simulator, which never sees the real key."""

    def __init__(self) -> None:
        super().__init__({"ANTHROPIC_API_KEY": "simulator"})

    @property
    def source(self) -> str | None:
        """Always set, because the simulator needs no key."""
        return "simulator" if self._given is None else "login"

    def header(self) -> tuple[str, str]:
        """A placeholder instead of a key."""
        return "x-api-key", "simulator"


def without_keys(text: str) -> str:
    """Text with everything that looks like a key replaced."""
    return KEY_IN_TEXT.sub("***", text)


def custom_headers(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The ``Name: value`` lines of ``ANTHROPIC_CUSTOM_HEADERS``, which may hold secrets, too."""
    lines = (os.environ if environ is None else environ).get(_CUSTOM, "").splitlines()
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip() and value.strip()}


def _clean(value: str, what: str) -> str:
    value = value.strip() if isinstance(value, str) else "not a string"
    if value and value.isascii() and value.isprintable() and " " not in value:
        return value
    problem = "contains characters that no key has: copy it again" if value else "is empty: enter it again"
    del value  # so that tracebacks with local variables do not show it
    raise BadInput(f"{what} {problem}.")
