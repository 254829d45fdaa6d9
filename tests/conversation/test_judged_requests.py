"""What the mock server of the official libraries, and Anthropic's own description, say about our requests.

The requests are asked on the simulator and sent again, byte by byte, to the judges.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import httpx2
import numpy as np
import pandas as pd
import pydantic
import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from claude_magic import Document, Picture, Table, tool
from claude_magic.content.values import RemotePicture
from claude_magic.conversation.conversation import Conversation
from claude_magic.simulator import Recorded, Simulator
from tests.content.test_pdf import pdf
from tests.judges import description

Judged = Callable[[Conversation], object]

PICTURE = Image.new("RGB", (300, 200), "red")
NOISE = np.random.default_rng(1).integers(0, 255, (90, 120, 3), np.uint8)
TABLE = pd.DataFrame({"city": ["Rome", None], "day": pd.to_datetime(["2026-01-31", None]), "x": [1.5, float("nan")]})
CITED: dict[str, Any] = {"citations": True, "title": "Notes", "context": "From last year."}


@tool(strict=True)
def chart(kind: Literal["bar", "line"], scale: float = 1.0) -> list[object]:
    """Draw a chart.

    Args:
        kind: What it is drawn with.
    """
    return [PICTURE, TABLE, "drawn"]


@tool
def fails(at: datetime.date | None = None) -> None:
    """Never works."""
    raise LookupError("nothing there")


def in_rounds(claude: Conversation) -> None:
    """Calls of our functions in three messages, and a question behind them."""
    line = 'simulate: think=20; tool=chart {"kind": "bar"}; tool=fails; tool=nowhere {"odd": 1}'
    claude(f"Draw.\n{line}\nsimulate: tool-input-invalid; tool=chart", tools=[chart, fails])
    claude("And now?")


def on_the_server(claude: Conversation) -> None:
    """Calls that the server runs: one fails, and a pause comes between them."""
    tools = ["web_search", "web_fetch", "code_execution"]
    claude("Search.\nsimulate: stop=pause_turn\nsimulate: tool=web_search; tool=code_execution", tools=tools)
    claude("Fetch.\nsimulate: tool=web_fetch; tool-error=url_not_accessible")
    claude("Once more.", model="claude-haiku-4-5")


def marked_for_the_cache(claude: Conversation) -> None:
    """So many calls that the end of the request before gets a mark of its own."""
    claude.home.client.is_anthropic = True
    calls = "; ".join(["tool=fails"] * 25)
    claude(f"Draw.\nsimulate: {calls}\nsimulate: {calls}", tools=[fails])


@dataclasses.dataclass
class Where:
    """A place, as an answer."""

    name: str
    x: Annotated[float, pydantic.Field(ge=0)]
    near: list[str] | None = None


QUESTIONS: dict[str, tuple[Judged, int]] = {
    "PNG": (lambda claude: claude("Look.", PICTURE), 1),
    "JPEG": (lambda claude: claude("Look.", NOISE), 1),
    "several pictures": (lambda claude: claude("Look.", *[PICTURE] * 21, Picture(PICTURE, crop=(0, 0, 9, 9))), 1),
    "address of a picture": (lambda claude: claude("Look.", RemotePicture("https://example.org/a.png")), 1),
    "PDF": (lambda claude: claude("Read.", pdf(2)), 1),
    "PDF, cited": (lambda claude: claude("Read.", Document(pdf(2), **CITED)), 1),
    "text": (lambda claude: claude("Read.", Document(b"One.\nTwo.\n")), 1),
    "text, cited": (lambda claude: claude("Read.", Document(b"One.\nTwo.\n", **CITED)), 1),
    "address of a PDF": (lambda claude: claude("Read.", Document("https://example.org/a.pdf", **CITED)), 1),
    "passages": (lambda claude: claude("Read.", Document(["One.", "Two."])), 1),
    "passages, cited": (lambda claude: claude("Read.", Document(["One.", "Two."], **CITED)), 1),
    "tables": (lambda claude: claude("Read.", TABLE, TABLE["x"], Table({"a": [1, 2]})), 1),
    "record and error": (lambda claude: claude("Read.", {"a": {"b": 1}}, ValueError("wrong")), 1),
    "uploaded picture": (lambda claude: claude("Look.", claude.files.upload(PICTURE)), 1),
    "uploaded PDF": (lambda claude: claude("Read.", claude.files.upload(pdf(2))), 1),
    "uploaded text, cited": (lambda claude: claude("Read.", Document(claude.files.upload(b"One."), **CITED)), 1),
    "our tools, in rounds": (in_rounds, 4),
    "the server's tools": (on_the_server, 4),
    "a forced choice": (lambda claude: claude("Draw.", tools=[chart], tool_choice="chart", model="haiku"), 2),
    "at most one call": (lambda claude: claude("Hi.", tools=[fails], disable_parallel_tool_use=True), 1),
    "marks for the cache": (marked_for_the_cache, 3),
    "an answer of a type": (lambda claude: claude("Say.", schema=list[Where], effort="low"), 1),
    "everything, in several turns": (
        lambda claude: [claude("Look.", value) for value in (PICTURE, pdf(1), TABLE, Document(["One."]))],
        4,
    ),
}


@pytest.fixture(scope="module")
def described() -> Draft202012Validator:
    """Of messages as the betas know them: there the description has the files."""
    components = json.loads(description().read_text("utf-8"))["components"]
    return Draft202012Validator({"$ref": "#/components/schemas/BetaCreateMessageParams", "components": components})


@pytest.fixture
def judge(steady: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=steady, trust_env=False) as client:
        yield client


def asked(simulator: Simulator) -> list[Recorded]:
    """The requests for answers; the description lists the Files API among the betas, which steady does not serve."""
    return [request for request in simulator.requests if request.path == "/v1/messages"]


def sent_again(judge: httpx2.Client, request: Recorded) -> httpx2.Response:
    headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
    return judge.post(request.path, content=request.raw, headers=headers | {"x-api-key": "any"})


@pytest.mark.parametrize(("question", "count"), QUESTIONS.values(), ids=QUESTIONS.keys())
def test_judged(
    claude: Conversation,
    simulator: Simulator,
    described: Draft202012Validator,
    judge: httpx2.Client,
    question: Judged,
    count: int,
) -> None:
    question(claude)
    assert len(asked(simulator)) == count
    for request in asked(simulator):
        assert [error.message for error in described.iter_errors(request.body)] == []
        answer = sent_again(judge, request)
        assert answer.status_code == 200, answer.text


def test_citations_that_are_sent_back(
    claude: Conversation, simulator: Simulator, described: Draft202012Validator, judge: httpx2.Client
) -> None:
    claude("Read.", Document(["One."], **CITED))
    claude("And now?")
    first, second = asked(simulator)
    assert '"citations":[{' in second.raw.decode()
    assert [error.message for error in described.iter_errors(second.body)] == []
    assert sent_again(judge, first).status_code == sent_again(judge, second).status_code == 200


@pytest.mark.parametrize("changes", [{"media_type": "image/bmp"}, {"data": 1}, {"type": "somewhere"}, {"odd": 1}])
def test_the_description_would_refuse_other_blocks(
    claude: Conversation, simulator: Simulator, described: Draft202012Validator, changes: dict[str, Any]
) -> None:
    claude("Look.", PICTURE)
    body: Any = simulator.requests[0].body
    assert described.is_valid(body)
    body["messages"][0]["content"][0]["source"] |= changes
    assert not described.is_valid(body)


@pytest.mark.parametrize("changes", [{"odd": 1}, {"messages": [{"role": "martian", "content": "Hi"}]}])
def test_steady_would_refuse_other_requests(
    claude: Conversation, simulator: Simulator, judge: httpx2.Client, changes: dict[str, Any]
) -> None:
    """It does not look into content blocks; the description does that."""
    claude("Look.", PICTURE)
    (request,) = asked(simulator)
    assert request.body is not None
    other = dataclasses.replace(request, raw=json.dumps(request.body | changes).encode())
    assert sent_again(judge, request).status_code == 200
    assert sent_again(judge, other).status_code == 400
