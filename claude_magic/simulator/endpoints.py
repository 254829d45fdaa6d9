"""The HTTP endpoints of the simulator, one handler for each address."""

from __future__ import annotations

import asyncio
import datetime
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tornado import web
from tornado.iostream import StreamClosedError

from . import answer_composer, model_list, request_checks, tokens
from .api_errors import ErrorResponse, bad_request
from .message_request import JSON, MessageRequest, plan_lines
from .paced_writer import write
from .plan import Plan
from .request_log import record
from .simulated_message import SimulatedMessage
from .simulator_state import SimulatorState
from .sse_encoder import frames
from .stream_events import error_event, events_of, with_faults
from .vendor_quirks import mutate

_HTML = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"
_RATE_LIMITS = {"requests": 4000, "tokens": 400_000, "input-tokens": 400_000, "output-tokens": 80_000}
_MAX_RECORDED = 1000
"""Requests that are kept; a server may run for as long as a kernel."""

_ERROR_STATUS = {"overloaded_error": 529, "rate_limit_error": 429, "timeout_error": 504}
"""The status of an error that interrupts an answer which is not streamed; 500 for all others."""


class Endpoint(web.RequestHandler):
    """What all endpoints have in common: headers, recording, errors, and cancelling."""

    state: SimulatorState

    def initialize(self, state: SimulatorState) -> None:
        """Take the state of the server."""
        self.state = state
        self.request_id = state.ids.next("req")
        self._work: asyncio.Task[None] | None = None

    def set_default_headers(self) -> None:
        """Mark every response as simulated."""
        self.clear_header("Server")
        self.set_header("x-simulator", "claude_magic")

    def prepare(self) -> None:
        """Record the request as it arrived."""
        self._set_api_headers()
        self.recorded = record(self.request)
        self.state.requests.append(self.recorded)
        del self.state.requests[:-_MAX_RECORDED]

    def _set_api_headers(self) -> None:
        self.set_header("request-id", self.request_id)
        self.set_header("anthropic-organization-id", "00000000-0000-4000-8000-000000000000")
        now = datetime.datetime.fromtimestamp(self.state.clock(), datetime.UTC)
        for name, limit in _RATE_LIMITS.items():
            self.set_header(f"anthropic-ratelimit-{name}-limit", str(limit))
            self.set_header(f"anthropic-ratelimit-{name}-remaining", str(limit - 1))
            self.set_header(f"anthropic-ratelimit-{name}-reset", f"{now:%Y-%m-%dT%H:%M:%SZ}")

    async def run(self, work: Awaitable[None]) -> None:
        """Answer the request; cancelled when the client disconnects or the server stops."""
        self._work = asyncio.ensure_future(work)
        self.state.working.add(self._work)
        try:
            await self._work
        except ErrorResponse as error:
            self.refuse(error, Plan())
        except (asyncio.CancelledError, StreamClosedError):
            self.drop()
        finally:
            self.state.working.discard(self._work)

    def on_connection_close(self) -> None:
        """Cancel the work: the client has disconnected."""
        if self._work is not None:
            self._work.cancel()

    def drop(self) -> None:
        """Close the connection, whatever has been sent."""
        connection: Any = self.request.connection  # tornado's protocol class does not name the stream
        if getattr(connection, "stream", None) is not None:
            connection.stream.close()

    async def send(self, data: bytes) -> None:
        """Write and flush."""
        self.write(data)
        await self.flush()

    def json(self, body: Mapping[str, object]) -> bytes:
        """Encode a JSON body and set its content type."""
        self.set_header("content-type", "application/json")
        return json.dumps(body, ensure_ascii=False).encode()

    def refuse(self, error: ErrorResponse, plan: Plan) -> None:
        """Answer with an error, in the shape that a plan asks for."""
        self.set_status(error.status, error.kind)
        for name, value in (
            ("retry-after", plan.retry_after),
            ("retry-after-ms", plan.retry_after_ms),
            ("x-should-retry", plan.should_retry),
        ):
            if value is not None:
                self.set_header(name, value)
        body = error.body(self.request_id)
        if plan.body == "html":
            self.set_header("content-type", "text/html; charset=utf-8")
            self.finish(_HTML.format(f"{error.status} {error.message}"))
        elif plan.body == "empty":
            self.clear_header("content-type")
            self.finish()
        elif plan.body == "openai":
            openai_error = {"message": error.message, "type": error.kind, "param": None, "code": error.status}
            self.finish(self.json({"error": openai_error}))
        elif plan.body == "no-outer-type":
            self.finish(self.json({"error": body["error"]}))
        elif plan.body == "string":
            self.finish(self.json({"type": "error", "error": error.message}))
        else:
            self.finish(self.json(body))

    def admit(self, *, counting: bool = False) -> MessageRequest:
        """Check the whole request."""
        state = self.state
        return request_checks.admit(self.request.body, self.request.headers, state.keys, state.files, counting=counting)

    async def answer_json(self, body: Callable[[], JSON]) -> None:
        """Answer a request that holds no message: check only key and version, then send the body."""

        async def answer() -> None:
            request_checks.authenticate(self.request.headers, self.state.keys)
            request_checks.version(self.request.headers)
            self.finish(self.json(body()))

        await self.run(answer())

    def write_error(self, status_code: int, **kwargs: object) -> None:
        """Answer what tornado itself refuses, for instance an unsupported method."""
        self._set_api_headers()  # tornado has cleared the headers
        texts = {404: "Not found", 405: "Method Not Allowed"}
        self.refuse(ErrorResponse(status_code, texts.get(status_code)), Plan())


