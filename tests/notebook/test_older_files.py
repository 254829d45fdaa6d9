"""Files that version 0.1.0 wrote: the next question is the same, byte for byte, as that version would have sent.

The fixtures were made with the simulator: a conversation with thinking, a picture, a tool call, a cell that ran
twice and an undone answer; a notebook with two conversations, a value, a tool call and two questions in one cell.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from claude_magic import Conversation
from claude_magic.simulator import Simulator
from tests.conversation.wire import body
from tests.notebook.conftest import Cells

FIXTURES = Path(__file__).parents[1] / "conversation" / "fixtures"


def expected(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.request.json").read_text("utf-8"))


def test_a_saved_conversation(cells: Cells, simulator: Simulator) -> None:
    cells(f"claude.load({str(FIXTURES / 'conversation.json')!r})")
    cells("%%claude\nAnd now?")
    assert body(simulator) == expected("conversation")


def test_a_saved_conversation_is_saved_the_same(tmp_path: Path) -> None:
    Conversation.load(FIXTURES / "conversation.json").save(tmp_path / "conversation.json")
    before, after = (json.loads((at / "conversation.json").read_text("utf-8")) for at in (FIXTURES, tmp_path))
    assert before | {"saved": ""} == after | {"saved": ""}
    names = [sorted(file.name for file in (at / "conversation.json.files").iterdir()) for at in (FIXTURES, tmp_path)]
    assert names[0] == names[1]


def test_the_undo_history_of_a_saved_conversation(cells: Cells) -> None:
    cells(f"claude.load({str(FIXTURES / 'conversation.json')!r}); claude.redo()")
    claude = cells["claude"]
    assert [turn.reply.text.splitlines()[-1] for turn in claude.turns] == [
        "Blue.",
        "An orange square.",
        "Done.",
        "Gladly.",
    ]
    cells("claude.undo(); claude.undo()")
    assert claude.turns[0].reply.text == "Grey."
    assert claude.turns[2].tool_calls[0].input == {"number": 3}


def test_an_executed_notebook(cells: Cells, simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "executed.ipynb"
    path.write_bytes((FIXTURES / "executed.ipynb.json").read_bytes())
    cells(f"claude.restore({str(path)!r}); claude['stats'].restore({str(path)!r})")
    assert [turn.reply.text for turn in cells["claude"]["stats"].turns] == ["Mean."]
    cells("%%claude\nAnd now?")
    assert body(simulator) == expected("executed")
