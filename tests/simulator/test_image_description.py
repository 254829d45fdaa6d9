"""Images: which are refused, how they are described, what they cost."""

from __future__ import annotations

import base64
import random

import pytest
from PIL import Image

from claude_magic.messages import limits
from tests.images import encoded

from .conftest import JSON, Api

TYPES = [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp")]


def in_base64(image: Image.Image, kind: str = "PNG") -> str:
    return base64.b64encode(encoded(image, kind)).decode()


def block(data: str, media_type: str = "image/png", **more: object) -> JSON:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}, **more}


def plain(width: int = 60, height: int = 40, colour: str = "red") -> JSON:
    return block(in_base64(Image.new("RGB", (width, height), colour)))


def noise(size: int = 128) -> Image.Image:
    return Image.frombytes("RGB", (size, size), random.Random(1).randbytes(3 * size * size))


@pytest.mark.parametrize(("kind", "media_type"), TYPES)
def test_types(api: Api, kind: str, media_type: str) -> None:
    picture = block(in_base64(Image.new("RGB", (60, 40), "red"), kind), media_type)
    text = api.text([picture, {"type": "text", "text": "What is it?"}])
    assert f"{kind}, 60 x 40 pixels, mostly red; looks like a graphic" in text


@pytest.mark.parametrize("colour", ["black", "white", "red", "blue", "yellow", "green"])
def test_colours(api: Api, colour: str) -> None:
    assert f"mostly {colour};" in api.text([plain(colour=colour)])


def test_two_colours_transparency_and_photographs(api: Api) -> None:
    half = Image.new("RGB", (100, 100), "red")
    half.paste("blue", (0, 0, 40, 100))
    assert "mostly red and blue; looks like a graphic" in api.text([block(in_base64(half))])
    assert "mostly white" in api.text([block(in_base64(Image.new("RGBA", (50, 50), (255, 0, 0, 0))))])
    assert "looks like a photograph" in api.text([block(in_base64(noise()))])


def test_in_tool_results_and_earlier_turns(api: Api) -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "draw", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [plain(30, 30, "blue")]}
    messages = [
        {"role": "user", "content": [plain(), {"type": "text", "text": "Draw another"}]},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    text = api.text(messages=messages)
    assert "**Picture 1**: PNG, 30 x 30 pixels, mostly blue" in text
    assert "**Earlier pictures**: 1" in text


def test_urls_are_named_and_never_fetched(api: Api) -> None:
    picture = {"type": "image", "source": {"type": "url", "url": api.simulator.url + "/picture.png"}}
    assert f"at `{api.simulator.url}/picture.png` (not fetched)" in api.text([picture])
    assert [request.path for request in api.simulator.requests] == ["/v1/messages"]


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-sonnet-4-6"])
@pytest.mark.parametrize("size", [(28, 28), (200, 300), (1920, 1080), (3000, 2000)])
def test_cost(api: Api, model: str, size: tuple[int, int]) -> None:
    def tokens(*content: JSON) -> int:
        return int(api.ask([*content, {"type": "text", "text": "Look"}], model=model)["usage"]["input_tokens"])

    tier = limits.lookup(model).image_tier
    seen = limits.fit_size(size[0], size[1], tier)
    assert tokens(plain(*size)) - tokens() == limits.image_tokens(*seen)


def test_media_type_must_match(api: Api) -> None:
    png = in_base64(Image.new("RGB", (9, 9)))
    assert "appears to be a image/png image" in api.error([block(png, "image/jpeg")])
    assert "media_type: Input should be" in api.error([block(png, "image/bmp")])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("not base64!", "invalid base64"),
        ("data:image/png;base64,iVBOR", "invalid base64"),
        (in_base64(Image.new("RGB", (9, 9)))[:40] + "\n" + in_base64(Image.new("RGB", (9, 9)))[40:], "invalid base64"),
        (base64.b64encode(b"BM not a known type").decode(), "Could not process image"),
        (base64.b64encode(b"\x89PNG\r\n\x1a\n broken").decode(), "Could not process image"),
        ("", "Could not process image"),
    ],
)
def test_bad_data(api: Api, data: str, message: str) -> None:
    assert message in api.error([block(data)])


def test_truncated_images_are_accepted(api: Api) -> None:
    half = base64.b64encode(encoded(noise())[:5000]).decode()
    assert "PNG, 128 x 128 pixels" in api.text([block(half)])


def test_too_many_bytes(api: Api) -> None:
    assert "image exceeds 10 MB maximum" in api.error([block("A" * (limits.MAX_IMAGE_BASE64_BYTES + 4))])


def test_too_many_pixels(api: Api) -> None:
    error = api.post([plain(8001, 10)]).json()["error"]
    assert "8000 pixels" in error["message"]
    assert error["details"] == {
        "error_code": "image_dimensions_too_large",
        "max_side_length_pixels": 8000,
        "paths": ["messages.0.content.0"],
    }


def test_smaller_limit_for_many(api: Api) -> None:
    small, large = plain(28, 28), plain(2001, 28)
    assert api.ask([large, *[small] * 19])
    assert "many-image requests: 2000 pixels" in api.error([large, *[small] * 20])


def test_too_many(api: Api) -> None:
    assert "101 > 100" in api.error([plain(28, 28)] * 101, model="claude-haiku-4-5")
    assert api.ask([plain(28, 28)] * 101)


def test_oversized_on_request(api: Api) -> None:
    picture = plain(1920, 1080)
    strict = picture | {"transformations": {"oversized_image": "error"}}
    assert api.ask([picture], model="claude-sonnet-4-6")
    assert "1920x1080 pixels and would be resized to 1456x819" in api.error([strict], model="claude-sonnet-4-6")
    assert api.ask([strict], model="claude-sonnet-5-5")
