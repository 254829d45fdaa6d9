"""The cells of the notebook as a kernel knows them: which one runs, and which were deleted.

JupyterLab, Notebook 7 and VS Code send the cell's id with each execution; JupyterLab also sends the
ids of cells deleted since the last one. A terminal and nbclient send neither; there, each question
adds a turn to the conversation.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

from claude_magic.conversation.conversation import Conversations
from claude_magic.engine.environment import Place
from claude_magic.engine.rendering import Ending


@dataclasses.dataclass
class Execution:
    """One execution of a cell.

    Attributes
    ----------
    id : str
        The id of the request; empty where there is none.
    cell : str
        The cell's id; empty where the front end does not send it.
    asked : collections.Counter
        Number of questions so far, by conversation.
    inspected : collections.Counter
        Number of questions including the last one that was shown or counted instead of asked, by
        conversation, so that the turns of earlier executions stay in place.
    endings : list of Ending
        How the questions so far ended.
    source : str
        The cell as the user wrote it.
    depth : int
        Number of nested cells that run, this one included.
    """

    id: str = ""
    cell: str = ""
    asked: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    inspected: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    endings: list[Ending] = dataclasses.field(default_factory=list)
    source: str = ""
    depth: int = 1


def running(shell: InteractiveShell) -> int:
    """The number of the running cell, ``n`` of ``In [n]``; valid once its source is in the history.

    IPython increments ``execution_count`` before, during or after a cell, depending on its version.
    """
    return len(shell.history_manager.input_hist_raw) - 1


class Executions:
    """Tracks which cell runs, and tells the conversations when cells start, end or are deleted."""

    def __init__(self, shell: InteractiveShell, conversations: Conversations) -> None:
        self._shell = shell
        self._conversations = conversations
        self._answered = False
        self.current = self._read()

    def pre_run_cell(self, info: ExecutionInfo) -> None:
        """A cell starts (an IPython event)."""
        execution = self._read()
        if execution.id and execution.id == self.current.id:
            self.current.depth += 1  # a cell that runs another cell
            return
        self.current = execution
        execution.source = str(info.raw_cell or "")
        deleted = self._metadata().get("deletedCells") or []
        if cells := {cell for cell in deleted if isinstance(cell, str)} - {execution.cell}:
            self._conversations.cells_deleted(cells)
        if execution.cell:
            self._conversations.cell_runs(execution.cell)
        if "sk-ant-" in execution.source:
            print(
                "This cell contains an API key, which will be in the saved file. Remove it, and use claude.login().",
                file=sys.stderr,
            )

    def post_run_cell(self, result: ExecutionResult) -> None:
        """A cell has ended (an IPython event)."""
        self.current.depth -= 1
        if self.current.depth <= 0 and self.current.cell and result.success:
            current = self.current
            self._conversations.cell_ran(current.cell, current.id, self._label(), current.asked | current.inspected)

    def place(self, conversation: str) -> Place | None:
        """The place of the question that is asked now, which is counted.

        None if no running cell asks it, but a thread, a task or a button.
        """
        place = self._next(conversation)
        if place is not None:
            self.current.asked[conversation] += 1
        return place

    def peek(self, conversation: str) -> Place | None:
        """The place of the next question, without asking it."""
        place = self._next(conversation)
        if place is not None:
            self.current.inspected[conversation] = self.current.asked[conversation] + 1
        return place

    def _next(self, conversation: str) -> Place | None:
        header = self._parent().get("header") or {}
        in_main = threading.current_thread() is threading.main_thread()
        if not in_main or str(header.get("msg_id") or "") != self.current.id:
            return None
        return Place(self.current.cell, self.current.id, self.current.asked[conversation], self._label())

    def _label(self) -> str:
        return f"In [{running(self._shell)}]"

    @property
    def is_single_question(self) -> bool:
        """Whether the running cell is one question and nothing else, so that all its output is the answer."""
        source = self.current.source.strip()
        alone = source.startswith("%%claude") or (source.startswith("%claude") and "\n" not in source)
        return alone and not self.current.endings and self.current.depth == 1

    def notices(self) -> list[str]:
        """At the first answer of a kernel, a notice if the notebook shows older ones that Claude does not see."""
        if self._answered:
            return []
        self._answered = True
        if not self._older_answers_above():
            return []
        return ["New kernel: Claude does not see the answers above. claude.restore() brings them back."]

    def restored(self) -> None:
        """The older answers were restored, so that no notice is needed."""
        self._answered = True

    def _older_answers_above(self) -> bool:
        path = os.environ.get("JPY_SESSION_NAME", "")
        if not self.current.cell or not path.endswith(".ipynb"):
            return False
        try:
            cells = json.loads(Path(path).read_text("utf-8"))["cells"]
            for cell in cells:
                if cell.get("id") == self.current.cell:
                    return False
                if any("claude_magic" in (output.get("metadata") or {}) for output in cell.get("outputs") or []):
                    return True
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # the file is elsewhere or not written yet
        return False

    def _read(self) -> Execution:
        header = self._parent().get("header") or {}
        metadata = self._metadata()
        cell = metadata.get("cellId") or (metadata.get("colab") or {}).get("cell_id") or ""
        return Execution(str(header.get("msg_id") or ""), str(cell))

    def _parent(self) -> dict[str, Any]:
        return getattr(self._shell, "get_parent", dict)() or {}

    def _metadata(self) -> dict[str, Any]:
        return self._parent().get("metadata") or {}
