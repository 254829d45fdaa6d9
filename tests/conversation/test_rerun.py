"""The conversation is the list of cells that ran."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.messages.errors import ClaudeError
from claude_magic.simulator import Simulator
from tests.conversation.conftest import Notebook
from tests.conversation.wire import body, questions, thinks

THINK = "Explain and compare why this is so, please, at some length: "


@pytest.fixture
def three(claude: Conversation, notebook: Notebook) -> Conversation:
    for cell in "ABC":
        notebook.ask(claude, cell, THINK + cell)
    return claude


def prompts(conversation: Conversation) -> str:
    return "".join(turn.prompt.removeprefix(THINK) for turn in conversation.turns)


def test_a_rerun_replaces_the_question_in_place(three: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    notebook.ask(three, "B", "b")
    assert questions(simulator) == [THINK + "A", "b"]
    assert prompts(three) == "AbC"
    notices = notebook.recorder.ending.notices
    assert notices[0].startswith("Replaced your question of ")
    assert notices[0].endswith("; 1 later answer was given to the old version.")


def test_thinking_goes_only_where_it_is_valid(three: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    assert thinks(simulator) == [True, True]
    notebook.ask(three, "A", THINK + "a")
    notebook.ask(three, "D", THINK + "D")
    assert thinks(simulator) == [True, False, False]  # B and C were written behind the old A
    notebook.run("E")
    three(THINK + "E")
    assert thinks(simulator) == [True, False, False, True]  # D was written behind what is there
    for _ in range(3):
        three.undo()  # E, D, and the new A
    notebook.run("F")
    three("F")
    assert thinks(simulator) == [True, True, True]


def test_thinking_is_bound_to_model_and_system(three: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    notebook.run("D")
    three("D", model="opus")
    assert thinks(simulator) == [False] * 3
    three.undo()
    notebook.run("E")
    three("E", system="Be brief.")
    assert thinks(simulator) == [False] * 3
    three.undo()
    notebook.run("F")
    three("F")
    assert thinks(simulator) == [True] * 3


def test_questions_of_one_execution_never_replace_each_other(claude: Conversation, notebook: Notebook) -> None:
    notebook.ask(claude, "A", "1", "2")
    assert [turn.prompt for turn in claude.turns] == ["1", "2"]


def test_the_nth_question_replaces_the_nth_and_the_rest_leaves(claude: Conversation, notebook: Notebook) -> None:
    notebook.ask(claude, "A", *"123")
    notebook.ask(claude, "B", "b")
    notebook.run("A")
    claude("one")
    claude("two")
    assert prompts(claude) == "onetwo3b"
    notebook.end()
    assert prompts(claude) == "onetwob"
    claude.undo()
    assert prompts(claude) == "onetwo3b"


def test_a_question_that_is_new_in_a_cell_follows_its_neighbour(claude: Conversation, notebook: Notebook) -> None:
    for cell in "AB":
        notebook.ask(claude, cell, cell)
    notebook.ask(claude, "A", "a1", "a2")
    assert prompts(claude) == "a1a2B"


def test_a_failed_question_changes_nothing(three: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    before = three.state
    simulator.faults.append("fault=400")
    notebook.run("B")
    with pytest.raises(ClaudeError) as caught:
        three("b")
    assert "The earlier answer still counts." in caught.value._render_traceback_()[0]
    assert three.state is before


def test_deleted_cells_take_and_restore_turns(three: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    notebook.run("D", deleted={"B"})
    three("D")
    notebook.end()
    assert questions(simulator) == [THINK + "A", THINK + "C", "D"]
    assert "deleted or cut" in notebook.recorder.ending.notices[0]
    notebook.run("B", deleted={"B"})  # cut and pasted: reported even when it runs itself
    three("b")
    notebook.end()
    assert prompts(three) == "AbCD"


def test_a_deletion_can_be_undone(three: Conversation, notebook: Notebook) -> None:
    notebook.run("X", deleted={"A", "C"})
    notebook.end()
    assert prompts(three) == "B"
    assert "deleted cell" in repr(three.undo())
    assert prompts(three) == "ABC"


def test_a_cell_that_returns_and_fails_is_back(three: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    notebook.run("X", deleted={"B"})
    notebook.end()
    simulator.faults.append("fault=400")
    notebook.run("B")
    with pytest.raises(ClaudeError):
        three("b")
    assert prompts(three) == "ABC"


def test_a_cell_that_no_longer_asks_takes_its_turn_along(three: Conversation, notebook: Notebook) -> None:
    notebook.run("B")
    notebook.end()
    assert prompts(three) == "AC"
    assert "B no longer asks" in repr(three.undo())


def test_without_a_cell_a_turn_is_appended(claude: Conversation, notebook: Notebook) -> None:
    claude("1")
    claude("1")
    notebook.end()
    assert prompts(claude) == "11"


def test_append_adds_a_turn_that_stays(three: Conversation, notebook: Notebook, home: Conversations) -> None:
    notebook.ask(three, "B", "again", append=True)
    assert prompts(three) == "ABCagain"
    three.undo()
    home.settings.rerun = "append"
    notebook.run("C")
    three("more")
    assert prompts(three) == "ABCmore"


def test_new_begins_afresh_where_it_stands(three: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    notebook.ask(three, "B", "b", new=True)
    assert questions(simulator) == ["b"]
    assert prompts(three) == "bC"
    notebook.run("D")
    three("D", new=True)
    assert prompts(three) == "D"


def test_once_sees_nothing_and_leaves_nothing(three: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    three.system = "Be brief."
    before = three.state
    notebook.run("D")
    reply = three("alone", once=True)
    assert questions(simulator) == ["alone"]
    assert body(simulator)["system"] == "Be brief."
    assert three.state is before
    assert three.last is reply


def test_from_the_sixth_question_of_a_cell_the_cost_is_noted(claude: Conversation, notebook: Notebook) -> None:
    notebook.run("A")
    for number in range(6):
        assert not any("once=True" in notice for ending in notebook.recorder.endings for notice in ending.notices)
        claude(str(number))
    assert "once=True" in notebook.recorder.ending.notices[-1]


def test_conversations_do_not_mix(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    notebook.run("A")
    claude("main")
    claude["stats"]("other")
    assert questions(simulator) == ["other"]
    assert len(claude.turns) == len(claude["stats"].turns) == 1


def test_one_failed_of_several_keeps_its_answer(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    notebook.ask(claude, "A", *"123")
    notebook.run("A")
    claude("one")
    simulator.faults.append("fault=400")
    with pytest.raises(ClaudeError):
        claude("two")
    claude("three")
    notebook.end()
    assert [turn.prompt for turn in claude.turns] == ["one", "2", "three"]


def test_a_fork_is_not_touched_by_the_cells_of_the_original(claude: Conversation, notebook: Notebook) -> None:
    notebook.ask(claude, "A", "a")
    fork = claude.fork()
    notebook.run("A", deleted={"A"})
    claude("b")
    notebook.end()
    assert fork.name == "main-2"
    assert [turn.prompt for turn in fork.turns] == ["a"]


def test_a_deletion_that_was_undone_is_not_reported(three: Conversation, notebook: Notebook) -> None:
    notebook.run("X", deleted={"B"})
    notebook.end()
    three.undo()
    notebook.run("D")
    three("D")
    assert notebook.recorder.ending.notices == []


def test_questions_from_several_threads_all_stay(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.append("delay=0.2; say=slow; times=3")
    with ThreadPoolExecutor() as pool:
        pool.map(claude, ["q0", "q1", "q2"])
        claude.system = "Be brief."
    assert sorted(turn.prompt for turn in claude.turns) == ["q0", "q1", "q2"]
    assert claude.system == "Be brief."
    assert len(questions(simulator)) == 3