class MessagesEndpoint(Endpoint):
    """``POST /v1/messages``."""

    async def post(self) -> None:
        """Answer as planned, or else as the API would."""
        await self.run(self._answer())

    def _plan(self) -> Plan:
        """The plan for this answer: from the header, or else the queue, the question, the server's default."""
        try:
            if header := self.request.headers.get("x-simulator"):
                return Plan.parse(header.encode("latin-1").decode("utf-8", "replace"))
            if queued := self.state.faults.take():
                return queued
            if (planned := self._plan_in_question()) is not None:
                return planned
        except ValueError as error:
            raise bad_request(str(error)) from None
        return self.state.plan

    def _plan_in_question(self) -> Plan | None:
        """The question's ``simulate:`` line for this answer; each line is for one answer, or for ``times`` of them."""
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
            self.refuse(ErrorResponse(plan.status, plan.message, kind=plan.type), plan)
        else:
            await self._admit_and_answer(plan)

    async def _admit_and_answer(self, plan: Plan) -> None:
        request = self.admit()
        message = answer_composer.compose(request, plan, self.state.cache, self.state.ids)
        if plan.answer_as == "html":
            self.set_header("content-type", "text/html; charset=utf-8")
            await self.send(_HTML.format("200 Everything is fine").encode())
        elif request.body.get("stream") and plan.answer_as != "json":
            await self._send_stream(message, plan)
        else:
            await self._send_whole(message, plan)

    async def _send_stream(self, message: SimulatedMessage, plan: Plan) -> None:
        kind = "application/json" if plan.has("bare-json") else "text/event-stream; charset=utf-8"
        self.set_header("content-type", kind)
        self.set_header("cache-control", "no-cache")
        items = with_faults(mutate(events_of(message), plan.quirks), plan)
        await self.flush()
        await write(frames(items, plan), self, plan.pace or self.state.pace, plan.bytes)

    async def _send_whole(self, message: SimulatedMessage, plan: Plan) -> None:
        """Send a message that is not streamed; faults strike in the middle of its JSON."""
        await asyncio.sleep(plan.think_delay)
        data = self.json(message.message())
        if plan.fault == "error":
            error = error_event(plan)["error"]
            kind = plan.type or "overloaded_error"
            text = error if isinstance(error, str) else error["message"]
            self.refuse(ErrorResponse(_ERROR_STATUS.get(kind, 500), text, kind=kind), plan)
        elif plan.fault in ("cut", "stall", "truncate"):
            self.set_header("content-length", len(data) // (2 if plan.fault == "truncate" else 1))
            await self.send(data[: len(data) // 2])
            if plan.fault == "cut":
                self.drop()
            elif plan.fault == "stall":
                await asyncio.Event().wait()
        else:
            await self.send(data)


class CountTokensEndpoint(Endpoint):
    """``POST /v1/messages/count_tokens``."""

    async def post(self) -> None:
        """Count the input tokens of a request."""
        await self.run(self._count())

    async def _count(self) -> None:
        request = self.admit(counting=True)
        count = tokens.of_request(request.body, request.model.image_tier)
        self.finish(self.json({"input_tokens": count}))


class ModelsEndpoint(Endpoint):
    """``GET /v1/models`` and ``GET /v1/models/{id}``."""

    async def get(self, name: str | None = None) -> None:
        """List the models, or describe one."""
        await self.answer_json(lambda: model_list.get(name) if name else self._page())

    def _page(self) -> JSON:
        limit, after, before = (self.get_query_argument(name, None) for name in ("limit", "after_id", "before_id"))
        return model_list.page(limit, after, before, self.get_query_arguments("lifecycle[]"))


class FilesEndpoint(Endpoint):
    """``/v1/files``."""

    async def post(self) -> None:
        """Upload a file."""
        await self.answer_json(lambda: self.state.files.upload(self.request.files, self.request.body_arguments))

    async def get(self) -> None:
        """List the files."""
        await self.answer_json(self._page)

    def _page(self) -> JSON:
        limit, cursor = (self.get_query_argument(name, None) for name in ("limit", "page"))
        return self.state.files.page(limit, cursor, self.get_query_arguments("ids[]"))


class FileEndpoint(Endpoint):
    """``/v1/files/{id}``."""

    async def get(self, id: str) -> None:
        """Describe a file."""
        await self.answer_json(lambda: self.state.files.get(id).metadata())

    async def delete(self, id: str) -> None:
        """Delete a file."""
        await self.answer_json(lambda: self.state.files.delete(id))


class FileContentEndpoint(Endpoint):
    """``/v1/files/{id}/content``."""

    async def get(self, id: str) -> None:
        """Refuse the download."""
        await self.answer_json(lambda: self.state.files.download(id))


class RootEndpoint(Endpoint):
    """``GET /``, for people who open the address in a browser."""

    def get(self) -> None:
        """Say what this server is."""
        self.finish(self.json({"simulator": "claude_magic", "note": "Answers here are made without a model."}))

    def head(self) -> None:
        """Show that the server is running."""
        self.finish()


class NotFoundEndpoint(Endpoint):
    """Every other address."""

    def prepare(self) -> None:
        """Answer any method with 404."""
        super().prepare()
        self.refuse(ErrorResponse(404, "Not found"), Plan())


def routes(state: SimulatorState) -> list[Any]:
    """Addresses and their handlers, as tornado's ``Application`` takes them."""
    arguments = {"state": state}
    return [
        (r"/v1/messages", MessagesEndpoint, arguments),
        (r"/v1/messages/count_tokens", CountTokensEndpoint, arguments),
        (r"/v1/models", ModelsEndpoint, arguments),
        (r"/v1/models/([^/]+)", ModelsEndpoint, arguments),
        (r"/v1/files", FilesEndpoint, arguments),
        (r"/v1/files/([^/]+)", FileEndpoint, arguments),
        (r"/v1/files/([^/]+)/content", FileContentEndpoint, arguments),
        (r"/", RootEndpoint, arguments),
        (r"/.*", NotFoundEndpoint, arguments),
    ]
