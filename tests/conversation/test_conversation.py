"""Asking, forgetting, undoing."""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_magic import Document
from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine.settings import Settings
from claude_magic.messages.errors import AuthenticationFailed, BadInput, NoCredentials
from claude_magic.simulator import Simulator, start
from tests.conftest import KEY
from tests.conversation.conftest import Notebook, Recorder
from tests.conversation.wire import answers, body, questions


def test_in_plain_python_a_conversation_needs_nothing_around_it(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.url)
    claude = Conversation(model="haiku", system="Be brief.")
    reply = claude("Hello, Claude")
    assert reply.text.startswith("This is a simulated answer")
    assert reply.complete
    assert reply.model == "claude-haiku-5-5"
    assert body(simulator)["system"] == "Be brief."
    assert capsys.readouterr() == ("", "")
    claude.close()


def test_the_history_is_sent_as_it_was_said(claude: Conversation, simulator: Simulator) -> None:
    first = claude("Hello, Claude")
    claude("Can you describe LLMs to me?")
    assert questions(simulator) == ["Hello, Claude", "Can you describe LLMs to me?"]
    assert answers(simulator) == [first.text]


def test_the_bytes_of_earlier_turns_never_change(claude: Conversation, simulator: Simulator) -> None:
    """The prompt cache and bound thinking both live of it."""
    for number in range(4):
        claude(f"Explain at length and compare: why is {number} what it is, and not another?")
    sent = [request.raw.partition(b'"messages":[')[2].removesuffix(b"]}") for request in simulator.requests]
    for earlier, later in itertools.pairwise(sent):
        assert later.startswith(earlier)


def test_what_is_sent_unasked_is_what_is_documented(claude: Conversation, simulator: Simulator) -> None:
    claude("Hi")
    assert body(simulator) == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 32_000,
        "stream": True,
        "thinking": {"type": "adaptive", "display": "summarized"},
        "messages": [{"role": "user", "content": "Hi"}],
    }
    claude("Hi", model="claude-opus-4-5", max_tokens=50)
    assert body(simulator).keys() == {"model", "max_tokens", "stream", "messages"}


def test_what_is_marked_for_the_cache(claude: Conversation, home: Conversations, simulator: Simulator) -> None:
    home.client.is_anthropic = True
    expected = [None, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}, None]
    claude("Hi", once=True)
    for wish in ("auto", "1h", "off"):
        home.settings.cache = wish
        claude("Hi")
    home.client.is_anthropic = False
    home.settings.cache = "auto"
    claude("Hi")
    assert [body(simulator, index).get("cache_control") for index in range(5)] == [*expected, None]


def test_prefill_is_part_of_the_answer(claude: Conversation, simulator: Simulator) -> None:
    question = "What is latin for Ant? (A) Apoidea, (B) Rhopalocera, (C) Formicidae"
    reply = claude(question, model="claude-sonnet-4-5", prefill="The answer is (", stop=")")
    assert body(simulator)["messages"][-1] == {"role": "assistant", "content": "The answer is ("}
    assert reply.text.startswith("The answer is (")
    claude("Why?")
    assert answers(simulator)[0] == reply.text


def test_turns_can_be_forgotten(claude: Conversation, simulator: Simulator) -> None:
    for word in "abcd":
        claude(word)
    del claude.turns[1]
    del claude.turns[1:]
    assert [turn.prompt for turn in claude.turns] == ["a"]
    claude("e")
    assert questions(simulator) == ["a", "e"]
    with pytest.raises(IndexError):
        del claude.turns[7]


def test_everything_can_be_undone_and_redone(claude: Conversation) -> None:
    claude("a")
    claude.system = "Be brief."
    claude.model = "opus"
    claude.reset()
    for step in ("reset", "model to opus", "system prompt", "answer to 'a'"):
        assert step in repr(claude.undo())
    with pytest.raises(BadInput, match="nothing to undo"):
        claude.undo()
    for _ in range(4):
        claude.redo()
    assert claude.system == "Be brief."
    assert claude.model == "claude-opus-5-5"
    assert not claude.turns
    with pytest.raises(BadInput, match="nothing to redo"):
        claude.redo()


def test_a_change_after_undo_ends_what_could_be_redone(claude: Conversation) -> None:
    claude("a")
    claude.undo()
    claude("b")
    with pytest.raises(BadInput, match="nothing to redo"):
        claude.redo()


