"""The gateway as an extension of a Jupyter server, for the kernels of that server.

Jupyter decides who may use it: its identity provider names the users, and its authorizer has to allow
``execute`` on ``claude`` for questions and ``read`` for the usage page. Kernels authenticate with the
token that the server put into their environment.
"""

from __future__ import annotations

import getpass
import os
import sqlite3
from collections.abc import Mapping

from jupyter_client.provisioning.factory import KernelProvisionerFactory
from jupyter_core.utils import ensure_async
from jupyter_server import CallContext
from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from jupyter_server.auth.identity import IdentityProvider, PasswordIdentityProvider, User
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join
from tornado import web
from traitlets import Bool, Unicode

from claude_magic.gateway.auth import Caller, token_in
from claude_magic.gateway.gateway_settings import GatewaySettings
from claude_magic.gateway.handlers import PATH, USAGE_PATH, GatewayHandler, UsageHandler
from claude_magic.gateway.hardening import hide_process
from claude_magic.gateway.kernel_env import kernel_environment, take_credentials
from claude_magic.gateway.provisioner import NAME, SETTING
from claude_magic.gateway.rejection import Rejection
from claude_magic.gateway.relay import Gateway
from claude_magic.messages.errors import BadInput
from claude_magic.messages.gateway_environment import gateway_from

_ALL_INTERFACES = ("", "*", "0.0.0.0", "::", "localhost")  # noqa: S104  addresses to compare with
_DISABLE_COMMAND = "jupyter server extension disable claude_magic.gateway"


@web.stream_request_body
class JupyterGateway(GatewayHandler, APIHandler):
    """Identifies kernels by their token, and users as Jupyter does."""

    async def identify(self) -> Caller:
        """Return the kernel or the user that asks."""
        # A page from another origin cannot send a kernel's token, so such a request needs no XSRF check.
        user: object
        if (owner := self.gateway.tokens.find(token_in(self.request.headers))) is not None:
            user, caller = owner.identity, owner.caller
            self.current_user = user
        else:
            user = await self._authenticate()
            caller = Caller(jupyter_user_name(user, self.identity_provider))
        if not await ensure_async(self.authorizer.is_authorized(self, user, "execute", "claude")):
            raise Rejection(403, "This Jupyter server does not allow you to use Claude")
        return caller

    @allow_unauthenticated  # identify() has authenticated it, and rejects it in the API's format
    async def get(self, path: str) -> None:
        """``models`` and ``models/{id}``."""
        await super().get(path)

    @allow_unauthenticated
    async def post(self, path: str) -> None:
        """``messages`` and ``messages/count_tokens``."""
        await super().post(path)

    async def _authenticate(self) -> User:
        try:
            await APIHandler.prepare(self)
        except web.HTTPError as error:
            if self.current_user:  # a known user, but the request may come from another site
                raise Rejection(403, f"{error.log_message or error.reason}") from None
        if not self.current_user:
            raise Rejection(
                401,
                "This Jupyter server does not know the token. It ends with its kernel and server: restart the kernel",
            )
        user: User = self.current_user
        return user


class JupyterUsage(UsageHandler, JupyterHandler):
    """The usage page, for authenticated users."""

    @web.authenticated
    @authorized("read", resource="claude")
    async def get(self, suffix: str | None) -> None:
        """``usage`` and ``usage.csv``."""
        self.show(jupyter_user_name(self.current_user, self.identity_provider), suffix)


