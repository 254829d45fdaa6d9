"""Which cell runs, as far as the front end sends it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from claude_magic.conversation.conversation import Conversations
from claude_magic.engine.environment import Place
from claude_magic.notebook.executions import Executions


class Shell:
    """A kernel's shell, as far as cells are concerned."""

    def __init__(self, **metadata: Any) -> None:
        self.history_manager = SimpleNamespace(input_hist_raw=[""] * 6)
        self.parent = {"header": {"msg_id": "m1"}, "metadata": metadata}

    def get_parent(self) -> dict[str, Any]:
        return self.parent


@pytest.mark.parametrize("metadata", [{"cellId": "abc"}, {"colab": {"cell_id": "abc"}}], ids=["Jupyter", "Colab"])
def test_a_place_has_cell_execution_and_number(metadata: dict[str, Any]) -> None:
    cells = Executions(Shell(**metadata), Conversations())
    places = [cells.place(conversation) for conversation in ("main", "main", "other")]
    assert places == [Place("abc", "m1", number, "In [5]") for number in (0, 1, 0)]


def test_a_terminal_knows_no_cells() -> None:
    cells = Executions(SimpleNamespace(history_manager=SimpleNamespace(input_hist_raw=["", "x"])), Conversations())
    place = cells.place("main")
    assert place is not None
    assert place.cell == ""


def notebook_with(path: Path, *cells: tuple[str, bool]) -> str:
    document = {
        "cells": [
            {
                "id": name,
                "outputs": [{"output_type": "display_data", "metadata": {"claude_magic": {}} if answer else {}}],
            }
            for name, answer in cells
        ]
    }
    path.write_text(json.dumps(document))
    return str(path)


@pytest.mark.parametrize(("above", "below", "said"), [(True, False, True), (False, True, False), (False, False, False)])
def test_a_new_kernel_reports_that_claude_does_not_see_earlier_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, above: bool, below: bool, said: bool
) -> None:
    path = notebook_with(tmp_path / "n.ipynb", ("first", above), ("here", True), ("last", below))
    monkeypatch.setenv("JPY_SESSION_NAME", path)
    cells = Executions(Shell(cellId="here"), Conversations())
    assert cells.notices() == (
        ["New kernel: Claude does not see the answers above. claude.restore() brings them back."] if said else []
    )
    assert cells.notices() == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": 5}', '{"cells": [5]}'])
def test_an_unreadable_notebook_causes_no_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    (tmp_path / "n.ipynb").write_text(content)
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "n.ipynb"))
    assert Executions(Shell(cellId="here"), Conversations()).notices() == []