def test_a_system_prompt_that_comes_with_a_question_is_undone_with_it(claude: Conversation) -> None:
    claude("a", system="Be brief.")
    assert claude.system == "Be brief."
    claude.undo()
    assert claude.system is None


def test_a_fork_goes_its_own_way(claude: Conversation, simulator: Simulator) -> None:
    claude("a")
    fork = claude.fork("other")
    fork("b")
    claude("c")
    assert questions(simulator) == ["a", "c"]
    assert [turn.prompt for turn in claude["other"].turns] == ["a", "b"]
    with pytest.raises(BadInput, match="already"):
        claude.fork("other")


def test_usage_and_cost_count_what_was_undone_too(claude: Conversation, home: Conversations) -> None:
    first, second = claude("Hello, Claude"), claude("And now?")
    claude.undo()
    assert claude.usage == first.usage + second.usage
    both = sum(float(reply.usage.cost(reply.model) or 0) for reply in (first, second))
    assert home.cost("main", simulated=True) == pytest.approx(both)
    assert claude.cost == 0.0  # nothing was billed


def test_an_unknown_price_is_not_guessed(claude: Conversation, home: Conversations) -> None:
    claude("Hi")
    assert claude.cost is not None
    home.spendings.append(type(home.spendings[0])("main", "llama", claude.usage, None, False))
    assert claude.cost is None


