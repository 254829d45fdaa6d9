"""Simulated signatures of thinking blocks, and the check that each block is still where it was made.

Newer models bind a thinking block to everything before it: model, system prompt, tools, earlier
messages. A signature here holds three short hashes: of that prefix without its thinking, of the
thinking block before it (the link), and a seal of both and the block's own text. The oldest thinking
may be left out; leaving out a block between others, or changing anything before a block, is an error.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from .api_errors import ErrorResponse, bad_request
from .message_request import JSON, as_blocks

_MAGIC = b"simulated signature"
_HASH_BYTES = 12
_FORGED = "Invalid `signature` in `thinking` block"
_MOVED = (
    "Invalid `signature` in `thinking` block. The block is bound to a different conversation. Remove the "
    'block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
)
_NO_LINK = bytes(_HASH_BYTES)


def canonical(value: object) -> object:
    """A value without what makes no difference to a model: ``cache_control``, nulls, defaults."""
    if isinstance(value, dict):
        return {
            key: canonical(inner)
            for key, inner in value.items()
            if key != "cache_control"
            and inner is not None
            and not (key == "is_error" and inner is False)
            and not (key == "caller" and inner == {"type": "direct"})
        }
    return [canonical(inner) for inner in value] if isinstance(value, list) else value


def _bytes(value: object) -> bytes:
    return json.dumps(canonical(value), sort_keys=True, ensure_ascii=False).encode()


def _hash(*parts: bytes) -> bytes:
    return hashlib.sha256(b"\0".join(parts)).digest()[:_HASH_BYTES]


def _is_thinking(block: JSON) -> bool:
    return block.get("type") in ("thinking", "redacted_thinking")


@dataclasses.dataclass
class _Prefix:
    """The running hash of everything before some message, and the link to the last thinking block in it."""

    running: Any  # hashlib names no public type for its hash objects
    link: bytes = _NO_LINK

    @classmethod
    def start(cls, body: JSON, model: str) -> _Prefix:
        system, tools = as_blocks(body.get("system")), body.get("tools") or []
        return cls(hashlib.sha256(model.encode() + _bytes([system, tools])))

    def digest(self) -> bytes:
        return bytes(self.running.digest()[:_HASH_BYTES])

    def add(self, message: JSON) -> None:
        content = [block for block in as_blocks(message.get("content")) if not _is_thinking(block)]
        self.running.update(_bytes([message.get("role"), content]))


def _link(block: JSON) -> bytes:
    return _hash(str(block.get("signature") or block.get("data") or "").encode())


def sign(body: JSON, model: str, thinking: str) -> str:
    """Sign the thinking block that begins the answer to a request."""
    prefix = _Prefix.start(body, model)
    for message in body["messages"]:
        for block in as_blocks(message["content"]):
            if _is_thinking(block):
                prefix.link = _link(block)
        prefix.add(message)
    digest = prefix.digest()
    seal = _hash(digest, prefix.link, thinking.encode())
    return base64.b64encode(_MAGIC + digest + prefix.link + seal).decode()


def _unpack(signature: object) -> tuple[bytes, bytes, bytes] | None:
    """The prefix hash, link and seal of a signature; None if it is not one of the simulator's."""
    try:
        raw = base64.b64decode(str(signature), validate=True)
    except (binascii.Error, ValueError):
        return None
    if not raw.startswith(_MAGIC) or len(raw) != len(_MAGIC) + 3 * _HASH_BYTES:
        return None
    rest = raw[len(_MAGIC) :]
    return rest[:_HASH_BYTES], rest[_HASH_BYTES : 2 * _HASH_BYTES], rest[2 * _HASH_BYTES :]


def mismatches(body: JSON, model: str, *, bound: bool) -> Iterator[tuple[int, int, ErrorResponse]]:
    """Find the thinking blocks that were changed or moved.

    Parameters
    ----------
    body : dict
        The request.
    model : str
        Its id.
    bound : bool
        Whether the model binds blocks to everything before them. Other models only check that the
        text of a block is the text that was signed.

    Yields
    ------
    tuple
        Index of the message, index of the block, and the error that the API answers with.
    """
    prefix = _Prefix.start(body, model)
    for i, message in enumerate(body["messages"]):
        for j, block in enumerate(as_blocks(message["content"])):
            if block.get("type") != "thinking":
                continue
            path = f"messages.{i}.content.{j}"
            signed, text = _unpack(block.get("signature")), str(block.get("thinking", ""))
            if signed is None or _hash(signed[0], signed[1], text.encode()) != signed[2]:
                yield i, j, bad_request(f"{path}: {_FORGED}")
            # Without thinking before it, any link will do: clients may drop the oldest thinking.
            elif bound and (signed[0] != prefix.digest() or (prefix.link != _NO_LINK and signed[1] != prefix.link)):
                yield i, j, bad_request(f"{path}: {_MOVED}")
            else:
                prefix.link = _link(block)
        prefix.add(message)
