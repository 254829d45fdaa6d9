"""Tornado handlers: forward requests, stream the answers with backpressure, and serve the usage page."""

from __future__ import annotations

import asyncio
import functools
import json
import re
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from tornado import web
from tornado.iostream import StreamClosedError

from claude_magic.gateway.auth import Caller
from claude_magic.gateway.parsed_request import ParsedRequest
from claude_magic.gateway.quotas import Quota
from claude_magic.gateway.rejection import Rejection
from claude_magic.gateway.relay import Gateway, MeteredAnswer
from claude_magic.gateway.usage_page import DEFAULT_DAYS, UsageReport, content_security_policy
from claude_magic.messages.limits import MAX_REQUEST_BYTES

PATH = r"/claude/v1/(.*)"
USAGE_PATH = r"/claude/usage(\.csv)?"
_MODEL = re.compile(r"models/[A-Za-z0-9][A-Za-z0-9_.:@-]*", re.ASCII)
_PAGING = ("limit", "after_id", "before_id")


class GatewayHandler(web.RequestHandler):
    """Serves every path below ``/claude/v1/``; subclasses identify the caller.

    Decorate subclasses with :func:`tornado.web.stream_request_body`. The body of a rejected request
    is read and discarded, because a client that is cut off while it sends never sees the reason.
    """

    gateway: Gateway
    caller: Caller

    def initialize(self, gateway: Gateway) -> None:
        """Store the gateway."""
        self.gateway = gateway
        self._body = bytearray()
        self._rejection: Rejection | None = None
        self._task: asyncio.Task[None] | None = None

    async def identify(self) -> Caller:
        """Return the caller.

        Raises
        ------
        Rejection
            If the caller is unknown or may not use Claude.
        """
        raise NotImplementedError

    async def prepare(self) -> None:
        """Identify the caller before the body arrives; a rejection is sent after it."""
        try:
            self.caller = await self.identify()
        except Rejection as rejection:
            self._rejection = rejection

    def data_received(self, chunk: bytes) -> None:
        """Collect a piece of the body."""
        if self._rejection is None and len(self._body) + len(chunk) > MAX_REQUEST_BYTES:
            self._rejection = Rejection(413, "The request is larger than 32 MB")
        if self._rejection is None:
            self._body += chunk
        else:
            self._body.clear()

    async def get(self, path: str) -> None:
        """``models`` and ``models/{id}``."""
        await self._run(self._forward_get, path)

    async def post(self, path: str) -> None:
        """``messages`` and ``messages/count_tokens``."""
        await self._run(self._forward_post, path)

    def on_connection_close(self) -> None:
        """Cancel the request to the API when its caller disconnects."""
        super().on_connection_close()
        if self._task is not None:
            self._task.cancel()

    def write_error(self, status_code: int, **kwargs: object) -> None:
        """Report any other error in the API's format."""
        self._reject(Rejection(status_code, f"The Jupyter server answers: {self._reason}"))

    async def _run(self, forward: Callable[[str], Awaitable[None]], path: str) -> None:
        self._task = asyncio.create_task(self._guarded(forward, path))
        self.gateway.tasks.add(self._task)
        try:
            await self._task
        except (asyncio.CancelledError, StreamClosedError):
            self._disconnect()
        finally:
            self.gateway.tasks.discard(self._task)

    async def _guarded(self, forward: Callable[[str], Awaitable[None]], path: str) -> None:
        try:
            if self._rejection is not None:
                raise self._rejection
            await forward(path)
        except Rejection as rejection:
            if self._headers_written:
                self._disconnect()  # a truncated answer must not look complete
            else:
                self._reject(rejection)

    async def _forward_get(self, path: str) -> None:
        if path != "models" and not _MODEL.fullmatch(path):
            raise _not_forwarded(path)
        self.gateway.check(self.caller)
        quota = self.gateway.quota_of(self.caller.user)
        if path != "models":
            quota.check_model(path.removeprefix("models/"))
        paging = {name: value for name in _PAGING if (value := self.get_query_argument(name, ""))}
        query = "&".join(f"{name}={value}" for name, value in paging.items() if re.fullmatch(r"[\w.:@-]+", value))
        change = functools.partial(_allowed_models, quota) if path == "models" and quota.models else None
        await self._forward("GET", f"/v1/{path}" + (f"?{query}" if query else ""), change=change)

    async def _forward_post(self, path: str) -> None:
        if path not in ("messages", "messages/count_tokens"):
            raise _not_forwarded(path)
        request = ParsedRequest.parse(bytes(self._body))
        self._body.clear()
        if path == "messages/count_tokens":
            self.gateway.check(self.caller, request)
            await self._forward("POST", f"/v1/{path}", request.body)
            return
        with self.gateway.metered(self.caller, request) as answer:
            await self._forward("POST", f"/v1/{path}", request.body, answer)

    async def _forward(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        answer: MeteredAnswer | None = None,
        change: Callable[[bytes], bytes] | None = None,
    ) -> None:
        upstream = self.gateway.upstream
        async with upstream.send(method, path, self.request.headers, body) as response:
            if response.status_code != 200:
                if answer is not None:
                    answer.failed = True
                text = await upstream.error(response)
                self._begin(response.status_code, upstream.headers(response))
                self.finish(text)
                return
            self._begin(200, upstream.headers(response))
            if change is not None:
                self.finish(change(await response.aread()))
                return
            if answer is not None:
                answer.meter.expect(response.headers.get("content-type", ""))
            async for chunk in response.aiter_bytes():
                if answer is not None:
                    answer.feed(chunk)
                self.write(chunk)
                await self.flush()  # waits for a slow reader, which slows the API down, too
            if answer is not None:
                answer.settle()
        self.finish()

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.set_status(status)
        for name, value in headers.items():
            self.set_header(name, value)

    def _reject(self, rejection: Rejection) -> None:
        self.clear()
        self._begin(rejection.status, {**rejection.headers(), "content-type": "application/json"})
        self.finish(json.dumps(rejection.body()))

    def _disconnect(self) -> None:
        connection: Any = self.request.connection
        if getattr(connection, "stream", None) is not None:
            connection.stream.close()


