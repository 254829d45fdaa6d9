"""Answers of the Messages API as prepared bytes, and the least that must be done to read one."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MODEL = "claude-sonnet-5-5"
Block = tuple[dict[str, Any], list[dict[str, Any]]]
"""How a content block begins, and its deltas."""


def text(pieces: Iterable[str]) -> Block:
    """A block of text."""
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]


def thinking(pieces: Iterable[str]) -> Block:
    """A block of thinking, with its seal."""
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    return {"type": "thinking", "thinking": "", "signature": ""}, [
        *deltas,
        {"type": "signature_delta", "signature": "c2VhbA=="},
    ]


def call(number: int, name: str, pieces: Iterable[str]) -> Block:
    """A call of a tool, its arguments in pieces."""
    start = {"type": "tool_use", "id": f"toolu_{number:024}", "name": name, "input": {}}
    return start, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def cut(words: str, length: int) -> list[str]:
    """A text in pieces of the same length."""
    return [words[start : start + length] for start in range(0, len(words), length)]


def write(folder: Path, name: str, blocks: Sequence[Block]) -> None:
    """Write an answer as a stream, and as one JSON object."""
    stop = "tool_use" if any(start["type"] == "tool_use" for start, _ in blocks) else "end_turn"
    usage = {"input_tokens": 10, "output_tokens": sum(len(deltas) for _, deltas in blocks)}
    message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}, {"type": "ping"}]
    for index, (start, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": stop, "stop_sequence": None}
    events += [{"type": "message_delta", "delta": delta, "usage": usage}, {"type": "message_stop"}]
    stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    folder.joinpath(f"{name}.sse").write_text(stream, "utf-8")
    whole = {**message, "content": [_whole(*block) for block in blocks], "stop_reason": stop, "usage": usage}
    folder.joinpath(f"{name}.json").write_text(json.dumps(whole), "utf-8")


def _whole(start: dict[str, Any], deltas: list[dict[str, Any]]) -> dict[str, Any]:
    joined = "".join(delta.get("text") or delta.get("thinking") or delta.get("partial_json") or "" for delta in deltas)
    if start["type"] == "tool_use":
        return {**start, "input": json.loads(joined)}
    return {**start, start["type"]: joined}


class Socket:
    """The floor of a client: one kept connection, and an answer folded as it comes, with nothing else.

    Parameters
    ----------
    url : str
        The base URL.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._where = (parts.hostname or "", parts.port or 0)
        self._path = parts.path
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Let the next request open another connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, body: Sequence[bytes], see: Callable[[str], object] = lambda piece: None) -> list[Any]:
        """Send a request; the blocks of the answer come back, text and thinking as strings, calls as their input.

        Parameters
        ----------
        body : sequence of bytes
        see : callable
            Told of each piece.
        """
        if self._socket is None:
            self._socket = socket.create_connection(self._where)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        length = sum(map(len, body))
        head = f"POST {self._path}/v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n"
        self._send([head.encode(), *body])
        return self._read(see)

    def _send(self, pieces: list[bytes]) -> None:
        assert self._socket is not None
        views = [memoryview(piece) for piece in pieces]
        while views:
            sent = self._socket.sendmsg(views)
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if views:
                views[0] = views[0][sent:]

    def _read(self, see: Callable[[str], object]) -> list[Any]:
        assert self._socket is not None
        kinds: list[str] = []
        pieces: list[list[str]] = []
        rest = b""
        while True:
            read = self._socket.recv(65536)
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                if line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    if event["type"] == "content_block_delta":
                        delta = event["delta"]
                        piece = delta.get("text") or delta.get("thinking") or delta.get("partial_json")
                        if piece:
                            pieces[event["index"]].append(piece)
                            see(piece)
                    elif event["type"] == "content_block_start":
                        kinds.append(event["content_block"]["type"])
                        pieces.append([])
                elif line == b"0\r":
                    joined = map("".join, pieces)
                    return [
                        json.loads(block) if kind == "tool_use" else block
                        for kind, block in zip(kinds, joined, strict=True)
                    ]
            if not read:
                raise ConnectionError("the server closed the connection")


def question(words: str = "Go on.", **more: Any) -> bytes:
    """A request."""
    messages = [{"role": "user", "content": words}]
    return json.dumps({"model": MODEL, "max_tokens": 1000, "stream": True, "messages": messages, **more}).encode()
