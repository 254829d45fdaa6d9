"""The bytes of a request, joined from encoded messages.

Thinking is sent back only where it is valid: after exactly what preceded it when it was written
(model, system prompt, tools, all earlier turns). One running digest over what is really sent
decides; there is no flag to forget. So a re-run, an undo, an edit or another model never sends
thinking where the API would refuse it, and undoing makes it valid again.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Container, Iterable, Mapping
from typing import Any

from claude_magic.engine.message import Fragment, Message, encode_json
from claude_magic.messages.errors import RequestTooLarge
from claude_magic.messages.exchange import RequestBody
from claude_magic.messages.limits import MAX_REQUEST_BYTES, ImageLimits

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
