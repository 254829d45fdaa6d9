"""Counting a question, and seeing what it would send: nothing changes, nothing is answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from claude_magic import Picture, tool
from claude_magic.content.values import RemotePicture
from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine import token_count
from claude_magic.engine.settings import Settings
from claude_magic.messages.errors import BadInput, InvalidRequest, NoCredentials, ServerError
from claude_magic.messages.retry import Retries
from claude_magic.messages.usage import Usage
from claude_magic.simulator import Simulator
from tests.conversation.conftest import Notebook
from tests.conversation.wire import body
from tests.messages.servers import http, raw

PICTURE = Image.fromarray(np.random.default_rng(1).integers(0, 255, (280, 560, 3), np.uint8))


@tool
def chart(kind: str) -> Any:
    """Draw a chart.

    Args:
        kind: With what.
    """
    return PICTURE


At = Callable[..., Conversation]


@pytest.fixture
def at() -> Iterator[At]:
    """Makes conversations with other servers, and closes them at the end."""
    homes: list[Conversations] = []

    def make(base_url: str, model: str | None = None, max_retries: int = 2) -> Conversation:
        homes.append(Conversations(Settings(base_url=base_url, max_retries=max_retries)))
        return Conversation(model=model, home=homes[-1])

    yield make
    for home in homes:
        home.close()


def paths(simulator: Simulator) -> list[str]:
    return [request.path for request in simulator.requests]


def test_the_count_is_that_of_the_answer(claude: Conversation, simulator: Simulator) -> None:
    wishes: dict[str, Any] = {"tools": [chart], "system": "Be brief.", "effort": "low", "stop": "END"}
    claude('One.\nsimulate: tool=chart {"kind": "bar"}', **wishes)
    count = claude.count("Look.", PICTURE, **wishes)
    reply = claude("Look.", PICTURE, **wishes)
    assert paths(simulator)[-2:] == ["/v1/messages/count_tokens", "/v1/messages"]
    assert count.tokens == reply.usage.total_input
    assert count.cost == Usage(input_tokens=count.tokens).cost(reply.model)
    assert (count.pictures, count.picture_tokens) == (2, 2 * 10 * 20)


def test_what_concerns_the_answer_alone_is_not_sent(claude: Conversation, simulator: Simulator) -> None:
    claude.count("Hi", model="claude-haiku-4-5", max_tokens=7, stop="END", temperature=0.5, system="Brief.")
    assert body(simulator).keys() == {"model", "system", "messages"}
    assert body(simulator).keys() <= token_count.COUNTED


def test_it_explains_itself(claude: Conversation) -> None:
    line, said = repr(claude.count("Look.", PICTURE, RemotePicture("https://example.org/a.png"))).splitlines()
    assert line.startswith("1,")
    assert "input tokens for claude-sonnet-5-5, 0." in line
    assert line.endswith("¢ if nothing is cached; 2 pictures: 200 by the formula.")
    assert said.endswith("asks the API's free counter: the content is sent, but nothing is answered or billed.")


def test_a_model_without_a_price_is_counted_all_the_same(at: At) -> None:
    with raw(http(b'{"input_tokens": 12}', "application/json")) as server:
        count = at(server.url, model="local-model").count("Hi")
    assert repr(count).startswith("12 input tokens for local-model, price not known.\n")


def test_neither_changes_anything(claude: Conversation, notebook: Notebook) -> None:
    notebook.run("a")
    claude("One.")
    state, last, asked = claude.state, claude.last, notebook.number
    claude.count("Two.", PICTURE, tools=[chart], system="Else.", new=True)
    claude.request("Two.", PICTURE, tools=[chart], system="Else.", new=True)
    assert claude.state is state
    assert claude.last is last
    assert notebook.number == asked
    assert claude.usage == last.usage  # type: ignore[union-attr]
    assert "undo" in str(claude.undo()) or not claude.turns, "there is one change to be taken back, the turn"


@pytest.mark.parametrize("form", ["request", "curl", "python", "typescript"])
def test_what_is_shown_is_what_is_then_sent(claude: Conversation, simulator: Simulator, form: str) -> None:
    claude("One.", PICTURE)
    shown = claude.request("Two.", Picture(PICTURE, detail="low"), form=form, tools=[chart], effort="low")
    assert len(simulator.requests) == 1
    reply = claude("Two.", Picture(PICTURE, detail="low"), tools=[chart], effort="low")
    assert shown == reply.request(form)
    assert shown.body == body(simulator)


def test_showing_needs_neither_a_key_nor_a_server(at: At) -> None:
    claude = at("https://example.invalid")
    assert claude.request("Hi", form="curl").count("$ANTHROPIC_API_KEY") == 1
    with pytest.raises(NoCredentials, match="No API key"):
        claude.count("Hi")
    with pytest.raises(NoCredentials, match="No API key"):
        claude("Hi")


def test_without_a_key_no_answer_is_begun(notebook: Notebook) -> None:
    notebook.home = Conversations(Settings(base_url="https://example.invalid"), notebook)
    with pytest.raises(NoCredentials):
        notebook.home.open("main")("Hi")
    assert notebook.recorder.opening is None


def test_bad_input_reaches_nobody(claude: Conversation, simulator: Simulator) -> None:
    for question in ("", " "):
        with pytest.raises(BadInput, match="empty"):
            claude.count(question)
    with pytest.raises(BadInput, match="is to be|as request, curl, python or typescript"):
        claude.request("Hi", form="fortran")
    with pytest.raises(BadInput, match="as a string"):
        claude.request(PICTURE)  # type: ignore[arg-type]
    assert simulator.requests == []


def test_what_the_api_refuses_is_refused_here_too(at: At) -> None:
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message": "messages: No."}}
    with raw(http(json.dumps(refusal).encode(), "application/json", "400 Bad Request")) as server:
        with pytest.raises(InvalidRequest, match="messages: No"):
            at(server.url).count("Hi")
        assert len(server.got) == 1


def test_it_is_tried_again_and_says_so(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Retries, "_sleep", lambda retries, seconds: None)
    busy, count = http(b"{}", "application/json", "529 Busy"), http(b'{"input_tokens": 9}', "application/json")
    with raw(busy, busy, count) as server:
        found = at(server.url).count("Hi")
    assert "(asked 3 times: overloaded)" in repr(found)
    with raw(busy) as server:
        with pytest.raises(ServerError):
            at(server.url, max_retries=1).count("Hi")
        assert len(server.got) == 2


def test_the_last_request_of_an_answer_in_several_messages(claude: Conversation, simulator: Simulator) -> None:
    reply = claude('Draw.\nsimulate: tool=chart {"kind": "bar"}', tools=[chart])
    assert [message.request().body for message in reply.messages] == [request.body for request in simulator.requests]
    assert reply.request().body == body(simulator)
    assert [message.response.body["stop_reason"] for message in reply.messages] == ["tool_use", "end_turn"]  # type: ignore[union-attr]


def test_a_repaired_request_is_shown_as_it_was_sent_last(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.append("400; type=invalid_request_error; message=thinking: Extra inputs are not permitted")
    reply = claude("Hi")
    assert [set(request.body or ()) - {"thinking"} for request in simulator.requests[:1]] == [set(body(simulator))]
    assert reply.request().body == body(simulator)
    assert "thinking" not in reply.request().body
