"""What programs that this project did not write think of the client and of its requests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from claude_magic.content.values import RemotePicture
from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine.settings import Settings
from claude_magic.messages.client import Client
from claude_magic.messages.errors import AnswerBroken, APIError, ClaudeError, InvalidRequest
from claude_magic.messages.reply import Reply
from claude_magic.messages.retry import Wait
from claude_magic.simulator import Simulator
from tests.judges import description, require_judge
from tests.messages.conftest import Connect
from tests.messages.servers import COUNTED, ask
from tests.processes import running


def llmock(folder: Path, *faults: str) -> AbstractContextManager[str]:
    """Run a server that gets everything wrong on purpose, and judges how a client takes it."""
    command = [require_judge("llmock"), "serve", "-h", "127.0.0.1", "-p", "0", "--report", *faults]
    return running(command, r"running on (http://127\.0\.0\.1:\d+)", folder / "llmock.txt")


def verdict(folder: Path) -> str:
    """What llmock thinks, once it has stopped."""
    _, found, said = (folder / "llmock.txt").read_text().partition("resilience verdict")
    assert found
    return said


def read(client: Client) -> tuple[Reply, ClaudeError | None]:
    stream = client.stream(ask(model="claude-sonnet-4-6"))
    try:
        list(stream)
    except ClaudeError as error:
        return stream.reply, error
    return stream.reply, None


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["disconnect", "truncate", "stall", "malformed"])
def test_llmock_breaks_streams(fault: str, key: str, connect: Connect, tmp_path: Path) -> None:
    with llmock(tmp_path, "--stream-fault", f"{fault}=1", "--stream-stall-seconds", "20") as url:
        reply, error = read(connect(f"{url}/anthropic", timeout=1.0, max_retries=1))
    assert not reply.complete
    if fault == "truncate":
        assert error is None or not reply.begun
    else:
        assert isinstance(error, ClaudeError)
        assert isinstance(error, AnswerBroken) or not reply.begun
    said = verdict(tmp_path)
    assert "1 fault(s) injected" in said or "2 fault(s) injected" in said
    assert "retry_after_ignored" not in said
    assert "retried_non_retryable" not in said


@pytest.mark.slow
def test_llmock_refuses(key: str, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: dict[int, int] = {}
    with llmock(tmp_path) as url:
        client = connect(f"{url}/anthropic", max_retries=1)
        reply, error = read(client)
        assert (reply.complete, error) == (True, None)
        for status in (400, 401, 403, 404, 413, 429, 500, 503, 529):
            monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", f"x-llmock-force-status: {status}")
            tries[status] = 1

            def note(wait: Wait, status: int = status) -> None:
                tries[status] = wait.attempt

            stream = client.stream(ask(model="claude-sonnet-4-6", system=f"{status}"), on_wait=note)
            with pytest.raises(APIError) as caught:
                next(iter(stream))
            assert caught.value.status == status
    assert [status for status, number in tries.items() if number > 1] == [429, 500, 503, 529]
    said = verdict(tmp_path)
    assert "10 call(s), 14 attempt(s)" in said
    assert "retry_after_ignored" not in said
    assert "retried_non_retryable" not in said


PICTURE = Image.new("RGB", (3, 2), "red")
ADDRESS = RemotePicture("https://example.org/cat.jpg")

QUESTIONS: dict[str, Callable[[Conversation], object]] = {
    "text": lambda claude: claude("Hello, Claude"),
    "picture": lambda claude: claude("What is this?", PICTURE, model="opus"),
    "address of a picture": lambda claude: claude("What is this?", ADDRESS),
    "system": lambda claude: claude("Hello", system="Be brief."),
    "stop": lambda claude: claude("Count", stop=("5", "six")),
    "thinking shown": lambda claude: claude("Think", thinking="show"),
    "thinking hidden": lambda claude: claude("Think", thinking="hide", model="claude-opus-4-6"),
    "thinking off": lambda claude: claude("Think", thinking="off", model="haiku"),
    "thinking with a budget": lambda claude: claude("Think", thinking=2000, model="claude-sonnet-4-5"),
    "effort": lambda claude: claude("Think", effort="max", model="fable"),
    "prefill": lambda claude: claude("Continue", prefill="The answer is (", model="claude-haiku-4-5"),
    "temperature": lambda claude: claude("Guess", temperature=0.3, top_k=5, model="claude-haiku-4-5"),
    "several turns": lambda claude: [claude(f"Question {n}", *[PICTURE] * (n == 2)) for n in range(4)],
    "thinking in several turns": lambda claude: [claude(f"Question {n}", thinking="show") for n in range(3)],
    "another model in the middle": lambda claude: [claude("Hi"), claude("Hi again", model="opus")],
}


@pytest.fixture
def converse(key: str) -> Iterator[Callable[[str], Conversation]]:
    homes: list[Conversations] = []

    def make(url: str) -> Conversation:
        homes.append(Conversations(Settings(base_url=url)))
        return Conversation(home=homes[-1])

    yield make
    for home in homes:
        home.close()


@pytest.fixture(scope="module")
def described() -> Draft202012Validator:
    components = json.loads(description().read_text("utf-8"))["components"]
    return Draft202012Validator({"$ref": "#/components/schemas/CreateMessageParams", "components": components})


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_requests_are_as_anthropic_describes_them(
    question: Callable[[Conversation], object],
    converse: Callable[[str], Conversation],
    simulator: Simulator,
    described: Draft202012Validator,
) -> None:
    question(converse(simulator.url))
    assert simulator.requests
    for request in simulator.requests:
        assert [error.message for error in described.iter_errors(request.body)] == []


@pytest.mark.parametrize(
    "wrong",
    [{"temprature": 1}, {"max_tokens": "10"}, {"messages": [{"role": "martian", "content": "x"}]}, {"model": None}],
)
def test_the_description_would_refuse_others(wrong: dict[str, Any], described: Draft202012Validator) -> None:
    right = json.loads(bytes(ask()))
    assert described.is_valid(right)
    assert not described.is_valid({**right, **wrong})


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_steady_accepts_the_requests(
    question: Callable[[Conversation], object], converse: Callable[[str], Conversation], steady: str
) -> None:
    """It answers with one JSON message, streaming asked or not."""
    claude = converse(steady)
    question(claude)
    assert claude.last is not None
    assert "Claude" in claude.last.text
    assert claude.last.complete


def test_steady_accepts_the_other_calls_and_refuses_what_is_wrong(steady: str, key: str, connect: Connect) -> None:
    client = connect(steady, max_retries=0)
    assert client.models()
    assert client.count_tokens(COUNTED) >= 0
    with pytest.raises(InvalidRequest, match="Validation failed"):
        list(client.stream(ask(temprature=1)))


def test_there_is_a_place_for_judges() -> None:
    """Where all of them must be there, a missing one is a failure and not a skipped test."""
    required = bool(os.environ.get("CLAUDE_MAGIC_REQUIRE_JUDGES"))
    with pytest.raises(pytest.fail.Exception if required else pytest.skip.Exception, match="no-such-program"):
        require_judge("no-such-program")
