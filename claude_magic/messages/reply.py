"""An answer: events folded, once, into blocks, usage and a stop reason.

The fold is tolerant. Servers that speak this protocol leave out fields, event names, types and
ends of blocks, interleave blocks, double what should be single, and invent events; all of that is
read, and what is unknown is kept raw. What is not forgiven is an answer that ends without saying
so: it is never called complete.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from claude_magic.messages.blocks import Block, RawBlock, TextBlock, ThinkingBlock, ToolUseBlock, make_block
from claude_magic.messages.errors import BadInput, api_error
from claude_magic.messages.usage import Usage

if TYPE_CHECKING:
    from claude_magic.messages.code_blocks import Code
    from claude_magic.messages.code_samples import CodeSample
    from claude_magic.messages.exchange import Exchange
    from claude_magic.messages.exchange_view import Events, Response

_WHOLE = frozenset({"end_turn", "stop_sequence", "tool_use"})
_TOO_LONG = frozenset({"max_tokens", "model_context_window_exceeded"})
_REASONS = _WHOLE | _TOO_LONG | {"pause_turn", "refusal", "compaction"}
_OTHER_WORDS = {  # how servers of another protocol say it
    "stop": "end_turn",
    "eos": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_KIND_BY_KEY = {
    "text": "text_delta",
    "partial_json": "input_json_delta",
    "thinking": "thinking_delta",
    "signature": "signature_delta",
    "citation": "citations_delta",
}
_BLOCK_FOR_DELTA = {
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
}


class ReplyUpdate(NamedTuple):
    """What one event changed: for whoever draws the answer.

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


