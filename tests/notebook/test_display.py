"""Streaming Markdown: split into pieces that no longer change, and drawn without waste."""

from __future__ import annotations

import io
import itertools
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from claude_magic.engine.rendering import Ending, Opening
from claude_magic.messages.reply import Reply, ReplyUpdate
from claude_magic.messages.retry import Wait
from claude_magic.messages.usage import format_cost
from claude_magic.notebook.display.footer import escaped, footer
from claude_magic.notebook.display.markdown import MarkdownRenderer
from claude_magic.notebook.display.publisher import Bundle, Metadata
from claude_magic.notebook.display.splitter import MAX_BLOCK, MarkdownSplitter
from claude_magic.notebook.display.terminal import TextRenderer
from claude_magic.tools.calls import Call

OPENING = Opening("claude-sonnet-5-5", ("fig (30x20, 2 tokens)",), "", False)
PARAGRAPH = "Some words of an answer that goes on for a while, as answers do. " * 6


def pieces_of(text: str, sizes: list[int]) -> tuple[list[str], str]:
    splitter, pieces, at = MarkdownSplitter(), [], 0
    for size in [*sizes, len(text)]:
        pieces += splitter.feed(text[at : at + size])
        at += size
    return pieces, splitter.rest


@given(
    st.lists(st.sampled_from(["# Head\n\n", "- item\n", "words ", "\n\n", "a | b\n", "    code\n", PARAGRAPH])),
    st.lists(st.integers(1, 50), max_size=20),
)
def test_nothing_is_lost_or_doubled(blocks: list[str], sizes: list[int]) -> None:
    text = "".join(blocks)
    pieces, rest = pieces_of(text, sizes)
    assert "".join("\n".join([*pieces, rest]).split()) == "".join(text.split())


def test_a_piece_ends_where_a_block_ends() -> None:
    text = "\n\n".join(f"{number}. {PARAGRAPH}" for number in range(20)) + "\n\n"
    pieces, _ = pieces_of(text, [7] * 2000)
    assert len(pieces) > 3
    for piece in pieces:
        assert piece.endswith(PARAGRAPH.strip() + " \n") or piece.rstrip().endswith(PARAGRAPH.strip())


def test_code_that_is_cut_is_closed_and_reopened() -> None:
    text = "Look:\n\n````python\n" + "print('```')\n" * 600 + "````\nDone.\n"
    pieces, rest = pieces_of(text, [11] * 2000)
    assert all(piece.count("````") == 2 for piece in pieces if "print" in piece)
    assert all(len(piece) <= MAX_BLOCK + 200 for piece in pieces)
    assert "\n".join([*pieces, rest]).count("print(") == 600
    assert rest.endswith("Done.\n")


def test_a_cut_table_repeats_its_header() -> None:
    text = "| a | b |\n|---|---|\n" + "| one | two |\n" * 500
    pieces, rest = pieces_of(text, [13] * 1000)
    assert len(pieces) > 1
    assert all(piece.startswith("| a | b |\n|---|---|\n") for piece in [*pieces, rest])


def test_a_line_that_does_not_end_is_cut_at_a_space() -> None:
    pieces, rest = pieces_of("word " * 4000, [4] * 6000)
    assert len(pieces) > 4
    assert all(len(piece) <= MAX_BLOCK + 5 for piece in pieces)
    assert "".join([*pieces, rest]).split() == ["word"] * 4000


def test_math_is_not_cut() -> None:
    text = "$$\n" + "x + \n\n" * 100 + "$$\n\nDone."
    pieces, rest = pieces_of(text, [5] * 500)
    assert pieces == []
    assert rest == text


class Page:
    """A publisher that shows what a reader would see."""

    def __init__(self) -> None:
        self.outputs: dict[str, Bundle] = {}
        self.messages: list[dict[str, Any]] = []
        self.changed = threading.Condition()
        self._clear = False

    def publish(self, data: Bundle, metadata: Metadata, *, transient: dict[str, str], update: bool) -> None:
        with self.changed:
            if self._clear:
                self.outputs.clear()
                self._clear = False
            display = transient["display_id"]
            assert update == (display in self.outputs)
            self.outputs[display] = data
            self.messages.append({"data": data, "metadata": metadata})
            self.changed.notify_all()

    def clear_output(self, wait: bool = False) -> None:
        if not wait:
            self.outputs.clear()
        self._clear = wait

    @property
    def text(self) -> str:
        return "\n".join(data.get("text/markdown", "") for data in self.outputs.values())

    def wait_for(self, words: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: words in self.text, 10), self.text


