"""Reads server-sent events from chunks of bytes, wherever the chunks are split.

The reader is incremental, in linear time. It accepts LF, CRLF and CR line ends, a byte order mark,
comments, data over several lines, a missing blank line at the end, and JSON objects without any
framing, as one gateway documents them. Nothing else ends a line: U+2028 and the like are text (a
reader built on ``str.splitlines`` would break there).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"event", b"id", b"retry")
_BRACES = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[{}]')
"""Braces, and strings so that braces inside them are skipped; JSON strings contain no line ends."""


class SSEReader:
    """Turns chunks of bytes into the data of events.

    Event names are dropped: this API repeats them as ``type`` in the data, and some servers omit them.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._bare: list[bytes] = []
        self._depth = 0
        self._after_cr = False
        self._begun = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that ends in this chunk."""
        if b"\r" in chunk or self._after_cr:
            chunk = self._plain_line_ends(chunk)
        first, *lines = chunk.split(b"\n")
        if not lines:
            if chunk:
                self._line.append(chunk)
            return []
        unfinished = lines.pop()
        if self._line:
            first = b"".join([*self._line, first])
            self._line.clear()
        if unfinished:
            self._line.append(unfinished)
        return self._take([first, *lines])

    def close(self) -> list[bytes]:
        """The data of an event that the end of the stream completes."""
        line = b"".join(self._line)
        self._line.clear()
        return self._take([line, b""] if line else [b""])

    def _plain_line_ends(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # the second half of a CRLF split between chunks
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take(self, lines: list[bytes]) -> list[bytes]:
        if not self._begun:
            lines[0] = lines[0].removeprefix(_BOM)
            self._begun = True
        found: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line:
                if self._data:
                    data = b"\n".join(self._data)
                    self._data.clear()
                    if data.strip():
                        found.append(data)
            elif (name := line.partition(b":")[0]) == b"data":
                self._data.append(b"")
            elif name and name not in _FIELDS:
                found += self._take_bare(line)
        return found

    def _take_bare(self, line: bytes) -> Iterator[bytes]:
        if not self._depth and not line.lstrip().startswith(b"{"):
            return  # an unknown field, to be ignored
        begin = 0
        for token in _BRACES.finditer(line):
            if token[0] == b"{":
                self._depth += 1
            elif token[0] == b"}" and self._depth:
                self._depth -= 1
                if not self._depth:
                    self._bare.append(line[begin : token.end()])
                    data = b"\n".join(self._bare)
                    self._bare.clear()
                    begin = token.end()
                    yield data
        if self._depth:
            self._bare.append(line[begin:])


def read_json(data: bytes | bytearray) -> Any:
    """Decoded JSON; None if it is not valid."""
    try:
        # Plain UTF-8 without surrounding white space, as events are, decodes in half the time of json.loads.
        text = str(data, "utf-8", "surrogatepass")
        value, end = _decode(text)
        if end == len(text):
            return value
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


_decode = json.JSONDecoder().raw_decode