class Reply:
    """One answer of Claude, growing or finished.

    Where Claude calls tools, or the server pauses, an answer takes several messages. Each is a
    reply of its own that knows the earlier ones: words, thinking, tokens, cost, calls and seconds are
    those of the whole answer; its blocks, stop reason, id and model are those of the last message.

    Parameters
    ----------
    prefill : str
        Words put into Claude's mouth, which the API does not repeat; :attr:`text` begins with them.
    earlier : tuple of Reply
        The messages of the same answer before this one.

    Attributes
    ----------
    id, model : str
    blocks : list of Block
        In the order in which they came.
    stop_reason : str or None
    stop_sequence : str or None
    stop_details : dict or None
    counted : Usage
        Tokens of this message; :attr:`usage` is that of the whole answer.
    calls : tuple
        The calls of this message as they were run, with their results.
    parsed : object
        The answer as the type that was asked for; None where none was.
    request_id : str or None
    ended : bool
        Whether the server said that the answer is over.
    unknown : list of dict
        Events and deltas of kinds not known here, as they came.
    simulated : bool
        Whether the simulator wrote it.
    sent : tuple of str
        What was sent beside the words of the question, in words.
    diagnostics : dict or None
        What the API says of the prompt cache, where it was asked.
    seconds : float
        From sending the request to the end.
    transmission : Exchange or None
        What went over the wire for this message; see :meth:`request`, :attr:`response` and
        :attr:`events`.
    """

    def __init__(self, prefill: str = "", earlier: tuple[Reply, ...] = ()) -> None:
        self.prefill = prefill
        self.earlier = earlier
        self.id = ""
        self.model = ""
        self.stop_reason: str | None = None
        self.stop_sequence: str | None = None
        self.stop_details: dict[str, Any] | None = None
        self.counted = Usage()
        self.calls: tuple[Any, ...] = ()
        self.parsed: Any = None
        self.to_frame: Callable[[Any], Any] | None = None
        self.request_id: str | None = None
        self.ended = False
        self.unknown: list[dict[str, Any]] = []
        self.simulated: bool = any(message.simulated for message in earlier)
        self.sent: tuple[str, ...] = ()
        self.diagnostics: dict[str, Any] | None = None
        self.seconds = 0.0
        self.transmission: Exchange | None = None
        self.blocks: list[Block] = []
        self._at: dict[int, Block] = {}

    @property
    def messages(self) -> tuple[Reply, ...]:
        """The messages of the whole answer, this one the last."""
        return (*self.earlier, self)

    @property
    def own_text(self) -> str:
        """The words of this message alone; text blocks are joined as they stand."""
        return self.prefill + "".join(block.text for block in self.blocks if isinstance(block, TextBlock))

    @property
    def text(self) -> str:
        """The words of the answer, a blank line between messages."""
        return "\n\n".join(filter(None, (message.own_text for message in self.messages)))

    @property
    def code(self) -> list[Code]:
        """The fenced blocks of code in the answer, in order: strings that know their ``language``."""
        from claude_magic.messages.code_blocks import blocks

        return [code for message in self.messages for code in blocks(message.own_text)]

    def to_cell(self, n: int = 0) -> None:
        """Put a block of code into a new cell below the one that runs, or the next prompt of a terminal.

        Parameters
        ----------
        n : int
            Which of :attr:`code`, from 0; -1 is the last.

        Raises
        ------
        BadInput
            If there is no such block, or no notebook.
        """
        from claude_magic.messages.shell import put_next, running_shell

        code = self.code
        if not code:
            raise BadInput("There is no code in this answer to put into a cell.")
        if not -len(code) <= n < len(code):
            has = f"{len(code)} blocks of code, 0 to {len(code) - 1}" if len(code) > 1 else "one block of code, 0"
            raise BadInput(f"There is no block of code {n}: the answer has {has}.")
        shell = running_shell()
        if shell is None:
            raise BadInput("There is no notebook here to put a cell into; the list .code of the reply holds the code.")
        put_next(shell, code[n])
        if not code[n].complete:
            print("The answer ends before this block of code does: it may be cut.", file=sys.stderr)

    @property
    def thinking(self) -> str:
        """What was shown of Claude's thinking, a blank line between blocks."""
        blocks = (block for message in self.messages for block in message.blocks)
        return "\n\n".join(block.text for block in blocks if isinstance(block, ThinkingBlock) and block.text)

    @property
    def usage(self) -> Usage:
        """Tokens of the whole answer."""
        return sum((message.counted for message in self.messages), start=Usage())

    @property
    def cost(self) -> Decimal | None:
        """US dollars of the whole answer; None if a price is unknown."""
        models = [message.model or self.model for message in self.messages]
        prices = [message.counted.cost(model) for message, model in zip(self.messages, models, strict=True)]
        return sum((price for price in prices if price is not None), Decimal()) if None not in prices else None

    @property
    def tool_calls(self) -> list[Any]:
        """The calls of the whole answer, in order, with their results."""
        return [call for message in self.messages for call in message.calls]

    @property
    def frame(self) -> Any:
        """The records of :attr:`parsed` as a DataFrame.

        Raises
        ------
        BadInput
            If the answer was asked for as no type, or holds no records.
        """
        if self.to_frame is None:
            raise BadInput("There is no typed answer to make a table of. Ask with --schema.")
        return self.to_frame(self.parsed)

    @property
    def tool_uses(self) -> list[ToolUseBlock]:
        """The calls of this message that Claude asks us to run; not those that are cut off."""
        return [block for block in self._calls() if block.closed]

    @property
    def begun(self) -> bool:
        """Whether any content has arrived."""
        return any(message.blocks for message in self.messages)

    @property
    def has_text(self) -> bool:
        """Whether there is anything to read in the answer."""
        blocks = (block for message in self.messages for block in message.blocks)
        return any(isinstance(block, TextBlock) and block.text.strip() for block in blocks)

    @property
    def complete(self) -> bool:
        """Whether the answer came to its own end: not cut, refused, or stopped by a limit."""
        return self.ended and self.stop_reason in _WHOLE

    def request(self, form: str = "request") -> CodeSample:
        """The request of this message as it was really sent, after all repairs.

        Of an answer in several messages this is the last one's; those before it are in :attr:`messages`.

        Parameters
        ----------
        form : str
            ``request``, or a program that sends the same: ``curl``, ``python``, ``typescript``.

        Returns
        -------
        CodeSample
            A string that is whole; on the screen pictures are shortened.

        Raises
        ------
        BadInput
            If nothing was sent, or it is no longer kept: only the latest exchanges are.
        """
        from claude_magic.messages.code_samples import code_sample

        transmission = self._transmission()
        assert transmission.outgoing is not None  # noqa: S101  (for the type checker)
        return code_sample(form, transmission.outgoing)

    @property
    def response(self) -> Response | None:
        """The response to :meth:`request`: status, headers, the message that its events make; None if none came."""
        from claude_magic.messages.exchange_view import response

        return response(self._transmission(), self.request_id)

    @property
    def events(self) -> Events:
        """The events of :attr:`response`, each with its time in seconds since sending."""
        from claude_magic.messages.exchange_view import events

        return events(self._transmission())

    def _transmission(self) -> Exchange:
        if self.transmission is None:
            raise BadInput("Nothing was sent for this answer in this kernel.")
        if self.transmission.outgoing is None:
            raise BadInput("What was sent for this answer is no longer kept: only the latest exchanges are.")
        return self.transmission

    def to_wire(self) -> list[dict[str, Any]]:
        """The content of this reply as it is sent back."""
        return [wire for block in self.blocks if (wire := block.to_wire()) is not None]

    def apply(self, event: Mapping[str, Any]) -> ReplyUpdate | None:
        """Fold one event in.

        Parameters
        ----------
        event : mapping
            The decoded data of one server-sent event.

        Returns
        -------
        ReplyUpdate or None
            What there is to draw.

        Raises
        ------
        APIError
            For an ``error`` event.
        """
        kind = event.get("type")
        if kind == "content_block_delta":
            return self._delta(self._index(event), _object(event, "delta"))
        if kind == "content_block_start":
            index = event.get("index")
            return self._start(index if isinstance(index, int) else len(self.blocks), _object(event, "content_block"))
        if kind == "content_block_stop":
            return self._stop(self._index(event))
        if kind == "message_start":
            self._head(_object(event, "message"))
        elif kind == "message_delta":
            self._tail(event)
        elif kind == "message_stop":
            self._end()
        elif kind == "error" or (kind is None and "error" in event):
            raise api_error(event, status=None, request_id=self.request_id)
        elif kind != "ping":
            self.unknown.append(dict(event))
        return None

    def take(self, message: Mapping[str, Any]) -> list[ReplyUpdate]:
        """Fold a whole message in, for a server that does not stream.

        Parameters
        ----------
        message : mapping
            A Message object of the API.
        """
        self._head(message)
        content = message.get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        changes: list[ReplyUpdate | None] = []
        for index, start in enumerate(content if isinstance(content, list) else ()):
            if isinstance(start, dict):
                changes += [self._start(index, start), self._stop(index)]
        self._tail({"delta": message})
        self._end()
        return [change for change in changes if change is not None]

    def _index(self, event: Mapping[str, Any]) -> int:
        index = event.get("index")
        return index if isinstance(index, int) else next(reversed(self._at), 0)

    def _calls(self) -> list[ToolUseBlock]:
        return [block for block in self.blocks if isinstance(block, ToolUseBlock) and block.type == "tool_use"]

    def _head(self, message: Mapping[str, Any]) -> None:
        self.id = str(message.get("id") or self.id)
        self.model = str(message.get("model") or self.model)
        self.counted = self.counted.updated(_object(message, "usage"))
        self.diagnostics = _object(message, "diagnostics") or self.diagnostics

    def _start(self, index: int, start: Mapping[str, Any]) -> ReplyUpdate:
        block = make_block(start)
        if isinstance(block, ToolUseBlock):
            taken = {other.id for other in self.blocks if isinstance(other, ToolUseBlock)}
            block.id = block.id or f"toolu_{index}"
            while block.id in taken:
                block.id = f"{block.id}_{index}"
        elif isinstance(block, RawBlock) and block.type == "fallback":
            self.model = str(_object(block.data, "to").get("model") or self.model)
        self.blocks.append(block)
        self._at[index] = block
        if isinstance(block, TextBlock | ThinkingBlock) and block.text:
            return ReplyUpdate(block.type, block.text, block)
        return ReplyUpdate("start", "", block)

    def _delta(self, index: int, delta: Mapping[str, Any]) -> ReplyUpdate | None:
        kind = delta.get("type") or next((kind for key, kind in _KIND_BY_KEY.items() if key in delta), "")
        block = self._at.get(index)
        if block is None and isinstance(kind, str) and kind in _BLOCK_FOR_DELTA:
            block = self._start(index, {"type": _BLOCK_FOR_DELTA[kind]}).block
        if kind == "text_delta" and isinstance(block, TextBlock):
            return self._grow(block, "text", delta.get("text"))
        if kind == "thinking_delta" and isinstance(block, ThinkingBlock):
            return self._grow(block, "thinking", delta.get("thinking"))
        if kind == "input_json_delta" and isinstance(block, ToolUseBlock):
            block.closed = False
            return self._grow(block, "input", delta.get("partial_json"))
        if kind == "signature_delta" and isinstance(block, ThinkingBlock):
            block.signature = str(delta.get("signature") or "")
        elif kind == "citations_delta" and isinstance(block, TextBlock):
            block.citations += [citation] if (citation := _object(delta, "citation")) else []
        elif kind == "compaction_delta" and isinstance(block, RawBlock):
            block.data.update({key: value for key, value in delta.items() if key != "type"})
        else:
            self.unknown.append(dict(delta))
        return None

    def _grow(self, block: Block, kind: str, piece: object) -> ReplyUpdate | None:
        if not isinstance(piece, str):
            return None
        return ReplyUpdate(kind, block.append(piece), block)

    def _stop(self, index: int) -> ReplyUpdate | None:
        block = self._at.get(index)
        if block is None or block.closed:
            return None
        block.close()
        return ReplyUpdate("stop", "", block)

    def _tail(self, event: Mapping[str, Any]) -> None:
        delta = _object(event, "delta")
        for place in (delta, event):
            self.counted = self.counted.updated(_object(place, "usage"))
        if isinstance(reason := delta.get("stop_reason"), str):
            self.stop_reason = _OTHER_WORDS.get(reason, reason)
        if isinstance(sequence := delta.get("stop_sequence"), str):
            self.stop_sequence = sequence
        self.stop_details = _object(delta, "stop_details") or self.stop_details

    def _end(self) -> None:
        self.ended = True
        if self._calls() and (self.stop_reason == "end_turn" or self.stop_reason not in _REASONS):
            self.stop_reason = "tool_use"  # whatever the server's word for it is
        self.stop_reason = self.stop_reason or "end_turn"
        for block in self.blocks:
            # A server may leave out that a block ends. Where the limit fell into a call, though,
            # what looks whole may be the half of it.
            if not block.closed and not (isinstance(block, ToolUseBlock) and self.stop_reason in _TOO_LONG):
                block.close()

    def __repr__(self) -> str:
        words = " ".join(self.text.split())
        words = words if len(words) <= 60 else words[:59] + "…"
        state = "" if self.complete else f" ({self.stop_reason or 'incomplete'})"
        return f"<Reply of {self.model or 'no model'}{state}: {words!r}>"

    def _repr_markdown_(self) -> str:
        return self.text


def _object(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A member that should be an object; an empty one where it is none."""
    value = parent.get(key)
    return value if isinstance(value, dict) else {}