def started(
    opening: Opening = OPENING, *, owns_cell: bool = True, style: str = "full", **options: Any
) -> tuple[Page, MarkdownRenderer]:
    """A renderer of an answer that begins, and its page."""
    page = Page()
    renderer = MarkdownRenderer(page, owns_cell=owns_cell, style=style, **options)
    renderer.start(opening)
    return page, renderer


def ending(reply: Reply, *notices: str) -> Ending:
    return Ending(reply, notices, 4, 6, 0.011, 0.078, "turn")


def reply_of(text: str, **changes: Any) -> Reply:
    reply = Reply()
    reply.take(
        {
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "model": "claude-sonnet-5-5",
            "usage": {"input_tokens": 220, "cache_read_input_tokens": 2900, "output_tokens": 410},
        }
    )
    reply.seconds = 6.2
    for name, value in changes.items():
        setattr(reply, name, value)
    return reply


def text_change(text: str) -> ReplyUpdate:
    return ReplyUpdate("text", text, Reply()._start(0, {"type": "text"}).block)


@pytest.mark.parametrize("owns_cell", [True, False], ids=["own cell", "shared cell"])
def test_the_first_and_last_pieces_are_shown_at_once_and_the_final_answer_is_whole(owns_cell: bool) -> None:
    page, renderer = started(owns_cell=owns_cell)
    renderer.update(text_change("First"))
    page.wait_for("*sent: fig (30x20, 2 tokens)*\n\nFirst")
    long = "\n\n".join([PARAGRAPH] * 20)
    renderer.update(text_change(f"\n\n{long}\n\nLast"))
    page.wait_for("Last")
    assert len(page.outputs) > 2
    renderer.finish(ending(reply_of(f"First\n\n{long}\n\nLast")))
    shown = [data for data in page.outputs.values() if data]
    assert len(shown) == 1
    assert shown[0]["text/markdown"].endswith(
        "Last\n\n*claude-sonnet-5-5 · turn 4 of 6 · 3,120 in (2,900 cached) + 410 out · 1.1 ¢, so far 7.8 ¢ · 6 s*"
    )
    assert shown[0]["text/plain"].startswith("First")
    assert (len(page.outputs) == 1) == owns_cell
    assert page.messages[-1 if owns_cell else -len(page.outputs)]["metadata"]["claude_magic"]["turn"] == "turn"
    assert not [thread for thread in threading.enumerate() if thread.name == "claude display"]


def interrupted(action: Callable[[], object], step: int) -> bool:
    """Interrupt an action at its n-th instruction; whether it had ended before."""
    left = step

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        frame.f_trace_opcodes = True
        left -= 1
        if not left:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt:
        return False
    finally:
        sys.settrace(former)
    return True


@pytest.mark.parametrize("kind", ["text", "call"])
def test_an_answer_can_end_after_an_interrupt_at_any_instruction(kind: str) -> None:
    call = Call("toolu_1", "add", {"a": 1}, state="running")
    for step in itertools.count(1):
        page, renderer = started()
        change = text_change("First") if kind == "text" else call
        done = interrupted(lambda: renderer.update(change), step)  # noqa: B023
        ended = threading.Thread(target=renderer.finish, args=(ending(reply_of("First")),), daemon=True)
        ended.start()
        ended.join(10)
        assert not ended.is_alive(), f"hangs when interrupted at instruction {step}"
        assert page.text.startswith("*sent: fig (30x20, 2 tokens)*\n\nFirst\n\n")
        if done:
            break
    assert step > 20


def test_a_short_answer_is_updated_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    page, renderer = started()
    monkeypatch.setattr(page, "clear_output", None)
    renderer.update(text_change("Short."))
    page.wait_for("Short.")
    renderer.finish(ending(reply_of("Short.")))
    assert len(page.outputs) == 1


def test_a_status_is_shown_before_the_text() -> None:
    page, renderer = started(Opening("m", (), "", False))
    page.wait_for("*…*")
    renderer.update(Wait("overloaded", 2.0, 2))
    page.wait_for("*overloaded, again in 2 s*")
    thinking = Reply()._start(0, {"type": "thinking"}).block
    renderer.update(ReplyUpdate("thinking", "Is it <b>so</b>?", thinking))
    page.wait_for("*thinking, 0 s*\n\n> Is it \\<b\\>so\\</b\\>?")
    renderer.update(text_change("Yes."))
    page.wait_for("Yes.")
    assert "thinking" not in page.text
    renderer.finish(ending(reply_of("Yes.")))


