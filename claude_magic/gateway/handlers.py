"""The gateway on the web: answers are passed on as they come, at the pace at which they are read."""

from __future__ import annotations

import asyncio
import functools
import json
import re
from collections.abc import Callable, Collection
from typing import Any

from tornado import web
from tornado.iostream import StreamClosedError

from claude_magic.gateway.asked import Asked
from claude_magic.gateway.callers import Caller
from claude_magic.gateway.core import Answer, Gateway
from claude_magic.gateway.limits import Limits
from claude_magic.gateway.page import DAYS, View, policy
from claude_magic.gateway.refusal import Refusal
from claude_magic.messages.limits import MAX_REQUEST_BYTES

PATH = r"/claude/v1/(.*)"
USAGE = r"/claude/usage(\.csv)?"
_MODEL = re.compile(r"models/[A-Za-z0-9][A-Za-z0-9_.:@-]*", re.ASCII)
_PAGES = ("limit", "after_id", "before_id")
_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}


class GatewayHandler(web.RequestHandler):
    """Every address below ``/claude/v1/``; subclasses say who is asking.

    A class below is to be decorated with :func:`tornado.web.stream_request_body`: a body that is
    not wanted is read without being kept, since a client that is cut off while it sends does not
    see why.
    """

    gateway: Gateway
    caller: Caller

    def initialize(self, gateway: Gateway) -> None:
        """Take the gateway that this handler belongs to."""
        self.gateway = gateway
        self._body = bytearray()
        self._refusal: Refusal | None = None
        self._work: asyncio.Task[None] | None = None

    async def identify(self) -> Caller:
        """Who is asking.

        Raises
        ------
        Refusal
            If it is nobody who may.
        """
        raise NotImplementedError

    async def prepare(self) -> None:
        """Find out who is asking before the body is read; what is to be said about it is said after it."""
        try:
            self.caller = await self.identify()
        except Refusal as refusal:
            self._refusal = refusal

    def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        if self._refusal is None and len(self._body) + len(chunk) > MAX_REQUEST_BYTES:
            self._refusal = Refusal(413, "request_too_large", "The request is larger than 32 MB")
        if self._refusal is None:
            self._body += chunk
        else:
            self._body.clear()

    async def get(self, path: str) -> None:
        """``models`` and ``models/{id}``."""
        await self._run(self._get(path))

    async def post(self, path: str) -> None:
        """``messages`` and ``messages/count_tokens``."""
        await self._run(self._post(path))

    def on_connection_close(self) -> None:
        """The caller went away: so does the request to the API."""
        super().on_connection_close()
        if self._work is not None:
            self._work.cancel()

    def write_error(self, status_code: int, **more: Any) -> None:
        """Whatever else goes wrong, in the API's shape."""
        kind = _TYPES.get(status_code, "invalid_request_error" if status_code < 500 else "api_error")
        self._say(Refusal(status_code, kind, f"The Jupyter server answers: {self._reason}"))

    async def _run(self, work: Any) -> None:
        self._work = asyncio.ensure_future(self._guarded(work))
        self.gateway.working.add(self._work)
        try:
            await self._work
        except (asyncio.CancelledError, StreamClosedError):
            self._drop()
        finally:
            self.gateway.working.discard(self._work)

    async def _guarded(self, work: Any) -> None:
        try:
            await work
        except Refusal as refusal:
            if self._headers_written:
                self._drop()  # an answer that is cut must not look finished
            else:
                self._say(refusal)

    def _check(self) -> None:
        if self._refusal is not None:
            raise self._refusal

    async def _get(self, path: str) -> None:
        self._check()
        if path != "models" and not _MODEL.fullmatch(path):
            raise _nowhere(path)
        self.gateway.check(self.caller)
        limits = self.gateway.limits_of(self.caller.user)
        if path != "models":
            limits.check_model(path.removeprefix("models/"))
        pages = {name: value for name in _PAGES if (value := self.get_query_argument(name, ""))}
        query = "&".join(f"{name}={value}" for name, value in pages.items() if re.fullmatch(r"[\w.:@-]+", value))
        only = functools.partial(_allowed, limits) if path == "models" and limits.models else None
        await self._pass_on("GET", f"/v1/{path}" + (f"?{query}" if query else ""), change=only)

    async def _post(self, path: str) -> None:
        self._check()
        if path not in ("messages", "messages/count_tokens"):
            raise _nowhere(path)
        asked = Asked.read(bytes(self._body))
        self._body.clear()
        if path == "messages/count_tokens":
            self.gateway.check(self.caller, asked)
            await self._pass_on("POST", f"/v1/{path}", asked.body)
            return
        with self.gateway.answering(self.caller, asked) as answer:
            await self._pass_on("POST", f"/v1/{path}", asked.body, answer)

    async def _pass_on(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        answer: Answer | None = None,
        change: Callable[[bytes], bytes] | None = None,
    ) -> None:
        upstream = self.gateway.upstream
        async with upstream.send(method, path, self.request.headers, body) as response:
            if response.status_code != 200:
                if answer is not None:
                    answer.refused = True
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
                await self.flush()  # waits for a slow reader, and so does the API
            if answer is not None:
                answer.settle()
        self.finish()

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.set_status(status)
        for name, value in headers.items():
            self.set_header(name, value)

    def _say(self, refusal: Refusal) -> None:
        self.clear()
        self._begin(refusal.status, {**refusal.headers(), "content-type": "application/json"})
        self.finish(json.dumps(refusal.body()))

    def _drop(self) -> None:
        connection: Any = self.request.connection
        if getattr(connection, "stream", None) is not None:
            connection.stream.close()


class UsageHandler(web.RequestHandler):
    """The page that says who used what; subclasses say who looks, before they show it."""

    def initialize(self, gateway: Gateway, admins: Collection[str]) -> None:
        """Take the gateway, and the users who see everybody."""
        self.gateway = gateway
        self.admins = admins

    def show(self, user: str, ending: str | None) -> None:
        """Show what this user may see, as a page or as CSV.

        Parameters
        ----------
        user : str
        ending : str, optional
            ``.csv``, or the page.
        """
        given = self.get_query_argument("days", str(DAYS))
        if not re.fullmatch(r"\d{1,4}", given, re.ASCII):
            raise web.HTTPError(400, reason="days is a number; 0 shows everything")
        gateway, everybody = self.gateway, user in self.admins
        view = View.of(gateway.ledger, gateway.limits_of, user, everybody=everybody, days=int(given))
        self.set_header("Content-Security-Policy", policy())
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        if ending:
            self.set_header("Content-Type", "text/csv; charset=utf-8")
            self.set_header("Content-Disposition", 'attachment; filename="claude-usage.csv"')
        self.finish(view.csv() if ending else view.html())


def _allowed(limits: Limits, body: bytes) -> bytes:
    """A page of the list of models without those that may not be asked; where to go on stays as it is."""
    try:
        page = json.loads(body)
        page["data"] = [model for model in page["data"] if limits.allows(model["id"])]
    except (ValueError, TypeError, LookupError, AttributeError):
        raise Refusal(502, "api_error", "What the API lists is no list of models") from None
    return json.dumps(page).encode()


def _nowhere(path: str) -> Refusal:
    first = path.partition("/")[0]
    if first in ("files", "skills") or path.startswith("messages/batches"):
        return Refusal(
            404,
            "not_found_error",
            "Files and batches are not passed on by this Jupyter server: everybody would see everybody's. "
            "claude.login() with a key of your own goes to the API directly",
        )
    return Refusal(404, "not_found_error", "This Jupyter server passes on messages, count_tokens and models")
