"""What an answer costs, read from its bytes as they pass."""

from __future__ import annotations

import dataclasses
from typing import Any

from claude_magic.messages.sse import SSEReader, read_json
from claude_magic.messages.usage import Usage

_CHARACTERS_PER_TOKEN = 4
_TEXTS = ("text", "thinking", "partial_json")


class Meter:
    """Counts an answer, streamed or whole, without changing or keeping it.

    Parameters
    ----------
    estimated : Usage
        What the request was taken to cost; it holds until the API says better.
    model : str
        The model that was asked; the one that answers takes its place.

    Attributes
    ----------
    begun, ended : bool
        Whether the API has counted the input, and whether it has counted to the end.
    """

    def __init__(self, estimated: Usage, model: str) -> None:
        self.model = model
        self.begun = False
        self.ended = False
        self._usage = estimated
        self._characters = 0
        self._reader = SSEReader()
        self._whole: list[bytes] | None = None

    def expect(self, content_type: str) -> None:
        """How the answer will come: as events, or as one JSON object."""
        self._whole = [] if "json" in content_type else None

    def feed(self, chunk: bytes) -> None:
        """Look at some bytes of the answer."""
        if self._whole is not None:
            self._whole.append(chunk)
            return
        for data in self._reader.feed(chunk):
            self._see(read_json(data))

    def close(self) -> None:
        """There will be no more bytes."""
        if self._whole is not None:
            message = read_json(b"".join(self._whole))
            self._start(message)
            self.ended = self.begun
            return
        for data in self._reader.close():
            self._see(read_json(data))

    @property
    def usage(self) -> Usage:
        """What the API counted; of an answer that was cut, at least what was seen of it."""
        if self.ended:
            return self._usage
        seen = -(-self._characters // _CHARACTERS_PER_TOKEN)
        output = max(self._usage.output_tokens, seen)
        return dataclasses.replace(self._usage, output_tokens=output, at_least=True)

    def _see(self, event: Any) -> None:
        if not isinstance(event, dict):
            return
        kind = event.get("type")
        if kind == "message_start":
            self._start(event.get("message"))
        elif kind == "content_block_delta" and isinstance(delta := event.get("delta"), dict):
            self._characters += sum(len(text) for key in _TEXTS if isinstance(text := delta.get(key), str))
        elif kind == "message_delta" and isinstance(usage := event.get("usage"), dict):
            self._usage = self._usage.updated(usage)
        elif kind == "message_stop":
            self.ended = True

    def _start(self, message: Any) -> None:
        if not isinstance(message, dict):
            return
        if isinstance(usage := message.get("usage"), dict):
            self._usage = Usage().updated(usage)
            self.begun = True
        if isinstance(model := message.get("model"), str) and model:
            self.model = model
