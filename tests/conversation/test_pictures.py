"""Pictures in a conversation: counted over the history, refitted once, never in the way of what follows."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from claude_magic import Picture
from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.messages.errors import BadInput
from claude_magic.simulator import Simulator
from tests.content.test_pdf import pdf
from tests.conversation.conftest import Notebook
from tests.conversation.wire import body
from tests.messages.servers import http, raw, sse

WIDE = Image.new("L", (2400, 300))


def decoded(data: str) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(data))).size


def sizes(simulator: Simulator) -> list[tuple[int, int]]:
    return [
        decoded(block["source"]["data"])
        for message in body(simulator)["messages"]
        for block in message["content"]
        if isinstance(block, dict) and block["type"] == "image"
    ]


def test_several_pictures_are_called_by_their_names(claude: Conversation, simulator: Simulator) -> None:
    claude("Compare.", Picture(WIDE, label="before"), Picture(WIDE, label="after"))
    texts = [block["text"] for block in body(simulator)["messages"][0]["content"] if block["type"] == "text"]
    assert texts == ["Picture 1 (before):", "Picture 2 (after):", "Compare."]


def test_a_21st_picture_shrinks_the_others(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    claude("Look.", *[WIDE] * 20)
    assert sizes(simulator) == [(2400, 300)] * 20
    claude("And this.", WIDE)
    assert sizes(simulator) == [(2000, 250)] * 21
    [notice] = notebook.recorder.ending.notices
    assert "20 earlier pictures" in notice
    claude("And?")
    assert notebook.recorder.ending.notices == []
    assert sizes(simulator) == [(2000, 250)] * 21


def test_another_tier_refits_what_it_would_shrink(claude: Conversation, simulator: Simulator) -> None:
    claude("Look.", WIDE)
    claude("Again.", model="claude-haiku-4-5")
    assert sizes(simulator) == [(1568, 196)]
    claude("And back.")
    assert sizes(simulator) == [(2400, 300)]


def test_the_bytes_of_a_picture_that_fits_never_change(claude: Conversation, simulator: Simulator) -> None:
    claude("Look.", WIDE)
    claude("Again.")
    first, second = (json.dumps(body(simulator, index)["messages"][0]) for index in (0, 1))
    assert first == second


def test_too_many_pictures_are_not_sent(claude: Conversation, simulator: Simulator) -> None:
    with pytest.raises(BadInput, match="100.*101"):
        claude("Look.", *[Image.new("L", (5, 5))] * 101, model="claude-haiku-4-5")
    assert not simulator.requests


def test_a_picture_that_the_api_refuses_leaves_the_history(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.append("fault=400; message=messages.0.content.0.image: could not process image")
    with pytest.raises(Exception, match="could not process"):
        claude("Look.", WIDE)
    claude("next")
    assert sizes(simulator) == []


def test_a_size_that_the_api_does_not_take_is_mended_once_and_remembered() -> None:
    refusal: dict[str, Any] = {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "image dimensions exceed the maximum",
            "details": {
                "error_code": "image_dimensions_too_large",
                "max_side_length_pixels": 1000,
                "paths": ["messages.0.content.0"],
            },
        },
    }
    answer = sse(
        {"type": "message_start", "message": {"model": "claude-sonnet-5-5"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Yes."}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    )
    notebook = Notebook()
    with raw(
        http(json.dumps(refusal).encode(), "application/json", "400 Bad Request"), http(answer), http(answer)
    ) as server:
        home = Conversations(environment=notebook)
        home.settings.base_url = server.url
        claude = home.open("main")
        claude("Look.", WIDE)
        [notice] = notebook.recorder.ending.notices
        assert "1000 pixels" in notice
        claude("And now?")
        assert notebook.recorder.ending.notices == []
        home.close()
    sent = [json.loads(got.body)["messages"][0]["content"][0]["source"]["data"] for got in server.got]
    assert [decoded(data) for data in sent] == [(2400, 300), (1000, 125), (1000, 125)]


def test_pages_are_counted_over_the_history(claude: Conversation, simulator: Simulator) -> None:
    pages = pdf(60)
    claude("Read.", pages, model="claude-haiku-4-5")
    with pytest.raises(BadInput, match="120 .*100"):
        claude("And this.", pages, model="claude-haiku-4-5")
    assert claude("And this.", pages, yes=True).complete  # 120 pages cost more than ask_above
    assert len(simulator.requests) == 2


def test_a_path_to_a_picture_is_not_sent_as_text(claude: Conversation, simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (40, 30)).save(path)
    with pytest.raises(BadInput, match=r"string.*Path\("):
        claude("What is this?", str(path))
    assert not simulator.requests
    assert claude("What is this?", path, str(tmp_path / "none.png")).complete
