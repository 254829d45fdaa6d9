"""Messages as they are sent: the question, Claude's messages, and the results of tool calls."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from typing import Any

from claude_magic.content.parts import Part
from claude_magic.messages.limits import ImageLimits
from claude_magic.messages.reply import Reply

THINKING = ("thinking", "redacted_thinking")
"""Types of the blocks that are valid only after exactly what preceded them when they were written."""


@dataclasses.dataclass(frozen=True)
class Fragment:
    """A message as bytes, with their digest; empty for a message that must not be sent."""

    data: bytes
    digest: bytes

    @classmethod
    def of(cls, role: str, content: Any) -> Fragment:
        """Encode a message as it stands in the request; a single text block goes as a plain string."""
        if not isinstance(content, str) and len(content) == 1 and content[0].keys() == {"type", "text"}:
            content = content[0]["text"]
        data = encode_json({"role": role, "content": content}) if content else b""
        return cls(data, hashlib.sha256(data).digest())


@dataclasses.dataclass(frozen=True, eq=False)
class Message:
    """One message of a conversation. Immutable.

    Attributes
    ----------
    role : str
        ``user`` or ``assistant``.
    content : str, or tuple of dict or Part
        Blocks in the API's form, and parts that become blocks once the limits of a request are known.
    bound_to : bytes
        Digest of everything that was sent before an answer; its thinking is valid only there.
    """

    role: str
    content: str | tuple[dict[str, Any] | Part, ...]
    bound_to: bytes = b""

    @functools.cached_property
    def parts(self) -> tuple[Part, ...]:
        """The content that came from the user's side."""
        return tuple(block for block in self.content if isinstance(block, Part))

    @functools.cached_property
    def _fragments(self) -> dict[ImageLimits | None, Fragment]:
        return {}

    def within(self, limits: ImageLimits) -> Fragment:
        """The message as it is sent under these image limits; encoded once for each."""
        key = limits if self.pictures else None  # without pictures it is the same under any limits
        if key not in self._fragments:
            self._fragments[key] = Fragment.of(self.role, self._content(limits))
        return self._fragments[key]

    @functools.cached_property
    def bare(self) -> Fragment:
        """An answer without thinking, and without citations, which count the documents before them."""
        return Fragment.of(self.role, _without_thinking(self.content))

    @functools.cached_property
    def thinks(self) -> bool:
        """Whether it holds thinking, or anything else that is valid only in its place."""
        return self.role == "assistant" and _without_thinking(self.content) != self.content

    @functools.cached_property
    def pictures(self) -> int:
        """How many pictures it carries."""
        return sum(part.pictures for part in self.parts)

    def resized(self, limits: ImageLimits) -> int:
        """How many of its pictures these limits make smaller or larger than they were last sent."""
        if not self.pictures or not self._fragments or limits in self._fragments:
            return 0
        last = next(reversed(self._fragments))
        if last is None:
            return 0
        return sum(part.pictures for part in self.parts if part.summary(limits) != part.summary(last))

    def _content(self, limits: ImageLimits) -> Any:
        if isinstance(self.content, str):
            return self.content
        return [block.block(limits) if isinstance(block, Part) else block for block in self.content]


def reply_messages(reply: Reply, bound_to: bytes) -> tuple[Message, ...]:
    """One message of Claude's as it is sent back; none if it is empty, because the API refuses empty turns.

    Parameters
    ----------
    reply : Reply
    bound_to : bytes
        Digest of what was sent before it.
    """
    content: list[dict[str, Any]] = reply.to_wire()
    if reply.prefill:
        texts = [block for block in content if block["type"] == "text"]
        if texts:
            texts[0]["text"] = reply.prefill + texts[0]["text"]
        else:
            content.append({"type": "text", "text": reply.prefill})
    if not content:
        return ()
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        return (Message("assistant", content[0]["text"], bound_to),)
    return (Message("assistant", tuple(content), bound_to),)


def encode_json(value: object) -> bytes:
    """JSON as bytes, always the same for the same value; half of a surrogate pair becomes ``?``."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _without_thinking(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return tuple(
        {key: value for key, value in block.items() if key != "citations"}
        for block in content
        if block["type"] not in THINKING
    )
