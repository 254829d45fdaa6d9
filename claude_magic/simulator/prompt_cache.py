"""The prompt cache: hashes of prompt prefixes, kept for five minutes or an hour."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from . import tokens
from .cache_diagnostics import Fingerprint
from .message_request import JSON, MessageRequest, as_blocks

LOOKBACK = 20
"""Blocks before a breakpoint that the API searches for an earlier entry."""

_MAX_FINGERPRINTS = 1000
"""Requests that later ones can be compared with."""
_SECONDS = {"5m": 300.0, "1h": 3600.0}


class InputTokens(NamedTuple):
    """Input tokens of one request, by how they are billed."""

    uncached: int
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0


class _Prefix(NamedTuple):
    """The prompt up to and including one block; ``ttl`` is set if that block is a breakpoint."""

    digest: bytes
    tokens: int
    ttl: str | None


def _without_cache_mark(block: JSON) -> JSON:
    return {key: value for key, value in block.items() if key != "cache_control"}


def _ttl(mark: JSON | None) -> str | None:
    return None if mark is None else str(mark.get("ttl") or "5m")


def _blocks(request: MessageRequest) -> Iterator[tuple[str, JSON]]:
    """Every block in prompt order, with its position and the settings that invalidate it when they change.

    Changed tools invalidate everything after them, a changed speed the system prompt and what
    follows, other settings only the messages.
    """
    body = request.body
    for tool in request.tools:
        yield "tools", tool
    for block in as_blocks(body.get("system")):
        yield f"system {body.get('speed')}", block
    settings = json.dumps([body.get(key) for key in ("tool_choice", "thinking", "output_config")])
    for i, message in enumerate(request.messages):
        for block in as_blocks(message["content"]):
            yield f"{i} {message['role']} {settings}", block


def _prefixes(request: MessageRequest) -> list[_Prefix]:
    running = hashlib.sha256(request.model_name.encode())
    prefixes: list[_Prefix] = []
    total = 0
    for position, block in _blocks(request):
        running.update(json.dumps([position, _without_cache_mark(block)], sort_keys=True).encode())
        total += tokens.of_block(block, request.model.image_tier)
        prefixes.append(_Prefix(running.digest(), total, _ttl(block.get("cache_control"))))
    if prefixes and (automatic := request.body.get("cache_control")):
        # Automatic caching puts a breakpoint on the last block.
        prefixes[-1] = prefixes[-1]._replace(ttl=prefixes[-1].ttl or _ttl(automatic))
    return prefixes


class PromptCache:
    """The prompt cache of one server.

    Parameters
    ----------
    clock : callable
        Seconds since 1970; entries expire by it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[bytes, tuple[float, str]] = {}
        self._fingerprints: dict[str, tuple[Fingerprint, int]] = {}
        self._lock = threading.Lock()

    def count(self, request: MessageRequest) -> InputTokens:
        """Count the input tokens of a request, and store the prefixes that end at its breakpoints."""
        total = tokens.of_request(request.body, request.model.image_tier)
        prefixes = _prefixes(request)
        breakpoints = [i for i, prefix in enumerate(prefixes) if prefix.ttl]
        with self._lock:
            read = self._read(prefixes, breakpoints)
            return self._write(prefixes, breakpoints, read, total, request.model.cache_minimum)

    def diagnose(self, request: MessageRequest, id: str, counted: InputTokens) -> JSON | None:
        """Say why the cache was missed, if the request asks for ``diagnostics``; others are not even remembered.

        ``id`` is that of the answer, by which later requests refer to this one.
        """
        if (diagnostics := request.body.get("diagnostics")) is None:
            return None
        now, cached = Fingerprint.of(request), counted.read + counted.written_5m + counted.written_1h
        with self._lock:
            earlier = self._fingerprints.get(diagnostics.get("previous_message_id") or "")
            self._fingerprints[id] = (now, cached)
            for oldest in list(self._fingerprints)[:-_MAX_FINGERPRINTS]:
                del self._fingerprints[oldest]
        if not diagnostics.get("previous_message_id"):
            return None
        if earlier is None:
            return {"cache_miss_reason": {"type": "previous_message_not_found"}}
        before, cached_before = earlier
        if (kind := before.cache_miss_type(now)) is None:
            return None
        missed = {} if kind == "unavailable" else {"cache_missed_input_tokens": max(0, cached_before - counted.read)}
        return {"cache_miss_reason": {"type": kind, **missed}}

    def _read(self, prefixes: list[_Prefix], breakpoints: list[int]) -> int:
        """The number of tokens read from the longest entry found; reading an entry renews it."""
        now = self._clock()
        for i in reversed(breakpoints):
            for prefix in reversed(prefixes[max(0, i - LOOKBACK) : i + 1]):
                expires, ttl = self._entries.get(prefix.digest, (now, ""))
                if expires > now:
                    self._entries[prefix.digest] = (now + _SECONDS[ttl], ttl)
                    return prefix.tokens
        return 0

    def _write(
        self, prefixes: list[_Prefix], breakpoints: list[int], read: int, total: int, minimum: int
    ) -> InputTokens:
        written = {"5m": 0, "1h": 0}
        covered = read
        for i in breakpoints:
            prefix = prefixes[i]
            # Prompts below the model's minimum are processed without caching.
            if prefix.ttl and prefix.tokens > covered and prefix.tokens >= minimum:
                self._entries[prefix.digest] = (self._clock() + _SECONDS[prefix.ttl], prefix.ttl)
                written[prefix.ttl] += prefix.tokens - covered
                covered = prefix.tokens
        return InputTokens(total - covered, read, written["5m"], written["1h"])
