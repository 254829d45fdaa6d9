"""The simulator's answer as data: content blocks, each with the pieces in which a stream delivers it."""

from __future__ import annotations

import dataclasses
import json
from typing import TypedDict

from . import tokens
from .message_request import JSON

_INPUT_PIECE = 12
"""Characters of a tool's input that one delta carries."""


class UsageObject(TypedDict, total=False):
    """``usage`` of a finished message, as the API writes it; counts are tokens."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    cache_creation: dict[str, int]
    output_tokens_details: dict[str, int]
    server_tool_use: dict[str, int] | None
    service_tier: str
    speed: str
    inference_geo: str


@dataclasses.dataclass(frozen=True)
class SimulatedBlock:
    """One content block.

    ``start`` is the block as ``content_block_start`` shows it. ``pieces`` are what the deltas carry: text,
    thinking, or the JSON of a tool's input; a block that arrives whole has none.
    """

    start: JSON
    pieces: tuple[str, ...] = ()
    signature: str = ""
    citations: tuple[JSON, ...] = ()

    @classmethod
    def tool_call(cls, kind: str, id: str, name: str, value: JSON) -> SimulatedBlock:
        """A ``tool_use`` or ``server_tool_use`` block."""
        text = json.dumps(value, ensure_ascii=False)
        pieces = tuple(text[start : start + _INPUT_PIECE] for start in range(0, len(text), _INPUT_PIECE))
        start: JSON = {"type": kind, "id": id, "name": name, "input": {}, "caller": {"type": "direct"}}
        return cls(start, pieces if value else ())

    @property
    def kind(self) -> str:
        """The block's type."""
        return str(self.start["type"])

    @property
    def is_tool_call(self) -> bool:
        """Whether it calls a tool, so that its pieces are the JSON of an input."""
        return self.kind in ("tool_use", "server_tool_use")

    @property
    def joined(self) -> str:
        """All pieces together."""
        return "".join(self.pieces)

    def finished(self) -> JSON:
        """The block as it stands in a finished message."""
        if self.is_tool_call:
            return {**self.start, "input": _parsed_input(self.joined)}
        if self.kind == "thinking":
            return {**self.start, "thinking": self.joined, "signature": self.signature}
        if self.kind == "text":
            return {**self.start, "text": self.joined, "citations": list(self.citations) or None}
        return self.start

    def cut(self, characters: int) -> SimulatedBlock:
        """Its first characters only, without the signature or citations that would follow at its end."""
        if len(self.joined) <= characters:
            return self
        kept: list[str] = []
        left = characters
        for piece in self.pieces:
            if left <= 0:
                break
            kept.append(piece[:left])
            left -= len(piece)
        return dataclasses.replace(self, pieces=tuple(kept), signature="", citations=())


Blocks = tuple[SimulatedBlock, ...]


def _parsed_input(text: str) -> object:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {}  # cut in the middle, by max_tokens or by a plan


def text_block(*pieces: str, citations: tuple[JSON, ...] = ()) -> SimulatedBlock:
    """A text block."""
    start: JSON = {"type": "text", "text": "", "citations": [] if citations else None}
    return SimulatedBlock(start, pieces, citations=citations)


@dataclasses.dataclass(frozen=True)
class SimulatedMessage:
    """A whole answer.

    ``input_transformations`` report what was dropped from the request, ``diagnostics`` why the prompt cache was
    missed if the request asks for that.
    """

    id: str
    model: str
    blocks: Blocks
    usage: UsageObject
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    stop_details: JSON | None = None
    input_transformations: tuple[JSON, ...] = ()
    diagnostics: JSON | None = None

    def stop(self) -> JSON:
        """How it ended: the ``delta`` of a ``message_delta`` event."""
        return {
            "stop_reason": self.stop_reason,
            "stop_sequence": self.stop_sequence,
            "stop_details": self.stop_details,
            "container": None,
        }

    def extras(self) -> JSON:
        """Fields that only some answers have."""
        return {"input_transformations": list(self.input_transformations)} if self.input_transformations else {}

    def message(self) -> JSON:
        """The finished message."""
        content = [block.finished() for block in self.blocks]
        return self._envelope(content, self.stop(), self.usage) | self.extras()

    def opening(self) -> JSON:
        """The message as ``message_start`` shows it: no content yet, one output token."""
        stop: JSON = dict.fromkeys(self.stop())
        usage: UsageObject = {**self.usage, "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 0}}
        return self._envelope([], stop, usage)

    def _envelope(self, content: list[JSON], stop: JSON, usage: UsageObject) -> JSON:
        start = {"id": self.id, "type": "message", "role": "assistant", "model": self.model}
        return {**start, "content": content, **stop, "diagnostics": self.diagnostics, "usage": usage}


def output_tokens(blocks: Blocks) -> int:
    """Output tokens of some blocks."""
    return sum(tokens.of_text(block.joined) for block in blocks)


def cut_at_max_tokens(blocks: Blocks, max_tokens: int) -> tuple[Blocks, bool]:
    """Cut an answer at a number of tokens; return its blocks and whether anything was cut."""
    kept: list[SimulatedBlock] = []
    for block in blocks:
        room = (max_tokens - output_tokens(tuple(kept))) * tokens.CHARACTERS
        if len(block.joined) > max(room, 0):
            return (*kept, block.cut(room)) if room > 0 else tuple(kept), True
        kept.append(block)
    return tuple(kept), False


def cut_at_stop_sequence(blocks: Blocks, sequences: list[str]) -> tuple[Blocks, str | None]:
    """Cut an answer before the first stop sequence in its text; return its blocks and that sequence."""
    for i, block in enumerate(blocks):
        if block.kind != "text":
            continue
        text = block.joined
        found = [(text.find(sequence), sequence) for sequence in sequences if sequence in text]
        if found:
            position, sequence = min(found)
            return (*blocks[:i], block.cut(position)) if position else blocks[:i], sequence
    return blocks, None


def first_deltas(blocks: Blocks, count: int) -> Blocks:
    """Only as much of an answer as its first ``count`` deltas carry."""
    kept: list[SimulatedBlock] = []
    for block in blocks:
        if count <= 0:
            break
        kept.append(block.cut(len("".join(block.pieces[:count]))))
        count -= len(block.pieces)
    return tuple(kept)
