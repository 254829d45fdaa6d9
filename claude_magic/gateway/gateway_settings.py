"""The options of the gateway, shared by the Jupyter extension and the JupyterHub service."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from traitlets import Bool, Dict, Float, HasTraits, Int, List, Unicode

from claude_magic.gateway.kernel_env import CREDENTIALS
from claude_magic.gateway.ledger import Ledger
from claude_magic.gateway.quotas import Quota
from claude_magic.gateway.relay import Gateway
from claude_magic.gateway.upstream import Upstream
from claude_magic.messages.errors import BadInput

if TYPE_CHECKING:
    from claude_magic.simulator import Simulator

_PACE = 60.0
"""Pieces of text a second from the simulator, about the speed of Claude."""
_LIMITS = tuple(field.name for field in dataclasses.fields(Quota))


class GatewaySettings(HasTraits):
    """A mixin for traitlets applications."""

    dollars_per_day = Float(0.0, min=0, help="US dollars that each user may spend in a day; 0 means no limit.").tag(
        config=True
    )
    tokens_per_day = Int(
        0, min=0, help="Input tokens (cached or not) and output tokens of each user in a day; 0 means no limit."
    ).tag(config=True)
    models = List(Unicode(), help="Ids or aliases of the allowed models; empty means all.").tag(config=True)
    requests_per_minute = Int(0, min=0, help="Requests of each user in a minute; 0 means no limit.").tag(config=True)
    streams = Int(0, min=0, help="Concurrent answers of each user; 0 means no limit.").tag(config=True)
    users = Dict(help="Different limits for some users, by name: {'ada': {'dollars_per_day': 5}}.").tag(config=True)
    admins = List(Unicode(), help="Users who see everybody's spending on the page claude/usage.").tag(config=True)
    practice = Bool(
        default_value=False, help="Answer with the built-in simulator. It needs no key, and nothing leaves the machine."
    ).tag(config=True)
    key_file = Unicode(
        "", help="A file with the API key; without one, ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN is used."
    ).tag(config=True)
    ledger = Unicode("", help="The SQLite file that records spending; by default in Jupyter's data folder.").tag(
        config=True
    )
    timeout = Float(600.0, min=1, help="Seconds without a byte from the API before giving up.").tag(config=True)

    _simulator: Simulator | None = None

    def quota_of(self, user: str) -> Quota:
        """Return a user's limits."""
        values = {name: getattr(self, name) for name in _LIMITS}
        return Quota(**{**values, **self.users.get(user, {})})

    def check_users(self) -> None:
        """Fail early if ``users`` contains an unknown limit.

        Raises
        ------
        BadInput
        """
        for user, own in self.users.items():
            if not isinstance(own, Mapping) or not own.keys() <= set(_LIMITS):
                raise BadInput(f"users: the limits of {user} have to be among {', '.join(_LIMITS)}.")

    def has_key(self, environ: Mapping[str, str]) -> bool:
        """Whether there is a key, or none is needed."""
        names = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS")
        return self.practice or bool(self.key_file) or any(environ.get(name, "").strip() for name in names)

    def open_gateway(self, environ: Mapping[str, str], log: logging.Logger) -> Gateway:
        """Build the gateway and open its ledger.

        Parameters
        ----------
        environ : mapping
            The API's key and address.
        log : logging.Logger

        Raises
        ------
        BadInput, OSError, sqlite3.Error
            If the key, the address or the ledger cannot be used.
        """
        self.check_users()
        environ = {name: environ[name] for name in CREDENTIALS if environ.get(name)}
        if self.key_file:
            environ["ANTHROPIC_API_KEY"] = Path(self.key_file).expanduser().read_text("utf-8").strip()
        if self.practice:
            from claude_magic.simulator import start

            self._simulator = start(pace=_PACE)
        upstream = Upstream(environ, self._simulator.url if self._simulator else "", self.timeout)
        upstream.credentials.header()  # fails now if the key cannot be sent as a header
        return Gateway(upstream, Ledger(self._ledger_path()), self.quota_of, log)

    def stop_simulator(self) -> None:
        """Stop the simulator of the practice mode, if it runs."""
        if self._simulator is not None:
            self._simulator.stop()
            self._simulator = None

    def _ledger_path(self) -> Path:
        if self.ledger:
            return Path(self.ledger).expanduser()
        from jupyter_core.paths import jupyter_data_dir

        return Path(jupyter_data_dir(), "claude_magic", "ledger.db")
