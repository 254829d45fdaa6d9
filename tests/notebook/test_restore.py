"""``restore()``: what the saved notebook shows is what Claude sees again, as text."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.conversation.conversation_environment import ConversationEnvironment, Restored
from claude_magic.conversation.state import State
from claude_magic.engine.settings import Settings
from claude_magic.messages.errors import BadInput
from claude_magic.notebook import restore
from claude_magic.notebook.display.output_metadata import answer
from claude_magic.simulator import Simulator, start
from tests.conversation.wire import answers, body, questions
from tests.notebook.conftest import Cells
from tests.notebook.kernels import Kernel, harmless_environment, running_kernel

MISSING = "not restored; run the cell to send it again]"
SOURCES = {
    "load": "%load_ext claude_magic",
    "fig": "from PIL import Image\nfig = Image.new('RGB', (300, 200), 'teal')\nnumber = 42",
    "tool": "def add(a: int, b: int = 2) -> int:\n    return a + b",
    "first": '%%claude -s "Be brief."\nWhat is this: {{ fig }}, and what is {{ number }}?',
    "second": '%%claude -t add\nAdd.\nsimulate: think=20; tool=add {"a": 40}\nsimulate: say=It is **42** & $x$.',
    "other": "%%claude -c stats\nsimulate: say=Mean.",
    "python": "for word in ('one', 'two'):\n    claude(f'Say {word}.\\nsimulate: say=It is {word}.', fig)",
    "once": "%%claude --once\nsimulate: say=Not kept.",
    "cut": "%%claude --verbatim\n{{ stop }}\nsimulate: stop=max_tokens; say=Cut in the",
}
CELLS = ["first", "second", "python", "python", "cut"]
"""Where the turns of the conversation come from."""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """A notebook as nbclient leaves it."""
    folder = tmp_path_factory.mktemp("executed")
    document = nbformat.v4.new_notebook()
    for id, source in SOURCES.items():
        document.cells.append(nbformat.v4.new_code_cell(source, id=id))
    with start() as simulator:
        api = {"ANTHROPIC_BASE_URL": simulator.url, "ANTHROPIC_API_KEY": "any", "IPYTHONDIR": str(folder)}
        client = NotebookClient(document, timeout=120, resources={"metadata": {"path": str(folder)}})
        client.execute(env={**harmless_environment(), **api})
    return document


@pytest.fixture
def path(executed: nbformat.NotebookNode, tmp_path: Path) -> Path:
    path = tmp_path / "talk.ipynb"
    nbformat.write(executed, path)
    return path


def restored(claude: Conversation, path: Path) -> str:
    found = restore.restored(claude.name, claude.state, path)
    claude._journal.change(lambda state: (found.step, found.before(state)))
    return found.text


def change(path: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    """Edit the cells of the notebook."""
    document = json.loads(path.read_text("utf-8"))
    edit(document["cells"])
    path.write_text(json.dumps(document), "utf-8")


def named(cells: list[dict[str, Any]], id: str) -> dict[str, Any]:
    [cell] = [cell for cell in cells if cell["id"] == id]
    return cell


def test_what_is_shown_is_what_claude_sees(claude: Conversation, simulator: Simulator, path: Path) -> None:
    said = restored(claude, path)
    claude("And now?")
    asked = questions(simulator)
    assert asked[0] == f"What is this: [fig: picture 300x200, {MISSING}, and what is [number: {MISSING}?"
    assert asked[1].startswith("Add.\nsimulate: think=20")
    assert asked[2] == f"[value 1: picture 300x200, {MISSING}\n\nSay one.\nsimulate: say=It is one."
    assert [words.splitlines()[-1] for words in asked[2:4]] == ["simulate: say=It is one.", "simulate: say=It is two."]
    assert asked[4] == "{{ stop }}\nsimulate: stop=max_tokens; say=Cut in the"
    assert asked[5] == "And now?"
    said_by_claude = answers(simulator)
    assert said_by_claude[0].startswith("This is a simulated answer")
    assert said_by_claude[1:] == [
        "This is simulated: let me call a tool.\n\nIt is **42** & $x$.",
        "It is one.",
        "It is two.",
        "Cut in the",
    ]
    assert body(simulator)["system"] == "Be brief."
    assert "tools" not in body(simulator)
    assert said.startswith("Restored 5 answers from talk.ipynb as saved at ")
    assert "Not restored: 4 values and 1 call." in said
    assert "All simulated." in said
    assert "System prompt: 'Be brief.'." in said
    assert "Also there: claude['stats'].restore() (1 answer)." in said


def test_turns_know_what_they_were(claude: Conversation, path: Path) -> None:
    restored(claude, path)
    turns = list(claude.turns)
    assert [turn.state for turn in turns] == ["complete"] * 4 + ["max_tokens"]
    assert all(turn.reply.simulated for turn in turns)
    assert {turn.reply.model for turn in turns} == {"claude-sonnet-5-5"}
    assert all(turn.reply.usage.output_tokens for turn in turns)
    assert [turn.place.cell for turn in turns if turn.place] == CELLS
    assert [turn.place.number for turn in turns if turn.place] == [0, 0, 0, 1, 0]
    assert "restoring talk.ipynb" in repr(claude.undo())
    assert not claude.turns


def test_another_conversation_of_the_notebook(claude: Conversation, path: Path) -> None:
    said = restored(claude["stats"], path)
    assert [turn.reply.text for turn in claude["stats"].turns] == ["Mean."]
    assert "Also there: claude['main'].restore() (5 answers)." in said
    with pytest.raises(BadInput, match="no answer of this conversation"):
        restored(claude["nobody"], path)


def test_an_edited_cell_is_reported(claude: Conversation, path: Path) -> None:
    change(path, lambda cells: named(cells, "second").update(source="%%claude\nSubtract.", execution_count=5))
    said = restored(claude, path)
    assert "In [5] edited since: Claude sees the new text with the old answer." in said
    assert claude.turns[1].prompt == "Subtract."
    assert "42" in claude.turns[1].reply.text


def test_white_space_around_a_cell_is_not_an_edit(claude: Conversation, path: Path) -> None:
    change(path, lambda cells: named(cells, "second").update(source=SOURCES["second"] + "\n\n"))
    assert "edited" not in restored(claude, path)


def test_cleared_outputs_are_reported(claude: Conversation, path: Path) -> None:
    change(path, lambda cells: named(cells, "second").update(outputs=[]))
    said = restored(claude, path)
    assert "Restored 4 answers" in said
    assert "Without a visible answer: 1 question" in said


@pytest.mark.parametrize(
    "edit",
    [list.reverse, lambda cells: cells.append({**named(cells, "first"), "id": "copy"})],
    ids=["moved", "copied"],
)
def test_moved_and_copied_cells_are_the_same_turns_in_the_order_in_which_they_were_asked(
    claude: Conversation, path: Path, edit: Callable[[list[dict[str, Any]]], object]
) -> None:
    change(path, edit)
    restored(claude, path)
    assert [turn.place.cell for turn in claude.turns if turn.place] == CELLS


def test_cells_of_this_kernel_are_unchanged(claude: Conversation, path: Path) -> None:
    restored(claude, path)
    before = list(claude.turns)
    said = restored(claude, path)
    assert "Restored 0 answers" in said
    assert "Unchanged in this kernel: 5 answers." in said
    assert list(claude.turns) == before


@pytest.mark.parametrize(
    "source",
    ["%%claude --no-such-option\nWhat?", "%%claude\n{{ never closed", "%claude", "1 +", "", '%%claude "open\nWhat?'],
)
def test_an_edited_cell_may_contain_anything(claude: Conversation, path: Path, source: str) -> None:
    change(path, lambda cells: named(cells, "second").update(source=source))
    assert "edited since" in restored(claude, path)
    assert claude("And now?").complete


@pytest.mark.parametrize("kept", ["text/plain", "text/markdown"])
def test_an_answer_whose_text_is_not_as_it_was_written_is_read_as_it_stands(path: Path, kept: str) -> None:
    """Another program may have changed the outputs."""
    document = json.loads(path.read_text("utf-8"))
    [output] = named(document["cells"], "other")["outputs"]
    about = {**output["metadata"]["claude_magic"], "text": [[0, 10**9]]}
    assert answer(about, {kept: output["data"][kept]}).strip() == "Mean."


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "not a notebook"),
        ("[]", "not a notebook"),
        ('{"cells": 3}', "not a notebook"),
        ('{"cells": [{}]}', "not a notebook"),
        ('{"worksheets": []}', "not a notebook"),
        ("[" * 50_000, "not a notebook"),
        ('{"cells": []}', "no answer"),
        ('{"cells": [{"cell_type": "code", "source": "1", "outputs": [3, {"metadata": 1}]}]}', "no answer"),
    ],
)
def test_a_file_that_is_not_a_notebook_is_refused(claude: Conversation, tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "odd.ipynb"
    path.write_text(text)
    with pytest.raises(BadInput, match=match) as caught:
        restored(claude, path)
    assert "\n" not in str(caught.value)


def test_any_metadata(claude: Conversation, path: Path) -> None:
    odd: list[object] = [None, True, -1, 2.5, "odd", [], {}, [[1]], [["a", "b"]]]
    document = json.loads(path.read_text("utf-8"))
    about = named(document["cells"], "first")["outputs"][0]["metadata"]["claude_magic"]
    for key in [*about]:
        before = about[key]
        for value in odd:
            about[key] = value
            path.write_text(json.dumps(document), "utf-8")
            found = restore.restored(claude.name, claude.state, path)
            assert found.text
            assert repr(found.turns)
        about[key] = before


def test_a_missing_notebook(claude: Conversation, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no file"):
        restored(claude, tmp_path / "nothing.ipynb")


def test_in_plain_python_a_notebook_is_not_restored(path: Path) -> None:
    with pytest.raises(BadInput, match="load_ext claude_magic"):
        Conversation().restore(path)


class Slow(ConversationEnvironment):
    """While it reads, an answer arrives."""

    claude: Conversation

    def restored(self, name: str, state: State, path: str | os.PathLike[str] | None) -> Restored:
        assert path is not None
        found = restore.restored(name, state, path)
        self.claude("Meanwhile.")
        return found


def test_an_answer_that_comes_while_the_notebook_is_read_is_not_lost(path: Path, simulator: Simulator) -> None:
    environment = Slow()
    home = Conversations(Settings(base_url=simulator.url), environment)
    claude = environment.claude = home.open("main")
    claude.restore(path)
    home.close()
    assert [turn.place and turn.place.cell for turn in claude.turns] == [*CELLS, None]


# -- in a shell ----------------------------------------------------------------------------------


def test_the_path_comes_from_the_front_end(cells: Cells, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not tell which notebook" in cells.fail("claude.restore()")
    assert "Restored 5 answers" in cells(f"claude.restore({str(path)!r})").stdout
    cells("claude.reset();")
    cells(f"__vsc_ipynb_file__ = {str(path)!r}")
    assert "Restored 5 answers" in cells("claude.restore()").stdout
    cells("claude.reset(); del __vsc_ipynb_file__")
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    assert "Restored 5 answers" in cells("claude.restore()").stdout


def test_undo_takes_it_back(cells: Cells, path: Path) -> None:
    cells(f"claude.restore({str(path)!r})")
    assert "Took back restoring talk.ipynb" in cells("claude.undo()").stdout
    assert len(cells["claude"].turns) == 0


def test_restoring_nothing_new_is_no_step(cells: Cells, path: Path) -> None:
    cells(f"claude.restore({str(path)!r})")
    cells("claude('One more.');")
    cells("claude.undo()")
    assert "Restored 0 answers from talk.ipynb" in (said := cells(f"claude.restore({str(path)!r})").stdout)
    assert "Unchanged in this kernel: 5 answers" in said
    assert "without thinking" not in said
    assert "Brought back the answer" in cells("claude.redo()").stdout


# -- in kernels ----------------------------------------------------------------------------------


@pytest.fixture
def make_kernel(simulator: Simulator, tmp_path: Path) -> Iterator[Callable[[], Kernel]]:
    with contextlib.ExitStack() as running:

        def make() -> Kernel:
            folder = tempfile.mkdtemp(dir=tmp_path)
            kernel = running.enter_context(running_kernel(Path(folder), simulator.url))
            assert not kernel.run("%load_ext claude_magic").error
            return kernel

        yield make


def test_a_conversation_goes_on_in_another_kernel(
    make_kernel: Callable[[], Kernel], simulator: Simulator, tmp_path: Path
) -> None:
    saved = tmp_path / "talk.json"
    first = make_kernel()
    first.run(SOURCES["fig"])
    first.run(SOURCES["tool"])
    for cell in ("first", "second"):
        assert not first.run(SOURCES[cell], cell=cell).error
    assert "Saved 2 turns" in first.run(f"print(claude.save({str(saved)!r}))").printed
    first.run("%%claude\nAnd now?", cell="now")
    there = simulator.requests[-1].raw
    first.manager.shutdown_kernel(now=True)
    second = make_kernel()
    said = second.run(f"print(claude.load({str(saved)!r}))").printed
    assert "Loaded 2 turns from talk.json" in said
    assert "-t add" in said
    second.run("%%claude\nAnd now?", cell="now")
    assert simulator.requests[-1].raw == there
    again = second.run("%%claude\nWhat is this?", cell="first")
    assert "Replaced your question" in again.answer.notices[0]
    assert questions(simulator)[0] == "What is this?"
    assert second.value("[turn.place.cell for turn in claude.turns]") == ["first", "second", "now"]


def test_the_next_morning(make_kernel: Callable[[], Kernel], simulator: Simulator, path: Path) -> None:
    kernel = make_kernel()
    kernel.run(f"import os\nos.environ['JPY_SESSION_NAME'] = {str(path)!r}")
    assert "Restored 5 answers" in kernel.run("print(claude.restore())", cell="new").printed
    later = kernel.run("%%claude\nAnd now?", cell="later")
    assert later.answer.notices == []  # nothing above is unseen
    assert [message["role"] for message in body(simulator)["messages"]] == ["user", "assistant"] * 5 + ["user"]
    again = kernel.run("%%claude\nsimulate: say=Again.", cell="second")
    assert "Replaced your question" in again.answer.notices[0]
    cells = kernel.value("[turn.place.cell for turn in claude.turns]")
    assert cells == ["first", "second", "python", "python", "cut", "later"]
    kernel.run("claude('Once.\\nsimulate: say=1'); claude('Twice.\\nsimulate: say=2')", cell="python")
    assert kernel.value("[turn.prompt.split()[0] for turn in claude.turns][2:4]") == ["Once.", "Twice."]


def test_no_notice_after_loading(make_kernel: Callable[[], Kernel], path: Path) -> None:
    kernel = make_kernel()
    kernel.run(f"import os\nos.environ['JPY_SESSION_NAME'] = {str(path)!r}")
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    Conversation.from_messages(history).save(path.with_name("talk.json"))
    kernel.run(f"claude.load({str(path.with_name('talk.json'))!r})")
    assert kernel.run("%%claude\nAnd now?", cell="new").answer.notices == []
    assert kernel.run("%%claude -c b\nAnd now?", cell="newer").answer.notices == []


def test_a_notice_tells_how_to_restore(make_kernel: Callable[[], Kernel], path: Path) -> None:
    kernel = make_kernel()
    kernel.run(f"import os\nos.environ['JPY_SESSION_NAME'] = {str(path)!r}")
    [notice] = kernel.run("%%claude\nAnd now?", cell="later").answer.notices
    assert notice.endswith("claude.restore() brings them back.")


def test_pictures_are_named_by_their_size(claude: Conversation, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (4000, 30)).save(stream, "PNG")
    claude("Look.", stream.getvalue())
    claude.export(tmp_path / "talk.ipynb")
    claude.reset()
    restored(claude, tmp_path / "talk.ipynb")
    assert re.search(rf"\[value 1: picture 4000x30, {re.escape(MISSING)}", claude.turns[0].prompt)