class ClaudeGateway(GatewaySettings, ExtensionApp):
    """A Jupyter Server extension that forwards its kernels' requests to the API with one key.

    Set its options as ``c.ClaudeGateway.dollars_per_day = 2`` in ``jupyter_server_config.py``. Without a
    key it does nothing.
    """

    name = "claude_magic"
    url = Unicode(
        "", help="This server's URL for kernels, if they cannot use its local address: http://host:port/base/."
    ).tag(config=True)
    hide_process = Bool(
        default_value=True, help="On Linux: hide the server's memory from other processes of the same user."
    ).tag(config=True)

    gateway: Gateway | None = None

    def initialize_handlers(self) -> None:
        """Take the key out of the environment and start the gateway; without a key, do nothing."""
        url = os.environ.get("ANTHROPIC_BASE_URL", "")
        if url.strip().lower() == "simulator" or not self.has_key(os.environ):
            return
        if gateway_from(os.environ, url) and not self.practice:
            self.log.info("Claude: kernels use the gateway at %s.", url)  # the environment already holds a token for it
            return
        environ = take_credentials(os.environ)
        try:
            self.gateway = self.open_gateway(environ, self.log)
        except (BadInput, OSError, UnicodeError, sqlite3.Error) as error:
            # The key stays out of the environment: a file that cannot be opened must not hand it to kernels.
            self.stop_simulator()
            self.log.error("Claude: the gateway is off: %s", error)
            return
        if self.hide_process:
            hide_process()
        self.handlers.append((PATH, JupyterGateway, {"gateway": self.gateway}))
        self.handlers.append((USAGE_PATH, JupyterUsage, {"gateway": self.gateway, "admins": tuple(self.admins)}))
        self.serverapp.web_app.settings[SETTING] = self
        self._use_provisioner()

    async def stop_extension(self) -> None:
        """Cancel the requests in progress, and close the ledger."""
        if self.gateway is not None:
            await self.gateway.close()
        self.stop_simulator()

    def kernel_environment(self, environ: Mapping[str, str], kernel: str) -> dict[str, str]:
        """Add the gateway to a kernel's environment; the kernel belongs to the user whose request starts it."""
        if self.gateway is None or not (base := self._base_url()):
            return dict(environ)
        handler = CallContext.get(CallContext.JUPYTER_HANDLER)
        user = getattr(handler, "current_user", None) or User(username=getpass.getuser())
        caller = Caller(jupyter_user_name(user, self.serverapp.identity_provider), kernel)
        token = self.gateway.tokens.issue(caller, user)
        model = self.quota_of(caller.user).default_model
        return kernel_environment(environ, url_path_join(base, "claude"), token, self.gateway.upstream.host, model)

    def kernel_ended(self, kernel: str) -> None:
        """Revoke the token of a kernel that has ended."""
        if self.gateway is not None:
            self.gateway.tokens.revoke(kernel)

    def _base_url(self) -> str:
        """The address of this server for its kernels; empty if it listens on a socket without a port."""
        server = self.serverapp
        if self.url or server.sock:
            return str(self.url)
        host = "127.0.0.1" if server.ip in _ALL_INTERFACES else server.ip
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if server.certfile else 'http'}://{host}:{server.port}{server.base_url}"

    def _use_provisioner(self) -> None:
        """Make our provisioner the default, unless the configuration names another one."""
        factory = KernelProvisionerFactory.instance(parent=self.serverapp)
        chosen = "default_provisioner_name" in self.serverapp.config.KernelProvisionerFactory
        if not chosen and factory.default_provisioner_name == "local-provisioner":
            factory.default_provisioner_name = NAME
        if (other := factory.default_provisioner_name) != NAME:
            self.log.warning("Claude: kernels are started by %s, not by %s, and do not use the gateway.", other, NAME)
            return
        what = "the built-in simulator" if self.practice else "the key of this server without seeing it"
        self.log.info("Claude: kernels use %s. To turn this off: %s", what, _DISABLE_COMMAND)


def jupyter_user_name(user: User, provider: IdentityProvider) -> str:
    """Return the name to bill: the user's, if Jupyter knows users.

    A server with one token or password for everybody does not. It invents a name for each browser,
    and with each new name a new budget would begin; the server's own user is billed instead.
    """
    if type(provider) in (IdentityProvider, PasswordIdentityProvider):
        return getpass.getuser()
    return str(user.username)
