"""The HTTP side of the simulator: one handler for each address."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from tornado import web
from tornado.iostream import StreamClosedError

from . import answers, catalogue, checks, tokens
from .answer import Answer
from .call import JSON, Call, plan_lines
from .events import error_event, stream, with_faults
from .framing import frames
from .oddities import mutate
from .plan import Plan
from .problem import Problem, invalid
from .recorded import record
from .writer import write

if TYPE_CHECKING:
    from .server import Simulator

_HTML = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"
_LIMITS = {"requests": 4000, "tokens": 400_000, "input-tokens": 400_000, "output-tokens": 80_000}
_KEPT = 1000
"""Requests that are remembered; a server may run for as long as a kernel."""

_ERROR_STATUS = {"overloaded_error": 529, "rate_limit_error": 429, "timeout_error": 504}


class Base(web.RequestHandler):
    """What every address has in common: headers, records, errors, and an end when asked."""

    simulator: Simulator

    def initialize(self, simulator: Simulator) -> None:
        """Take the server that this handler belongs to."""
        self.simulator = simulator
        self.request_id = simulator.ids.next("req")
        self._work: asyncio.Task[None] | None = None

    def set_default_headers(self) -> None:
        """Say in every answer that it is simulated, and what may still be sent."""
        self.clear_header("Server")
        self.set_header("x-simulator", "claude_magic")

    def prepare(self) -> None:
        """Record the request as it came."""
        self._identify()
        self.recorded = record(self.request)
        self.simulator.requests.append(self.recorded)
        del self.simulator.requests[:-_KEPT]

    def _identify(self) -> None:
        self.set_header("request-id", self.request_id)
        self.set_header("anthropic-organization-id", "00000000-0000-4000-8000-000000000000")
        moment = datetime.datetime.fromtimestamp(self.simulator.clock(), datetime.UTC)
        for name, limit in _LIMITS.items():
            self.set_header(f"anthropic-ratelimit-{name}-limit", str(limit))
            self.set_header(f"anthropic-ratelimit-{name}-remaining", str(limit - 1))
            self.set_header(f"anthropic-ratelimit-{name}-reset", f"{moment:%Y-%m-%dT%H:%M:%SZ}")

    async def run(self, work: Awaitable[None]) -> None:
        """Do the work of a request so that it ends when the client leaves or the server stops."""
        self._work = asyncio.ensure_future(self._guarded(work))
        self.simulator.working.add(self._work)
        try:
            await self._work
        except (asyncio.CancelledError, StreamClosedError):
            self.drop()
        finally:
            self.simulator.working.discard(self._work)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Problem as problem:
            self.problem(problem, Plan())

    def on_connection_close(self) -> None:
        """The client went away: so does the work."""
        if self._work is not None:
            self._work.cancel()

    def drop(self) -> None:
        """Close the connection, whatever was sent."""
        connection: Any = self.request.connection
        if getattr(connection, "stream", None) is not None:
            connection.stream.close()

    async def send(self, data: bytes) -> None:
        """Write and flush."""
        self.write(data)
        await self.flush()

    def json(self, body: JSON) -> bytes:
        """Set the type, and encode."""
        self.set_header("content-type", "application/json")
        return json.dumps(body, ensure_ascii=False).encode()

    def problem(self, problem: Problem, plan: Plan) -> None:
        """Answer with an error, in the shape that a plan asks for."""
        self.set_status(problem.status, problem.kind)
        for name, value in (
            ("retry-after", plan.retry_after),
            ("retry-after-ms", plan.retry_after_ms),
            ("x-should-retry", plan.should_retry),
        ):
            if value is not None:
                self.set_header(name, value)
        body = problem.body(self.request_id)
        if plan.body == "html":
            self.set_header("content-type", "text/html; charset=utf-8")
            self.finish(_HTML.format(f"{problem.status} {problem.message}"))
        elif plan.body == "empty":
            self.clear_header("content-type")
            self.finish()
        elif plan.body == "openai":
            error = {"message": problem.message, "type": problem.kind, "param": None, "code": problem.status}
            self.finish(self.json({"error": error}))
        elif plan.body == "no-outer-type":
            self.finish(self.json({"error": body["error"]}))
        elif plan.body == "string":
            self.finish(self.json({"type": "error", "error": problem.message}))
        else:
            self.finish(self.json(body))

    def admit(self, *, counting: bool = False) -> Call:
        """Check the request."""
        own = self.simulator
        return checks.admit(self.request.body, self.request.headers, own.keys, own.files, counting=counting)

    def authenticate(self) -> None:
        """Check the key and the version, of a request that is no message."""
        checks.authenticate(self.request.headers, self.simulator.keys)
        checks.version(self.request.headers)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """What tornado itself refuses, for instance an unknown method."""
        self._identify()  # tornado has cleared the headers
        texts = {404: "Not found", 405: "Method Not Allowed"}
        self.problem(Problem(status_code, texts.get(status_code)), Plan())


class Messages(Base):
    """``POST /v1/messages``."""

    async def post(self) -> None:
        """Answer as planned, or else as the API would."""
        await self.run(self._answer())

    def _plan(self) -> Plan:
        """What should happen: the header's plan, else the queue's, the question's, the server's."""
        try:
            if header := self.request.headers.get("x-simulator"):
                return Plan.parse(header.encode("latin-1").decode("utf-8", "replace"))
            if queued := self.simulator.faults.take():
                return queued
            if (planned := self._of_question()) is not None:
                return planned
        except ValueError as error:
            raise invalid(str(error)) from None
        return self.simulator.plan

    def _of_question(self) -> Plan | None:
        """The plan of the question's line for this answer: each line holds for one, or as often as it says."""
        lines, rounds = plan_lines(self.recorded.body)
        for plan in [Plan.parse(line) for line in lines]:
            if rounds < plan.times:
                return plan
            rounds -= plan.times
        return None

    async def _answer(self) -> None:
        plan = self._plan()
        if plan.delay:
            await asyncio.sleep(plan.delay)
        if plan.fault == "hangup":
            self.drop()
        elif plan.status is not None:
            self.problem(Problem(plan.status, plan.message, kind=plan.type), plan)
        else:
            await self._as_asked(plan)

    async def _as_asked(self, plan: Plan) -> None:
        call = self.admit()
        made = answers.compose(call, plan, self.simulator.cache, self.simulator.ids)
        if plan.answer_as == "html":
            self.set_header("content-type", "text/html; charset=utf-8")
            await self.send(_HTML.format("200 Everything is fine").encode())
        elif call.body.get("stream") and plan.answer_as != "json":
            await self._stream(made, plan)
        else:
            await self._whole(made, plan)

    async def _stream(self, made: Answer, plan: Plan) -> None:
        kind = "application/json" if plan.has("bare-json") else "text/event-stream; charset=utf-8"
        self.set_header("content-type", kind)
        self.set_header("cache-control", "no-cache")
        items = with_faults(mutate(stream(made), plan), plan)
        await self.flush()
        await write(frames(items, plan), self, plan.pace or self.simulator.pace, plan.bytes)

    async def _whole(self, made: Answer, plan: Plan) -> None:
        """A message in one piece; faults strike in the middle of its JSON."""
        await asyncio.sleep(plan.think_delay)
        data = self.json(made.message())
        if plan.fault == "error":
            error = error_event(plan)["error"]
            kind = plan.type or "overloaded_error"
            text = error if isinstance(error, str) else error["message"]
            self.problem(Problem(_ERROR_STATUS.get(kind, 500), text, kind=kind), plan)
        elif plan.fault in ("cut", "stall", "truncate"):
            self.set_header("content-length", len(data) // (2 if plan.fault == "truncate" else 1))
            await self.send(data[: len(data) // 2])
            if plan.fault == "cut":
                self.drop()
            elif plan.fault == "stall":
                await asyncio.Event().wait()
        else:
            await self.send(data)


class CountTokens(Base):
    """``POST /v1/messages/count_tokens``."""

    async def post(self) -> None:
        """Count the input tokens of a request."""
        await self.run(self._count())

    async def _count(self) -> None:
        call = self.admit(counting=True)
        count = tokens.of_request(call.body, call.model.image_tier)
        self.finish(self.json({"input_tokens": count}))


class Models(Base):
    """``GET /v1/models``."""

    async def get(self, name: str | None = None) -> None:
        """List the models, or describe one."""
        await self.run(self._list(name))

    async def _list(self, name: str | None) -> None:
        self.authenticate()
        self.finish(self.json(catalogue.one(name) if name else self._page()))

    def _page(self) -> JSON:
        one = self.get_query_argument
        lifecycles = self.get_query_arguments("lifecycle[]")
        return catalogue.page(one("limit", None), one("after_id", None), one("before_id", None), lifecycles)


class Files(Base):
    """``/v1/files``."""

    async def post(self) -> None:
        """Take a file."""
        await self.run(self._upload())

    async def get(self) -> None:
        """List the files."""
        await self.run(self._list())

    async def _upload(self) -> None:
        self.authenticate()
        self.finish(self.json(self.simulator.files.upload(self.request.files, self.request.body_arguments)))

    async def _list(self) -> None:
        self.authenticate()
        one = self.get_query_argument
        ids = self.get_query_arguments("ids[]")
        self.finish(self.json(self.simulator.files.page(one("limit", None), one("page", None), ids)))


class File(Base):
    """``/v1/files/{id}``."""

    async def get(self, id: str) -> None:
        """Describe a file."""
        await self.run(self._describe(id))

    async def delete(self, id: str) -> None:
        """Forget a file."""
        await self.run(self._delete(id))

    async def _describe(self, id: str) -> None:
        self.authenticate()
        self.finish(self.json(self.simulator.files.one(id).info()))

    async def _delete(self, id: str) -> None:
        self.authenticate()
        self.finish(self.json(self.simulator.files.delete(id)))


class FileContent(Base):
    """``/v1/files/{id}/content``."""

    async def get(self, id: str) -> None:
        """Refuse to give a file back."""
        await self.run(self._refuse(id))

    async def _refuse(self, id: str) -> None:
        self.authenticate()
        raise self.simulator.files.content(id)


class Root(Base):
    """``GET /``."""

    def get(self) -> None:
        """Say what this is."""
        self.finish(self.json({"simulator": "claude_magic", "note": "Answers here are made without a model."}))

    def head(self) -> None:
        """Say that something is here."""
        self.finish()


class Nowhere(Base):
    """Every other address."""

    def prepare(self) -> None:
        """Answer 404 to any method."""
        super().prepare()
        self.problem(Problem(404, "Not found"), Plan())


def routes(simulator: Simulator) -> list[Any]:
    """Addresses and their handlers."""
    own = {"simulator": simulator}
    return [
        (r"/v1/messages", Messages, own),
        (r"/v1/messages/count_tokens", CountTokens, own),
        (r"/v1/models", Models, own),
        (r"/v1/models/([^/]+)", Models, own),
        (r"/v1/files", Files, own),
        (r"/v1/files/([^/]+)", File, own),
        (r"/v1/files/([^/]+)/content", FileContent, own),
        (r"/", Root, own),
        (r"/.*", Nowhere, own),
    ]
