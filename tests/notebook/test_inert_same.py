"""A harmless answer gives the same page as before, in every parser."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from claude_magic.messages.reply import Reply
from claude_magic.notebook.display.inert import inert
from claude_magic.notebook.display.reply_view import render_reply
from tests.notebook.test_inert import JUDGES

WORDS = (
    "the",
    "mean",
    "5 < 6",
    "R&D",
    "x -> y",
    "café",
    "日本語",
    "C#",
    "100%",
    "A.",
    "well-known",
    "🎉",
    "(see above)",
)
FORMULAS = (
    r"$x^2$",
    r"$e^{i\pi} + 1 = 0$",
    r"$\frac{a}{b}$",
    r"$a_1, \dots, a_n$",
    r"$p < 0.05$",
    r"$\{x : x \ge 0\}$",
)
DISPLAYED = (
    "$$\n\\int_0^1 x \\, dx = \\frac{1}{2}\n$$",
    "$$x^2 + y^2 = z^2$$",
    "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}",
    "$$\nA = \\begin{pmatrix} 1 & 0 \\\\ 0 & 1 \\end{pmatrix}\n$$",
)
CODE = (
    "x = 1",
    "if a < b and not c:",
    "    print(f'{x}')",
    "# a comment",
    "- no: list",
    "| no | table |",
    "",
    "~~~",
)
LIVELY = (*CODE, "d['a'](1)", "<div class='a'>", "x: List[int]: 'a'", "![x](y)")
"""Code that would be active outside a code block."""
LANGUAGES = ("", "python", "bash", "html", "c++", "json")

words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)
styled = st.builds(
    "{0}{1}{0}".format, st.sampled_from(["*", "**", "~~", "`"]), st.sampled_from(["the", "mean", "café", "x = 1"])
)
link = st.sampled_from(["[docs](https://example.com/a_(b)?x=1)", "<https://example.com>", "[below](#part-2)"])
cited = st.sampled_from([r"It rose \[1\].", r"It fell \[1\]\[2\]."])
sentence = st.lists(st.one_of(words, styled, link, st.sampled_from(FORMULAS), cited), min_size=1, max_size=6).map(
    " ".join
)
cell = st.one_of(words, styled, st.sampled_from(FORMULAS))
code = st.lists(st.sampled_from(CODE), min_size=1, max_size=5).map("\n".join)
lively = st.lists(st.sampled_from(LIVELY), min_size=1, max_size=5).map("\n".join)


def fenced(content: str, mark: str, extra: int, language: str) -> str:
    fence = mark * (3 + extra)
    while f"\n{fence}" in f"\n{content}":
        fence += mark
    return f"{fence}{language}\n{content}\n{fence}"


def table(rows: list[tuple[str, str, str]]) -> str:
    head, *rest = [" | ".join(row) for row in rows]
    return "\n".join(f"| {row} |" for row in [head, ":-- | :-: | --:", *rest])


def listed(items: list[str], bullet: str) -> str:
    """A list, of which an item may have several lines."""
    indent = " " * len(bullet)
    return "\n".join(bullet + item.replace("\n", f"\n{indent}").replace(f"\n{indent}\n", "\n\n") for item in items)


def quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


fences = st.builds(fenced, code, st.sampled_from("`~"), st.integers(0, 2), st.sampled_from(LANGUAGES))
nested = st.builds(fenced, fences, st.sampled_from("`~"), st.integers(0, 1), st.sampled_from(["", "md"]))
tables = st.lists(st.tuples(cell, cell, cell), min_size=2, max_size=4).map(table)
tasks = st.lists(st.builds("[{}] {}".format, st.sampled_from("x "), sentence), min_size=1, max_size=3).map(
    lambda items: listed(items, "- ")
)
steps = st.lists(st.one_of(sentence, st.builds("{}\n{}".format, words, fences)), min_size=1, max_size=3).map(
    lambda items: listed(items, "1. ")
)
headings = st.builds("{} {}".format, st.sampled_from(["#", "##", "###"]), words)
notes = st.just("1. *Report*, page 3: “words”\n2. <https://example.com/x>: “more words”")
listing = st.builds(fenced, lively, st.just("`"), st.integers(0, 2), st.sampled_from(LANGUAGES))
block = st.one_of(
    listing,
    sentence,
    headings,
    st.sampled_from(DISPLAYED),
    tables,
    tasks,
    steps,
    fences,
    nested,
    notes,
    sentence.map(quoted),
)
answers = st.lists(block, min_size=1, max_size=7).map("\n\n".join)


@pytest.mark.slow
@pytest.mark.parametrize("judge", JUDGES)
@settings(max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate])
@given(texts=st.lists(answers, min_size=10, max_size=20))
def test_a_harmless_answer_gives_the_same_page(judge: str, texts: list[str]) -> None:
    read = JUDGES[judge]
    for text, before, after in zip(texts, read(texts), read([inert(text) for text in texts]), strict=True):
        assert after == before, text


def cited_reply() -> Reply:
    citation = {
        "type": "page_location",
        "cited_text": "Sales rose by 5%.",
        "document_index": 0,
        "document_title": "Report",
        "start_page_number": 3,
        "end_page_number": 4,
    }
    pieces = ["# Sales\n\n", "They rose", ", by $5\\%$.\n\n| a | b |\n|---|---|\n| ", "up", " | 1 |\n\n- [x] ", "done"]
    content = [
        {"type": "text", "text": piece, "citations": [citation] if at % 2 else []} for at, piece in enumerate(pieces)
    ]
    reply = Reply()
    reply.take({"content": content, "stop_reason": "end_turn"})
    return reply


@pytest.mark.parametrize("judge", JUDGES)
def test_footnotes_are_unchanged(judge: str) -> None:
    answer = render_reply(cited_reply())
    assert answer.count(r"\[1\]") == 3
    assert inert(answer) == answer
    (page,) = JUDGES[judge]([answer])
    assert page.count("[1]") == 3
    assert "<em>Report</em>, page 3: “Sales rose by 5%.”" in page
    assert "<td>up [1]</td>" in page
