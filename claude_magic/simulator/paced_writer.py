"""Write a stream at a given pace, in as few writes as that allows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from .sse_encoder import Frame
from .stream_events import StreamAction

_BATCH = 32 * 1024
"""Bytes that are collected before a write, unless something has to be sent sooner."""


class Sink(Protocol):
    """The connection that a stream is written to."""

    async def send(self, data: bytes) -> None:
        """Write and flush."""

    def drop(self) -> None:
        """Close the connection at once, in the middle of the answer."""


async def write(frames: Iterable[Frame | StreamAction], sink: Sink, pace: float | None, size: int | None) -> None:
    """Write a stream.

    Parameters
    ----------
    frames : iterable of Frame or StreamAction
        What to write, and what happens in between.
    sink : Sink
        The connection.
    pace : float or None
        Content frames per second: frame k is sent at start + k / pace, late ones together. None
        writes as fast as the connection accepts.
    size : int or None
        Bytes per write, regardless of where frames end.
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
        if isinstance(frame, StreamAction):
            await flush()
            if frame.name == "wait":
                await asyncio.sleep(frame.seconds)
                # A pause shifts the whole schedule; otherwise what follows would be sent in one burst.
                started = None if started is None else started + frame.seconds
            elif frame.name == "stall":
                await asyncio.Event().wait()  # until the client disconnects or the server stops
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
