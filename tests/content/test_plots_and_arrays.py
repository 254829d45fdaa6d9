"""Plots as people use them, and arrays that are pictures."""

from __future__ import annotations

import re
import sys
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from claude_magic import Picture
from claude_magic.content.array_image import array_to_image
from claude_magic.content.convert import to_parts
from claude_magic.content.picture_part import PicturePart
from claude_magic.content.values import Named
from claude_magic.conversation.conversation import Conversation
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import lookup
from claude_magic.simulator import Simulator
from tests.content.test_originals import opened, sent

mpl.use("agg")
import matplotlib.pyplot as plt
import pandas as pd

HIGH = lookup("claude-sonnet-5-5").image_tier
SMALL = lookup("claude-haiku-4-5").image_tier


@pytest.fixture
def figure() -> Any:
    figure = plt.figure(figsize=(4, 3), dpi=100)
    yield figure
    plt.close("all")


@pytest.mark.parametrize(
    "plot",
    [
        lambda figure, axes: figure,
        lambda figure, axes: axes,
        lambda figure, axes: axes.plot([1, 2]),
        lambda figure, axes: axes.plot([1, 2])[0],
        lambda figure, axes: axes.bar([1, 2], [3, 4]),
        lambda figure, axes: axes.hist([1, 2, 2]),
        lambda figure, axes: axes.set_title("title"),
        lambda figure, axes: np.array([[axes, axes]], dtype=object),
        lambda figure, axes: pd.DataFrame({"a": [1, 2]}).plot(ax=axes),
    ],
    ids=["figure", "axes", "list of lines", "line", "bars", "hist", "text", "array of axes", "pandas"],
)
def test_results_of_plotting_calls_are_sent_as_their_figure(figure: Any, plot: Any) -> None:
    axes = figure.subplots()
    assert sent(plot(figure, axes)).size == (400, 300)
    assert figure.get_dpi() == 100


def test_figures_of_a_list_go_one_by_one(figure: Any) -> None:
    figure.subplots()
    other = plt.figure(figsize=(2, 2), dpi=100)
    other.subplots()
    assert [part.summary(HIGH) for part in to_parts([figure, other], "figs")] == [
        "400x300, 165 tokens",
        "200x200, 64 tokens",
    ]


def test_a_large_figure_is_drawn_at_the_size_the_model_sees(figure: Any) -> None:
    figure.set_size_inches(40, 30)
    figure.subplots()
    image = sent(figure)
    assert image.size[0] <= 2576
    assert HIGH.fits(*image.size)
    assert tuple(figure.get_size_inches()) == (40, 30)


def test_the_error_for_an_empty_figure_has_the_cure(figure: Any) -> None:
    with pytest.raises(BadInput, match=r"fig = plt.gcf\(\)"):
        to_parts(figure, "fig")


@pytest.mark.parametrize(
    ("array", "pixel"),
    [
        (np.full((20, 30), 200, np.uint8), 200),
        (np.full((20, 30, 1), 200, np.uint8), 200),
        (np.full((20, 30, 3), 200, np.uint8), (200, 200, 200)),
        (np.full((20, 30, 4), 200, np.uint8), (200, 200, 200, 200)),
        (np.full((20, 30), 0.5), 128),
        (np.full((20, 30, 3), 0.5, np.float32), (128, 128, 128)),
        (np.full((20, 30), 65535, np.uint16), 255),
        (np.ones((20, 30), bool), 255),
        (np.full((20, 30, 3), 7, np.int64), (7, 7, 7)),
        (np.ma.masked_array(np.full((20, 30), 200, np.uint8)), 200),
        (np.asfortranarray(np.full((20, 30, 3), 9, np.uint8))[:, ::2], (9, 9, 9)),
    ],
)
def test_arrays_that_are_pictures(array: Any, pixel: Any) -> None:
    image = sent(array)
    assert image.size == (array.shape[1], array.shape[0])
    assert image.getpixel((5, 5)) == pixel


