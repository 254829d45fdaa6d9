"""The gateway as a service of JupyterHub: users are those of the Hub, known by its tokens.

The key lives with this process, which may run as a system user of its own. Who may use it is the
Hub's matter: a token must come with access to this service.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sqlite3
import sys
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler, HubOAuthenticated
from tornado import web
from tornado.httpserver import HTTPServer
from traitlets import Int, Unicode
from traitlets.config import Application

from claude_magic.gateway.callers import Caller, token_in
from claude_magic.gateway.core import Gateway
from claude_magic.gateway.handlers import GatewayHandler, UsageHandler
from claude_magic.gateway.privacy import hide_process
from claude_magic.gateway.refusal import Refusal
from claude_magic.gateway.settings import Settings, take_from
from claude_magic.messages.errors import BadInput

_NEEDED = (
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_API_URL",
    "JUPYTERHUB_OAUTH_ACCESS_SCOPES",  # without them everybody were let in
    "JUPYTERHUB_SERVICE_PREFIX",
    "JUPYTERHUB_SERVICE_URL",
)
_LARGEST = 512 * 1024 * 1024
"""As a Jupyter server takes; what is too large is refused in words, not by a cut connection."""
_SOON = 5


@web.stream_request_body
class HubGateway(GatewayHandler):
    """Callers are users by the tokens of the Hub: cookies are not looked at, so no other site can ask."""

    async def identify(self) -> Caller:
        """A user of the Hub.

        Raises
        ------
        Refusal
        """
        token, hub = token_in(self.request.headers), HubOAuth.instance()
        try:
            user = await hub.user_for_token(token, sync=False) if token else None
        except web.HTTPError:
            raise Refusal(
                503, "api_error", "The gateway does not reach the Hub, which knows its users.", retry_after=_SOON
            ) from None
        if user is None:
            raise Refusal(
                401,
                "authentication_error",
                "The Hub does not know the token. It ends with the server it was made for: restart your server",
            )
        if not hub.check_scopes(hub.access_scopes, user):
            raise Refusal(403, "permission_error", "The Hub does not allow this token to use Claude")
        return Caller(name_of(user))


class HubUsage(HubOAuthenticated, UsageHandler):
    """The page, for users who are logged in to the Hub."""

    async def prepare(self) -> None:
        """Ask the Hub who it is without holding up the answers of others."""
        await self.hub_auth.get_user(self, sync=False)

    @web.authenticated
    def get(self, ending: str | None) -> None:
        """``usage`` and ``usage.csv``."""
        self.show(name_of(self.current_user), ending)


class ClaudeService(Settings, Application):
    """The service; its options are the gateway's, as ``--dollars_per_day=2`` or in a file."""

    name = "claude_magic.gateway"
    description = "One key for a room, as a service of JupyterHub"
    config_file = Unicode("", help="A file with options: c.ClaudeService.dollars_per_day = 2").tag(config=True)
    remember = Int(60, min=1, help="Seconds for which the Hub's word about a token is taken for granted.").tag(
        config=True
    )
    aliases = {  # noqa: RUF012
        name: f"ClaudeService.{name}" for name in (*Settings.class_traits(config=True), "config_file", "remember")
    }

    def initialize(self, argv: list[str] | None = None) -> None:
        """Read the options; those of the command line win."""
        super().initialize(argv)
        if self.config_file:
            given = self.cli_config
            self.load_config_file(self.config_file)
            self.update_config(given)

    def start(self) -> None:
        """Serve until the Hub says that it is over."""
        if missing := [name for name in _NEEDED if not os.environ.get(name)]:
            self._fail(f"{missing[0]} is not set: this is started by JupyterHub, as a service with a url.")
        if not self.has_key(os.environ):
            self._fail("no key: give ANTHROPIC_API_KEY, key_file or practice.")
        environ = take_from(os.environ)
        try:
            gateway = self.open(environ, self.log)
        except (BadInput, OSError, UnicodeError, sqlite3.Error) as error:
            self.close_simulator()
            self._fail(str(error))
        hide_process()
        try:
            asyncio.run(self._serve(gateway))
        finally:
            self.close_simulator()

    async def _serve(self, gateway: Gateway) -> None:
        over = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        address = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
        server = HTTPServer(self._application(gateway), max_buffer_size=_LARGEST)
        server.listen(address.port or 80, address.hostname or "127.0.0.1")
        await over.wait()
        server.stop()
        await gateway.close()
        await server.close_all_connections()

    def _application(self, gateway: Gateway) -> web.Application:
        HubOAuth.instance(parent=self, cache_max_age=self.remember)  # handlers share it
        prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
        handlers: list[Any] = [
            (prefix, web.RedirectHandler, {"url": prefix + "usage", "permanent": False}),
            (prefix + "v1/(.*)", HubGateway, {"gateway": gateway}),
            (prefix + r"usage(\.csv)?", HubUsage, {"gateway": gateway, "admins": tuple(self.admins)}),
            (prefix + "oauth_callback", HubOAuthCallbackHandler),
        ]
        return web.Application(handlers, cookie_secret=secrets.token_bytes(32))

    def _fail(self, reason: str) -> None:
        sys.exit(f"claude_magic.gateway: {reason}")


def name_of(user: dict[str, Any]) -> str:
    """Who is billed; a service of the Hub may have the name of a user."""
    name = str(user["name"])
    return name if user.get("kind") == "user" else f"{user.get('kind')} {name}"
