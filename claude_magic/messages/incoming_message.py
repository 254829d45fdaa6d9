"""One message of the API, assembled from its events as they arrive.

Assembly is lenient. Servers that speak this protocol leave out fields, event names, types and ends
of blocks, interleave blocks, repeat what should be unique, and invent events; all of that is read,
and whatever is unknown is kept raw. One thing is strict: a message that ends without saying so is
never called complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from claude_magic.messages.blocks import Block, RawBlock, TextBlock, ThinkingBlock, ToolUseBlock, make_block
from claude_magic.messages.errors import api_error
from claude_magic.messages.usage import Usage
from claude_magic.messages.wire import JSONObject, object_at

_COMPLETE = frozenset({"end_turn", "stop_sequence", "tool_use"})
_TOO_LONG = frozenset({"max_tokens", "model_context_window_exceeded"})
_STOP_REASONS = _COMPLETE | _TOO_LONG | {"pause_turn", "refusal", "compaction"}
_STOP_REASON_ALIASES = {  # from servers of another protocol
    "stop": "end_turn",
    "eos": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_DELTA_BY_KEY = {
    "text": "text_delta",
    "partial_json": "input_json_delta",
    "thinking": "thinking_delta",
    "signature": "signature_delta",
    "citation": "citations_delta",
}
_BLOCK_BY_DELTA = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
}


class ReplyUpdate(NamedTuple):
    """What one event changed, for whoever renders the answer.

    Attributes
    ----------
    kind : str
        ``text``, ``thinking``, ``input``, ``start``, ``stop``, or ``message``: a message of the
        answer has ended and another follows.
    text : str
        The piece that was added.
    block : Block
    """

    kind: str
    text: str
    block: Block


class IncomingMessage:
    """A message that grows with each event; :class:`Reply` describes its attributes."""

    def __init__(self) -> None:
        self.id = ""
        self.model = ""
        self.blocks: list[Block] = []
        self.stop_reason: str | None = None
        self.stop_sequence: str | None = None
        self.stop_details: JSONObject | None = None
        self.counted = Usage()
        self.request_id: str | None = None
        self.ended = False
        self.unknown: list[JSONObject] = []
        self.diagnostics: JSONObject | None = None
        self._by_index: dict[int, Block] = {}

    @property
    def complete(self) -> bool:
        """Whether the message reached its natural end: not cut off, refused, or stopped by a limit."""
        return self.ended and self.stop_reason in _COMPLETE

    @property
    def tool_uses(self) -> list[ToolUseBlock]:
        """The calls that Claude asks us to run, except any that were cut off."""
        return [block for block in self._calls() if block.closed]

    def to_wire(self) -> list[JSONObject]:
        """The content of this message as it is sent back."""
        return [wire for block in self.blocks if (wire := block.to_wire()) is not None]

    def apply(self, event: Mapping[str, object]) -> ReplyUpdate | None:
        """Add one event, given its decoded data.

        Returns
        -------
        ReplyUpdate or None
            What there is to render.

        Raises
        ------
        APIError
            For an ``error`` event.
        """
        kind = event.get("type")
        if kind == "content_block_delta":
            return self._delta(self._index(event), object_at(event, "delta"))
        if kind == "content_block_start":
            index = event.get("index")
            return self._start(index if isinstance(index, int) else len(self.blocks), object_at(event, "content_block"))
        if kind == "content_block_stop":
            return self._stop(self._index(event))
        if kind == "message_start":
            self._message_start(object_at(event, "message"))
        elif kind == "message_delta":
            self._message_delta(event)
        elif kind == "message_stop":
            self._message_stop()
        elif kind == "error" or (kind is None and "error" in event):
            raise api_error(event, status=None, request_id=self.request_id)
        elif kind != "ping":
            self.unknown.append(dict(event))
        return None

    def take(self, message: Mapping[str, object]) -> list[ReplyUpdate]:
        """Add a whole message, from a server that does not stream."""
        self._message_start(message)
        content = message.get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        updates: list[ReplyUpdate | None] = []
        for index, start in enumerate(content if isinstance(content, list) else ()):
            if isinstance(start, dict):
                updates += [self._start(index, start), self._stop(index)]
        self._message_delta({"delta": message})
        self._message_stop()
        return [update for update in updates if update is not None]

    def _index(self, event: Mapping[str, object]) -> int:
        index = event.get("index")
        return index if isinstance(index, int) else next(reversed(self._by_index), 0)

    def _calls(self) -> list[ToolUseBlock]:
        return [block for block in self.blocks if isinstance(block, ToolUseBlock) and block.type == "tool_use"]

    def _message_start(self, message: Mapping[str, object]) -> None:
        self.id = str(message.get("id") or self.id)
        self.model = str(message.get("model") or self.model)
        self.counted = self.counted.updated(object_at(message, "usage"))
        self.diagnostics = object_at(message, "diagnostics") or self.diagnostics

    def _start(self, index: int, start: Mapping[str, object]) -> ReplyUpdate:
        block = make_block(start)
        if isinstance(block, ToolUseBlock):
            taken = {other.id for other in self.blocks if isinstance(other, ToolUseBlock)}
            block.id = block.id or f"toolu_{index}"
            while block.id in taken:
                block.id = f"{block.id}_{index}"
        elif isinstance(block, RawBlock) and block.type == "fallback":
            self.model = str(object_at(block.data, "to").get("model") or self.model)
        self.blocks.append(block)
        self._by_index[index] = block
        if isinstance(block, TextBlock | ThinkingBlock) and block.text:
            return ReplyUpdate(block.type, block.text, block)
        return ReplyUpdate("start", "", block)

    def _delta(self, index: int, delta: Mapping[str, object]) -> ReplyUpdate | None:
        kind = delta.get("type") or next((kind for key, kind in _DELTA_BY_KEY.items() if key in delta), "")
        block = self._by_index.get(index)
        if block is None and isinstance(kind, str) and kind in _BLOCK_BY_DELTA:
            block = self._start(index, {"type": _BLOCK_BY_DELTA[kind]}).block
        if kind == "text_delta" and isinstance(block, TextBlock):
            return self._append(block, "text", delta.get("text"))
        if kind == "thinking_delta" and isinstance(block, ThinkingBlock):
            return self._append(block, "thinking", delta.get("thinking"))
        if kind == "input_json_delta" and isinstance(block, ToolUseBlock):
            block.closed = False
            return self._append(block, "input", delta.get("partial_json"))
        if kind == "signature_delta" and isinstance(block, ThinkingBlock):
            block.signature = str(delta.get("signature") or "")
        elif kind == "citations_delta" and isinstance(block, TextBlock):
            block.citations += [citation] if (citation := object_at(delta, "citation")) else []
        elif kind == "compaction_delta" and isinstance(block, RawBlock):
            block.data.update({key: value for key, value in delta.items() if key != "type"})
        else:
            self.unknown.append(dict(delta))
        return None

    def _append(self, block: Block, kind: str, piece: object) -> ReplyUpdate | None:
        if not isinstance(piece, str):
            return None
        return ReplyUpdate(kind, block.append(piece), block)

    def _stop(self, index: int) -> ReplyUpdate | None:
        block = self._by_index.get(index)
        if block is None or block.closed:
            return None
        block.close()
        return ReplyUpdate("stop", "", block)

    def _message_delta(self, event: Mapping[str, object]) -> None:
        delta = object_at(event, "delta")
        for place in (delta, event):
            self.counted = self.counted.updated(object_at(place, "usage"))
        if isinstance(reason := delta.get("stop_reason"), str):
            self.stop_reason = _STOP_REASON_ALIASES.get(reason, reason)
        if isinstance(sequence := delta.get("stop_sequence"), str):
            self.stop_sequence = sequence
        self.stop_details = object_at(delta, "stop_details") or self.stop_details

    def _message_stop(self) -> None:
        self.ended = True
        if self._calls() and (self.stop_reason == "end_turn" or self.stop_reason not in _STOP_REASONS):
            self.stop_reason = "tool_use"  # whatever the server calls it
        self.stop_reason = self.stop_reason or "end_turn"
        for block in self.blocks:
            # A server may leave out the end of a block. But if a limit cut a call off, arguments that
            # look whole may be only half of what was meant.
            if not block.closed and not (isinstance(block, ToolUseBlock) and self.stop_reason in _TOO_LONG):
                block.close()
