"""What ran before, as values of a question: the last error and the previous cells."""

from __future__ import annotations

import base64
import collections
import dataclasses
import linecache
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from claude_magic.content.parts import Part
from claude_magic.content.values import RemotePicture
from claude_magic.messages.errors import BadInput, Explained
from claude_magic.notebook.executions import running

_REMEMBERED = 50
"""Executions whose displayed output is kept."""
_LONGEST = 8000
"""Characters of a cell's output or a traceback that are sent; the middle of a longer one is left out."""
_CELL = re.compile(r"<ipython-input-|/ipykernel_\d+/|^<string>$|^<cell")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
MimeBundle = Mapping[str, Any]


class CellHistory:
    """The cells that ran, from IPython's history, and what they displayed, which IPython does not keep."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._displayed: collections.OrderedDict[int, list[MimeBundle]] = collections.OrderedDict()

    def names(self) -> dict[str, object]:
        """The names that ``{{ }}`` can use in addition to the user's own."""
        return {"error": LastError(), "previous": self.cells(1), "cells": self.cells}

    def cells(self, count: int) -> PastCells:
        """The cells that ran before this one, latest last; questions to Claude do not count.

        Parameters
        ----------
        count : int
            At least 1.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise BadInput(f"cells({count!r}): how many cells? A whole number of at least 1.")
        return PastCells(self, count)

    def record(self, message: dict[str, Any]) -> dict[str, Any]:
        """Record what a cell displays (a hook of ipykernel's display publisher); returns the message unchanged."""
        if message["header"]["msg_type"] == "display_data":
            number = running(self._shell)
            self._displayed.setdefault(number, []).append(message["content"]["data"])
            while len(self._displayed) > _REMEMBERED:
                self._displayed.popitem(last=False)
        return message

    def last(self, count: int) -> list[PastCell]:
        """The last cells that are not questions to Claude, oldest first."""
        sources = self._shell.history_manager.input_hist_raw
        found: list[PastCell] = []
        for number in range(running(self._shell) - 1, 0, -1):
            if (source := sources[number].strip()) and not source.startswith(("%%claude", "%claude")):
                found.append(PastCell(number, source, *self._output(number)))
                if len(found) == count:
                    break
        return found[::-1]

    def _output(self, number: int) -> tuple[str, tuple[RemotePicture, ...]]:
        text: list[str] = []
        pictures: list[RemotePicture] = []
        history = self._shell.history_manager
        recorded = getattr(history, "outputs", {}).get(number, [])
        bundles: list[MimeBundle] = [entry.bundle for entry in recorded if entry.output_type != "display_data"]
        if not hasattr(history, "outputs") and number in history.output_hist:
            # IPython 8 keeps a cell's value, but not what it printed.
            bundles = [{"text/plain": repr(history.output_hist[number])}]
        for bundle in [*bundles, *self._displayed.get(number, [])]:
            picture = next((kind for kind in ("image/png", "image/jpeg") if kind in bundle), None)
            if picture is not None:
                pictures.append(RemotePicture(f"data:{picture};base64,{_as_base64(bundle[picture])}"))
            else:
                found = bundle.get("stream") or bundle.get("text/plain") or ""
                text.append(found if isinstance(found, str) else "".join(found))
        return _ANSI.sub("", "\n".join(part.rstrip("\n") for part in text if part.strip())), tuple(pictures)


@dataclasses.dataclass(frozen=True)
class PastCell:
    """A cell that ran; its number is the ``n`` of ``In [n]``."""

    number: int
    source: str
    output: str
    pictures: tuple[RemotePicture, ...]

    def __claude__(self) -> list[object]:
        text = f"Cell In [{self.number}]:\n```python\n{self.source}\n```\n"
        if self.output:
            text += f"Its output:\n```\n{_clipped(self.output)}\n```\n"
        return [Part({"type": "text", "text": text}, f"In [{self.number}]"), *self.pictures]


@dataclasses.dataclass(frozen=True, repr=False)
class PastCells:
    """The cells that ran before, as a value of a question; read when the question is converted."""

    history: CellHistory
    count: int

    def __claude__(self) -> list[object]:
        past = self.history.last(self.count)
        if not past:
            raise BadInput("No cell ran before this one.")
        return [part for cell in past for part in cell.__claude__()]

    def __repr__(self) -> str:
        return f"<the {self.count} previous cells>"


class LastError:
    """The last exception with its traceback, as a value of a question.

    Frames in cells include the source of the cell, all others are one line; the home folder is
    written ``~``. Nothing else of the notebook is sent.
    """

    def __claude__(self) -> object:
        error = getattr(sys, "last_value", None)
        if error is None or isinstance(error, Explained):
            raise BadInput("There has been no error yet (errors of %claude itself do not count).")
        return Part({"type": "text", "text": _clipped(_traceback(error))}, type(error).__name__)

    def __repr__(self) -> str:
        return "<the last error>"


def _traceback(error: BaseException) -> str:
    chain: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = [_frame(frame, line) for frame, line in traceback.walk_tb(current.__traceback__)]
        message = "".join(traceback.format_exception_only(type(current), current)).strip()
        chain.append("\n".join(["Traceback, outermost first:", *filter(None, frames), message]))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return _without_home("\n\nwhich was raised while handling:\n\n".join(chain))


def _frame(frame: FrameType, line: int) -> str:
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


def _without_home(text: str) -> str:
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def _as_base64(data: str | bytes) -> str:
    return base64.b64encode(data).decode("ascii") if isinstance(data, bytes) else "".join(data.split())


def _clipped(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"
