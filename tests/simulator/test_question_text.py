"""What counts as the user's own words, and how text is quoted in Markdown."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from .conftest import ADD, JSON, Api

TABLE = "Table df: pandas DataFrame, 2 rows, 1 column\n\n| a |\n| --- |\n| 1 |"
CELL = "Cell In [5]:\n```python\ndef add(code): ...  # show me a table\n```"
ERROR = "Traceback, outermost first:\n  in a cell, <module>: draw(a_table)"
SHAPES = ("|:--|--:|", "```python\ndef simulated", "$$")


def blocks(*texts: str) -> list[JSON]:
    return [{"type": "text", "text": text} for text in texts]


@pytest.mark.parametrize(
    "words", ["<module>", "a *b* c", "`x`", "`", "a `` b", "[a](http://b.c)", "$x$ and $y$", "&lt;", "x_1_2", "# no"]
)
def test_words_survive_markdown(api: Api, words: str) -> None:
    text = api.text(f"What is {words}", system=words)
    (listed,) = (token for token in MarkdownIt().parse(text) if token.type == "inline" and "Question" in token.content)
    assert f"What is {words}" in [child.content for child in listed.children or ()]
    for token in MarkdownIt().parse(text):
        assert not {"html_inline", "link_open", "em_open", "text_special"} & {c.type for c in token.children or ()}


def test_plain_words_are_in_quotation_marks(api: Api) -> None:
    assert "**Question**: “What is it?” (11 characters)" in api.text("What is it?")


def test_titles_addresses_and_results_survive_too(api: Api) -> None:
    source = {"type": "url", "url": "https://example.org/a_b_c.pdf"}
    text = api.text([{"type": "document", "source": source, "title": "<b>"}, *blocks("Read")])
    assert "**Document 1**: `<b>`, url `https://example.org/a_b_c.pdf` (not fetched)" in text


@pytest.mark.parametrize(
    ("attached", "shown"),
    [
        (TABLE, "“Table df: pandas DataFrame, 2 rows, 1 column”"),
        (CELL, "`Cell In [5]:`"),
        (ERROR, "“Traceback, outermost first:”"),
    ],
)
def test_attached_text_is_not_the_question(api: Api, attached: str, shown: str) -> None:
    message = api.ask(blocks(attached, "What is <this>?"), tools=[ADD])
    text = message["content"][-1]["text"]
    assert message["stop_reason"] == "end_turn"
    assert "**Question**: `What is <this>?` (15 characters)" in text
    assert f"- **Text 1**: {shown} ({len(attached)} characters)" in text
    assert not [shape for shape in SHAPES if shape in text]


def test_a_lone_text_is_the_question_whatever_is_in_it(api: Api) -> None:
    text = api.text(TABLE)
    assert "**Question**: `Table df:" in text
    assert "**Text 1**" not in text


@pytest.mark.parametrize(
    ("question", "shapes"),
    [
        ("Show it as a table", [0]),
        ("Answer in a short table", [0]),
        ("Give me some short code, please", [1]),
        ("Write a function for it", [1]),
        ("Answer in Python", [1]),
        ("Write it with a formula and as a table", [0, 2]),
        ("What is wrong with the table above?", []),
        ("Which function is slow in this script?", []),
        ("Is the formula right? The code is new.", []),
        (f"What does it mean?\n{CELL}", []),
        (f"What does it mean?\n{TABLE}\n| show me a table |", []),
        ("Compare them", []),
    ],
)
def test_shapes_only_when_asked_for(api: Api, question: str, shapes: list[int]) -> None:
    text = api.text(question)
    assert [number for number, shape in enumerate(SHAPES) if shape in text] == shapes
