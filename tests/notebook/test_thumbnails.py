"""Thumbnails of the images that are sent, above the answer while it streams."""

from __future__ import annotations

import base64
import html.parser
import io
import re

import numpy as np
import pytest
from PIL import Image

from claude_magic.content.convert import to_parts
from claude_magic.content.parts import Part
from claude_magic.content.picture import Picture
from claude_magic.content.thumbnails import MAX_BYTES, SIDE, Thumbnail, thumbnail, thumbnails
from claude_magic.content.values import RemotePicture
from claude_magic.conversation.conversation import Conversations
from claude_magic.engine.rendering import Opening
from claude_magic.engine.settings import Settings
from claude_magic.messages.limits import image_limits, lookup
from claude_magic.messages.reply import Reply
from claude_magic.notebook.display.gallery import gallery
from claude_magic.notebook.display.terminal import TextRenderer
from claude_magic.simulator import Simulator
from tests.conversation.conftest import Notebook
from tests.notebook.kernels import Kernel, Running
from tests.notebook.test_display import ending, reply_of, started, text_change

WITHIN = image_limits(lookup("claude-sonnet-5-5"), 1)
NOISE = np.random.default_rng(0).integers(0, 255, (700, 900, 3), dtype="uint8")


class Images(html.parser.HTMLParser):
    """The pictures of a page, opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str | None], Image.Image]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "img"
        values = dict(attrs)
        kind, _, data = (values["src"] or "").partition(";base64,")
        assert kind == "data:image/jpeg"
        self.found.append((values, Image.open(io.BytesIO(base64.b64decode(data)))))


def of(*values: object, names: tuple[str, ...] = ()) -> tuple[Thumbnail, ...]:
    named = zip(names or [f"value {n}" for n in range(len(values))], values, strict=True)
    return thumbnails([(name, part) for name, value in named for part in to_parts(value, name)], WITHIN)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (Image.new("RGB", (4000, 3000), "red"), (96, 72)),
        (Image.new("L", (30, 20), 200), (30, 20)),
        (Image.new("1", (20, 4000)), (1, 96)),
        (Image.fromarray(NOISE), (96, 75)),
        (Image.fromarray(NOISE[:96, :96]), (96, 96)),
        (Image.fromarray(NOISE[:, :, :1].repeat(4, 2)), (96, 75)),
        (Picture(Image.new("RGB", (4000, 3000)), crop=(0, 0, 100, 50)), (96, 48)),
    ],
    ids=["large", "small", "narrow", "noise", "small noise", "see-through noise", "crop"],
)
def test_a_thumbnail_is_small(value: object, size: tuple[int, int]) -> None:
    (one,) = of(value)
    assert one.encoded is not None
    assert one.encoded.size == size == Image.open(io.BytesIO(one.encoded.data)).size
    assert max(size) <= SIDE
    assert len(one.encoded.data) <= MAX_BYTES


def test_a_thumbnail_shows_the_image_that_is_sent() -> None:
    picture = Image.new("RGB", (400, 400), "red")
    picture.paste("blue", (0, 0, 100, 100))
    (one,) = of(Picture(picture, crop=(0, 0, 100, 100)), names=("fig",))
    assert one.alt == "fig (100x100 of 400x400, 16 tokens)"
    assert one.encoded is not None
    assert Image.open(io.BytesIO(one.encoded.data)).getpixel((50, 50)) == pytest.approx((0, 0, 255), abs=3)


def test_transparent_images_get_a_white_background() -> None:
    (one,) = of(Image.new("RGBA", (50, 50), (0, 0, 0, 0)))
    assert one.encoded is not None
    assert Image.open(io.BytesIO(one.encoded.data)).getpixel((25, 25)) == (255, 255, 255)


def test_a_thumbnail_has_no_metadata() -> None:
    picture, buffer = Image.new("RGB", (64, 64)), io.BytesIO()
    picture.save(buffer, "JPEG", comment=b"secret", icc_profile=b"secret", xmp=b"secret")
    (one,) = of(buffer.getvalue())
    assert one.encoded is not None
    assert b"secret" not in one.encoded.data


def test_an_image_by_url_has_no_thumbnail() -> None:
    for source in ({"type": "url", "url": "https://a.test/x.png"}, {"type": "file", "file_id": "file_1"}):
        block = {"type": "image", "source": source}
        assert thumbnail(block) is None
        assert thumbnails([("it", Part(block, "a picture"))], WITHIN) == ()
    assert thumbnails([("it", Part({"type": "document", "source": {"type": "base64"}}, "a document"))], WITHIN) == ()


@pytest.mark.parametrize("data", [b"", b"no picture", "cut"])
def test_an_unreadable_image_has_no_thumbnail(data: bytes | str) -> None:
    if data == "cut":
        buffer = io.BytesIO()
        Image.fromarray(NOISE).save(buffer, "PNG")
        data = buffer.getvalue()[:5000]
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(data).decode()}  # type: ignore[arg-type]
    assert thumbnail({"type": "image", "source": source}) is None
    assert gallery([Thumbnail("it", Part({"type": "image", "source": source}, "it"), WITHIN)]) == ""


def test_at_most_eight_thumbnails_are_shown_each_with_a_description() -> None:
    name = 'a "b" <script> & $x$ `c`\n'
    images = of(*[Image.new("RGB", (300, 200))] * 11, names=(name,) * 11)
    markdown = gallery(images)
    assert markdown.endswith("> *and 3 more*")
    found = Images(markdown).found
    assert len(found) == 8
    assert len(re.findall("<", markdown)) == 8
    about = " ".join(name.split()) + " (300x200, 88 tokens)"
    assert all(values["alt"] == values["title"] == about for values, _ in found)
    assert all((values["width"], values["height"]) == ("96", "64") for values, _ in found)
    assert "encoded" not in vars(images[8])  # not even made


def opening(*images: Thumbnail) -> Opening:
    return Opening("claude-sonnet-5-5", ("fig (300x200, 88 tokens)",), "", False, images)


@pytest.mark.parametrize("keep", [False, True], ids=["gone", "kept"])
@pytest.mark.parametrize("owns_cell", [True, False], ids=["own cell", "shared cell"])
def test_thumbnails_are_sent_once_and_stay_only_if_kept(owns_cell: bool, keep: bool) -> None:
    begun = opening(*of(Image.new("RGB", (300, 200))))
    page, renderer = started(begun, owns_cell=owns_cell, style="off", keep_images=keep)
    page.wait_for("<img")
    for number in range(5):
        renderer.update(text_change(f"Word {number}.\n"))
        page.wait_for(f"Word {number}.")
    first = next(iter(page.outputs.values()))["text/markdown"]
    assert first.startswith("*sent: fig (300x200, 88 tokens)*\n\n<img ")
    assert sum("<img" in message["data"].get("text/markdown", "") for message in page.messages) == 1
    renderer.finish(ending(reply_of("All of it.")))
    (shown,) = [data for data in page.outputs.values() if data]
    assert ("<img" in shown["text/markdown"]) == keep
    assert "<img" not in shown["text/plain"]
    assert shown["text/markdown"].startswith("*sent: fig (300x200, 88 tokens)*\n\n")
    assert shown["text/markdown"].endswith("\n\nAll of it.")
    assert sum("<img" in message["data"].get("text/markdown", "") for message in page.messages) == 1 + keep


def test_a_failed_question_leaves_no_thumbnails() -> None:
    page, renderer = started(opening(*of(Image.new("RGB", (300, 200)))))
    page.wait_for("<img")
    renderer.finish(ending(Reply()))
    assert page.text == "*sent: fig (300x200, 88 tokens)*"


def test_a_terminal_makes_no_thumbnails() -> None:
    (image,) = of(Image.new("RGB", (300, 200)))
    renderer = TextRenderer("off", io.StringIO())
    renderer.start(opening(image))
    renderer.finish(ending(reply_of("Yes.")))
    assert "encoded" not in vars(image)


def test_a_question_has_thumbnails_of_its_own_pictures_only(simulator: Simulator) -> None:
    notebook = Notebook()
    home = Conversations(Settings(base_url=simulator.url), notebook)
    claude = home.open("main")
    claude("Look.", Picture(Image.new("RGB", (300, 200)), label="before"))
    claude("Compare.", Image.new("RGB", (30, 20)), RemotePicture("https://a.test/x.png"), Image.new("RGB", (40, 20)))
    home.close()
    opened = notebook.recorder.opening
    assert opened is not None
    assert [image.alt for image in opened.pictures] == ["value 1 (30x20, 2 tokens)", "value 3 (40x20, 2 tokens)"]
    assert not any("encoded" in vars(image) for image in opened.pictures)


SETUP = """
%load_ext claude_magic
from PIL import Image
images = [Image.effect_noise((800, 600), 90) for _ in range(10)]
"""


def ask(kernel: Kernel, values: str, deltas: int = 1000) -> Running:
    return kernel.run(f"%%claude --once -i '{values}'\nLook.\nsimulate: think=0; deltas={deltas}; pace=400")


def with_pictures(running: Running) -> list[int]:
    return [message.size for message in running.messages if "<img" in str(message.content)]


def test_in_a_kernel_pictures_cost_their_bytes_once_and_nothing_is_saved(kernel: Kernel) -> None:
    running = ask(kernel, "images")
    (one,) = with_pictures(running)
    assert 8 * 2000 < one < 8 * MAX_BYTES * 4 / 3 + 3000
    without = ask(kernel, "[1]")
    assert running.size < without.size * 1.5 + one
    (output,) = running.screen.outputs
    assert "<img" not in str(output)
    assert "10" not in output["metadata"]


def test_in_a_kernel_thumbnails_stay_if_kept(kernel: Kernel) -> None:
    kernel.run("%config ClaudeMagics.keep_images = True")
    running = ask(kernel, "images[0]", 10)
    kernel.run("%config ClaudeMagics.keep_images = False")
    (output,) = running.screen.outputs
    ((values, image),) = Images(re.findall("<img [^>]*>", output["data"]["text/markdown"])[0]).found
    assert values["alt"] == "images[0] (800x600, 638 tokens)"
    assert image.size == (96, 72)
