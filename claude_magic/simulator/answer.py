"""An answer as data: its blocks, each with the pieces in which a stream delivers it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from . import tokens
from .call import JSON

_PIECE = 12
"""Characters of a tool's input that a delta carries."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One content block.

    Attributes
    ----------
    start : dict
        The block as ``content_block_start`` shows it.
    pieces : tuple of str
        What the deltas carry: text, thinking, or JSON of a tool's input; empty for a block that
        arrives whole.
    signature : str
        Of a thinking block.
    citations : tuple of dict
        Of a text block.
    """

    start: JSON
    pieces: tuple[str, ...] = ()
    signature: str = ""
    citations: tuple[JSON, ...] = ()

    @classmethod
    def calling(cls, kind: str, identifier: str, name: str, value: JSON) -> Part:
        """A block that calls a tool."""
        text = json.dumps(value, ensure_ascii=False)
        pieces = tuple(text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
        start = {"type": kind, "id": identifier, "name": name, "input": {}, "caller": {"type": "direct"}}
        return cls(start, pieces if value else ())

    @property
    def kind(self) -> str:
        """The block's type."""
        return str(self.start["type"])

    @property
    def streams_json(self) -> bool:
        """Whether the pieces are JSON of an input."""
        return self.kind in ("tool_use", "server_tool_use")

    @property
    def joined(self) -> str:
        """All pieces together."""
        return "".join(self.pieces)

    def block(self) -> JSON:
        """The finished block."""
        if self.streams_json:
            return {**self.start, "input": _object(self.joined)}
        if self.kind == "thinking":
            return {**self.start, "thinking": self.joined, "signature": self.signature}
        if self.kind == "text":
            return {**self.start, "text": self.joined, "citations": list(self.citations) or None}
        return self.start

    def cut(self, characters: int) -> Part:
        """The same block with only its first characters; what is cut off is neither signed nor cited."""
        kept: list[str] = []
        room = characters
        for piece in self.pieces:
            if room <= 0:
                break
            kept.append(piece[:room])
            room -= len(piece)
        whole = len(self.joined) <= characters
        if whole:
            return self
        return dataclasses.replace(self, pieces=tuple(kept), signature="", citations=())


def _object(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return {}  # cut off


def text_part(*pieces: str, citations: tuple[JSON, ...] = ()) -> Part:
    """A text block."""
    return Part({"type": "text", "text": "", "citations": [] if citations else None}, pieces, citations=citations)


@dataclasses.dataclass(frozen=True)
class Answer:
    """A whole answer.

    Attributes
    ----------
    id, model : str
    parts : tuple of Part
    usage : dict
        As in a finished message.
    stop_reason : str
    stop_sequence : str or None
    stop_details : dict or None
    input_transformations : tuple of dict
        What was dropped from the request.
    diagnostics : dict or None
        Why the prompt cache was missed, where that was asked.
    """

    id: str
    model: str
    parts: tuple[Part, ...]
    usage: JSON
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    stop_details: JSON | None = None
    input_transformations: tuple[JSON, ...] = ()
    diagnostics: JSON | None = None

    def stop(self) -> JSON:
        """How it ended, as a ``message_delta`` says."""
        return {
            "stop_reason": self.stop_reason,
            "stop_sequence": self.stop_sequence,
            "stop_details": self.stop_details,
            "container": None,
        }

    def extras(self) -> JSON:
        """Fields beside the ordinary ones, if there are any."""
        if not self.input_transformations:
            return {}
        return {"input_transformations": list(self.input_transformations)}

    def message(self) -> JSON:
        """The finished message."""
        content = [part.block() for part in self.parts]
        return self._frame(content, self.stop(), self.usage) | self.extras()

    def opening(self) -> JSON:
        """The message as a stream's first event shows it."""
        stop: JSON = dict.fromkeys(self.stop())
        usage = {**self.usage, "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 0}}
        return self._frame([], stop, usage)

    def _frame(self, content: list[JSON], stop: JSON, usage: JSON) -> JSON:
        start = {"id": self.id, "type": "message", "role": "assistant", "model": self.model}
        return {**start, "content": content, **stop, "diagnostics": self.diagnostics, "usage": usage}


def output_tokens(parts: tuple[Part, ...]) -> int:
    """Tokens of what was made."""
    return sum(tokens.of_text(part.joined) for part in parts)


def fit(parts: tuple[Part, ...], max_tokens: int) -> tuple[tuple[Part, ...], bool]:
    """Cut an answer at a number of tokens.

    Returns
    -------
    tuple
        The parts, and whether anything was cut.
    """
    kept: list[Part] = []
    for part in parts:
        room = (max_tokens - output_tokens(tuple(kept))) * tokens.CHARACTERS
        if len(part.joined) > max(room, 0):
            return (*kept, part.cut(room)) if room > 0 else tuple(kept), True
        kept.append(part)
    return tuple(kept), False


def end_at(parts: tuple[Part, ...], sequences: list[str]) -> tuple[tuple[Part, ...], str | None]:
    """Cut an answer before the first stop sequence in its text.

    Returns
    -------
    tuple
        The parts, and the sequence that was met.
    """
    for i, part in enumerate(parts):
        if part.kind != "text":
            continue
        text = part.joined
        met = [(text.find(sequence), sequence) for sequence in sequences if sequence in text]
        if met:
            where, sequence = min(met)
            return (*parts[:i], part.cut(where)) if where else parts[:i], sequence
    return parts, None


def first_deltas(parts: tuple[Part, ...], count: int) -> tuple[Part, ...]:
    """Only the first so many deltas."""
    kept: list[Part] = []
    for part in parts:
        if count <= 0:
            break
        kept.append(part.cut(len("".join(part.pieces[:count]))))
        count -= len(part.pieces)
    return tuple(kept)
