"""Numbers behind cited words, and the notes under the answer."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from claude_magic.engine.rendering import Opening
from claude_magic.messages.blocks import TextBlock
from claude_magic.messages.reply import Reply
from claude_magic.notebook.display.fences import FenceTracker
from claude_magic.notebook.display.footnotes import Citation, Footnotes
from claude_magic.notebook.display.inert import inert
from claude_magic.notebook.display.markdown import MarkdownRenderer
from claude_magic.notebook.display.reply_view import render_reply
from claude_magic.notebook.display.terminal import TextRenderer
from claude_magic.simulator import Simulator
from tests.messages.servers import http, raw, sse
from tests.notebook.conftest import Cells
from tests.notebook.kernels import exported, running_kernel
from tests.notebook.test_display import Page, ending

GRASS: dict[str, Any] = {
    "type": "char_location",
    "cited_text": "The grass is green. ",
    "document_index": 0,
    "document_title": "Colours",
    "start_char_index": 0,
    "end_char_index": 20,
    "file_id": None,
}
WATER: dict[str, Any] = {
    "type": "page_location",
    "cited_text": "Water is\nessential for life. ",
    "document_index": 1,
    "document_title": None,
    "start_page_number": 5,
    "end_page_number": 6,
}
STORY: list[tuple[str, list[dict[str, Any]]]] = [
    ("By the papers, ", []),
    ("the grass is green", [GRASS]),
    (" and ", []),
    ("water is essential.\n\n", [WATER, GRASS]),
    ("So much for that.", []),
]
NOTES = (
    "---\n\n1. *Colours*, characters 1–20: “The grass is green.”\n"
    "2. *document 2*, page 5: “Water is essential for life.”"
)


def events(blocks: list[tuple[str, list[dict[str, Any]]]], size: int = 7) -> list[dict[str, Any]]:
    """A stream as the API sends it."""
    made: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "model": "claude-sonnet-5-5", "content": []}}
    ]
    for index, (text, citations) in enumerate(blocks):
        start: dict[str, Any] = {"type": "text", "text": "", "citations": [] if citations else None}
        made.append({"type": "content_block_start", "index": index, "content_block": start})
        texts = [text[at : at + size] for at in range(0, len(text), size)]
        deltas: list[dict[str, Any]] = [{"type": "text_delta", "text": piece} for piece in texts]
        deltas += [{"type": "citations_delta", "citation": citation} for citation in citations]
        made += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        made.append({"type": "content_block_stop", "index": index})
    made.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}})
    return [*made, {"type": "message_stop"}]


def folded(blocks: list[tuple[str, list[dict[str, Any]]]]) -> Reply:
    reply = Reply()
    for event in events(blocks):
        reply.apply(event)
    return reply


def draw(renderer: Any, blocks: list[tuple[str, list[dict[str, Any]]]], *, stops: bool = True) -> Reply:
    """Stream an answer into a renderer; returns the reply."""
    reply = Reply()
    renderer.start(Opening("claude-sonnet-5-5", (), "", False))
    for event in events(blocks):
        if (stops or event["type"] != "content_block_stop") and (change := reply.apply(event)):
            renderer.update(change)
    return reply


def test_cited_words_are_numbered_by_first_appearance_and_listed() -> None:
    reply = folded(STORY)
    assert render_reply(reply) == (
        "By the papers, the grass is green \\[1\\] and water is essential. \\[2, 1\\]\n\nSo much for that.\n\n" + NOTES
    )
    assert render_reply(reply, plain=True) == (
        "By the papers, the grass is green [1] and water is essential. [2, 1]\n\nSo much for that.\n\n"
        "[1] Colours, characters 1–20: “The grass is green.”\n"
        "[2] document 2, page 5: “Water is essential for life.”"
    )
    assert reply.text == "".join(text for text, _ in STORY)


@pytest.mark.parametrize(
    ("citation", "plain"),
    [
        ({**WATER, "end_page_number": 8}, "document 2, pages 5–7: “Water is essential for life.”"),
        (
            {
                "type": "content_block_location",
                "document_index": 0,
                "document_title": "Talks",
                "start_block_index": 1,
                "end_block_index": 2,
                "cited_text": "Yes.",
            },
            "Talks, passage 2: “Yes.”",
        ),
        (
            {
                "type": "search_result_location",
                "source": "shelf 3",
                "title": "Notes",
                "search_result_index": 0,
                "start_block_index": 0,
                "end_block_index": 3,
                "cited_text": "Yes.",
            },
            "Notes, passages 1–3, shelf 3: “Yes.”",
        ),
        (
            {
                "type": "web_search_result_location",
                "url": "https://example.org/a?b=1",
                "title": None,
                "encrypted_index": "x",
                "cited_text": "Yes.",
            },
            "https://example.org/a?b=1: “Yes.”",
        ),
        ({"type": "new_location"}, "a source"),
        ({"type": "page_location", "document_index": "x", "start_page_number": None}, "a source"),
        ({"cited_text": 7, "url": 8}, "8: “7”"),
        ({**GRASS, "cited_text": "word " * 100}, "Colours, characters 1–20: “" + ("word " * 60)[:299] + "…”"),
    ],
)
def test_a_citation_names_its_source_and_location(citation: dict[str, Any], plain: str) -> None:
    assert Citation.from_wire(citation).plain == plain


HOSTILE = (
    "![x](http://a.test/f.png) <img src=//a.test/x onerror='1'> [y]: //z <b>*s* `c` $m$ | ~t~ &lt;"
    "\n---\n# h\n\n1. i \\(y\\) \\[z\\] \\begin{a}"
)


def test_quoted_passages_are_inert() -> None:
    for citation in (
        {**GRASS, "cited_text": HOSTILE},
        {**GRASS, "document_title": HOSTILE[:90]},
        {"type": "search_result_location", "source": HOSTILE[:90], "title": "t", "cited_text": "q"},
        {"type": "web_search_result_location", "url": "javascript:alert(1)", "title": "t", "cited_text": "q"},
    ):
        reply = folded([("Yes", [citation])])
        tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(render_reply(reply))
        (item,) = [token for token in tokens[4:] if token.type == "inline"]
        assert {child.type for child in item.children or ()} <= {
            "text",
            "text_special",
            "em_open",
            "em_close",
            "html_inline",
        }
        tags = {child.content for child in item.children or () if child.type == "html_inline"}
        assert tags <= {"<span>", "</span>"}
        shown = "".join(child.content for child in item.children or () if child.type != "html_inline")
        assert shown == Citation.from_wire(citation).plain


def test_a_web_address_is_a_link_and_breaks_no_markdown() -> None:
    citation = {
        "type": "web_search_result_location",
        "url": "https://a.test/<b>$x$`|*_",
        "title": "T",
        "cited_text": "",
    }
    (token,) = MarkdownIt().parse(Citation.from_wire(citation).markdown)[1:2]
    (link,) = [child for child in token.children or () if child.type == "link_open"]
    assert link.attrs == {"href": "https://a.test/%3Cb%3E%24x%24%60%7C*_"}
    assert "$" not in Citation.from_wire(citation).markdown


@pytest.mark.parametrize(
    ("blocks", "markdown"),
    [
        ([("| a | b |\n|---|---|\n| x | ", []), ("y |\n", [GRASS]), ("| z | w |", [])], "y \\[1\\] |\n| z | w |"),
        ([("| a | b |\n|---|---|\n", [GRASS]), ("| x | y |", [WATER])], "|---|\n| x | y \\[1, 2\\] |"),
        ([("- green\n- ", []), ("blue\n", [GRASS]), ("- red", [])], "- blue \\[1\\]\n- red"),
        ([("green\n- ", [GRASS]), ("blue", [])], "green\n- blue \\[1\\]"),
        ([("```\nx = 1", [GRASS]), ("\n```\n\nSo.", [WATER])], "x = 1\n```\n\nSo. \\[1, 2\\]"),
        ([("```\nx = 1\n```", [GRASS]), ("\n\nSo.", [])], "```\n\\[1\\]\n\nSo."),
        ([("1. a\n\n   ~~~\n   b\n   ~~~\n", [GRASS]), ("2. c", [])], "   ~~~\n   \\[1\\]\n2. c"),
        ([("```\nx = 1", [GRASS])], "x = 1\n```\n\n\\[1\\]"),
        ([("$$\nx", [GRASS]), ("\n$$", [WATER])], "$$\nx\n$$\n\\[1, 2\\]"),
        ([("`a ", [GRASS]), ("b` c", [WATER])], "`a b` c \\[1, 2\\]"),
        ([("Head\n---", [GRASS]), ("\nText", [WATER])], "Head\n---\nText \\[1, 2\\]"),
        ([("# Head\n", [GRASS]), ("Text", [])], "# Head \\[1\\]\nText"),
        ([("  \n", [GRASS]), ("Text", [])], "Text \\[1\\]"),
        ([("green", [GRASS]), ("(http://a.test)", [])], "green \\[1\\](http://a.test)"),
    ],
)
def test_a_number_breaks_no_markdown(blocks: list[tuple[str, list[dict[str, Any]]]], markdown: str) -> None:
    answer = render_reply(folded(blocks)).partition("\n\n---\n\n1. *")[0]
    assert answer.endswith(markdown)
    kinds = [token.type for token in MarkdownIt("gfm-like", {"linkify": False}).parse(answer)]
    before = "".join(text for text, _ in blocks)
    bare = [token.type for token in MarkdownIt("gfm-like", {"linkify": False}).parse(before)]
    extra = ["paragraph_open", "inline", "paragraph_close"]
    assert kinds == bare or [kind for kind in kinds if kind not in extra] == [k for k in bare if k not in extra]


PIECES = st.sampled_from(
    ["words", " ", "\n", "\n\n", "```\n", "\n```", "| a |", "|", "$$\n", "- ", "`", "~~~", "---", "1. "]
)


@given(st.lists(st.tuples(st.lists(PIECES).map("".join), st.sampled_from([[], [GRASS], [WATER, GRASS]]))))
def test_apart_from_numbers_the_answer_is_unchanged(blocks: list[tuple[str, list[dict[str, Any]]]]) -> None:
    notes, reply, shown = Footnotes(), Reply(), ""
    for event in events(blocks, 3):
        change = reply.apply(event)
        if change and change.kind == "text":
            shown += notes.add(change.text, change.block)
        elif change and change.kind == "stop":
            shown += notes.stop(change.block)
    shown += notes.end()
    bare = shown
    for number in ("\\[1\\]", "\\[2, 1\\]", "\\[1, 2\\]", "\\[2\\]"):
        bare = bare.replace(f" {number}", "").replace(f"\n{number}", "")
    assert "".join(bare.split()) == "".join(reply.text.split())
    if not any(citations for _, citations in blocks):
        assert shown == reply.text
    closing = f"\n{notes.closing}" if notes.closing else ""
    assert render_reply(reply).startswith(inert(shown + closing))  # what streamed is the finished answer


@pytest.mark.parametrize("stops", [True, False], ids=["with stops", "without"])
def test_numbers_stream_with_the_text_and_sources_come_at_the_end(stops: bool) -> None:
    page = Page()
    renderer = MarkdownRenderer(page, owns_cell=True, style="off")
    reply = draw(renderer, STORY, stops=stops)
    page.wait_for("green \\[1\\] and water is essential. \\[2, 1\\]\n\nSo much for that.")
    assert "Colours" not in page.text
    renderer.finish(ending(reply))
    assert page.text == render_reply(reply)
    (shown,) = page.outputs.values()
    assert shown["text/plain"] == render_reply(reply, plain=True)


def test_a_number_does_not_wait_for_the_next_words() -> None:
    page, out = Page(), io.StringIO()
    renderer = MarkdownRenderer(page, owns_cell=True)
    reply = draw(renderer, [("Green.", [GRASS])])
    page.wait_for("Green. \\[1\\]")
    renderer.finish(ending(reply))
    draw(TextRenderer("off", out), [("Green.", [GRASS])])
    assert out.getvalue() == "Green. [1]"


@pytest.mark.parametrize("stops", [True, False], ids=["with stops", "without"])
def test_a_terminal_shows_the_same(stops: bool) -> None:
    out = io.StringIO()
    renderer = TextRenderer("off", out)
    reply = draw(renderer, STORY, stops=stops)
    assert "green [1] and" in out.getvalue()
    renderer.finish(ending(reply))
    assert out.getvalue() == render_reply(reply, plain=True) + "\n\n"


def test_numbers_continue_across_the_messages_of_an_answer() -> None:
    reply = folded([("Water.", [WATER])])
    reply.earlier = (folded([("Grass.\n", [GRASS])]), folded([]))
    assert reply.text == "Grass.\n\n\nWater."
    assert render_reply(reply) == f"Grass. \\[1\\]\n\n\nWater. \\[2\\]\n\n{NOTES}"
    for block in (block for message in reply.messages for block in message.blocks if isinstance(block, TextBlock)):
        block.citations.clear()
    assert render_reply(reply) == reply.text


def test_an_answer_without_citations_is_untouched() -> None:
    reply = folded([("Yes.\n", []), ("No.\n\n", [])])
    assert render_reply(reply) == render_reply(reply, plain=True) == reply.text


@pytest.mark.parametrize("text", ["Some words. ", "Some words.\n", "```\nx\n```\n"], ids=["line", "lines", "code"])
def test_a_long_answer_costs_no_more_for_each_block(text: str) -> None:
    def work(count: int) -> int:
        """Lines of Python that run for it, and characters that are looked at for code."""
        steps = 0

        def step(frame: Any, event: str, arg: Any) -> Any:
            nonlocal steps
            steps += 1 + (len(frame.f_locals["line"]) if frame.f_code is FenceTracker.read_line.__code__ else 0)
            return step

        reply = folded([(text, [{**GRASS, "start_char_index": number}]) for number in range(count)])
        sys.settrace(step)
        try:
            render_reply(reply)
        finally:
            sys.settrace(None)
        return steps

    assert work(800) <= 2.1 * work(400)


def test_in_a_shell_the_cell_and_the_reply_show_the_sources(bare: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw(http(sse(*events(STORY)))) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        bare("%load_ext claude_magic")
        shown = bare("%%claude -o reply\nWhat colour is the grass?")
        assert "the grass is green [1] and" in shown.stdout
        assert "[2] document 2, page 5: “Water is essential for life.”" in shown.stdout
        bare("%%claude\nAnd?")
        (later,) = bare("display(reply)").outputs
    assert later.data["text/plain"] == render_reply(bare["reply"], plain=True)
    assert later.data["text/markdown"] == render_reply(bare["reply"])
    body = json.loads(server.got[-1].body)
    cited = [block for block in body["messages"][1]["content"] if block.get("citations")]
    assert [block["text"] for block in cited] == ["the grass is green", "water is essential.\n\n"]


def test_documents_are_cited_when_asked_for(cells: Cells) -> None:
    cells(
        "from claude_magic import Document\npaper = Document(b'The grass is green.', title='Colours', citations=True)"
    )
    shown = cells("%%claude\n{{ paper }} What colour is the grass?").stdout
    assert "[1] Colours, characters 1–19: “The grass is green.”\n" in shown


@pytest.mark.kernel
def test_a_kernel_and_the_exported_notebook_show_the_sources(tmp_path: Path) -> None:
    with raw(http(sse(*events(STORY)))) as server, running_kernel(tmp_path, server.url) as kernel:
        kernel.run("%load_ext claude_magic")
        running = kernel.run("%%claude\nWhat colour is the grass?")
    (output,) = running.screen.outputs
    assert NOTES in output["data"]["text/markdown"]
    page = exported(output)
    assert "the grass is green [1] and water is essential. [2, 1]</p>" in page
    assert "<li><em>Colours</em>, characters 1–20: “The grass is green.”</li>" in page


def test_a_typed_answer_is_shown_as_json(cells: Cells, simulator: Simulator) -> None:
    simulator.faults.append('say={"value": [1, 2]}')
    cells("%%claude --schema list[int] -o reply\nWhich?")
    assert render_reply(cells["reply"]) == '```json\n{\n  "value": [\n    1,\n    2\n  ]\n}\n```'
    assert render_reply(cells["reply"], plain=True) == '{"value": [1, 2]}'
