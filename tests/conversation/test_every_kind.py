"""Whatever a notebook holds arrives at the other end as what it is: its size, its colours, its pages, its rows.

The simulator decodes what it is sent and says what it found, so every answer here is about bytes that
went over HTTP.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from claude_magic import Document, Picture, Table
from claude_magic.content.values import Named, RemotePicture
from claude_magic.conversation.conversation import Conversation
from claude_magic.engine.question import Prompt
from tests.content.test_pdf import pdf
from tests.images import encoded
from tests.messages.servers import http, raw

mpl.use("agg")
import matplotlib.pyplot as plt

Made = Callable[[], object]


def plain(colour: Any, width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (width, height), colour)


def halves(left: Any, right: Any, width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Three quarters of one colour, one of another."""
    image = plain(left, width, height, mode)
    image.paste(right, (width - width // 4, 0, width, height))
    return image


def palette(*colours: tuple[int, int, int], transparent: int | None = None, size: tuple[int, int]) -> Image.Image:
    """Three quarters of a palette's first colour, one of its second; one of them may be transparent."""
    image = Image.new("P", size, 0)
    image.putpalette([value for colour in colours for value in colour])
    image.paste(1, (size[0] - size[0] // 4, 0, *size))
    if transparent is not None:
        image.info["transparency"] = transparent
    return image


def deep(low: float, high: float, size: tuple[int, int], kind: Any) -> Image.Image:
    values = np.full(size[::-1], low, kind)
    values[:, -(size[0] // 4) :] = high
    return Image.fromarray(values)


MODES: dict[str, tuple[Made, str]] = {
    "1": (lambda: halves(1, 0, 40, 21, "1"), "40 x 21 pixels, mostly white and black"),
    "L": (lambda: plain(128, 41, 22, "L"), "41 x 22 pixels, mostly grey"),
    "LA": (lambda: plain((0, 0), 42, 23, "LA"), "42 x 23 pixels, mostly white"),
    "P": (lambda: palette((220, 20, 20), (20, 40, 230), size=(43, 24)), "43 x 24 pixels, mostly red and blue"),
    "P with transparency": (
        lambda: palette((220, 20, 20), (20, 40, 230), transparent=0, size=(44, 25)),
        "44 x 25 pixels, mostly white and blue",
    ),
    "RGB": (lambda: plain("orange", 45, 26), "45 x 26 pixels, mostly orange"),
    "RGBA": (lambda: halves((130, 30, 160, 255), (0, 0, 0, 0), 46, 27, "RGBA"), "46 x 27 pixels, mostly purple"),
    "CMYK": (lambda: plain("yellow", 47, 28).convert("CMYK"), "47 x 28 pixels, mostly yellow"),
    "YCbCr": (lambda: plain("green", 48, 29).convert("YCbCr"), "48 x 29 pixels, mostly green"),
    "HSV": (lambda: plain("magenta", 49, 30).convert("HSV"), "49 x 30 pixels, mostly magenta"),
    "I;16": (lambda: deep(65535, 32768, (50, 31), np.uint16), "50 x 31 pixels, mostly white and grey"),
    "I": (lambda: deep(-70000, 70000, (51, 32), np.int32), "51 x 32 pixels, mostly black and white"),
    "F": (lambda: deep(0.25, 0.75, (52, 33), np.float32), "52 x 33 pixels, mostly black and white"),
}


def colour_array(channels: int, kind: Any, full: float, size: tuple[int, int]) -> Any:
    """Full in the last colour, opaque if there is a fourth channel."""
    array = np.zeros((size[1], size[0], channels), kind)
    array[..., min(2, channels - 1) :] = full
    return array


ARRAYS: dict[str, tuple[Made, str]] = {
    "HxW": (lambda: np.full((34, 53), 128, np.uint8), "53 x 34 pixels, mostly grey"),
    "HxWx1": (lambda: colour_array(1, np.uint8, 255, (54, 35)), "54 x 35 pixels, mostly white"),
    "HxWx3": (lambda: colour_array(3, np.uint8, 255, (55, 36)), "55 x 36 pixels, mostly blue"),
    "HxWx4": (lambda: colour_array(4, np.uint8, 255, (56, 37)), "56 x 37 pixels, mostly blue"),
    "uint16": (lambda: np.full((38, 57), 32768, np.uint16), "57 x 38 pixels, mostly grey"),
    "bool": (lambda: np.ones((39, 58), bool), "58 x 39 pixels, mostly white"),
    "float": (lambda: colour_array(3, np.float32, 1.0, (59, 40)), "59 x 40 pixels, mostly blue"),
    "float, grey": (lambda: np.full((41, 60), 0.5), "60 x 41 pixels, mostly grey"),
}


def named(data: bytes, name: str) -> io.BytesIO:
    stream = io.BytesIO(data)
    stream.name = name
    return stream


def animated() -> bytes:
    frames = [plain(colour, 61, 42) for colour in ("red", "green", "blue")]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def data_url(image: Image.Image) -> str:
    return f"data:image/png;base64,{base64.b64encode(encoded(image)).decode()}"


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


class Shows:
    """Shows itself to notebooks, and says nothing to Claude."""

    def _repr_png_(self) -> bytes:
        return encoded(plain("red", 71, 52))


ENCODED: dict[str, tuple[Made, str]] = {
    "PNG": (lambda: encoded(plain("red", 62, 43)), "PNG, 62 x 43 pixels, mostly red"),
    "JPEG": (lambda: encoded(plain("blue", 63, 44), "JPEG"), "JPEG, 63 x 44 pixels, mostly blue"),
    "WEBP": (lambda: bytearray(encoded(plain("green", 64, 45), "WEBP")), "WEBP, 64 x 45 pixels, mostly green"),
    "animated GIF": (animated, "GIF, 61 x 42 pixels, mostly red"),
    "BMP": (lambda: encoded(plain("yellow", 65, 46), "BMP"), "PNG, 65 x 46 pixels, mostly yellow"),
    "TIFF": (lambda: memoryview(encoded(plain("cyan", 66, 47), "TIFF")), "PNG, 66 x 47 pixels, mostly cyan"),
    "a file object": (lambda: named(encoded(plain("pink", 67, 48)), "x.png"), "PNG, 67 x 48 pixels, mostly pink"),
    "a data: address": (lambda: RemotePicture(data_url(plain("brown", 68, 49))), "PNG, 68 x 49 pixels, mostly brown"),
    "a Picture of one": (lambda: Picture(data_url(plain("navy", 69, 50))), "PNG, 69 x 50 pixels, mostly navy"),
    "turned by its EXIF": (
        lambda: encoded(halves("red", "blue", 400, 200), "JPEG", exif=turned()),
        "JPEG, 200 x 400 pixels, mostly red and blue",
    ),
    "a part": (
        lambda: Picture(halves("red", "blue", 400, 200), crop=(320, 10, 390, 61)),
        "PNG, 70 x 51 pixels, mostly blue",
    ),
    "a cheap copy": (lambda: Picture(plain("orange", 2000, 1000), max_tokens=98), "PNG, 392 x 196 pixels, mostly or"),
    "a part of a cheap copy": (
        lambda: Picture(halves("red", "green", 4000, 2000), crop=(3000, 0, 4000, 1000), max_tokens=100),
        "PNG, 280 x 280 pixels, mostly green",
    ),
    "too large": (lambda: plain("purple", 9000, 90), "PNG, 2576 x 26 pixels, mostly purple"),
    "its own idea": (Shows, "PNG, 71 x 52 pixels, mostly red"),
}


PICTURES = MODES | ARRAYS | ENCODED


@pytest.mark.parametrize(("made", "told"), PICTURES.values(), ids=PICTURES.keys())
def test_pictures(claude: Conversation, made: Made, told: str) -> None:
    reply = claude("What is this?", made())
    assert told in reply.text
    assert reply.text.count("pixels, mostly") == 1


def test_modes_are_what_they_are_called() -> None:
    assert {getattr(made(), "mode", "") for made, _ in MODES.values()} == {name.partition(" ")[0] for name in MODES}


def test_the_expected_answers_differ() -> None:
    assert len({told for _, told in PICTURES.values()}) == len(PICTURES)


def test_files(claude: Conversation, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(plain("red", 72, 53)))
    for value in (path, Picture(str(path)), {"shot": path}):
        assert "PNG, 72 x 53 pixels, mostly red" in claude("What is this?", value).text
    with path.open("rb") as file:
        assert "PNG, 72 x 53 pixels, mostly red" in claude("What is this?", file).text


def test_addresses(claude: Conversation) -> None:
    with raw(http(encoded(plain("green", 73, 54)), "image/png")) as server:
        url = f"{server.url}/a_b.png"
        assert f"at `{url}` (not fetched)" in claude("What is this?", RemotePicture(url)).text
        assert server.got == []
        fetched = Picture(url, fetch=True, fetch_private=True)
        assert "PNG, 73 x 54 pixels, mostly green" in claude("What is this?", fetched).text
        assert len(server.got) == 1


def test_uploaded(claude: Conversation) -> None:
    file = claude.files.upload(plain("blue", 74, 55))
    assert "PNG, 74 x 55 pixels, mostly blue" in claude("What is this?", file).text
    text = claude.files.upload(b"words")
    assert "plain text, 5 characters" in claude("And this?", text).text
    pages = claude.files.upload(pdf(4))
    assert "PDF, 4 pages" in claude("And this?", pages).text


@pytest.fixture
def axes() -> Iterator[Any]:
    """Of a figure that is cyan all over."""
    figure = plt.figure(figsize=(4, 3), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_facecolor("cyan")
    yield axes
    plt.close("all")


@pytest.mark.parametrize(
    "plot",
    [
        lambda axes: axes.figure,
        lambda axes: axes,
        lambda axes: axes.plot([1, 2])[0],
        lambda axes: axes.plot([1, 2]),
        lambda axes: axes.errorbar([1, 2], [3, 4]),
        lambda axes: np.array([[axes, axes]], dtype=object),
        lambda axes: pd.DataFrame({"a": [1, 2]}).plot(ax=axes),
        lambda axes: pd.Series([1, 2]).plot(ax=axes),
    ],
    ids=["figure", "axes", "line", "lines", "container", "array of axes", "pandas frame", "pandas series"],
)
def test_plots(claude: Conversation, axes: Any, plot: Callable[[Any], object]) -> None:
    reply = claude("What is this?", plot(axes))
    assert "PNG, 400 x 300 pixels, mostly cyan" in reply.text
    assert reply.text.count("pixels, mostly") == 1


def test_several_at_their_places(claude: Conversation) -> None:
    values = {"first": plain("red", 75, 56), "second": plain("blue", 76, 57)}
    prompt: Prompt = ["Compare ", Named("first", values["first"]), " with ", Named("second", values["second"]), "."]
    reply = claude.ask(prompt)
    assert "**Picture 1**: PNG, 75 x 56 pixels, mostly red" in reply.text
    assert "**Picture 2**: PNG, 76 x 57 pixels, mostly blue" in reply.text
    later = claude("And this?", [plain("green", 77, 58), plain("white", 78, 59)])
    assert "**Picture 1**: PNG, 77 x 58 pixels, mostly green" in later.text
    assert "**Picture 2**: PNG, 78 x 59 pixels, mostly white" in later.text
    assert "**Earlier pictures**: 2" in later.text


NOTEBOOK = {
    "cells": [{"cell_type": "code", "source": "f(x)  # <module>", "metadata": {}, "execution_count": 1, "outputs": []}],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}

DOCUMENTS: dict[str, tuple[Made, str]] = {
    "PDF": (lambda: pdf(3), f"without title, PDF, 3 pages, {len(pdf(3))} bytes"),
    "text": (lambda: named(b"The table of *things*.", "things.md"), "“things.md”, plain text, 22 characters"),
    "notebook": (
        lambda: named(json.dumps(NOTEBOOK).encode(), "steps.ipynb"),
        f"“steps.ipynb”, plain text, {len('--- Cell 1 (code, run as 1)') + 1 + len('f(x)  # <module>')} characters",
    ),
    "passages": (lambda: Document(["One.", "Two."], title="Notes"), "“Notes”, 2 content blocks"),
    "address": (
        lambda: Document("https://example.org/a.pdf"),
        "without title, url `https://example.org/a.pdf` (not fetched)",
    ),
}


@pytest.mark.parametrize(("made", "told"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_documents(claude: Conversation, tmp_path: Path, made: Made, told: str) -> None:
    value = made()
    if isinstance(value, io.BytesIO):
        path = tmp_path / value.name
        path.write_bytes(value.getvalue())
        value = path
    reply = claude("What does it say?", value)
    assert f"**Document 1**: {told}" in reply.text
    assert "Document 2" not in reply.text
    assert "|:--|--:|" not in reply.text  # the word “table” in a document asks for none


def test_pages_of_a_document(claude: Conversation) -> None:
    pytest.importorskip("pypdf", reason="takes pages out of a PDF")
    reply = claude("What do they say?", Document(pdf(9), pages=[2, 5], title="Two"))
    assert "**Document 1**: “Two" in reply.text
    assert "PDF, 2 pages, " in reply.text


COLUMNS = {"city": ["Rome", "Oslo", "Bern"], "table": [1, 2, 3]}

TABLES: dict[str, tuple[Made, str]] = {
    "pandas": (lambda: pd.DataFrame(COLUMNS), "pandas DataFrame, 3 rows, 2 columns"),
    "pandas series": (lambda: pd.Series([1, 2, 3, 4]), "pandas Series, 4 rows, 1 column"),
    "polars": (lambda: pl.DataFrame(COLUMNS).head(2), "polars DataFrame, 2 rows, 2 columns"),
    "pyarrow": (lambda: pa.table(COLUMNS).slice(1, 1), "pyarrow Table, 1 row, 2 columns"),
    "DuckDB": (lambda: duckdb.sql("select range as n from range(7)"), "DuckDB relation, 7 rows, 1 column"),
    "columns": (lambda: Table(COLUMNS), "dict of columns, 3 rows, 2 columns"),
}


@pytest.mark.parametrize(("made", "told"), TABLES.values(), ids=TABLES.keys())
def test_tables(claude: Conversation, made: Made, told: str) -> None:
    reply = claude.ask(["What stands out in ", Named("sales", made()), "?"])
    assert f"**Text 1**: “Table sales: {told}”" in reply.text
    assert "**Question**: “What stands out in ?”" in reply.text
    assert "|:--|--:|" not in reply.text
