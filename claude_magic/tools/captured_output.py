"""What tools print is captured for the call that printed it, instead of appearing in the cell."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, TextIO, cast

LONGEST = 10_000
"""Characters of one call's output that are kept."""


class CapturedOutput:
    """What one call printed, up to :data:`LONGEST` characters; ``cut`` counts those that were dropped."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._room = LONGEST
        self.cut = 0

    def write(self, text: str) -> int:
        """Append text, like the method of a file."""
        kept = text[: self._room]
        if kept:
            self._pieces.append(kept)
        self._room -= len(kept)
        self.cut += len(text) - len(kept)
        return len(text)

    @property
    def text(self) -> str:
        """The output; of a line that was overwritten, as by a progress bar, only the last state."""
        lines = "".join(self._pieces).split("\n")
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


_target: ContextVar[CapturedOutput | None] = ContextVar("_target", default=None)


class _Router:
    """Stands in for a stream: passes text to the capture of the current context, if any, or to the stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        captured = _target.get()
        return self._stream.write(text) if captured is None else captured.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def route_output() -> Iterator[None]:
    """Make :func:`capture_to` work while calls run on the main thread, in their threads and tasks too.

    On any other thread this changes nothing: ``sys.stdout`` belongs to the whole process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    out, err = cast(TextIO, _Router(sys.stdout)), cast(TextIO, _Router(sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


@contextlib.contextmanager
def capture_to(captured: CapturedOutput | None) -> Iterator[None]:
    """Capture what this context prints; with None, let it through as if no call were running."""
    token = _target.set(captured)
    try:
        yield
    finally:
        _target.reset(token)
