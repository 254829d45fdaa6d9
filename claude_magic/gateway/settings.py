"""What can be configured, and the gateway made of it; shared by all that can serve it."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traitlets import Bool, Dict, Float, HasTraits, Int, List, Unicode

from claude_magic.gateway.core import TAKEN, Gateway
from claude_magic.gateway.ledger import Ledger
from claude_magic.gateway.limits import Limits
from claude_magic.gateway.upstream import Upstream
from claude_magic.messages import gateway_environment
from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    from claude_magic.simulator import Simulator

_PACE = 60.0
"""Pieces a second that the simulator writes: about as fast as Claude."""
_NAMES = tuple(field.name for field in dataclasses.fields(Limits))


class Settings(HasTraits):
    """To be mixed into an application with a configuration file."""

    dollars_per_day = Float(0.0, min=0, help="US dollars that one user may spend in a day; 0 is no limit.").tag(
        config=True
    )
    tokens_per_day = Int(
        0, min=0, help="Tokens, input (cached or not) and output, of one user in a day; 0 is no limit."
    ).tag(config=True)
    models = List(Unicode(), help="Ids or aliases of the models that may be asked; none named: all.").tag(config=True)
    requests_per_minute = Int(0, min=0, help="Of one user; 0 is no limit.").tag(config=True)
    streams = Int(0, min=0, help="Answers of one user at once; 0 is no limit.").tag(config=True)
    users = Dict(help="Other limits for some users, by name: {'ada': {'dollars_per_day': 5}}.").tag(config=True)
    admins = List(Unicode(), help="Users who see on the page claude/usage what everybody spent.").tag(config=True)
    practice = Bool(
        default_value=False, help="Answer with the built-in simulator, without a key; nothing leaves the machine."
    ).tag(config=True)
    key_file = Unicode("", help="A file that holds the API key; else ANTHROPIC_API_KEY and its kin are used.").tag(
        config=True
    )
    ledger = Unicode("", help="The file in which spending is counted; by default in Jupyter's data folder.").tag(
        config=True
    )
    timeout = Float(600.0, min=1, help="Seconds without a byte from the API before giving up.").tag(config=True)

    _simulator: Simulator | None = None

    def limits_of(self, user: str) -> Limits:
        """The limits of a user."""
        values: dict[str, Any] = {name: getattr(self, name) for name in _NAMES}
        return Limits(**{**values, **self.users.get(user, {})})

    def check(self) -> None:
        """Fail early for limits that mean nothing.

        Raises
        ------
        BadInput
        """
        for user, own in self.users.items():
            if not isinstance(own, Mapping) or not own.keys() <= set(_NAMES):
                raise BadInput(f"The limits of {user} are not of {', '.join(_NAMES)}.")

    def has_key(self, environ: Mapping[str, str]) -> bool:
        """Whether there is anything to pass requests on with."""
        names = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS")
        return self.practice or bool(self.key_file) or any(environ.get(name, "").strip() for name in names)

    def open(self, environ: Mapping[str, str], log: logging.Logger) -> Gateway:
        """The gateway, with its ledger open.

        Parameters
        ----------
        environ : mapping
            Key and address of the API.
        log : logging.Logger

        Raises
        ------
        BadInput, OSError, sqlite3.Error
            If key, address or ledger are of no use.
        """
        self.check()
        environ = {name: environ[name] for name in TAKEN if environ.get(name)}
        if self.key_file:
            environ["ANTHROPIC_API_KEY"] = Path(self.key_file).expanduser().read_text("utf-8").strip()
        if self.practice:
            from claude_magic.simulator import start

            self._simulator = start(pace=_PACE)
        upstream = Upstream(environ, self._simulator.url if self._simulator else "", self.timeout)
        upstream.credentials.header()  # a key that cannot be sent is found out now
        return Gateway(upstream, Ledger(self._ledger_path()), self.limits_of, log)

    def close_simulator(self) -> None:
        """Stop the simulator, if this is practice."""
        if self._simulator is not None:
            self._simulator.stop()
            self._simulator = None

    def _ledger_path(self) -> Path:
        if self.ledger:
            return Path(self.ledger).expanduser()
        from jupyter_core.paths import jupyter_data_dir

        return Path(jupyter_data_dir(), "claude_magic", "ledger.db")


def take_from(environ: os._Environ[str]) -> dict[str, str]:
    """Take key and address out of the environment of this process, so that no child inherits them."""
    environ.pop(gateway_environment.ADDRESS, None)  # those of the server that started this one's terminal
    environ.pop(gateway_environment.UPSTREAM, None)
    return {name: value for name in TAKEN if (value := environ.pop(name, ""))}
