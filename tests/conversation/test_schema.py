"""Answers of a type: asked for as the model can, read, and asked for once more."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Literal

import pytest

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.messages import limits
from claude_magic.messages.errors import AnswerUnfit, BadInput
from claude_magic.simulator import Simulator
from claude_magic.tools import tool
from tests.conversation.conftest import Notebook
from tests.conversation.wire import body, questions


@dataclasses.dataclass
class Region:
    """A region."""

    name: str
    growth: float


GOOD = '{"name": "North", "growth": 0.25}'
BAD = '{"name": "North", "growth": "fast"}'


def test_an_answer_of_a_type_is_read(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.append(f"say={GOOD}")
    reply = claude("Which grew?", schema=Region, effort="low")
    assert reply.parsed == Region("North", 0.25)
    config = body(simulator)["output_config"]
    assert config["effort"] == "low"
    assert config["format"]["type"] == "json_schema"
    assert set(config["format"]["schema"]["properties"]) == {"name", "growth"}
    assert list(reply.frame["growth"]) == [0.25]
    reply = claude("And now in words.")
    assert "output_config" not in body(simulator)
    assert reply.parsed is None
    with pytest.raises(BadInput, match="Only a structured answer"):
        _ = reply.frame


@pytest.mark.parametrize(
    ("wanted", "said", "parsed"),
    [
        (list[Region], json.dumps({"value": [json.loads(GOOD)]}), [Region("North", 0.25)]),
        (Literal["yes", "no"], '{"value": "no"}', "no"),
        (int, '{"value": 3}', 3),
        ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, '{"a": 1}', {"a": 1}),
    ],
)
def test_other_types(claude: Conversation, simulator: Simulator, wanted: object, said: str, parsed: object) -> None:
    simulator.faults.append(f"say={said}")
    assert claude("?", schema=wanted).parsed == parsed


def test_an_answer_that_does_not_fit_is_retried(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    simulator.faults.extend([f"say={BAD}", f"say={GOOD}"])
    reply = claude("Which grew?", schema=Region)
    assert reply.parsed == Region("North", 0.25)
    assert len(simulator.requests) == 2
    assert "growth" in questions(simulator)[-1]
    (notice,) = notebook.recorder.ending.notices
    assert notice.startswith("The first answer did not fit Region and was asked for again: growth")
    assert len(claude.turns) == 1


def test_a_second_misfit_fails_with_the_text(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    simulator.faults.extend([f"say={BAD}"] * 2)
    with pytest.raises(AnswerUnfit, match=r"does not fit Region: growth.*reply\.text") as caught:
        claude("Which grew?", schema=Region)
    assert caught.value.reply.text.count(BAD) == 2
    assert caught.value.reply.parsed is None
    assert notebook.recorder.ending.turn == 1
    assert claude("next").complete


def test_a_model_without_structured_output(claude: Conversation, home: Conversations, simulator: Simulator) -> None:
    model = dataclasses.replace(limits.lookup("claude-haiku-4-5"), structured_output=False)
    home.learned = {model.id: model}
    simulator.faults.append(f"say={GOOD}")
    reply = claude("Which grew?", schema=Region, model=model.id)
    assert reply.parsed == Region("North", 0.25)
    assert "output_config" not in body(simulator)
    assert '"growth"' in questions(simulator)[0]


def test_tools_are_called_before_the_typed_answer(claude: Conversation, simulator: Simulator) -> None:
    @tool
    def growth(region: str) -> float:
        """Growth of a region."""
        return 0.25

    simulator.faults.extend(['tool=growth; say=Let me see.; input={"region": "North"}', f"say={GOOD}"])
    reply = claude("Which?", tools=[growth], schema=Region)
    assert reply.parsed == Region("North", 0.25)
    assert [call.value for call in reply.tool_calls] == [0.25]


def test_a_cut_answer_is_not_asked_for_again(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    simulator.faults.append('stop=max_tokens; say={"name": "No')
    reply = claude("Which?", schema=Region)
    assert reply.parsed is None
    assert len(simulator.requests) == 1
    assert "The answer is cut" in notebook.recorder.ending.notices[-1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"schema": print}, "schema|type|class"),
        ({"schema": True}, "a type or a JSON schema"),
        ({"schema": '{"type": "object"}'}, "Give the type itself"),
        ({"schema": Region, "prefill": "{", "model": "claude-haiku-4-5"}, "cannot be combined"),
    ],
)
def test_bad_types_are_refused(claude: Conversation, simulator: Simulator, options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        claude("?", **options)
    assert not simulator.requests


def test_a_schema_beyond_the_api_is_refused(claude: Conversation, home: Conversations, simulator: Simulator) -> None:
    wide = dataclasses.make_dataclass("Wide", [(f"f{number}", int, number) for number in range(30)])
    home.client.is_anthropic = True
    with pytest.raises(BadInput, match="30 fields may be left out; the API takes 24"):
        claude("?", schema=wide)
    assert not simulator.requests