def test_a_table_of_the_turns(claude: Conversation, notebook: Notebook) -> None:
    notebook.run("A")
    claude("Hello, Claude")
    assert repr(claude).splitlines() == [
        "Conversation 'main' with claude-sonnet-5-5: 1 turn",
        "   cell  question       tokens  cost      state",
        "0  A     Hello, Claude  18      0.0084 ¢  complete",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prefill": "x"}, "does not support --prefill"),
        ({"temperature": 0.5}, "does not support --temperature"),
        ({"temperature": 1.5, "model": "claude-haiku-4-5"}, "a number from 0 to 1"),
        ({"temperature": 0.5, "top_p": 0.5, "model": "claude-haiku-4-5"}, "not both"),
        ({"top_k": -1, "model": "claude-haiku-4-5"}, "whole number from 0"),
        ({"effort": "huge"}, "low, medium, high, xhigh, max"),
        ({"effort": "low", "model": "claude-haiku-4-5"}, "does not support --effort"),
        ({"thinking": "off"}, "always thinks"),
        ({"thinking": 4096}, "does not support a number of thinking tokens"),
        ({"thinking": 10, "model": "claude-haiku-4-5"}, "at least 1024"),
        ({"thinking": "loud"}, "show, hide, off"),
        ({"thinking": "off", "effort": "max", "model": "claude-opus-5"}, "thinks at --effort max"),
        ({"max_tokens": 0}, "at least 1"),
        ({"max_tokens": 200_000}, "writes at most 128,000"),
        ({"stop": " "}, "more than white space"),
        ({"model": "claude-haiku-4-5", "prefill": "x", "thinking": "show"}, "cannot be combined"),
        ({"temperature": float("nan"), "model": "claude-haiku-4-5"}, "from 0 to 1"),
        ({"temperature": "1"}, "takes "),
        ({"max_tokens": "5"}, "takes "),
        ({"top_k": True}, "takes "),
        ({"model": 5}, "takes "),
        ({"stop": 5}, "takes "),
        ({"once": 1}, "takes "),
    ],
)
def test_unsupported_options_are_refused(
    claude: Conversation, simulator: Simulator, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        claude("Hi", **options)
    assert not simulator.requests
    assert not claude.turns


def test_a_model_that_nobody_knows_is_refused_nothing(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.append("fault=404")
    with pytest.raises(Exception, match="not_found"):
        claude("Hi", model="llama3", temperature=0.3, prefill="x", effort="low", top_p=0.2)
    sent = body(simulator)
    assert sent["temperature"] == 0.3
    assert "thinking" not in sent


def test_sampling_is_refused_where_the_version_is_newer(claude: Conversation, home: Conversations) -> None:
    home.settings.version = "2026-10-21"
    with pytest.raises(BadInput, match="2023-06-01"):
        claude("Hi", temperature=0.5, model="claude-haiku-4-5")


def test_an_unknown_model_names_the_nearest(claude: Conversation) -> None:
    with pytest.raises(Exception, match="claude-sonnet-5-5"):
        claude("Hi", model="claude-sonet-5-5")


@pytest.mark.parametrize("prompt", ["", "  \n "])
def test_an_empty_question_is_not_sent(claude: Conversation, simulator: Simulator, prompt: str) -> None:
    with pytest.raises(BadInput, match="empty"):
        claude(prompt)
    assert not simulator.requests


def test_without_a_key_anthropic_is_not_asked() -> None:
    claude = Conversation()
    with pytest.raises(NoCredentials, match=r"claude\.login\(\)"):
        claude("Hi")
    claude.close()


def test_login_tries_the_key_and_shows_it_nowhere(claude: Conversation, home: Conversations) -> None:
    assert "The key works" in repr(claude.login("sk-ant-right-one"))
    assert home.credentials.source == "login"
    assert "right-one" not in repr(vars(home)) + repr(vars(home.credentials))


def test_login_where_nobody_can_type_says_what_to_do(claude: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(prompt: str) -> str:
        raise NotImplementedError

    monkeypatch.setattr("getpass.getpass", refuse)
    with pytest.raises(BadInput, match="ANTHROPIC_API_KEY"):
        claude.login()


def test_a_request_above_32_mb_is_not_sent(claude: Conversation, simulator: Simulator) -> None:
    with pytest.raises(Exception, match="32"):
        claude("x" * (33 * 2**20))
    assert not simulator.requests


def test_half_of_a_surrogate_pair_does_not_break_the_request(claude: Conversation, simulator: Simulator) -> None:
    claude("broken \ud83d emoji")
    assert questions(simulator) == ["broken ? emoji"]


CHANGES = st.sampled_from(["ask", "rerun", "undo", "redo", "delete cell", "forget", "system", "model", "fail", "cut"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CHANGES, st.integers(0, 5)), max_size=14))
def test_the_next_request_is_always_valid_and_shows_the_turns(steps: list[tuple[str, int]]) -> None:
    """The simulator checks each request as the API does, signatures of thinking included."""
    notebook = Notebook()
    with start() as simulator:
        home = Conversations(Settings(base_url=simulator.url, max_retries=0), notebook)
        notebook.home = home
        claude = home.open("main")
        for number, (step, which) in enumerate(steps):
            cell = f"cell {which}" if step in ("rerun", "fail", "cut") else f"new {number}"
            try:
                if step in ("ask", "rerun", "fail", "cut"):
                    notebook.run(cell)
                    if step in ("fail", "cut"):
                        simulator.faults.append("fault=529" if step == "fail" else f"fault=cut; after={which * 10}")
                    claude(f"Explain and compare at some length why number {number} is what it is, please.")
                    notebook.end()
                elif step == "undo":
                    claude.undo()
                elif step == "redo":
                    claude.redo()
                elif step == "delete cell":
                    notebook.run(f"other {number}", deleted={f"cell {which}"})
                    notebook.end()
                elif step == "forget":
                    del claude.turns[which]
                elif step == "system":
                    claude.system = f"System prompt {which}."
                else:
                    claude.model = ["sonnet", "opus", "haiku"][which % 3]
            except (BadInput, IndexError):
                pass
            except Exception as error:
                assert step in ("fail", "cut"), error
        simulator.faults.clear()
        before = [turn.prompt for turn in claude.turns]
        notebook.run("last")
        claude("The last question.")
        assert questions(simulator) == [*before, "The last question."]
        assert answers(simulator) == [turn.reply.text for turn in claude.turns[:-1]]
        claude.close()


def test_a_value_whose_own_code_fails_is_one_line(claude: Conversation, simulator: Simulator) -> None:
    class Evil:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("no")

        def __str__(self) -> str:
            raise RuntimeError("not even that")

    class Endless:
        def __claude__(self) -> object:
            return self

    for value in (Evil(), Endless(), 10**5000):
        with pytest.raises(BadInput, match="cannot be shown"):
            claude("Hi", value)
    assert not simulator.requests


def test_a_key_in_the_question_or_the_system_prompt_is_not_sent(claude: Conversation, simulator: Simulator) -> None:
    asked: list[Callable[[], object]] = [lambda: claude(f"my key is {KEY}"), lambda: claude("Hi", KEY)]
    options: dict[str, Any]
    for options in ({"system": KEY}, {"prefill": KEY, "model": "claude-haiku-4-5"}, {"stop": KEY}, {"model": KEY}):
        asked.append(functools.partial(claude, "Hi", **options))
    for ask in asked:
        with pytest.raises(BadInput, match="API key"):
            ask()
    assert not simulator.requests


def test_a_key_of_another_kind_is_not_sent_either(claude: Conversation, home: Conversations) -> None:
    home.credentials.set_key("a-gateway-has-tokens-of-its-own")
    with pytest.raises(BadInput, match="API key") as caught:
        claude("Why is a-gateway-has-tokens-of-its-own not taken?")
    assert "gateway-has" not in str(caught.value)
    assert claude("What is a gateway?").complete


def test_a_call_of_an_unknown_tool_does_not_block_the_conversation(claude: Conversation, notebook: Notebook) -> None:
    claude("simulate: tool=foo; say=Let me look.")
    assert "Claude called foo, which is not run here" in notebook.recorder.ending.notices[0]
    assert claude("next").complete


def test_a_name_is_a_text(claude: Conversation, home: Conversations) -> None:
    odd: Any
    for odd in (5, "", " ", ["a"]):
        for make in (claude.fork, lambda name: Conversation(name=name), home.open):
            with pytest.raises((BadInput, TypeError)):
                make(odd)
    assert list(home) == ["main"]


def test_another_one_may_be_opened_while_all_are_told_of_a_cell(claude: Conversation, home: Conversations) -> None:
    for number, name in enumerate(home):
        home.open(f"{name}-{number}")
    assert list(home) == ["main", "main-0"]


def test_a_conversation_is_forked_not_copied(claude: Conversation) -> None:
    for make in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"fork\(\)"):
            make(claude)


def test_a_wrong_second_key_leaves_the_first(claude: Conversation, home: Conversations) -> None:
    claude.login("sk-ant-first")
    with pytest.raises(AuthenticationFailed):
        claude.login("wrong")
    assert home.credentials.source == "login"


def test_deleting_turns_one_by_one_ends(claude: Conversation) -> None:
    for word in "abc":
        claude(word)
    turns = claude.turns
    while turns:
        del turns[0]
    del turns[5:5]
    assert "deletion of 'c'" in repr(claude.undo())


def test_the_models_api_overrides_the_table(claude: Conversation, home: Conversations, simulator: Simulator) -> None:
    claude.login("sk-ant-any-key")
    assert "claude-sonnet-5-5" in home.learned
    home.learned["claude-sonnet-5-5"] = dataclasses.replace(home.learned["claude-sonnet-5-5"], max_output=77)
    claude("Hi")
    assert body(simulator)["max_tokens"] == 77


def test_values_are_paragraphs_of_their_own(claude: Conversation, simulator: Simulator) -> None:
    claude("What is that?", ValueError("x"), "some text")
    assert questions(simulator) == ["ValueError: x\n\nsome text\n\nWhat is that?"]


def test_citations_are_on_for_all_documents_or_for_none(claude: Conversation, simulator: Simulator) -> None:
    claude("Read.", Document(["One."], citations=True, title="Cited"))
    with pytest.raises(BadInput, match=r"Cited.*Plain"):
        claude("Read.", Document(["Two."], title="Plain"))
    with pytest.raises(BadInput, match="cannot cite"):
        claude("How many?", schema=int)
    assert claude("Read.", Document(["Two."], citations=True)).complete
    assert claude("Read.", Document(["Two."]), once=True).complete
    assert len(simulator.requests) == 3


@pytest.mark.parametrize("verb", ["start", "update", "finish"])
def test_a_renderer_that_fails_does_not_end_the_answer(
    claude: Conversation,
    notebook: Notebook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
) -> None:
    def fails(*arguments: object) -> None:
        raise AttributeError("no such thing")

    monkeypatch.setattr(Recorder, verb, fails)
    reply = claude("Hello.")
    assert "could not be drawn as it arrived (AttributeError: no such thing)" in capsys.readouterr().err
    assert reply.complete
    assert claude.turns[0].reply is reply
    assert len(notebook.recorder.endings) == (verb != "finish")
