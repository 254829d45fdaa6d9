"""Messages as they are sent, and the body of the request that they are joined into.

Thinking is sent back only where it is valid: after exactly what preceded it when it was written
(model, system prompt, tools, all earlier turns). One running digest over what is really sent
decides; there is no flag to forget. So a re-run, an undo, an edit or another model never sends
thinking where the API would refuse it, and undoing makes it valid again.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from typing import Any

from claude_magic.content.parts import Part
from claude_magic.messages.errors import RequestTooLarge
from claude_magic.messages.exchange import RequestBody
from claude_magic.messages.limits import MAX_REQUEST_BYTES, ImageLimits
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


_SMALL = 64 * 1024
"""Bytes below which pieces are joined, because sending each costs more than copying it."""


@dataclasses.dataclass(frozen=True)
class BuiltRequest:
    """A request ready to be sent.

    Attributes
    ----------
    body : RequestBody
    bound_to : bytes
        Digest of everything before the answer.
    continues : bool
        Whether everything before Claude's latest message is as it was when that was written.
    """

    body: RequestBody
    bound_to: bytes
    continues: bool = False


def build(
    wire: Mapping[str, Any],
    messages: Iterable[Message],
    limits: ImageLimits,
    *,
    system: str | None = None,
    prefill: str | None = None,
    with_thinking: bool = True,
    marked: Container[int] = (),
) -> BuiltRequest:
    """Build the body of a request.

    Parameters
    ----------
    wire : mapping
        All fields except ``system`` and ``messages``.
    messages : iterable of Message
        All that Claude sees, the question last.
    limits : ImageLimits
        Of its images.
    system : str, optional
    prefill : str, optional
        The first words of the answer.
    with_thinking : bool
        False leaves out all earlier thinking.
    marked : container of int
        Indices of user messages whose end is marked for the cache as the request's is.

    Raises
    ------
    RequestTooLarge
        If it has more than 32 MB; nothing is sent.
    """
    head = dict(wire)
    if system:
        head["system"] = system
    pieces = [encode_json(head)[:-1] + b',"messages":[']
    binding = prefix_digest(wire.get("model"), system, wire.get("tools"))
    sent: list[bytes] = []
    continues = False
    for index, message in enumerate(messages):
        bound = message.bound_to == binding
        continues = bound if message.role == "assistant" else continues
        fragment = message.bare if message.thinks and not (with_thinking and bound) else message.within(limits)
        if fragment.data:
            binding = extended_digest(binding, fragment)
            data = _with_mark(fragment.data, wire["cache_control"]) if index in marked else fragment.data
            sent += [b",", data]
    pieces += sent[1:]
    if prefill is not None:
        pieces.append(b"," + encode_json({"role": "assistant", "content": prefill}))
    pieces.append(b"]}")
    body = RequestBody(_joined(pieces))
    if len(body) > MAX_REQUEST_BYTES:
        raise RequestTooLarge(
            f"The conversation has grown to {len(body) / 2**20:.0f} MB; the API accepts 32",
            status=413,
            type="request_too_large",
        )
    return BuiltRequest(body, binding, continues)


_AS_TEXT = encode_json({"role": "user", "content": ""})[:-2]


def _with_mark(data: bytes, mark: Mapping[str, Any]) -> bytes:
    """A user message whose last block is marked; thinking is not bound to the mark."""
    added = b',"cache_control":' + encode_json(mark) + b"}]}"
    if data.startswith(_AS_TEXT):
        text = data[len(_AS_TEXT) : -1]
        return _AS_TEXT[:-1] + b'[{"type":"text","text":"' + text + added
    return data.removesuffix(b"}]}") + added


def prefix_digest(model: object, system: str | None, tools: object) -> bytes:
    """Digest of what precedes all messages."""
    return hashlib.sha256(encode_json([model, system or None, tools])).digest()


def extended_digest(binding: bytes, fragment: Fragment) -> bytes:
    """Digest of everything up to and including a message that is sent."""
    return hashlib.sha256(binding + fragment.digest).digest()


def _joined(pieces: list[bytes]) -> list[bytes]:
    joined: list[bytes] = []
    small: list[bytes] = []
    for piece in pieces:
        if len(piece) < _SMALL:
            small.append(piece)
            continue
        if small:
            joined.append(b"".join(small))
            small = []
        joined.append(piece)
    if small:
        joined.append(b"".join(small))
    return joined
