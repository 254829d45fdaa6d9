"""What tools print goes to the call that printed it, and not into the cell."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, TextIO, cast

LONGEST = 10_000
"""Characters that are kept of what one call prints."""


class Printed:
    """What one call printed, as far as there is room for it.

    Attributes
    ----------
    cut : int
        Characters that there was no room for.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._room = LONGEST
        self.cut = 0

    def write(self, text: str) -> int:
        """Take text, as a file does."""
        kept = text[: self._room]
        if kept:
            self._pieces.append(kept)
        self._room -= len(kept)
        self.cut += len(text) - len(kept)
        return len(text)

    @property
    def text(self) -> str:
        """What was printed; of a line that was printed over and over, as progress bars are, the last state."""
        lines = "".join(self._pieces).split("\n")
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


_taking: ContextVar[Printed | None] = ContextVar("taking", default=None)


class _Router:
    """Stands before a stream: text goes to the call in whose context it is written, else to the stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        printed = _taking.get()
        return self._stream.write(text) if printed is None else printed.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def routed() -> Iterator[None]:
    """While calls run in the main thread: what they and their threads and tasks print is told apart.

    For a question that is asked in another thread nothing is changed: ``sys.stdout`` belongs to all.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    out, err = cast(TextIO, _Router(sys.stdout)), cast(TextIO, _Router(sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


@contextlib.contextmanager
def into(printed: Printed | None) -> Iterator[None]:
    """What is printed in this context goes there; with None to where it would go without us."""
    token = _taking.set(printed)
    try:
        yield
    finally:
        _taking.reset(token)
