"""Predictable ids, so that the same requests always get the same answers."""

from __future__ import annotations

import itertools


class IdCounters:
    """The ids one server hands out: a separate counter for messages, requests, tool calls and files."""

    def __init__(self) -> None:
        self._counters: dict[str, itertools.count[int]] = {}

    def next(self, prefix: str) -> str:
        """The next id, for instance ``msg_sim00000001``."""
        number = next(self._counters.setdefault(prefix, itertools.count(1)))
        return f"{prefix}_sim{number:08}"