class UsageHandler(web.RequestHandler):
    """Serves the usage page; subclasses identify the viewer first."""

    def initialize(self, gateway: Gateway, admins: Collection[str]) -> None:
        """Store the gateway, and the users who see everybody's usage."""
        self.gateway = gateway
        self.admins = admins

    def show(self, user: str, suffix: str | None) -> None:
        """Send the usage that this user may see.

        Parameters
        ----------
        user : str
        suffix : str, optional
            ``.csv``; without it, the usage is sent as HTML.
        """
        given = self.get_query_argument("days", str(DEFAULT_DAYS))
        if not re.fullmatch(r"\d{1,4}", given, re.ASCII):
            raise web.HTTPError(400, reason="days has to be a number; 0 shows everything")
        gateway, everybody = self.gateway, user in self.admins
        report = UsageReport.read(gateway.ledger, gateway.quota_of, user, everybody=everybody, days=int(given))
        self.set_header("Content-Security-Policy", content_security_policy())
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        if suffix:
            self.set_header("Content-Type", "text/csv; charset=utf-8")
            self.set_header("Content-Disposition", 'attachment; filename="claude-usage.csv"')
        self.finish(report.csv() if suffix else report.html())


def _allowed_models(quota: Quota, body: bytes) -> bytes:
    """Remove models that are not allowed from a page of the list of models; its cursors stay unchanged."""
    try:
        page = json.loads(body)
        page["data"] = [model for model in page["data"] if quota.allows(model["id"])]
    except (ValueError, TypeError, LookupError, AttributeError):
        raise Rejection(502, "The API did not answer with a list of models") from None
    return json.dumps(page).encode()


def _not_forwarded(path: str) -> Rejection:
    first = path.partition("/")[0]
    if first in ("files", "skills") or path.startswith("messages/batches"):
        return Rejection(
            404,
            "This Jupyter server does not forward files and batches: its users would see one another's. "
            "To use the API directly, enter your own key with claude.login()",
        )
    return Rejection(404, "This Jupyter server forwards only messages, count_tokens and models")
