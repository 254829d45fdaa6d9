"""A prompt cache: hashes of prefixes, kept for five minutes or an hour."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from . import tokens
from .call import JSON, Call, blocks
from .diagnosing import Fingerprint

LOOKBACK = 20
"""Blocks before a breakpoint that are searched for an earlier entry."""

_REMEMBERED = 1000
"""Requests that later ones can be compared with."""
_SECONDS = {"5m": 300.0, "1h": 3600.0}


class Counted(NamedTuple):
    """Input tokens of one request, by how they were billed."""

    uncached: int
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0


class _Step(NamedTuple):
    """The prefix up to and including one block."""

    digest: bytes
    tokens: int
    ttl: str | None


def _unmarked(block: JSON) -> JSON:
    return {key: value for key, value in block.items() if key != "cache_control"}


def _ttl(mark: JSON | None) -> str | None:
    return None if mark is None else str(mark.get("ttl") or "5m")


def _blocks(call: Call) -> Iterator[tuple[str, JSON]]:
    """Every block in the order of the prefix, with the place it stands in."""
    body = call.body
    for tool in call.tools:
        yield "tools", tool
    for block in blocks(body.get("system")):
        yield f"system {body.get('speed')}", block
    settings = json.dumps([body.get(key) for key in ("tool_choice", "thinking", "output_config")])
    for i, message in enumerate(call.messages):
        for block in blocks(message["content"]):
            yield f"{i} {message['role']} {settings}", block


def _steps(call: Call) -> list[_Step]:
    running = hashlib.sha256(call.model_name.encode())
    steps: list[_Step] = []
    total = 0
    for place, block in _blocks(call):
        running.update(json.dumps([place, _unmarked(block)], sort_keys=True).encode())
        total += tokens.of_block(block, call.model.image_tier)
        steps.append(_Step(running.digest(), total, _ttl(block.get("cache_control"))))
    if steps and (automatic := call.body.get("cache_control")):
        steps[-1] = steps[-1]._replace(ttl=steps[-1].ttl or _ttl(automatic))
    return steps


class Cache:
    """What one server remembers of earlier requests.

    Parameters
    ----------
    clock : callable
        Seconds; entries live five minutes or an hour by it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[bytes, tuple[float, str]] = {}
        self._fingerprints: dict[str, tuple[Fingerprint, int]] = {}
        self._lock = threading.Lock()

    def count(self, call: Call) -> Counted:
        """Count a request's input tokens, and remember its marked prefixes."""
        total = tokens.of_request(call.body, call.model.image_tier)
        steps = _steps(call)
        marks = [i for i, step in enumerate(steps) if step.ttl]
        with self._lock:
            found = self._read(steps, marks)
            return self._write(steps, marks, found, total, call.model.cache_minimum)

    def diagnosed(self, call: Call, id: str, counted: Counted) -> JSON | None:
        """Why the cache was missed, for a request that asks; only those are remembered to be compared with."""
        if (asked := call.body.get("diagnostics")) is None:
            return None
        now, reached = Fingerprint.of(call), counted.read + counted.written_5m + counted.written_1h
        with self._lock:
            earlier = self._fingerprints.get(asked.get("previous_message_id") or "")
            self._fingerprints[id] = (now, reached)
            for forgotten in list(self._fingerprints)[:-_REMEMBERED]:
                del self._fingerprints[forgotten]
        if not asked.get("previous_message_id"):
            return None
        if earlier is None:
            return {"cache_miss_reason": {"type": "previous_message_not_found"}}
        before, cached = earlier
        if (kind := before.divergence(now)) is None:
            return None
        missed = {} if kind == "unavailable" else {"cache_missed_input_tokens": max(0, cached - counted.read)}
        return {"cache_miss_reason": {"type": kind, **missed}}

    def _read(self, steps: list[_Step], marks: list[int]) -> int:
        """How many tokens are already there; using an entry renews it."""
        now = self._clock()
        for mark in reversed(marks):
            for step in reversed(steps[max(0, mark - LOOKBACK) : mark + 1]):
                until, ttl = self._entries.get(step.digest, (now, ""))
                if until > now:
                    self._entries[step.digest] = (now + _SECONDS[ttl], ttl)
                    return step.tokens
        return 0

    def _write(self, steps: list[_Step], marks: list[int], read: int, total: int, minimum: int) -> Counted:
        written = {"5m": 0, "1h": 0}
        covered = read
        for mark in marks:
            step = steps[mark]
            if step.ttl and step.tokens > covered and step.tokens >= minimum:
                self._entries[step.digest] = (self._clock() + _SECONDS[step.ttl], step.ttl)
                written[step.ttl] += step.tokens - covered
                covered = step.tokens
        return Counted(total - covered, read, written["5m"], written["1h"])
