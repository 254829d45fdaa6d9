"""Servers of a few lines, for what no well-behaved server does."""

from __future__ import annotations

import dataclasses
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from claude_magic.messages.client import Client
from claude_magic.messages.exchange import RequestBody
from claude_magic.messages.reply import Reply

Answer = bytes | Callable[[socket.socket], object]


@dataclasses.dataclass
class Got:
    """A request as it came over the wire."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) < 2, f"{name} was sent {len(values)} times"
        return values[0] if values else None


class Raw:
    """Answers each request with the next of the answers; the last is given again and again.

    An answer is bytes, or a function that does something with the connection; after ``None`` the
    connection is closed without a word.
    """

    def __init__(self, *answers: Answer | None, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.answers = list(answers)
        self.context = context
        self.got: list[Got] = []
        self.connections = 0
        self.over = threading.Event()
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._open: set[socket.socket] = set()
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            self._open.add(connection)
            with connection, connection.makefile("rb") as stream:
                while line := stream.readline().decode("latin-1").strip():
                    headers = []
                    while header := stream.readline().decode("latin-1").strip():
                        name, _, value = header.partition(":")
                        headers.append((name.lower(), value.strip()))
                    body = stream.read(int(dict(headers).get("content-length", 0)))
                    answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                    self.got.append(Got(line, headers, body, number))
                    if answer is None:
                        return
                    if callable(answer):
                        answer(connection)
                    else:
                        connection.sendall(answer)
        except OSError:
            connection.close()

    def stop(self) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in tuple(self._open):
            try:
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(10)


@contextmanager
def raw(*answers: Answer | None, context: ssl.SSLContext | None = None) -> Iterator[Raw]:
    server = Raw(*answers, context=context)
    try:
        yield server
    finally:
        server.stop()


def http(body: bytes, kind: str = "text/event-stream", status: str = "200 OK", **headers: str) -> bytes:
    """A response with a length, so that the connection can be used again."""
    head = {"content-type": kind, "content-length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in head.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def endless(*events: dict[str, Any]) -> bytes:
    """The beginning of a stream that says nothing more, and does not end."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + sse(*events)


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


START = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3}}}
TEXT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello!"}}
TAIL = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
STOP = {"type": "message_stop"}
HELLO = sse(START, TEXT, TAIL, STOP)

COUNTED = RequestBody([b'{"model": "claude-sonnet-5-5", "messages": [{"role": "user", "content": "Hi"}]}'])
"""A request whose tokens are counted."""


def ask(**fields: Any) -> RequestBody:
    """A request that the simulator takes."""
    wire = {"model": "claude-sonnet-5-5", "max_tokens": 1000, "stream": True}
    wire["messages"] = [{"role": "user", "content": "Hi there"}]
    return RequestBody([json.dumps({**wire, **fields}).encode()])


def answer(client: Client, **fields: Any) -> Reply:
    stream = client.stream(ask(**fields))
    list(stream)
    return stream.reply
