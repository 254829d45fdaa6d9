"""Thinking blocks are bound to what was sent before them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import JSON, SHOWN, Api, fold

TOOL = {"name": "add", "description": "Adds.", "input_schema": {"type": "object", "properties": {}}}
BOUND = "claude-sonnet-5-5"
MOVED = (
    "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different "
    "conversation. Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to "
    '"drop_block".'
)


class Chat:
    """A conversation that sends every answer back unchanged."""

    def __init__(self, api: Api, **settings: Any) -> None:
        self.api = api
        self.body: JSON = {"model": BOUND, "system": "Be kind.", "tools": [TOOL], "messages": [], **settings}

    def ask(self, content: Any) -> JSON:
        self.body["messages"].append({"role": "user", "content": content})
        message = self.api.ask(**self.body)
        self.body["messages"].append({"role": "assistant", "content": message["content"]})
        return message

    def copy(self) -> JSON:
        """The request for one more question, for a test to change."""
        body = copy.deepcopy(self.body)
        body["messages"].append({"role": "user", "content": "And then?"})
        return body


@pytest.fixture(params=[None, SHOWN], ids=["omitted", "summarized"])
def chat(api: Api, request: pytest.FixtureRequest) -> Chat:
    made = Chat(api, **({"thinking": request.param} if request.param else {}))
    for question in ("Why is it so?", "Why not otherwise?", "Why at all?"):
        assert made.ask(question)["content"][0]["type"] == "thinking"
    return made


def test_unchanged(api: Api, chat: Chat) -> None:
    assert api.ask(**chat.copy())


def test_what_makes_no_difference(api: Api, chat: Chat) -> None:
    body = chat.copy()
    mark = {"type": "ephemeral"}
    body["system"] = [{"type": "text", "text": "Be kind.", "cache_control": mark}]
    body["tools"][0]["cache_control"] = mark
    question = body["messages"][0]
    question["content"] = [{"type": "text", "text": question["content"], "cache_control": mark}]
    body["cache_control"] = mark
    for message in body["messages"][1::2]:
        message["content"][1].pop("citations")
    body["max_tokens"] = 500
    assert api.ask(**body)


def edit_question(body: JSON) -> None:
    body["messages"][0]["content"] += "?"


def edit_system(body: JSON) -> None:
    body["system"] = "Be cruel."


def add_tool(body: JSON) -> None:
    body["tools"].append(TOOL | {"name": "sub"})


def edit_tool(body: JSON) -> None:
    body["tools"][0]["description"] = "Subtracts."


def other_model(body: JSON) -> None:
    body["model"] = "claude-opus-5-5"


@pytest.mark.parametrize("change", [edit_question, edit_system, add_tool, edit_tool, other_model])
def test_changes_before_a_block(api: Api, chat: Chat, change: Callable[[JSON], None]) -> None:
    body = chat.copy()
    change(body)
    assert api.error(**body) == MOVED


def test_a_changed_answer_concerns_the_blocks_after_it(api: Api, chat: Chat) -> None:
    body = chat.copy()
    body["messages"][1]["content"][1]["text"] = "Something else."
    assert api.error(**body) == MOVED.replace("messages.1", "messages.3")


def test_a_deleted_turn(api: Api, chat: Chat) -> None:
    body = chat.copy()
    del body["messages"][0:2]
    assert api.error(**body) == MOVED


def test_changed_thinking(api: Api, chat: Chat) -> None:
    body = chat.copy()
    body["messages"][1]["content"][0]["thinking"] += "!"
    assert api.error(**body) == "messages.1.content.0: Invalid `signature` in `thinking` block"


@pytest.mark.parametrize("signature", ["", "c2lnbmF0dXJl", "not base64"])
def test_foreign_signatures(api: Api, chat: Chat, signature: str) -> None:
    body = chat.copy()
    body["messages"][3]["content"][0]["signature"] = signature
    assert "messages.3.content.0: Invalid `signature`" in api.error(**body)


def without_thinking(body: JSON, *turns: int) -> JSON:
    for turn in turns:
        message = body["messages"][turn]
        message["content"] = [block for block in message["content"] if block["type"] != "thinking"]
    return body


@pytest.mark.parametrize("turns", [(1, 3, 5), (5,), (3, 5), (1,), (1, 3)])
def test_leaving_out_the_newest_or_the_oldest_is_fine(api: Api, chat: Chat, turns: tuple[int, ...]) -> None:
    assert api.ask(**without_thinking(chat.copy(), *turns))


def test_leaving_out_one_between_others(api: Api, chat: Chat) -> None:
    assert api.error(**without_thinking(chat.copy(), 3)) == MOVED.replace("messages.1", "messages.5")


def test_an_answer_to_a_history_without_its_thinking_is_bound_to_that(api: Api, chat: Chat) -> None:
    """The first turn is replaced and later turns lose their thinking; then the first turn is restored."""
    changed = copy.deepcopy(chat.body["messages"])
    changed[0:2] = []
    again = Chat(api, **{name: value for name, value in chat.body.items() if name != "messages"})
    again.ask("Why was it different?")
    again.body["messages"] += without_thinking({"messages": changed}, 1, 3)["messages"]
    again.ask("Why now?")
    assert api.ask(**again.copy())
    restored = again.copy()
    restored["messages"][:6] = chat.body["messages"]
    assert "messages.7.content.0" in api.error(**restored)
    assert api.ask(**without_thinking(restored, 7))


def test_in_a_tool_loop(api: Api) -> None:
    chat = Chat(api)
    called = chat.ask("Why? Please use add")
    assert [block["type"] for block in called["content"]] == ["thinking", "text", "tool_use"]
    result = {"type": "tool_result", "tool_use_id": called["content"][-1]["id"], "content": "3", "is_error": False}
    chat.ask([result])
    assert api.ask(**chat.copy())
    body = chat.copy()
    body["messages"][2]["content"][0]["content"] = "4"
    assert api.ask(**body)  # the only thinking comes before the result


def test_drop_block(api: Api, chat: Chat) -> None:
    body = chat.copy()
    edit_question(body)
    behaviour = {"block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    body["thinking"] = body.get("thinking", {"type": "adaptive"}) | behaviour
    assert "Extra inputs" in api.error(**body)
    headers = {"anthropic-beta": "thinking-binding-controls-2026-08-01"}
    message = api.ask(**body, headers=headers)
    dropped = [f"messages.{i}.content.0" for i in (1, 3, 5)]
    assert [entry["path"] for entry in message["input_transformations"]] == dropped
    (delta,) = (e for e in api.events(**body, headers=headers) if e["type"] == "message_delta")
    assert len(delta["input_transformations"]) == 3


def test_unbound_models_still_check_the_text(api: Api) -> None:
    chat = Chat(api, model="claude-opus-5", thinking=SHOWN)
    chat.ask("Why is it so?")
    body = chat.copy()
    edit_question(body)
    assert api.ask(**body)
    body["messages"][1]["content"][0]["thinking"] += "!"
    assert "Invalid `signature`" in api.error(**body)


def test_streamed_thinking_can_be_sent_back(api: Api) -> None:
    question = {"role": "user", "content": "Why is it so?"}
    message = fold(api.events(messages=[question], thinking=SHOWN))
    reply = {"role": "assistant", "content": message["content"]}
    assert api.ask(messages=[question, reply, question], thinking=SHOWN)
