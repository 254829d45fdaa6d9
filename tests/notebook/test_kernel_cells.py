"""The conversation is the list of cells that ran: re-running, deleting, cutting and pasting, in a real kernel."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from claude_magic.simulator import Simulator
from tests.conversation.wire import body
from tests.notebook.kernels import Kernel, Running, shown


@pytest.fixture
def kernel(new_kernel: Kernel) -> Kernel:
    new_kernel.run("%load_ext claude_magic", cell="load")
    return new_kernel


def ask(kernel: Kernel, cell: str, word: str, **deleted: Any) -> Running:
    """Run a ``%%claude`` cell whose answer is its question."""
    ran = kernel.run(f"%%claude\n{word}\nsimulate: say={word}", cell=cell, **deleted)
    assert ran.status == "ok", ran.error
    return ran


def words(kernel: Kernel) -> list[str]:
    """What Claude sees, in order."""
    seen: list[str] = kernel.value("[turn.prompt.split()[0] for turn in claude.turns]")
    return seen


def asked(simulator: Simulator) -> list[str]:
    """The first words of the messages of the last request."""
    return [str(message["content"]).split()[0] for message in body(simulator)["messages"]]


def test_running_the_middle_cell_again_replaces_it_in_place(kernel: Kernel, simulator: Simulator) -> None:
    for cell in "abc":
        ask(kernel, cell, cell)
    again = ask(kernel, "b", "B")
    assert asked(simulator) == ["a", "a", "B"]
    assert words(kernel) == ["a", "B", "c"]
    assert again.answer.notices[0].endswith("1 later answer was given to the old version.")
    ask(kernel, "d", "d")
    assert asked(simulator) == ["a", "a", "B", "B", "c", "c", "d"]


def test_a_deleted_cell_takes_its_turn_with_it_and_undo_brings_it_back(kernel: Kernel, simulator: Simulator) -> None:
    for cell in "abc":
        ask(kernel, cell, cell)
    after = ask(kernel, "d", "d", deleted=["b"])
    assert asked(simulator) == ["a", "a", "c", "c", "d"]
    assert "left out" in after.answer.notices[0]
    kernel.run("claude.undo(); claude.undo()", cell="e")
    assert words(kernel) == ["a", "b", "c"]


def test_a_cell_without_a_question_also_reports_deletions(kernel: Kernel) -> None:
    ask(kernel, "a", "a")
    kernel.run("1 + 1", cell="x", deleted=["a"])
    assert words(kernel) == []


def test_a_cell_that_was_cut_and_pasted_comes_back_at_its_place(kernel: Kernel, simulator: Simulator) -> None:
    for cell in "abc":
        ask(kernel, cell, cell)
    pasted = ask(kernel, "b", "B", deleted=["b"])  # reported although it runs: it was cut, and pasted
    assert [notice.split()[0] for notice in pasted.answer.notices] == ["Replaced"]
    assert words(kernel) == ["a", "B", "c"]
    kernel.run("1 + 1", cell="x", deleted=["b"])  # cut, not yet pasted
    assert words(kernel) == ["a", "c"]
    ask(kernel, "b", "bb")
    assert asked(simulator) == ["a", "a", "bb"]
    assert words(kernel) == ["a", "bb", "c"]


def test_questions_of_one_cell_follow_each_other_and_replace_their_own(kernel: Kernel, simulator: Simulator) -> None:
    two = "claude('p1\\nsimulate: say=p1')\nclaude('p2\\nsimulate: say=p2');"
    ran = kernel.run(two, cell="two")
    assert len(ran.screen.answers) == 2
    ask(kernel, "c", "c")
    kernel.run(two.replace("p", "q"), cell="two")
    assert asked(simulator) == ["q1", "q1", "q2"]
    assert words(kernel) == ["q1", "q2", "c"]
    kernel.run("claude('r1\\nsimulate: say=r1');", cell="two")
    assert words(kernel) == ["r1", "c"]
    kernel.run("claude('s1\\nsimulate: say=s1'); claude('s2\\nsimulate: say=s2');", cell="two")
    assert words(kernel) == ["s1", "s2", "c"]


def test_a_failed_run_leaves_the_earlier_answers(kernel: Kernel, simulator: Simulator) -> None:
    ask(kernel, "a", "a")
    ask(kernel, "b", "b")
    failed = kernel.run("%%claude\nA\nsimulate: 400", cell="a")
    assert failed.status == "error"
    assert failed.error[0].endswith("The earlier answer still counts.")
    assert words(kernel) == ["a", "b"]
    kernel.run("claude('p1\\nsimulate: say=p1'); claude('p2\\nsimulate: say=p2');", cell="two")
    broken = kernel.run("claude('q1\\nsimulate: say=q1')\n1 / 0", cell="two")
    assert broken.status == "error"
    assert words(kernel) == ["a", "b", "q1", "p2"]


def test_a_cell_that_runs_a_cell_is_one_execution(kernel: Kernel) -> None:
    nested = "get_ipython().run_cell('claude(\"n1\\\\nsimulate: say=n1\")')\nclaude('n2\\nsimulate: say=n2');"
    for _ in range(2):
        ran = kernel.run(nested, cell="nested")
        assert ran.status == "ok", ran.error
        assert words(kernel) == ["n1", "n2"]


def test_a_turn_has_the_label_of_its_cell(kernel: Kernel) -> None:
    ran = ask(kernel, "a", "a")
    assert kernel.value("claude.turns[0].place.label") == f"In [{ran.result['execution_count']}]"


def test_an_answer_that_is_also_the_value_of_the_cell_is_shown_once(kernel: Kernel) -> None:
    ran = kernel.run("claude('simulate: say=Only once.')", cell="a")
    streamed, value = ran.screen.outputs
    assert shown(streamed).answer == "Only once."
    assert value["output_type"] == "execute_result"
    assert "Only once." not in str(value["data"])
    later = kernel.run("claude.last", cell="b")
    assert "Only once." in later.screen.outputs[0]["data"]["text/markdown"]


def test_append_adds_a_turn_instead(kernel: Kernel) -> None:
    for _ in range(2):
        kernel.run("%%claude -a\na\nsimulate: say=a", cell="a")
    assert words(kernel) == ["a", "a"]


@pytest.mark.kernel
def test_without_a_cell_id_a_turn_is_added(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any-key")
    notebook = nbformat.v4.new_notebook()
    question = "%%claude\na\nsimulate: say=a"
    for source in ("%load_ext claude_magic", question, question, "len(claude.turns)"):
        notebook.cells.append(nbformat.v4.new_code_cell(source))
    NotebookClient(notebook, timeout=60).execute()
    assert asked(simulator) == ["a", "a", "a"]
    assert notebook.cells[3].outputs[0].data["text/plain"] == "2"
    for cell in notebook.cells[1:3]:
        (output,) = cell.outputs
        assert shown(output).answer == "a"
        assert "claude_magic" in output.metadata


def test_what_the_cell_printed_stays_where_it_was(kernel: Kernel) -> None:
    code = (
        "from IPython.display import display\n"
        "print('before')\n"
        "first = claude('Go on.\\nsimulate: deltas=2000; chars=4; pace=4000; think=0')\n"
        "print('between')\n"
        "display({'text/plain': 'shown'}, raw=True)\n"
        "claude('simulate: say=Short.');\n"
        "print('after')"
    )
    ran = kernel.run(code, cell="a")
    assert ran.status == "ok", ran.error
    assert not any(message.kind == "clear_output" for message in ran.messages)
    seen = [text_of(output) for output in ran.screen.outputs if output.get("data") != {}]
    assert seen == ["before\n", "## Part 1", "between\n", "shown", "Short.", "after\n"]


def text_of(output: dict[str, Any]) -> str:
    """The first line of an output; for an answer, of its text."""
    if output["output_type"] == "stream":
        return str(output["text"])
    if "claude_magic" in output["metadata"]:
        return shown(output).answer.partition("\n")[0]
    return str(output["data"]["text/plain"])


def test_values_that_print_in_a_question_keep_their_words(kernel: Kernel) -> None:
    kernel.run("def loud():\n    print('I was called')\n    return 'quietly'", cell="def")
    ran = kernel.run("%%claude\nSaid {{ loud() }}.\nsimulate: deltas=2000; chars=4; pace=4000; think=0", cell="a")
    assert ran.status == "ok", ran.error
    assert ran.printed == "I was called\n"
    assert len(ran.screen.answers) == 1
