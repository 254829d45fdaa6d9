"""Measure what an answer costs from its bytes, as they pass through."""

from __future__ import annotations

import dataclasses

from claude_magic.messages.sse import SSEReader, read_json
from claude_magic.messages.usage import Usage

_CHARACTERS_PER_TOKEN = 4
_TEXTS = ("text", "thinking", "partial_json")


class Meter:
    """Reads the usage from an answer, streamed or not, without changing or keeping its bytes.

    Parameters
    ----------
    estimated : Usage
        The estimate for the request; it counts until the API reports usage.
    model : str
        The requested model; replaced by the model that answers.

    Attributes
    ----------
    begun, ended : bool
        Whether the API has reported the input's usage, and the whole answer's.
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
        """Choose between a stream of events and a single JSON object."""
        self._whole = [] if "json" in content_type else None

    def feed(self, chunk: bytes) -> None:
        """Read some bytes of the answer."""
        if self._whole is not None:
            self._whole.append(chunk)
            return
        for data in self._reader.feed(chunk):
            self._read_event(read_json(data))

    def close(self) -> None:
        """Finish reading: no more bytes will come."""
        if self._whole is not None:
            self._read_message(read_json(b"".join(self._whole)))
            self.ended = self.begun
            return
        for data in self._reader.close():
            self._read_event(read_json(data))

    @property
    def usage(self) -> Usage:
        """The usage that the API reported; a lower bound as long as the answer has not ended."""
        if self.ended:
            return self._usage
        seen = -(-self._characters // _CHARACTERS_PER_TOKEN)
        output = max(self._usage.output_tokens, seen)
        return dataclasses.replace(self._usage, output_tokens=output, at_least=True)

    def _read_event(self, event: object) -> None:
        if not isinstance(event, dict):
            return
        kind = event.get("type")
        if kind == "message_start":
            self._read_message(event.get("message"))
        elif kind == "content_block_delta" and isinstance(delta := event.get("delta"), dict):
            self._characters += sum(len(text) for key in _TEXTS if isinstance(text := delta.get(key), str))
        elif kind == "message_delta" and isinstance(usage := event.get("usage"), dict):
            self._usage = self._usage.updated(usage)
        elif kind == "message_stop":
            self.ended = True

    def _read_message(self, message: object) -> None:
        if not isinstance(message, dict):
            return
        if isinstance(usage := message.get("usage"), dict):
            self._usage = Usage().updated(usage)
            self.begun = True
        if isinstance(model := message.get("model"), str) and model:
            self.model = model
