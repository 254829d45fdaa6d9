"""The content blocks of a reply, growing or finished.

Pieces are collected in lists and joined when read, so that adding one costs the same however long
the answer is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from claude_magic.messages.wire import JSONObject, text_at

_ODD_IN_ID = re.compile(r"[^a-zA-Z0-9_-]")


class Block:
    """One content block.

    Attributes
    ----------
    type : str
        The API's name for the kind of block.
    closed : bool
        Whether its end has been seen.
    """

    def __init__(self, start: Mapping[str, object]) -> None:
        self.type = str(start["type"])
        self.closed = False
        self._pieces: list[str] = []
        self._high_surrogate = ""

    def _joined(self) -> str:
        if len(self._pieces) > 1:
            self._pieces[:] = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def append(self, piece: str) -> str:
        """Add a piece to the block's text.

        Returns
        -------
        str
            What was added. A server that counts characters as JavaScript does may split a surrogate
            pair; its first half is held back until the second arrives.
        """
        if self._high_surrogate or not piece.isascii():
            piece = self._high_surrogate + piece
            self._high_surrogate = piece[-1] if "\ud800" <= piece[-1] <= "\udbff" else ""
            piece = piece.removesuffix(self._high_surrogate)
            piece = piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if piece:
            self._pieces.append(piece)
        return piece

    def close(self) -> None:
        """Mark the end of the block."""
        self.closed = True

    def to_wire(self) -> JSONObject | None:
        """The block as it is sent back to the API; None if it must not be sent."""
        raise NotImplementedError


class TextBlock(Block):
    """Text and the citations that support it."""

    def __init__(self, start: Mapping[str, object]) -> None:
        super().__init__({"type": "text"})
        self.append(text_at(start, "text"))
        citations = start.get("citations")
        self.citations: list[JSONObject] = list(citations) if isinstance(citations, list) else []

    @property
    def text(self) -> str:
        """The text so far."""
        return self._joined()

    def to_wire(self) -> JSONObject | None:
        """None if the text is only white space, which the API refuses."""
        if not self.text.strip():
            return None
        wire: JSONObject = {"type": "text", "text": self.text}
        if self.citations:
            # Citations in an answer contain a file_id, which the API refuses in a request.
            wire["citations"] = [
                {key: value for key, value in citation.items() if key != "file_id"} for citation in self.citations
            ]
        return wire


class ThinkingBlock(Block):
    """What is shown of Claude's thinking.

    Attributes
    ----------
    signature : str
        Proves that the API wrote the block; it cannot be sent back without one.
    """

    def __init__(self, start: Mapping[str, object]) -> None:
        super().__init__({"type": "thinking"})
        self.append(text_at(start, "thinking"))
        self.signature = text_at(start, "signature")

    @property
    def text(self) -> str:
        """The thinking so far; empty if the model hides it."""
        return self._joined()

    def to_wire(self) -> JSONObject | None:
        """None without a signature, because the API would refuse it."""
        if not self.signature:
            return None
        return {"type": "thinking", "thinking": self.text, "signature": self.signature}


class ToolUseBlock(Block):
    """A tool call that Claude asks for, or that the server ran.

    Attributes
    ----------
    id, name : str
    input : dict
        The arguments; ``{}`` until the block is closed.
    invalid : str or None
        The raw arguments, if they are not a JSON object.
    """

    def __init__(self, start: Mapping[str, object]) -> None:
        super().__init__(start)
        self.id = _ODD_IN_ID.sub("_", str(start.get("id") or ""))
        self.name = str(start.get("name") or "")
        self.input: JSONObject = {}
        self.invalid: str | None = None
        self._given = start.get("input")
        self._more = {key: start[key] for key in ("caller", "toolset_name", "server_name") if start.get(key)}

    @property
    def raw_input(self) -> str:
        """The arguments received so far, as JSON text."""
        return self._joined()

    def close(self) -> None:
        """Mark the end of the block and parse the arguments."""
        super().close()
        raw = self.raw_input
        value: object = self._given
        if raw.strip():
            value = raw
        for _ in range(2):  # some servers encode the arguments twice
            if isinstance(value, str):
                try:
                    value = json.loads(value, parse_constant=_no_constant) if value.strip() else {}
                except (ValueError, RecursionError):
                    break
        if value is None:
            value = {}
        if isinstance(value, dict):
            self.input, self.invalid = value, None
        else:
            self.input, self.invalid = {}, raw or str(self._given)

    def to_start(self) -> JSONObject:
        """A ``content_block`` object that restores this block, with the arguments received so far."""
        given = (self.input if self.invalid is None else self.invalid) if self.closed else self.raw_input
        return {"type": self.type, "id": self.id, "name": self.name, "input": given, **self._more}

    def to_wire(self) -> JSONObject | None:
        """None while the arguments are incomplete; invalid ones are sent as an object that quotes them."""
        if not self.closed:
            return None
        return self.to_start() | ({} if self.invalid is None else {"input": {"INVALID_JSON": self.invalid}})


class RawBlock(Block):
    """Any other block, kept as it came."""

    def __init__(self, start: Mapping[str, object]) -> None:
        super().__init__(start)
        self.data = dict(start)

    def to_wire(self) -> JSONObject | None:
        """The block as it came."""
        return self.data


def make_block(start: Mapping[str, object]) -> Block:
    """The block started by a ``content_block`` object."""
    kind = str(start.get("type") or ("thinking" if "thinking" in start else "tool_use" if "name" in start else "text"))
    if kind == "text":
        return TextBlock(start)
    if kind == "thinking":
        return ThinkingBlock(start)
    if kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
        return ToolUseBlock({**start, "type": kind})
    return RawBlock({**start, "type": kind})


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")  # Python accepts it, but the API does not
