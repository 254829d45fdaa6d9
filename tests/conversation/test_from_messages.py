"""Messages in the API's own form: given away, taken back, and refused where the API would refuse them."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from typing import Any

import pytest
from anthropic.types import Message, TextBlock, Usage
from jsonschema import Draft202012Validator
from PIL import Image

from claude_magic import Document, Picture, tool
from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.messages.errors import BadInput, NotFound
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.conversation.test_judged_requests import described as described
from tests.conversation.wire import body, thinks
from tests.images import encoded

THINK = "Explain and compare why this is so, please, at some length."


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def picture(width: int = 30, height: int = 20) -> dict[str, Any]:
    data = base64.b64encode(encoded(Image.new("RGB", (width, height), "red"))).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def use(id: str = "toolu_1", name: str = "weather") -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": {"city": "Rome"}}


def result(id: str = "toolu_1", content: Any = "sunny") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content}


HISTORIES: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "one question": [user("Hello, Claude")],
    "several turns, none of them Claude's": [
        user("Hello, Claude"),
        assistant("Hello!"),
        user("Can you describe LLMs to me?"),
    ],
    "the first words of an answer": [user("What is latin for Ant? (A) Apoidea, (B) Formicidae"), assistant("It is (")],
    "blocks": [user([text("What is"), text("this?")]), assistant([text("A"), text(" list")])],
    "a picture": [user([picture(), text("What is in the above image?")]), assistant("Red.")],
    "a picture by its address": [
        user([{"type": "image", "source": {"type": "url", "url": "https://example.org/ant.jpg"}}, text("What?")])
    ],
    "files": [
        user([{"type": kind, "source": {"type": "file", "file_id": "file_1"}} for kind in ("image", "document")])
    ],
    "a call": [user("Weather?"), assistant([text("I look."), use()]), user([result()]), assistant("Sunny.")],
    "two calls": [
        user("Weather?"),
        assistant([use("a"), use("b")]),
        user([result("b", [text("fine"), picture()]), result("a"), text("And?")]),
        assistant("Fine."),
    ],
    "a failed call without words": [
        user("Weather?"),
        assistant([use()]),
        user([{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True}]),
    ],
    "two questions in a row": [user("One."), user("Two."), assistant("Both."), user("Three."), assistant("Yes.")],
}


def given(home: Conversations, messages: Any, **more: Any) -> Conversation:
    return Conversation.from_messages(messages, home=home, **more)


@pytest.mark.parametrize("messages", HISTORIES.values(), ids=HISTORIES.keys())
def test_what_is_given_is_sent(
    home: Conversations, simulator: Simulator, described: Draft202012Validator, messages: list[dict[str, Any]]
) -> None:
    claude = given(home, messages, system="Be brief.", model="haiku", tools=[weather])
    found = claude.to_messages()
    assert found == messages
    frame = {"model": "claude-haiku-4-5", "max_tokens": 10}
    question = [user("And now?")] if not found or found[-1]["role"] == "assistant" else []
    assert [error.message for error in described.iter_errors({**frame, "messages": [*found, *question]})] == []
    with contextlib.suppress(NotFound):  # the file of one of them
        claude("And now?")
    assert body(simulator)["messages"] == [*messages, user("And now?")]
    assert body(simulator)["system"] == "Be brief."
    assert repr(claude)


@tool
def weather(city: str) -> str:
    """Look at the sky."""
    return "sunny"


def test_all_that_was_asked_comes_back(home: Conversations, simulator: Simulator) -> None:
    """Pictures, documents, thinking, calls, and what the server ran."""
    claude = home.open("main")
    claude("Read.", Document(b"One.\nTwo.\n", citations=True, title="Notes"))
    claude(f'{THINK}\nsimulate: think=20; tool=weather {{"city": "Rome"}}', tools=[weather, "web_search"])
    claude("Search.\nsimulate: think=20; tool=web_search")
    claude("Look.", Picture(Image.new("RGB", (4000, 30), "red")))
    messages = claude.to_messages()
    other = given(home, json.loads(json.dumps(messages)), tools=[weather, "web_search"], name="other")
    assert other.to_messages() == messages
    for each in (claude, other):
        each("And now?")
    assert simulator.requests[-1].raw == simulator.requests[-2].raw
    assert any(thinks(simulator))


def test_pictures_are_fitted_and_have_no_metadata(home: Conversations, simulator: Simulator) -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    data = base64.b64encode(encoded(Image.new("RGB", (9000, 50), "red"), "JPEG", exif=exif)).decode()
    large = {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": data}}
    claude = given(home, [user([large, text("What?")]), assistant("Red.")])
    claude("And now?")
    sent = base64.b64decode(body(simulator)["messages"][0]["content"][0]["source"]["data"])
    assert b"taken at home" not in sent
    assert max(Image.open(io.BytesIO(sent)).size) < 3000


def test_thinking_is_sent_back_as_long_as_nothing_before_it_changes(home: Conversations, simulator: Simulator) -> None:
    claude = home.open("main")
    claude(THINK)
    other = given(home, claude.to_messages(), name="other")
    other("And now?")
    assert thinks(simulator) == [True]
    other.undo()
    other("And now?", system="Be brief.")
    assert thinks(simulator) == [False]


def test_objects_of_the_official_sdk_are_taken(home: Conversations) -> None:
    answer = Message(
        id="msg_1",
        content=[TextBlock(type="text", text="Hello!")],
        model="claude-opus-4-8",
        role="assistant",
        type="message",
        usage=Usage(input_tokens=1, output_tokens=1),
    )
    claude = given(home, [user("Hello, Claude"), assistant(answer.content)])
    assert claude.to_messages() == [user("Hello, Claude"), assistant("Hello!")]  # a lone text goes as a plain string


def test_marks_of_caching_are_left_out(home: Conversations) -> None:
    marked = {**text("Long."), "cache_control": {"type": "ephemeral"}}
    assert given(home, [user([marked, text("Read.")])]).to_messages() == [user([text("Long."), text("Read.")])]


def test_turns_are_whole_questions(home: Conversations) -> None:
    claude = given(home, [*HISTORIES["two calls"], *HISTORIES["a picture"]])
    assert [turn.prompt for turn in claude.turns] == ["Weather?", "{a picture} What is in the above image?"]
    assert [turn.reply.text for turn in claude.turns] == ["Fine.", "Red."]
    assert [turn.state for turn in claude.turns] == ["complete", "complete"]
    del claude.turns[0]
    assert claude.to_messages() == HISTORIES["a picture"]


WRONG: dict[str, tuple[Any, str]] = {
    "a text": ("Hello", "list of"),
    "a dict": (user("Hello"), "list of"),
    "no messages": ([1], r"messages\[0\] is not a message"),
    "no role": ([{"content": "x"}], "'user' or 'assistant', not None"),
    "a system prompt": ([{"role": "system", "content": "x"}], "system="),
    "Claude first": ([assistant("Hi")], "first message must be"),
    "empty": ([user("  ")], r"messages\[0\] is empty"),
    "no blocks": ([user([])], "non-empty"),
    "empty block": ([user([text("")])], r"messages\[0\].content\[0\] is an empty text"),
    "no content": ([{"role": "user"}], "content must be"),
    "more keys": ([{**user("x"), "name": "Ann"}], "cannot have 'name'"),
    "no type": ([user([{"text": "x"}])], "it has no type"),
    "no text": ([user([{"type": "text"}])], "needs 'text'"),
    "Claude's block": ([user([use()])], "message of the user cannot contain tool_use"),
    "the user's block": ([user("x"), assistant([picture()])], "message of the assistant cannot contain image"),
    "odd source": ([user([{"type": "image", "source": {"type": "ftp"}}])], "source must have one of the types"),
    "no data": ([user([{"type": "image", "source": {"type": "base64", "media_type": "image/png"}}])], "'data'"),
    "no picture": (
        [user([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}])],
        "not an image",
    ),
    "broken base64": (
        [user([{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "?"}}])],
        "not valid base64",
    ),
    "open call": ([user("x"), assistant([use()])], r"messages\[2\] is missing: .*weather \(toolu_1\)"),
    "call not answered": ([user("x"), assistant([use()]), user("And?")], r"messages\[2\]: .*result"),
    "call half answered": ([user("x"), assistant([use("a"), use("b")]), user([result("a")])], r"weather \(b\)"),
    "answered late": ([user("x"), assistant([use()]), assistant("y"), user([result()])], r"messages\[2\]: .*result"),
    "answered twice": ([user("x"), assistant([use()]), user([result(), result()])], "second result"),
    "stray result": ([user([result()])], "not a call"),
    "words first": ([user("x"), assistant([use()]), user([text("y"), result()])], "come first"),
    "same call twice": (
        [user("x"), assistant([use()]), user([result()]), assistant([use()]), user([result()])],
        "two calls .*'toolu_1'",
    ),
}


@pytest.mark.parametrize(("messages", "match"), WRONG.values(), ids=WRONG.keys())
def test_what_the_api_would_refuse_is_refused_in_one_line(home: Conversations, messages: Any, match: str) -> None:
    with pytest.raises(BadInput, match=match) as caught:
        given(home, messages)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_key_is_not_taken(home: Conversations, role: str) -> None:
    messages: list[dict[str, Any]] = [user("Hi"), assistant([text("Hi.")])]
    [message] = [message for message in messages if message["role"] == role]
    message["content"] = [text(f"It is {KEY}.")]
    with pytest.raises(BadInput, match=r"messages\[\d\] .*API key") as caught:
        given(home, messages)
    assert "sk-ant" not in str(caught.value)


def test_without_the_thinking_it_is_the_same_form(home: Conversations) -> None:
    claude = home.open("main")
    claude("What?\nsimulate: think=20; say=Yes.")
    claude.system = "Be brief."  # what was thought before is not valid any more
    messages = claude.to_messages()
    assert messages[1] == {"role": "assistant", "content": "Yes."}
    assert given(home, messages, name="given", system="Be brief.").to_messages() == messages


def test_what_is_given_is_saved(home: Conversations, tmp_path: Any) -> None:
    claude = given(home, HISTORIES["two calls"], name="given")
    claude.save(tmp_path / "talk.json")
    assert Conversation.load(tmp_path / "talk.json").to_messages() == HISTORIES["two calls"]