def test_bytes_are_neither_searched_nor_copied_by_numpy() -> None:
    array = np.full((20, 30, 3), 200, np.uint8)
    called: list[str] = []
    sys.setprofile(lambda frame, event, found: called.append(found.__name__) if event == "c_call" else None)
    try:
        array_to_image(array, "it")
    finally:
        sys.setprofile(None)
    assert "asarray" in called
    assert {"min", "max", "astype", "copy"}.isdisjoint(called)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.full((20, 30, 3), 200.0), "Send it / 255"),
        (np.full((20, 30), 200.0), "Send it / 255"),
        (np.full((20, 30, 3), -1.0), r"it - it.min\(\)"),
        (np.full((20, 30, 3), np.nan), "nan_to_num"),
        (np.zeros((3, 20, 30)), r"it.transpose\(1, 2, 0\)"),
        (np.zeros((20, 30, 7)), r"\(20, 30, 7\)"),
        (np.zeros((0, 5, 3), np.uint8), "no pixels"),
        (np.full((4, 4, 3), 300), "outside 0 to 255"),
        (np.full((4, 4, 3), -1, np.int8), "outside 0 to 255"),
        (np.full((4, 4, 3), 1j), "an array of complex128"),
        (np.ma.masked_equal(np.full((20, 30, 3), 7, np.uint8), 7), r"it has masked pixels, .* Send it.filled\(0\)"),
    ],
)
def test_errors_for_arrays_that_are_not_images_have_a_cure(array: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        to_parts(array, "it")


@pytest.mark.parametrize(
    "array",
    [
        np.full((20, 30, 3), 200.0),
        np.linspace(-7, 900, 1800).reshape(20, 30, 3),
        np.full((20, 30, 3), -1.0),
        np.array([0.5, np.nan] * 900).reshape(20, 30, 3),
        np.array([0.5, np.inf] * 900).reshape(20, 30, 3),
        np.zeros((3, 20, 30)),
        np.ma.masked_less(np.linspace(0, 1, 1800).reshape(20, 30, 3), 0.5),
    ],
    ids=["0..255", "any range", "all the same", "nan", "infinity", "channels first", "masked"],
)
@pytest.mark.parametrize("name", ["it", "values[0]", "0 + it", "value 1"])
def test_a_cure_is_code_that_cures(array: Any, name: str) -> None:
    with pytest.raises(BadInput, match=f"^{re.escape(name)} hol|^{re.escape(name)} has") as caught:
        to_parts(array, name)
    cure = str(caught.value).partition(" Send ")[2].rstrip(".")
    assert sent(eval(cure, {"np": np, "it": array, "values": [array]})).size == (30, 20)


@pytest.mark.parametrize("array", [np.arange(5), np.zeros((3, 4)), np.random.default_rng(1).normal(size=(50, 50))])
def test_numbers_stay_numbers(array: Any) -> None:
    (part,) = to_parts(array, "it")
    assert part.block(HIGH)["type"] == "text"


def test_a_picture_may_be_cut_out_and_points_lead_back() -> None:
    image = Image.new("RGB", (4000, 3000), "white")
    image.paste("red", (1000, 1000, 1100, 1050))
    picture = Picture(image, crop=(900, 900, 3900, 2900), label="site")
    (part,) = to_parts(picture, "picture")
    assert picture.size == (3000, 2000)
    shown = opened(part, SMALL)
    pixels = np.asarray(shown.convert("RGB"))
    x, y = next((x, y) for y in range(shown.height) for x in range(shown.width) if pixels[y, x, 1] < 100)
    left, top = picture.to_original(x, y)
    assert abs(left - 1000) <= 4
    assert abs(top - 1000) <= 4
    assert str(part.summary(SMALL)).startswith("3000x2000 of 4000x3000 sent as ")


def test_low_detail_costs_little() -> None:
    (part,) = to_parts(Picture(Image.new("L", (2000, 1000)), detail="low"), "it")
    assert int(str(part.summary(HIGH)).split()[-2].replace(",", "")) <= 400


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"crop": (0, 0, 5000, 10)}, "crop of it is"),
        ({"crop": (10, 10, 5, 5)}, "crop of it is"),
        ({"crop": (1, 2, 3)}, "crop of it is"),
        ({"crop": "all"}, "crop of it is"),
        ({"crop": (float("nan"), 0, 5, 5)}, "crop of it is"),
        ({"detail": "medium"}, "'high' or 'low'"),
        ({"max_tokens": 0}, "at least 1"),
    ],
)
def test_invalid_options(wish: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        to_parts(Picture(Image.new("L", (100, 100)), label="it", **wish), "it")


def test_a_picture_without_a_label_is_called_by_its_expression(claude: Conversation, simulator: Simulator) -> None:
    image = Image.new("L", (30, 20))
    values = [Named("Picture(a)", Picture(image)), Named("b", Picture(image, label="site"))]
    reply = claude.ask([*values, "Compare."])
    assert reply.sent == ("Picture(a) (30x20, 2 tokens)", "site (30x20, 2 tokens)")
    texts = [
        block["text"] for block in (simulator.requests[-1].body or {})["messages"][0]["content"] if "text" in block
    ]
    assert texts == ["Picture 1 (Picture(a)):", "Picture 2 (site):", "Compare."]


def test_a_picture_under_two_names_is_encoded_once() -> None:
    picture = Picture(Image.new("L", (3000, 2000)))
    (first,), (second,) = to_parts(picture, "a"), to_parts(picture, "b[0]")
    assert isinstance(first, PicturePart)
    assert isinstance(second, PicturePart)
    assert (first.name, second.name, picture.part.name) == ("a", "b[0]", "a")
    assert first.encoded(SMALL) is second.encoded(SMALL) is picture.part.encoded(SMALL)
    width, height = second.encoded(SMALL).size
    assert picture.to_original(width, height) == (3000, 2000)


def test_errors_call_a_picture_by_its_expression() -> None:
    with pytest.raises(BadInput, match=r"^Picture\(x\) is of type int"):
        to_parts(Picture(5), "Picture(x)")
    with pytest.raises(BadInput, match="is a Picture already"):
        Picture(Picture(5))
