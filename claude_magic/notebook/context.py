"""What was run before, for a question that names it: the last error, the cells before this one."""

from __future__ import annotations

import collections
import dataclasses
import linecache
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from claude_magic.content.parts import Part
from claude_magic.content.values import RemotePicture
from claude_magic.messages.errors import BadInput, Explained
from claude_magic.notebook.executions import running

_REMEMBERED = 50
"""Executions whose pictures are kept."""
_LONGEST = 8000
"""Characters of a cell's output that are sent; from both ends."""
_CELL = re.compile(r"<ipython-input-|/ipykernel_\d+/|^<string>$|^<cell")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Memory:
    """Remembers what cells showed, as far as it is not in IPython's own history.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._shown: collections.OrderedDict[int, list[dict[str, Any]]] = collections.OrderedDict()

    def names(self) -> dict[str, Any]:
        """The names that exist in ``{{ }}`` beside the user's own."""
        return {"error": LastError(self._shell), "previous": self.cells(1), "cells": self.cells}

    def cells(self, count: int) -> PastCells:
        """The cells run before this one, latest last; questions to Claude are not counted.

        Parameters
        ----------
        count : int
            At least 1.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise BadInput(f"cells({count!r}): how many cells? A whole number of at least 1.")
        return PastCells(self, count)

    def see(self, message: dict[str, Any]) -> dict[str, Any]:
        """Note what a cell shows (a hook of ipykernel's display publisher); the message goes on unchanged."""
        if message["header"]["msg_type"] == "display_data":
            number = running(self._shell)
            self._shown.setdefault(number, []).append(message["content"]["data"])
            while len(self._shown) > _REMEMBERED:
                self._shown.popitem(last=False)
        return message

    def past(self, count: int) -> list[PastCell]:
        """The last cells that were run and are no questions, oldest first."""
        sources = self._shell.history_manager.input_hist_raw
        found: list[PastCell] = []
        for number in range(running(self._shell) - 1, 0, -1):
            if (source := sources[number].strip()) and not _asks(source):
                found.append(PastCell(number, source, *self._output(number)))
                if len(found) == count:
                    break
        return found[::-1]

    def _output(self, number: int) -> tuple[str, tuple[RemotePicture, ...]]:
        text: list[str] = []
        pictures: list[RemotePicture] = []
        history = self._shell.history_manager
        recorded = getattr(history, "outputs", {}).get(number, [])
        bundles: list[dict[str, Any]] = [entry.bundle for entry in recorded if entry.output_type != "display_data"]
        if not hasattr(history, "outputs") and number in history.output_hist:
            # IPython 8 keeps a cell's value, but not what it printed.
            bundles = [{"text/plain": repr(history.output_hist[number])}]
        for bundle in [*bundles, *self._shown.get(number, [])]:
            picture = next((kind for kind in ("image/png", "image/jpeg") if kind in bundle), None)
            if picture is not None:
                pictures.append(RemotePicture(f"data:{picture};base64,{_base64(bundle[picture])}"))
            else:
                found = bundle.get("stream") or bundle.get("text/plain") or ""
                text.append(found if isinstance(found, str) else "".join(found))
        return _ANSI.sub("", "\n".join(part.rstrip("\n") for part in text if part.strip())), tuple(pictures)


@dataclasses.dataclass(frozen=True)
class PastCell:
    """A cell that was run.

    Attributes
    ----------
    number : int
        As in ``In [5]``.
    source, output : str
    pictures : tuple of RemotePicture
    """

    number: int
    source: str
    output: str
    pictures: tuple[RemotePicture, ...]

    def __claude__(self) -> list[object]:
        text = f"Cell In [{self.number}]:\n```python\n{self.source}\n```\n"
        if self.output:
            text += f"Its output:\n```\n{_clipped(self.output)}\n```\n"
        return [Part({"type": "text", "text": text}, f"In [{self.number}]"), *self.pictures]


class PastCells:
    """Cells run before, as a value of a question."""

    def __init__(self, memory: Memory, count: int) -> None:
        self._memory = memory
        self._count = count

    def __claude__(self) -> list[object]:
        past = self._memory.past(self._count)
        if not past:
            raise BadInput("No cell was run before this one.")
        return [part for cell in past for part in cell.__claude__()]

    def __repr__(self) -> str:
        return f"<the {self._count} cells before>"


class LastError:
    """The last exception, as a value of a question: what it says, and where it came from.

    Frames in cells come with their source, all others in one line each; the home folder is
    written ``~``. Nothing else of the notebook goes along.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __claude__(self) -> object:
        error = getattr(sys, "last_value", None)
        if error is None or isinstance(error, Explained):
            raise BadInput("There was no error yet (errors of %claude itself are not counted).")
        return Part({"type": "text", "text": _clipped(_told(error))}, type(error).__name__)

    def __repr__(self) -> str:
        return "<the last error>"


def _told(error: BaseException) -> str:
    chain: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = [_frame(frame, line) for frame, line in traceback.walk_tb(current.__traceback__)]
        said = "".join(traceback.format_exception_only(type(current), current)).strip()
        chain.append("\n".join(["Traceback, outermost first:", *filter(None, frames), said]))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return _homeless("\n\nwhich came while handling:\n\n".join(chain))


def _frame(frame: Any, line: int) -> str:
    code = frame.f_code
    module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    if module in ("IPython", "ipykernel", "claude_magic"):
        return ""
    if not _CELL.search(code.co_filename):
        return f"  {code.co_filename}:{line} in {code.co_name}: {linecache.getline(code.co_filename, line).strip()}"
    source = linecache.getlines(code.co_filename, frame.f_globals)
    numbered = (
        f"{'-->' if number == line else '   '} {number:4} {text.rstrip()}" for number, text in enumerate(source, 1)
    )
    return f"  in a cell, {code.co_name}, line {line}:\n" + "\n".join(numbered)


def _homeless(text: str) -> str:
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def _asks(source: str) -> bool:
    return source.startswith(("%%claude", "%claude"))


def _base64(data: Any) -> str:
    import base64

    return base64.b64encode(data).decode("ascii") if isinstance(data, bytes) else "".join(data.split())


def _clipped(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"
