"""A running simulator, and a small client for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from claude_magic.simulator import Simulator

JSON = dict[str, Any]
OLD, NEW = "2023-06-01", "2026-10-21"
OLD_HEADERS = {"anthropic-version": OLD}
HI = {"role": "user", "content": "Hi"}
SHOWN = {"type": "adaptive", "display": "summarized"}
ADD = {"name": "add", "input_schema": {"type": "object"}}
SEARCH = {"type": "web_search_20260318", "name": "web_search"}
FETCH = {"type": "web_fetch_20260318", "name": "web_fetch", "citations": {"enabled": True}}
SHELL = {"type": "code_execution_20260521", "name": "code_execution"}
PYTHON = {"type": "code_execution_20250522", "name": "code_execution"}


class Api:
    """Talks to one simulator over real HTTP."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        # Unless verify is False, each client reads all root certificates, which takes longer than a test.
        self.http = httpx2.Client(base_url=simulator.url, timeout=20, trust_env=False, verify=False)
        self.headers = {"x-api-key": "some-key", "anthropic-version": NEW}

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *about: object) -> None:
        self.http.close()

    def read(
        self, plan: str | bytes, *, model: str = "claude-sonnet-5-5", read: float = 20
    ) -> tuple[bytes, list[bytes], str]:
        """Everything received of a stream: all bytes, the chunks, and the name of the error that ended it."""
        plan = plan if isinstance(plan, bytes) else plan.encode()
        headers = {name.encode(): value.encode() for name, value in self.headers.items()} | {b"x-simulator": plan}
        messages = [{"role": "user", "content": "Hi there"}]
        body = {"model": model, "max_tokens": 1024, "stream": True, "messages": messages}
        chunks: list[bytes] = []
        timeout = httpx2.Timeout(20, read=read)
        with self.http.stream("POST", "/v1/messages", json=body, headers=headers, timeout=timeout) as response:
            assert response.status_code == 200
            try:
                chunks.extend(response.iter_bytes())
            except httpx2.TransportError as error:
                return b"".join(chunks), chunks, type(error).__name__
        return b"".join(chunks), chunks, ""

    def post(
        self, question: Any = "Hi there", *, path: str = "/v1/messages", plan: str = "", **body: Any
    ) -> httpx2.Response:
        """Send a question; ``headers=`` are added to the usual ones, None removes one."""
        messages = [{"role": "user", "content": question}]
        body = {"model": "claude-sonnet-5-5", "max_tokens": 1024, "messages": messages, **body}
        headers = self.headers | ({"x-simulator": plan} if plan else {}) | body.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        body = {name: value for name, value in body.items() if value is not ...}
        return self.http.post(path, json=body, headers=headers)

    def ask(self, question: Any = "Hi there", **body: Any) -> JSON:
        """The answer as a message."""
        response = self.post(question, **body)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def text(self, question: Any = "Hi there", **body: Any) -> str:
        """The answer's text."""
        return "".join(b["text"] for b in self.ask(question, **body)["content"] if b["type"] == "text")

    def events(self, question: Any = "Hi there", **body: Any) -> list[JSON]:
        """The answer as the events of a stream."""
        response = self.post(question, stream=True, **body)
        assert response.status_code == 200, response.text
        return parse(response.text)

    def error(self, question: Any = "Hi there", *, status: int = 400, **body: Any) -> str:
        """The message of the error that a request is refused with."""
        response = self.post(question, **body)
        assert response.status_code == status, response.text
        assert response.json()["request_id"] == response.headers["request-id"]
        return str(response.json()["error"]["message"])


def parse(text: str) -> list[JSON]:
    """Events of a stream as the API writes it; strict."""
    assert text.endswith("\n\n")
    events = []
    for frame in text[:-2].split("\n\n"):
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def fold(events: list[JSON]) -> JSON:
    """The message that a well-formed stream adds up to."""
    message: JSON = events[0]["message"]
    raw: dict[int, str] = {}
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(message["content"])
            message["content"].append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            block, delta = message["content"][event["index"]], event["delta"]
            if delta["type"] == "input_json_delta":
                raw[event["index"]] = raw.get(event["index"], "") + delta["partial_json"]
            elif delta["type"] == "signature_delta":
                block["signature"] = delta["signature"]
            elif delta["type"] == "citations_delta":
                block["citations"].append(delta["citation"])
            else:
                key = delta["type"].removesuffix("_delta")
                block[key] += delta[key]
        elif event["type"] == "message_delta":
            message |= event["delta"]
            message["usage"] |= event["usage"]
    for index, text in raw.items():
        message["content"][index]["input"] = json.loads(text or "{}")
    return message


@pytest.fixture
def api(simulator: Simulator) -> Iterator[Api]:
    with Api(simulator) as talker:
        yield talker
