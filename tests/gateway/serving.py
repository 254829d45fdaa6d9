"""The gateway in a plain Tornado server, without Jupyter."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine.settings import Settings
from claude_magic.gateway.auth import Caller, token_in
from claude_magic.gateway.handlers import PATH, GatewayHandler
from claude_magic.gateway.ledger import Ledger, UsageRow
from claude_magic.gateway.quotas import Quota
from claude_magic.gateway.rejection import Rejection
from claude_magic.gateway.relay import Gateway
from claude_magic.gateway.upstream import Upstream
from claude_magic.messages.client import Client
from claude_magic.messages.credentials import Credentials
from tests.conftest import KEY

PATIENCE = 30.0
Value = TypeVar("Value")


@web.stream_request_body
class Handler(GatewayHandler):
    """Knows only kernels."""

    async def identify(self) -> Caller:
        owner = self.gateway.tokens.find(token_in(self.request.headers))
        if owner is None:
            raise Rejection(401, "Who are you?")
        return owner.caller


class Served:
    """A gateway in a thread, and the tokens of two users."""

    def __init__(self, upstream: str, ledger: Path, quota: Quota, timeout: float, key: str) -> None:
        self._ready = threading.Event()
        self._clients: list[Client | Conversations] = []
        self._upstream, self._path, self._quota, self._timeout, self._key = upstream, ledger, quota, timeout, key
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    async def _serve(self) -> None:
        environ = {"ANTHROPIC_API_KEY": self._key, "ANTHROPIC_BASE_URL": self._upstream}
        self.loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        upstream = Upstream(environ, timeout=self._timeout)
        self.gateway = Gateway(upstream, Ledger(self._path), lambda user: self._quota)
        self.ada = self.gateway.tokens.issue(Caller("ada", "kernel-1"))
        self.bob = self.gateway.tokens.issue(Caller("bob", "kernel-2"))
        application = web.Application([(PATH, Handler, {"gateway": self.gateway})], log_function=lambda handler: None)
        server = HTTPServer(application, max_buffer_size=512 * 1024 * 1024)
        (listener,) = bind_sockets(0, "127.0.0.1", backlog=512)
        self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/claude"
        server.add_socket(listener)
        self._ready.set()
        await self._over.wait()
        server.stop()
        await self.gateway.close()
        await server.close_all_connections()

    def do(self, call: Callable[[Gateway], Value]) -> Value:
        """Call a function in the gateway's thread."""

        async def there() -> Value:
            return call(self.gateway)

        return asyncio.run_coroutine_threadsafe(there(), self.loop).result(PATIENCE)

    def usage(self) -> list[UsageRow]:
        return self.do(lambda gateway: gateway.ledger.usage())

    def rows(self) -> list[dict[str, Any]]:
        """Every row of the ledger."""

        def read(gateway: Gateway) -> list[dict[str, Any]]:
            found = gateway.ledger._db.execute("SELECT * FROM answers ORDER BY id")
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found]

        return self.do(read)

    def post(self, body: object, path: str = "/v1/messages", **headers: str) -> httpx2.Response:
        """Ask as ada, unless the headers say otherwise."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {self.ada}", "anthropic-version": "2023-06-01", **headers}
        return httpx2.post(self.url + path, content=content, headers=sent, timeout=PATIENCE)

    def client(self, token: str | None = None, **options: Any) -> Client:
        client = Client(self.url, Credentials({"ANTHROPIC_AUTH_TOKEN": token or self.ada}), **options)
        self._clients.append(client)
        return client

    def conversation(self, token: str | None = None, retries: int = 0) -> Conversation:
        settings = Settings(base_url=self.url, model="claude-haiku-4-5", max_retries=retries)
        home = Conversations(settings, credentials=Credentials({"ANTHROPIC_AUTH_TOKEN": token or self.ada}))
        self._clients.append(home)
        return home.open("main")

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self.loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE)


@contextmanager
def serving(
    upstream: str, folder: Path, quota: Quota | None = None, *, timeout: float = 60.0, key: str = KEY
) -> Iterator[Served]:
    served = Served(upstream, folder / "ledger.db", quota or Quota(), timeout, key)
    try:
        yield served
    finally:
        served.stop()
