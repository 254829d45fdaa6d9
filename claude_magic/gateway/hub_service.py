"""The gateway as a JupyterHub service: its users are the Hub's, identified by the Hub's tokens.

Only this process has the key, and it may run as a separate system user. The Hub decides who may use
it: a token needs the access scope of this service.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sqlite3
import sys
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import urlsplit

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler, HubOAuthenticated
from tornado import web
from tornado.httpserver import HTTPServer
from traitlets import Int, Unicode
from traitlets.config import Application

from claude_magic.gateway.auth import Caller, token_in
from claude_magic.gateway.gateway_settings import GatewaySettings
from claude_magic.gateway.handlers import GatewayHandler, UsageHandler
from claude_magic.gateway.hardening import hide_process
from claude_magic.gateway.kernel_env import take_credentials
from claude_magic.gateway.rejection import Rejection
from claude_magic.gateway.relay import Gateway
from claude_magic.messages.errors import BadInput

_REQUIRED = (
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_API_URL",
    "JUPYTERHUB_OAUTH_ACCESS_SCOPES",  # without it, every user of the Hub would have access
    "JUPYTERHUB_SERVICE_PREFIX",
    "JUPYTERHUB_SERVICE_URL",
)
_MAX_BUFFER = 512 * 1024 * 1024
"""As large as a Jupyter server's, so that the client of a too large request gets an answer, not a lost connection."""
_RETRY_SOON = 5


@web.stream_request_body
class HubGateway(GatewayHandler):
    """Identifies users by tokens of the Hub. It ignores cookies, so other sites cannot ask in a user's name."""

    async def identify(self) -> Caller:
        """Return the user of the Hub that asks."""
        token, hub = token_in(self.request.headers), HubOAuth.instance()
        try:
            user = await hub.user_for_token(token, sync=False) if token else None
        except web.HTTPError:
            message = "The gateway cannot reach JupyterHub, which checks the tokens. Try again later."
            raise Rejection(503, message, retry_after=_RETRY_SOON) from None
        if user is None:
            raise Rejection(
                401,
                "The Hub does not know the token. Tokens end with the server they were issued for: restart your server",
            )
        if not hub.check_scopes(hub.access_scopes, user):
            raise Rejection(403, "The Hub does not allow this token to use Claude")
        return Caller(hub_user_name(user))


class HubUsage(HubOAuthenticated, UsageHandler):
    """The usage page, for users who are logged in to the Hub."""

    async def prepare(self) -> None:
        """Look the user up asynchronously; by default the lookup would block all other requests."""
        await self.hub_auth.get_user(self, sync=False)

    @web.authenticated
    def get(self, suffix: str | None) -> None:
        """``usage`` and ``usage.csv``."""
        self.show(hub_user_name(self.current_user), suffix)


class ClaudeService(GatewaySettings, Application):
    """A JupyterHub service that forwards its users' requests to the API with one key.

    Set its options on the command line, as ``--dollars_per_day=2``, or in the file that
    ``--config_file`` names, as ``c.ClaudeService.dollars_per_day = 2``.
    """

    name = "claude_magic.gateway"
    description = "A gateway to Claude with one key for all users, as a JupyterHub service"
    config_file = Unicode("", help="A file with options: c.ClaudeService.dollars_per_day = 2").tag(config=True)
    remember = Int(60, min=1, help="Seconds for which the Hub's answer about a token is cached.").tag(config=True)
    aliases = {  # noqa: RUF012
        name: f"ClaudeService.{name}"
        for name in (*GatewaySettings.class_traits(config=True), "config_file", "remember")
    }

    def initialize(self, argv: list[str] | None = None) -> None:
        """Read the options; the command line overrides the file."""
        super().initialize(argv)
        if self.config_file:
            command_line = self.cli_config
            self.load_config_file(self.config_file)
            self.update_config(command_line)

    def start(self) -> None:
        """Serve until the Hub stops this process."""
        if missing := [name for name in _REQUIRED if not os.environ.get(name)]:
            self._fail(f"{missing[0]} is not set: this has to be started by JupyterHub, as a service with a url.")
        if not self.has_key(os.environ):
            self._fail("no key: set ANTHROPIC_API_KEY, --key_file or --practice=True.")
        environ = take_credentials(os.environ)
        try:
            gateway = self.open_gateway(environ, self.log)
        except (BadInput, OSError, UnicodeError, sqlite3.Error) as error:
            self.stop_simulator()
            self._fail(str(error))
        hide_process()
        try:
            asyncio.run(self._serve(gateway))
        finally:
            self.stop_simulator()

    async def _serve(self, gateway: Gateway) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        address = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
        server = HTTPServer(self._application(gateway), max_buffer_size=_MAX_BUFFER)
        server.listen(address.port or 80, address.hostname or "127.0.0.1")
        await stop.wait()
        server.stop()
        await gateway.close()
        await server.close_all_connections()

    def _application(self, gateway: Gateway) -> web.Application:
        HubOAuth.instance(parent=self, cache_max_age=self.remember)  # the handlers use this instance
        prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
        handlers = [
            web.url(prefix, web.RedirectHandler, {"url": prefix + "usage", "permanent": False}),
            web.url(prefix + "v1/(.*)", HubGateway, {"gateway": gateway}),
            web.url(prefix + r"usage(\.csv)?", HubUsage, {"gateway": gateway, "admins": tuple(self.admins)}),
            web.url(prefix + "oauth_callback", HubOAuthCallbackHandler),
        ]
        return web.Application(handlers, cookie_secret=secrets.token_bytes(32))

    def _fail(self, reason: str) -> NoReturn:
        sys.exit(f"claude_magic.gateway: {reason}")


def hub_user_name(user: Mapping[str, str]) -> str:
    """Return the name to bill; a service's is marked, since a user may have the same one."""
    name, kind = user["name"], user.get("kind")
    return name if kind == "user" else f"{kind} {name}"
