"""The extension of a Jupyter server: the gateway below its address, and its kernels as callers.

Who may use it is Jupyter's own matter: its identity provider knows the users, its authorizer is
asked for ``execute`` on ``claude``, and for ``read`` by the page of what was used. Kernels show the
token that was put into their environment.
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

from claude_magic.gateway import core
from claude_magic.gateway.callers import Caller, token_in
from claude_magic.gateway.core import Gateway
from claude_magic.gateway.handlers import PATH, USAGE, GatewayHandler, UsageHandler
from claude_magic.gateway.privacy import hide_process
from claude_magic.gateway.provisioner import NAME
from claude_magic.gateway.refusal import Refusal
from claude_magic.gateway.settings import Settings, take_from
from claude_magic.messages.errors import BadInput
from claude_magic.messages.gateway_environment import gateway_from

_ANYWHERE = ("", "*", "0.0.0.0", "::", "localhost")  # noqa: S104  what a server may be told to listen on
_OFF = "jupyter server extension disable claude_magic.gateway"


@web.stream_request_body
class JupyterGateway(GatewayHandler, APIHandler):
    """Callers are kernels by their token, and users as Jupyter knows them."""

    async def identify(self) -> Caller:
        """A kernel or a user.

        Raises
        ------
        Refusal
        """
        # A page of another origin cannot send a kernel's token, so such a request needs no XSRF check.
        if (ticket := self.gateway.tokens.find(token_in(self.request.headers))) is not None:
            user, caller = ticket.identity, ticket.caller
            self.current_user = user
        else:
            user = await self._user()
            caller = Caller(name_of(user, self.identity_provider))
        if not await ensure_async(self.authorizer.is_authorized(self, user, "execute", "claude")):
            raise Refusal(403, "permission_error", "This Jupyter server does not allow you to use Claude")
        return caller

    @allow_unauthenticated  # identify() has asked already, and refuses in the API's shape
    async def get(self, path: str) -> None:
        """``models`` and ``models/{id}``."""
        await super().get(path)

    @allow_unauthenticated
    async def post(self, path: str) -> None:
        """``messages`` and ``messages/count_tokens``."""
        await super().post(path)

    async def _user(self) -> User:
        try:
            await APIHandler.prepare(self)
        except web.HTTPError as error:
            if self.current_user:  # known, but the request may be another site's
                raise Refusal(403, "permission_error", f"{error.log_message or error.reason}") from None
        if not self.current_user:
            raise Refusal(
                401,
                "authentication_error",
                "This Jupyter server does not know the token. It ends with the kernel and with the server that "
                "started it: restart the kernel",
            )
        user: User = self.current_user
        return user


class JupyterUsage(UsageHandler, JupyterHandler):
    """The page, for those whom Jupyter knows."""

    @web.authenticated
    @authorized("read", resource="claude")
    async def get(self, ending: str | None) -> None:
        """``usage`` and ``usage.csv``."""
        self.show(name_of(self.current_user, self.identity_provider), ending)


class ClaudeGateway(Settings, ExtensionApp):
    """The extension, configured as ``c.ClaudeGateway`` in ``jupyter_server_config.py``."""

    name = "claude_magic"
    url = Unicode(
        "", help="Where kernels find this Jupyter server, if not on this machine's own address: http://host:port/base/."
    ).tag(config=True)
    hide_process = Bool(
        default_value=True, help="On Linux: keep other processes of the same user out of the server's memory."
    ).tag(config=True)

    gateway: Gateway | None = None

    def initialize_handlers(self) -> None:
        """Take the key, open the ledger, and be there; without a key, leave everything as it is."""
        url = os.environ.get("ANTHROPIC_BASE_URL", "")
        if url.strip().lower() == "simulator" or not self.has_key(os.environ):
            return
        if gateway_from(os.environ, url) and not self.practice:
            self.log.info("Claude: kernels use the gateway at %s.", url)  # with the token that is there already
            return
        environ = take_from(os.environ)
        try:
            self.gateway = self.open(environ, self.log)
        except (BadInput, OSError, UnicodeError, sqlite3.Error) as error:
            # The key was taken out all the same: kernels must not get it because a file cannot be opened.
            self.close_simulator()
            self.log.error("Claude: the gateway is off: %s", error)
            return
        if self.hide_process:
            hide_process()
        self.handlers.append((PATH, JupyterGateway, {"gateway": self.gateway}))
        self.handlers.append((USAGE, JupyterUsage, {"gateway": self.gateway, "admins": tuple(self.admins)}))
        self.serverapp.web_app.settings["claude_gateway"] = self
        self._provide()

    async def stop_extension(self) -> None:
        """End what is on its way, and close the books."""
        if self.gateway is not None:
            await self.gateway.close()
        self.close_simulator()

    def kernel_environment(self, environ: Mapping[str, str], kernel: str) -> dict[str, str]:
        """What a kernel finds in its environment.

        Parameters
        ----------
        environ : mapping
            What it would find otherwise.
        kernel : str
            Its id.
        """
        if self.gateway is None or not (base := self._base()):
            return dict(environ)
        handler = CallContext.get(CallContext.JUPYTER_HANDLER)
        user = getattr(handler, "current_user", None) or User(username=getpass.getuser())
        caller = Caller(name_of(user, self.serverapp.identity_provider), kernel)
        token = self.gateway.tokens.issue(caller, user)
        model = self.limits_of(caller.user).default_model
        return core.kernel_environment(environ, url_path_join(base, "claude"), token, self.gateway.upstream.host, model)

    def kernel_ended(self, kernel: str) -> None:
        """A kernel is gone for good."""
        if self.gateway is not None:
            self.gateway.tokens.end(kernel)

    def _base(self) -> str:
        """Where kernels find this server; empty if it listens on no port."""
        server = self.serverapp
        if self.url or server.sock:
            return str(self.url)
        host = "127.0.0.1" if server.ip in _ANYWHERE else server.ip
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if server.certfile else 'http'}://{host}:{server.port}{server.base_url}"

    def _provide(self) -> None:
        """Start kernels with our provisioner, unless somebody chose another one."""
        factory = KernelProvisionerFactory.instance(parent=self.serverapp)
        chosen = "default_provisioner_name" in self.serverapp.config.KernelProvisionerFactory
        if not chosen and factory.default_provisioner_name == "local-provisioner":
            factory.default_provisioner_name = NAME
        if factory.default_provisioner_name != NAME:
            self.log.warning(
                "Claude: kernels are started by %s, not by %s, and know nothing of the gateway.",
                factory.default_provisioner_name,
                NAME,
            )
            return
        what = "the built-in simulator" if self.practice else "the key of this server, which they do not see"
        self.log.info("Claude: kernels use %s. To switch that off: %s", what, _OFF)


def name_of(user: User, provider: IdentityProvider) -> str:
    """Who is billed: the user's name, if Jupyter knows one.

    A server with one token or password for everybody does not: it invents a new name for each
    browser, which would begin a new budget.
    """
    if type(provider) in (IdentityProvider, PasswordIdentityProvider):
        return getpass.getuser()
    return str(user.username)
