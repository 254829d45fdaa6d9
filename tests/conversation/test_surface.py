"""What may be passed and set: known options and attributes, in Python as on the line of ``%%claude``."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from claude_magic.content.values import Named
from claude_magic.conversation.conversation import Conversation
from claude_magic.engine.options import Options
from claude_magic.engine.question import Question
from claude_magic.messages.errors import BadInput
from claude_magic.notebook.option_line import OPTIONS
from claude_magic.simulator import Simulator
from tests.conversation.conftest import Notebook, Recorder
from tests.conversation.wire import body, questions

ONLY_ON_THE_LINE = {
    "chat": "claude[name]",
    "attach": "values after the question",
    "error": "the exception as a value",
    "previous": "no cells in plain Python",
    "verbatim": "a string is not a template",
    "out": "the return value",
    "cell": "no cells in plain Python",
    "background": "a parameter of the call",
    "count": "claude.count()",
    "show": "claude.request()",
    "doctor": "about the kernel, not a question",
}
"""Options of ``%%claude`` that are not options of a question, with what stands for them in Python."""


def test_the_line_and_python_have_the_same_options() -> None:
    assert sorted(Options.__annotations__) == sorted({option.name for option in OPTIONS} - ONLY_ON_THE_LINE.keys())


@pytest.mark.parametrize("method", ["__call__", "ask", "count", "request"])
def test_an_unknown_option_is_refused_with_a_list(claude: Conversation, simulator: Simulator, method: str) -> None:
    with pytest.raises(BadInput, match="modle") as caught:
        getattr(claude, method)("Hi", modle="haiku")
    assert all(name in str(caught.value) for name in Options.__annotations__)
    assert not simulator.requests
    signature = inspect.signature(getattr(Conversation, method))
    assert signature.parameters["options"].annotation == "Unpack[Options]"


@pytest.mark.parametrize(("wrong", "meant"), [("budgett", "budget"), ("sytem", "system"), ("turn", "ask_above")])
def test_an_unknown_attribute_is_refused_with_the_nearest(claude: Conversation, wrong: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=rf"{wrong}.*\b{meant}\b"):
        setattr(claude, wrong, 5)
    assert not hasattr(claude, wrong)


@pytest.mark.parametrize("prompt", [["Hi."], ["Is ", Named("value", 42), " even?"]])
def test_a_whole_question(claude: Conversation, notebook: Notebook, simulator: Simulator, prompt: list[Any]) -> None:
    renderer = Recorder(lambda change: None)
    question = Question(prompt, {"system": "Be brief.", "max_tokens": 99}, renderer)
    reply = claude.run(question)
    assert questions(simulator) == ["Hi." if len(prompt) == 1 else "Is 42 even?"]
    assert (body(simulator)["system"], body(simulator)["max_tokens"]) == ("Be brief.", 99)
    assert renderer.ending.reply is reply
    assert not notebook.recorder.endings
    assert claude.turns[0].prompt == question.text
    assert claude.prepare(question).question is question
