"""A plain server on the loopback that writes prepared bytes, in a process of its own.

A request to ``/NAME[@PACE]/v1/messages`` is answered with the events of the file ``NAME.sse`` in the
server's folder: one HTTP chunk and one send for each event, PACE of them a second. When the request
holds the result of a tool, ``NAME.after.sse`` is written instead; when it does not ask for a stream,
``NAME.json``. ``/notes`` tells when each event of the last paced answer was sent, in the seconds of
``time.time()``, and how many bytes the last request had.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cases import Scene

_PATH = re.compile(rb"\w+ /([\w.-]+)(?:@(\d+))?")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": *true')
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%s\r\n\r\n"
_BLOCK = 1 << 20


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server for a folder; gives its address."""
    command = [sys.executable, "-m", "benchmarks.server", str(folder)]
    process = subprocess.Popen(
        command, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()  # which ends it
        process.stdout.close()
        process.wait()


def notes(url: str) -> dict[str, Any]:
    """What the server of a base URL has noted: ``times`` and ``length``."""
    with urllib.request.urlopen(f"{url.rpartition('/')[0]}/notes") as response:  # noqa: S310
        found: dict[str, Any] = json.loads(response.read())
        return found


def address(scene: Scene, name: str, pace: int = 0) -> str:
    """A base URL that is answered with the events of that name, as long as the scene is open."""
    url = scene.keep.enter_context(serving(scene.folder))
    return f"{url}/{name}@{pace}" if pace else f"{url}/{name}"


class _Connection:
    def __init__(self, connected: socket.socket, folder: Path, notes: dict[str, Any]) -> None:
        self._socket = connected
        self._folder = folder
        self._notes = notes
        self._kept: dict[str, list[bytes]] = {}

    def serve(self) -> None:
        """Answer until the other side closes."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._socket:
            try:
                while self._answer():
                    pass
            except OSError:
                pass  # it was closed in mid-answer

    def _answer(self) -> bool:
        read = bytearray()
        while (end := read.find(b"\r\n\r\n")) < 0:
            if not (more := self._socket.recv(_BLOCK)):
                return False
            read += more
        path = _PATH.match(read)
        length = _LENGTH.search(read, 0, end + 2)
        left = int(length[1]) - (len(read) - end - 4) if length else 0
        body = read[end + 4 :]
        # Of a large body only the two ends are looked at.
        head, tail = bytes(body[:4096]), bytes(body[-65536:])
        while left > 0:
            if not (more := self._socket.recv(min(_BLOCK, left))):
                return False
            tail = (tail + more)[-65536:]
            left -= len(more)
        name, pace = (path[1].decode(), int(path[2] or 0)) if path else ("", 0)
        if name == "notes":
            self._whole(json.dumps(self._notes).encode())
            return True
        self._notes["length"] = int(length[1]) if length else 0
        if _STREAM.search(head) or _STREAM.search(tail):
            self._stream(self._chunks(f"{name}.after.sse" if b'"tool_result"' in tail else f"{name}.sse"), pace)
        else:
            self._whole(
                self._folder.joinpath(f"{name}.after.json" if b'"tool_result"' in tail else f"{name}.json").read_bytes()
            )
        return True

    def _chunks(self, name: str) -> list[bytes]:
        if name not in self._kept:
            events = self._folder.joinpath(name).read_bytes().split(b"\n\n")[:-1]
            self._kept[name] = [b"%x\r\n%s\n\n\r\n" % (len(event) + 2, event) for event in events]
        return self._kept[name]

    def _whole(self, body: bytes) -> None:
        self._socket.sendall(_HEAD % (b"application/json", b"content-length: %d" % len(body)) + body)

    def _stream(self, chunks: list[bytes], pace: int) -> None:
        send = self._socket.sendall
        send(_HEAD % (b"text/event-stream", b"transfer-encoding: chunked"))
        if not pace:
            for chunk in chunks:
                send(chunk)
        else:
            times = self._notes["times"] = []
            begun = time.monotonic()
            for number, chunk in enumerate(chunks):
                if (early := begun + number / pace - time.monotonic()) > 0:
                    time.sleep(early)
                times.append(time.time())
                send(chunk)
        send(b"0\r\n\r\n")


def main(folder: Path) -> None:
    """Serve until standard input ends."""
    notes: dict[str, Any] = {}
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            connection = _Connection(listening.accept()[0], folder, notes)
            threading.Thread(target=connection.serve, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
