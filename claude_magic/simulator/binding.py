"""Fake signatures of thinking blocks, and the check that they stand where they were made.

Newer models bind a thinking block to everything that was sent before it: model, system prompt,
tools, earlier messages. Here a signature holds three short hashes: of that prefix without its
thinking, of the thinking block before it, and of the block's own text. Leaving out the oldest
thinking is fine; leaving out one between others, or changing anything before a block, is not.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from .call import JSON, blocks
from .problem import Problem, invalid

_MAGIC = b"simulated signature"
_SIZE = 12
_FORGED = "Invalid `signature` in `thinking` block"
_MOVED = (
    "Invalid `signature` in `thinking` block. The block is bound to a different conversation. Remove the "
    'block, or set `thinking.block_binding.prefix_mismatch_behavior` to "drop_block".'
)
_NO_LINK = bytes(_SIZE)


def canonical(value: Any) -> Any:
    """A value without what makes no difference to a model: cache marks, nulls, defaults."""
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


def _bytes(value: Any) -> bytes:
    return json.dumps(canonical(value), sort_keys=True, ensure_ascii=False).encode()


def _short(*parts: bytes) -> bytes:
    return hashlib.sha256(b"\0".join(parts)).digest()[:_SIZE]


def _is_thinking(block: JSON) -> bool:
    return block.get("type") in ("thinking", "redacted_thinking")


@dataclasses.dataclass
class _Prefix:
    """The hash of what was sent up to some message, and of the last thinking in it."""

    running: Any
    link: bytes = _NO_LINK

    @classmethod
    def start(cls, body: JSON, model: str) -> _Prefix:
        system, tools = blocks(body.get("system")), body.get("tools") or []
        return cls(hashlib.sha256(model.encode() + _bytes([system, tools])))

    def digest(self) -> bytes:
        return bytes(self.running.digest()[:_SIZE])

    def add(self, message: JSON) -> None:
        content = [block for block in blocks(message.get("content")) if not _is_thinking(block)]
        self.running.update(_bytes([message.get("role"), content]))


def _text(block: JSON) -> bytes:
    return str(block.get("thinking", "")).encode()


def _link(block: JSON) -> bytes:
    return _short(str(block.get("signature") or block.get("data") or "").encode())


def sign(body: JSON, model: str, thinking: str) -> str:
    """The signature of a thinking block that begins the answer to a request."""
    prefix = _Prefix.start(body, model)
    for message in body["messages"]:
        for block in blocks(message["content"]):
            if _is_thinking(block):
                prefix.link = _link(block)
        prefix.add(message)
    where = prefix.digest()
    seal = _short(where, prefix.link, thinking.encode())
    return base64.b64encode(_MAGIC + where + prefix.link + seal).decode()


def _unpack(signature: Any) -> tuple[bytes, bytes, bytes] | None:
    try:
        raw = base64.b64decode(str(signature), validate=True)
    except (binascii.Error, ValueError):
        return None
    if not raw.startswith(_MAGIC) or len(raw) != len(_MAGIC) + 3 * _SIZE:
        return None
    rest = raw[len(_MAGIC) :]
    return rest[:_SIZE], rest[_SIZE : 2 * _SIZE], rest[2 * _SIZE :]


def mismatches(body: JSON, model: str, *, bound: bool) -> Iterator[tuple[int, int, Problem]]:
    """Every thinking block that cannot stand where it stands.

    Parameters
    ----------
    body : dict
        The request.
    model : str
        Its id.
    bound : bool
        Whether the model binds blocks to what was sent before them. Others only check that a
        block still says what was signed.

    Yields
    ------
    tuple
        Message number, block number, and the problem.
    """
    prefix = _Prefix.start(body, model)
    for i, message in enumerate(body["messages"]):
        for j, block in enumerate(blocks(message["content"])):
            if block.get("type") != "thinking":
                continue
            path = f"messages.{i}.content.{j}"
            parts = _unpack(block.get("signature"))
            if parts is None or _short(parts[0], parts[1], _text(block)) != parts[2]:
                yield i, j, invalid(f"{path}: {_FORGED}")
            elif bound and (parts[0] != prefix.digest() or (prefix.link != _NO_LINK and parts[1] != prefix.link)):
                yield i, j, invalid(f"{path}: {_MOVED}")
            else:
                prefix.link = _link(block)
        prefix.add(message)
