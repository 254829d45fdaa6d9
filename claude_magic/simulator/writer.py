"""Writing a stream at a pace, without ever awaiting more often than needed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from .events import Act
from .framing import Frame

_BATCH = 32 * 1024
"""Bytes gathered before they are written when nothing waits for them."""


class Sink(Protocol):
    """Where a stream goes."""

    async def send(self, data: bytes) -> None:
        """Write and flush."""

    def drop(self) -> None:
        """Close the connection at once, in the middle of the answer."""


async def write(frames: Iterable[Frame | Act], sink: Sink, pace: float | None, size: int | None) -> None:
    """Write a stream.

    Parameters
    ----------
    frames : iterable of Frame or Act
        What to write, and what happens between.
    sink : Sink
        The connection.
    pace : float or None
        Content frames a second: frame k leaves at start + k / pace, late ones together. None
        writes as fast as the connection takes it.
    size : int or None
        Bytes a write, wherever frames end.
    """
    loop = asyncio.get_running_loop()
    buffer = bytearray()
    started: float | None = None
    sent = 0

    async def flush() -> None:
        step = size or len(buffer) or 1
        for start in range(0, len(buffer), step):
            await sink.send(bytes(buffer[start : start + step]))
        buffer.clear()

    for frame in frames:
        if isinstance(frame, Act):
            await flush()
            if frame.name == "wait":
                await asyncio.sleep(frame.seconds)
                started = None if started is None else started + frame.seconds
            elif frame.name == "stall":
                await asyncio.Event().wait()  # until the client leaves or the server stops
            elif frame.name == "cut":
                sink.drop()
            continue
        if pace is not None and frame.paced:
            started = loop.time() if started is None else started
            wait = started + sent / pace - loop.time()
            sent += 1
            if wait > 0:
                await flush()
                await asyncio.sleep(wait)
        buffer += frame.data
        if len(buffer) >= _BATCH:
            await flush()
    await flush()
