"""The cells of the notebook, as far as a kernel learns of them: which runs, and which are gone.

JupyterLab, Notebook 7 and VS Code send the cell's id with each execution, and JupyterLab also the
ids of cells that were deleted since. A terminal and nbclient send neither; there a question is
simply added to the conversation.
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
        The cell's id; empty where it is not told.
    asked : collections.Counter
        Questions so far, by conversation.
    looked_at : collections.Counter
        Questions that were shown or counted instead of asked, by conversation: their number. What
        the cell asked before stays where it is.
    endings : list of Ending
        Of the answers so far.
    source : str
        The cell as it was written.
    depth : int
        How many cells run inside one another.
    """

    id: str = ""
    cell: str = ""
    asked: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    looked_at: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    endings: list[Ending] = dataclasses.field(default_factory=list)
    source: str = ""
    depth: int = 1


def running(shell: Any) -> int:
    """The number of the cell that runs, ``n`` of ``In [n]``; to be asked once its source is stored.

    IPython's ``execution_count`` is counted on before, during or after a cell, by its version.
    """
    return len(shell.history_manager.input_hist_raw) - 1


class Executions:
    """Follows which cell runs, and tells the conversations.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
    conversations : Conversations

    Attributes
    ----------
    current : Execution
    """

    def __init__(self, shell: Any, conversations: Conversations) -> None:
        self._shell = shell
        self._conversations = conversations
        self._answered = False
        self.current = self._read()

    def before(self, info: Any) -> None:
        """A cell begins (IPython's ``pre_run_cell``)."""
        execution = self._read()
        if execution.id and execution.id == self.current.id:
            self.current.depth += 1  # a cell that runs a cell is still the same one
            return
        self.current = execution
        execution.source = str(getattr(info, "raw_cell", "") or "")
        deleted = self._metadata().get("deletedCells") or []
        if gone := {cell for cell in deleted if isinstance(cell, str)} - {execution.cell}:
            self._conversations.cells_deleted(gone)
        if execution.cell:
            self._conversations.cell_runs(execution.cell)
        if "sk-ant-" in execution.source:
            print(
                "This cell holds an API key, which will be in the saved file. Take it out, and use claude.login().",
                file=sys.stderr,
            )

    def after(self, result: Any) -> None:
        """A cell has ended (IPython's ``post_run_cell``)."""
        self.current.depth -= 1
        if self.current.depth <= 0 and self.current.cell and result.success:
            current = self.current
            self._conversations.cell_ran(current.cell, current.id, self._label(), current.asked | current.looked_at)

    def place(self, conversation: str) -> Place | None:
        """Where the question that is now asked stands; counts it.

        None for one that no cell asks: from a thread, a task or a button, of whatever cell that was.
        """
        place = self._next(conversation)
        if place is not None:
            self.current.asked[conversation] += 1
        return place

    def peek(self, conversation: str) -> Place | None:
        """Where the next question would stand; it is not asked."""
        place = self._next(conversation)
        if place is not None:
            self.current.looked_at[conversation] = self.current.asked[conversation] + 1
        return place

    def _next(self, conversation: str) -> Place | None:
        asks = self._parent().get("header") or {}
        in_main = threading.current_thread() is threading.main_thread()
        if not in_main or str(asks.get("msg_id") or "") != self.current.id:
            return None
        return Place(self.current.cell, self.current.id, self.current.asked[conversation], self._label())

    def _label(self) -> str:
        return f"In [{running(self._shell)}]"

    @property
    def is_one_question(self) -> bool:
        """Whether the running cell is a question and nothing else, so that all its output is the answer."""
        source = self.current.source.strip()
        alone = source.startswith("%%claude") or (source.startswith("%claude") and "\n" not in source)
        return alone and not self.current.endings and self.current.depth == 1

    def notices(self) -> list[str]:
        """At the first answer of a kernel: whether the notebook shows older ones that Claude does not see."""
        if self._answered:
            return []
        self._answered = True
        if not self._older_answers_above():
            return []
        return ["New kernel: Claude does not see the answers above. claude.restore() brings them back."]

    def are_seen(self) -> None:
        """The older answers were brought back."""
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
            pass  # the file is somewhere else, or not yet written: nothing can be said
        return False

    def _read(self) -> Execution:
        header = self._parent().get("header") or {}
        metadata = self._metadata()
        cell = metadata.get("cellId") or (metadata.get("colab") or {}).get("cell_id") or ""
        return Execution(str(header.get("msg_id") or ""), str(cell))

    def _parent(self) -> dict[str, Any]:
        get_parent = getattr(self._shell, "get_parent", None)
        return (get_parent() or {}) if get_parent is not None else {}

    def _metadata(self) -> dict[str, Any]:
        return self._parent().get("metadata") or {}
