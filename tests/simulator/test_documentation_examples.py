"""Examples from the documentation get the answers shown there."""

from __future__ import annotations

import base64

import pytest
from PIL import Image

from tests.images import encoded

from .conftest import JSON, OLD_HEADERS, Api, fold

ANT_URL = "https://upload.wikimedia.org/wikipedia/commons/a/a7/Camponotus_flavomarginatus_ant.jpg"
TURNS = [
    {"role": "user", "content": "Hello, Claude"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "Can you describe LLMs to me?"},
]
ANT = [
    {"role": "user", "content": "What is latin for Ant? (A) Apoidea, (B) Rhopalocera, (C) Formicidae"},
    {"role": "assistant", "content": "The answer is ("},
]
PICTURE = [
    {"type": "image", "source": {"type": "url", "url": ANT_URL}},
    {"type": "text", "text": "What is in the above image?"},
]
WEATHER = {
    "name": "get_weather",
    "description": "获取指定位置的当前天气",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "城市名称,如:北京"}},
        "required": ["location"],
    },
}
OPUS, SONNET = "claude-opus-4-20250514", "claude-3-5-sonnet-20241022"


def user(content: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": content}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["claude-opus-4-8", OPUS, SONNET])
@pytest.mark.parametrize(
    ("messages", "shown"),
    [
        (user("Hello, Claude"), ("Hello!", "msg_01XFDUDYJgAACzvnptvVoYEL", (12, 6))),
        (TURNS, ("Sure, I'd be happy to provide...", "msg_018gCsTGsXkYJVqYPxTgDHBU", (30, 309))),
        (user(PICTURE), ("This image shows an ant", "msg_01EcyWo6m4hyW8KHs2y2pei5", (1551, 71))),
        (user("Hello, world"), ("Hi! My name is Claude.", "msg_013Zva2CMHLNnXjNJKqJ2EF", (2095, 503))),
    ],
)
def test_shown_answers(
    api: Api, stream: bool, model: str, messages: list[JSON], shown: tuple[str, str, tuple[int, int]]
) -> None:
    text, identifier, usage = shown
    request = {"model": model, "messages": messages, "headers": OLD_HEADERS}
    message = fold(api.events(**request)) if stream else api.ask(**request)
    assert message["id"] == identifier
    assert message["model"] == model
    assert message["content"][0]["text"].startswith(text)
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == usage
    assert message["stop_reason"] == "end_turn"


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", OPUS, SONNET])
def test_prefill(api: Api, model: str) -> None:
    message = api.ask(messages=ANT, max_tokens=1, model=model, headers=OLD_HEADERS)
    assert message["content"] == [{"type": "text", "text": "C", "citations": None}]
    assert message["stop_reason"] == "max_tokens"
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (42, 1)


def test_content_as_blocks_is_the_same_example(api: Api) -> None:
    assert api.text([{"type": "text", "text": "Hello, Claude"}]) == "Hello!"


def test_gateway_tool(api: Api) -> None:
    message = api.ask(messages=user("今天北京的天气怎么样?"), tools=[WEATHER], model=SONNET, headers=OLD_HEADERS)
    (block,) = message["content"]
    shown = ("get_weather", {"location": "北京"}, "toolu_01D7FLrfh4GYq7yT1ULFeyMV")
    assert (block["name"], block["input"], block["id"]) == shown
    assert message["stop_reason"] == "tool_use"


def test_gateway_picture_is_answered_although_it_is_not_base64(api: Api) -> None:
    source = {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQSkZJRg..."}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "这张图片里有什么?"}]
    assert "猫咪" in api.text(content, model=SONNET, headers=OLD_HEADERS)
    assert "base64" in api.error(content, model="claude-sonnet-4-5", headers=OLD_HEADERS)


def test_gateway_stream(api: Api) -> None:
    events = api.events("讲个故事", model=SONNET, headers=OLD_HEADERS)
    deltas = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert deltas == ["从前", "有一只", "小兔子..."]


@pytest.mark.parametrize("model", [OPUS, SONNET, "claude-3-opus-20240229"])
def test_retired_models_answer_nothing_else(api: Api, model: str) -> None:
    assert api.error("Another question", model=model, status=404) == f"model: {model}"
    assert api.error("Hello, Claude", model=model, max_tokens=1000, status=404)
    assert api.error("Hello, Claude", model=model, system="Be brief.", status=404)


def test_the_vision_page_with_any_image_is_answered_from_its_pixels(api: Api) -> None:
    data = base64.b64encode(encoded(Image.new("RGB", (64, 48), "red"), "JPEG")).decode()
    source = {"type": "base64", "media_type": "image/jpeg", "data": data}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is in the above image?"}]
    assert "JPEG, 64 x 48 pixels, mostly red" in api.text(content, model=OPUS, headers=OLD_HEADERS)
    assert api.error([content[0]], model=OPUS, headers=OLD_HEADERS, status=404)


def test_unknown_models_answer_no_example(api: Api) -> None:
    assert api.error("Hello, Claude", model="claude-nothing", status=404)


def test_an_example_with_other_settings_is_an_ordinary_question(api: Api) -> None:
    assert "simulated" in api.text("Hello, Claude", system="Be brief.")
    assert api.ask("Hello, Claude", max_tokens=5)["stop_reason"] == "max_tokens"