@pytest.mark.parametrize(("length", "lead"), [(600, ""), (601, "…"), (5000, "…")])
def test_only_the_end_of_long_thinking_is_shown_and_kept(length: int, lead: str) -> None:
    page, renderer = started(Opening("m", (), "", False))
    thinking = Reply()._start(0, {"type": "thinking"}).block
    renderer.update(ReplyUpdate("thinking", "a" * (length - 1), thinking))
    page.wait_for("> ")
    renderer.update(ReplyUpdate("thinking", "b", thinking))
    page.wait_for(f"> {lead}{'a' * 599}b")
    assert sum(map(len, renderer._accumulator.status._thinking)) <= 601
    renderer.finish(ending(reply_of("Yes.")))


def test_nothing_is_shown_of_a_question_that_never_began() -> None:
    page, renderer = started()
    page.wait_for("sent")
    renderer.finish(ending(Reply()))
    assert page.text == "*sent: fig (30x20, 2 tokens)*"


@pytest.mark.parametrize("owns_cell", [True, False], ids=["own cell", "shared cell"])
def test_a_question_that_fails_at_once_leaves_nothing(owns_cell: bool) -> None:
    page, renderer = started(Opening("m", (), "", False), owns_cell=owns_cell)
    page.wait_for("*…*")
    renderer.finish(ending(Reply()))
    assert [data for data in page.outputs.values() if data] == []


def test_the_notice_of_an_answer_cut_in_code_is_outside_the_code() -> None:
    page, renderer = started()
    renderer.finish(ending(reply_of("Look:\n```python\nx = 1", stop_reason="max_tokens"), "The answer is cut."))
    assert "x = 1\n```\n\n> The answer is cut." in page.text


@pytest.mark.parametrize(
    "text", ["- Do:\n  ```\n  a", "1. x\n\n   ~~~~\n   a", "- ```python\n  a", "  - deep\n\n      ```\n      a"]
)
def test_code_that_is_cut_inside_a_list_is_closed_where_it_was_opened(text: str) -> None:
    page, renderer = started()
    renderer.finish(ending(reply_of(text, stop_reason="max_tokens"), "The answer is cut."))
    tokens = MarkdownIt().parse(page.text)
    quote = next(number for number, token in enumerate(tokens) if token.type == "blockquote_open")
    assert tokens[quote + 2].content == "The answer is cut."
    assert tokens[quote].level == 0


def test_thinking_is_kept_when_asked_for() -> None:
    page, renderer = started(Opening("m", (), "", True))
    reply = Reply()
    reply.take(
        {"content": [{"type": "thinking", "thinking": "Hm.\nSo.", "signature": "s"}, {"type": "text", "text": "Yes."}]}
    )
    renderer.finish(ending(reply))
    assert "<details><summary>thinking</summary>\n\n> Hm.\n> So.\n\n</details>\n\nYes." in page.text


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        (0, "0 ¢"),
        (0.000084, "0.0084 ¢"),
        (0.0011, "0.1 ¢"),
        (0.011, "1.1 ¢"),
        (0.999, "99.9 ¢"),
        (1, "1.00 USD"),
        (1234.5, "1,234.50 USD"),
    ],
)
def test_money_never_has_a_dollar_sign(dollars: float, shown: str) -> None:
    assert format_cost(dollars) == shown


def test_footers() -> None:
    end = ending(reply_of("Yes."))
    assert footer(end, "short") == "claude-sonnet-5-5"
    assert footer(end, "off") == ""
    simulated = ending(reply_of("Yes.", simulated=True))
    assert footer(simulated, "off") == "SIMULATED"
    assert footer(simulated, "short") == "SIMULATED · claude-sonnet-5-5"
    assert "would cost 1.1 ¢" in footer(simulated, "full")


@given(st.text())
def test_every_dollar_in_escaped_text_is_escaped(text: str) -> None:
    assert escaped(text).count("$") == escaped(text).count("\\$")


def test_a_terminal_shows_text_as_it_streams() -> None:
    out = io.StringIO()
    renderer = TextRenderer("short", out)
    renderer.start(OPENING)
    renderer.update(text_change("Hel"))
    assert out.getvalue() == "sent: fig (30x20, 2 tokens)\n\nHel"
    renderer.update(text_change("lo"))
    renderer.finish(ending(reply_of("Hello"), "Mind this."))
    assert out.getvalue() == "sent: fig (30x20, 2 tokens)\n\nHello\n\n* Mind this.\n(claude-sonnet-5-5)\n"
