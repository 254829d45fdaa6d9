"""An answer drawn by a widget: what the page gets is whole, inert and small, and none of it is saved."""

from __future__ import annotations

import itertools
import random
import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from claude_magic.content.convert import to_parts
from claude_magic.content.thumbnails import thumbnails
from claude_magic.engine.rendering import Opening
from claude_magic.messages.limits import image_limits, lookup
from claude_magic.messages.reply import Reply, ReplyUpdate
from claude_magic.notebook.display.html import MAX_PIECE, StreamingHTML, _html, _parser, render_markdown
from claude_magic.notebook.display.html_diff import CHUNK_SIZE, split_html
from claude_magic.notebook.display.live import UNFINISHED, LiveRenderer
from claude_magic.simulator.prose import pieces
from tests.hostile import DOCUMENTS
from tests.notebook.kernels import Kernel, Running, letters
from tests.notebook.test_display import OPENING, Page, ending, reply_of, started, text_change
from tests.notebook.test_kernel_display import MOST_GROWTH, RecordProperty, Sent, assert_one_answer, lags, sent, stream
from tests.notebook.test_tool_call_view import HOSTILE, made

__all__ = ["sent"]  # the fixture

BLOCKS = (
    "# Head\n\n",
    "words of *a* paragraph\n",
    "that goes on\n===\n\n",
    "- item\n",
    "- item\n\n",
    "\n  continued\n",
    "1. one\n\n2. two\n\n",
    "> quote\nlazy\n\n",
    "a | b\n--|--\n1 | 2\n\n",
    "````md\n```\n- x\n\n```\n````\n",
    "- x\n  ```python\n  a = 1\n\n  b = '''\n  ```\n\n",
    "    code\n\n    more\n\n",
    "$$\na\n\n- b\n$$\n\n",
    "costs $5 and $10, $x^2$\n\n",
    "[see][it] and [it]\n\n",
    "[it]: https://example.com/x\n",
    "![x](https://example.com/y.png)\n",
    "\r\n",
    "---\n",
    "<b>x</b>\n\n",
)
TAGS = {"h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "ul", "ol", "li", "blockquote", "pre", "code", "em"}
TAGS |= {"strong", "s", "del", "a", "span", "input", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
VALUES = {
    "href": r"(?i:https?://|mailto:).*",
    "title": r"$^",
    "class": "claude-math|[a-z]",
    "style": r"text-align: ?(left|right|center)",
    "type": "checkbox",
    "start": r"\d+",
    "target": "_blank",
    "rel": "noopener noreferrer",
    "checked": ".*",
    "disabled": ".*",
}
MOST_BYTES = 28.0
"""Times the bytes of the text: a finished answer holds it twice, the widget brings 13 kB; the slower, the more."""
MOST_MESSAGES = 20
"""In a second."""
SETUP = "%load_ext claude_magic"


class Alive(HTMLParser):
    """Notes what is in HTML that should not be."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[object] = re.findall("<[!?].*", html)
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        odd = [name for name, value in attrs if not re.fullmatch(VALUES.get(name, "$^"), value or "", re.DOTALL)]
        if tag not in TAGS or odd:
            self.found.append((tag, attrs))


def grown(text: str, sizes: list[int]) -> str:
    growing, shown, at = StreamingHTML(), {}, 0
    for size in [*sizes, len(text)]:
        growing.feed(text[at : at + size])
        shown.update(growing.changes())
        at += size
    growing.close()
    shown.update(growing.changes())
    assert [*sorted(shown)] == [*range(len(shown))]
    return "".join(shown[number] for number in sorted(shown))


@pytest.mark.slow
@given(st.lists(st.sampled_from(BLOCKS), max_size=12), st.lists(st.integers(1, 20), max_size=200))
def test_streamed_html_equals_the_html_of_the_whole_text(blocks: list[str], sizes: list[int]) -> None:
    text = "".join(blocks)
    if text.count("$$") % 2:
        text += "$$\n"
    parser = _parser(trusted=False)
    known: dict[str, Any] = {}
    whole = _html(parser.parse(text, known), known)
    assert grown(text, sizes) == whole
    assert grown(text, [1] * len(text)) == whole


def test_a_finished_piece_is_sent_once() -> None:
    growing = StreamingHTML()
    given: list[tuple[int, str]] = []
    for piece in pieces(3000, 4):
        growing.feed(piece)
        given += growing.changes().items()
    *finished, last = [number for number, _ in itertools.groupby(number for number, _ in given)]
    assert finished == [*range(last)]
    assert last > 20


def test_a_reference_becomes_a_link_once_it_is_defined() -> None:
    growing = StreamingHTML()
    growing.feed("See [it].\n\nMore.\n\nAnd more.\n\n")
    assert "[it]" in growing.changes()[0]
    growing.feed("[it]: https://example.com/a")
    assert 0 not in growing.changes()
    growing.feed("b\n")
    assert 'href="https://example.com/ab"' in growing.changes()[0]


def test_math_keeps_its_source_and_stays_in_one_piece() -> None:
    growing = StreamingHTML()
    growing.feed("It is $x < y$:\n\n$$\na\n\n# b\n\n")
    assert growing.changes() == {
        0: '<p>It is <span class="claude-math">$x &lt; y$</span>:</p>\n',
        1: '<p><span class="claude-math">$$a\n\n# b$$</span></p>\n',
    }


@pytest.mark.parametrize("formula", [r"\href{javascript:alert(1)}{x}", r"\require{html} x", "}{", r"\class{a}{x}"])
def test_a_formula_with_active_commands_is_code(formula: str) -> None:
    assert "claude-math" not in grown(f"So $a{formula}b$.\n\n$$\n{formula}\n$$\n\nEnd.\n", [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "line"),
    [
        ("```python\n", "step_{n} = 'x'\n"),
        ("| a | b |\n|--|--|\n", "| {n} | y |\n"),
        ("", "- item {n}\n"),
        ("", "{n} words "),
        ("| a | b |\n|--|--|\n| x | ", "{n} words "),
        ("```python\n", "{n}_words "),
        ("```" + "x" * 3 * MAX_PIECE + "\n", "{n}\n"),
    ],
    ids=["code", "table", "list", "line", "cell", "line of code", "language"],
)
def test_a_long_block_is_drawn_in_pieces(first: str, line: str) -> None:
    """No piece is much longer than another, so that no drawing costs more than the one before."""
    count = 12 * MAX_PIECE // len(line)
    text = first + "".join(line.format(n=n) for n in range(count))
    growing, shown = StreamingHTML(), {}
    for start_of in range(0, len(text), 700):
        growing.feed(text[start_of : start_of + 700])
        changed = growing.changes()
        assert sum(map(len, changed.values())) < 30 * MAX_PIECE
        shown.update(changed)
    assert len(shown) > 8
    for html in shown.values():
        assert Alive(html).found == []
    words = re.sub("<[^>]*>", "", "".join(shown[number] for number in sorted(shown)))
    assert [int(number) for number in re.findall(r"\d+", words)] == [*range(count)]


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_an_answer_is_inert(text: str) -> None:
    growing = StreamingHTML()
    for start_of in range(0, len(text), 7):
        growing.feed(text[start_of : start_of + 7])
        for html in growing.changes().values():
            assert Alive(html).found == []


def test_a_tool_call_is_inert() -> None:
    from claude_magic.notebook.display import tool_call_view

    call = made(HOSTILE, {HOSTILE: HOSTILE}, told=HOSTILE)
    assert Alive(render_markdown(tool_call_view.view_call(call).markdown)).found == []


def test_only_embedded_jpeg_images_are_shown() -> None:
    shown = render_markdown(
        '<img src="data:image/jpeg;base64,AAA=" alt="a"> <img src="//a.test/x"> <img src="data:image/svg+xml,">'
    )
    assert re.findall(' src="[^"]*"', shown) == [' src="data:image/jpeg;base64,AAA="']


@given(st.text(st.sampled_from("ab <>&\"'=[](`*\n"), max_size=2000), st.integers(0, 2000), st.randoms())
def test_chunks_of_different_states_form_whole_tags(text: str, cut: int, chance: random.Random) -> None:
    texts = [text[:cut], text, text[cut:] + text[:cut]]
    states = [split_html(grown(f"[x](https://a.test/) **b**\n```python\n{one}\n```\n{one}", [])) for one in texts]
    for state in states:
        assert all(len(chunk) < CHUNK_SIZE + 250 for chunk in state)
        assert all(re.fullmatch("(?:[^<>]|<[^<>]*>)*", chunk) for chunk in state)
    mixed = [chance.choice(found) for found in itertools.zip_longest(*states, fillvalue="")]
    assert Alive("".join(mixed)).found == []


def test_chunks_stay_when_something_is_added() -> None:
    html = grown("".join(pieces(500, 4, "code")), [])
    shorter = split_html(html[: html.index("step_9")])
    assert split_html(html)[: len(shorter) - 1] == shorter[:-1]
    assert "".join(split_html(html)) == html


class Model:
    """The state of a widget, as a page keeps it."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        self.open = False
        self.said: list[str] = []

    def apply(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "comm_open":
            self.open = True
        elif kind == "comm_close":
            self.open = False
        before = self.state.get("says")
        if state := data.get("state"):
            assert state["number"] == 0 or state["number"] > self.state["number"]
            self.state |= state
        if self.state.get("says") != before:
            self.said.append(self.state["says"])

    @property
    def html(self) -> str:
        return "".join(
            self.state.get(f"{piece}.{number}", "")
            for piece in range(self.state["pieces"])
            for number in range(self.state.get(f"{piece}", 0))
        )

    @property
    def words(self) -> str:
        return " ".join(unescape(re.sub("<[^>]*>", "", self.html)).split())


class Recorder:
    """Takes the place of a kernel's channel to the page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.model = Model()
        self.sent: list[dict[str, Any]] = []
        self.comm_id = "the-model"

    def __call__(self, *, target_name: str, data: dict[str, Any], metadata: dict[str, Any]) -> Recorder:
        assert (target_name, metadata) == ("jupyter.widget", {"version": "2.1.0"})
        self._note("comm_open", data)
        return self

    def send(self, data: dict[str, Any]) -> None:
        self.sent.append(data["state"])
        self._note("comm_msg", data)

    def close(self) -> None:
        self._note("comm_close", {})

    def _note(self, kind: str, data: dict[str, Any]) -> None:
        with self.page.changed:
            self.model.apply(kind, data)
            self.page.changed.notify_all()

    def started(self, opening: Opening = OPENING, *, owns_cell: bool = True, **options: Any) -> LiveRenderer:
        """A renderer of an answer that begins."""
        renderer = LiveRenderer(self.page, owns_cell=owns_cell, **options)
        renderer.start(opening)
        return renderer

    def wait_for(self, words: str) -> None:
        with self.page.changed:
            assert self.page.changed.wait_for(lambda: words in str(self.model.state), 10), self.model.state


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Where comms are made, as kernels do it."""
    recorder = Recorder(Page())
    monkeypatch.setattr("comm.create_comm", recorder)
    return recorder


@pytest.mark.parametrize("owns_cell", [True, False], ids=["own cell", "shared cell"])
def test_it_draws_while_streaming_and_leaves_the_same_output_as_without_a_widget(
    recorder: Recorder, owns_cell: bool
) -> None:
    page, text = recorder.page, "First\n\n" + "Some **words**.\n\n" * 200 + "Last"
    renderer = recorder.started(owns_cell=owns_cell)
    recorder.wait_for("sent: fig")
    renderer.update(text_change("First"))
    recorder.wait_for("<p>First</p>")
    renderer.update(text_change(text.removeprefix("First")))
    recorder.wait_for("Last</p>")
    assert recorder.model.words == "sent: fig (30x20, 2 tokens) " + " ".join(text.replace("*", "").split())
    was_open = recorder.model.open
    renderer.finish(ending(reply_of(text)))
    without, other = started()
    other.finish(ending(reply_of(text)))
    assert [*page.outputs.values()] == [*without.outputs.values()]
    assert page.messages[-1] == without.messages[-1]
    assert (was_open, recorder.model.open) == (True, False)
    assert recorder.model.said == ["Claude is answering.", "Claude's answer is complete, 402 words."]


def test_a_page_that_missed_updates_shows_whole_tags_and_the_final_answer(recorder: Recorder) -> None:
    renderer = recorder.started()
    text = "".join(pieces(1000, 4))
    for start_of in range(0, len(text), 200):
        renderer.update(text_change(text[start_of : start_of + 200]))
        recorder.wait_for(" ".join(text[start_of + 180 : start_of + 190].split("*")[0].split("`")[0].split()[-1:]))
    renderer.finish(ending(reply_of(text)))
    for kept in range(1, 5):
        missed = Model()
        missed.state["number"] = missed.state["pieces"] = 0
        for state in recorder.sent[kept::5]:
            missed.apply("comm_msg", {"state": state})
            assert Alive(missed.html).found == []
    assert recorder.page.text.startswith("*sent: fig (30x20, 2 tokens)*")
    assert text.rstrip() in recorder.page.text


def test_the_markdown_saved_meanwhile_is_marked_unfinished(recorder: Recorder) -> None:
    page, renderer = recorder.page, recorder.started()
    renderer.update(text_change("First **words**.\n\n```python\nx = 1\n"))
    page.wait_for("First **words**.")
    assert page.text.endswith(f'x = 1\n```\n\n\n\n{UNFINISHED}\n\n<span class="{recorder.model.state["mark"]}"></span>')
    renderer.update(text_change("y = 2\n"))
    page.wait_for("y = 2")  # although nothing follows
    assert all(set(data) == {"text/markdown"} for data in page.outputs.values())
    renderer.finish(ending(reply_of("Done.")))
    assert UNFINISHED not in str(page.outputs)


@pytest.mark.slow
def test_long_answers_take_few_outputs_each_sent_once(recorder: Recorder) -> None:
    now = [0.0]
    page, renderer = recorder.page, recorder.started(clock=lambda: now[0])
    text = "".join(pieces(60_000, 4))
    step = 1000
    for start_of in range(0, len(text), step):
        renderer.update(text_change(text[start_of : start_of + step]))
        recorder.wait_for(f"Part {text.count('## Part ', 0, start_of + step - 10)}<")
        now[0] += 1
    assert 10 < len(page.outputs) < 50  # JupyterLab folds more
    assert "".join(text.split())[:150_000] in "".join(re.sub("<span.*?</span>", "", page.text).split())
    kept = sum(len(str(message)) for message in page.messages)
    assert kept < 8 * len(text)
    renderer.finish(ending(reply_of(text)))
    assert len([data for data in page.outputs.values() if data]) == 1


def test_an_answer_continues_without_a_failing_widget(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    page, renderer = recorder.page, recorder.started()
    renderer.update(text_change("First.\n\n"))
    recorder.wait_for("First.")

    def fails(data: dict[str, Any]) -> None:
        raise OSError("the channel is gone")

    monkeypatch.setattr(recorder, "send", fails)
    renderer.update(text_change("Second.\n\n"))
    page.wait_for("Second.")
    assert not recorder.model.open  # the page shows the Markdown again
    renderer.update(text_change("Third."))
    page.wait_for("Third.")
    renderer.finish(ending(reply_of("First.\n\nSecond.\n\nThird.")))
    assert "Third." in page.text
    assert UNFINISHED not in page.text


def test_without_widgets_the_answer_is_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: Any) -> None:
        raise ImportError("no comm")

    monkeypatch.setattr("comm.create_comm", fails)
    page = Page()
    renderer = LiveRenderer(page, owns_cell=True)
    renderer.start(OPENING)
    renderer.update(text_change("First."))
    page.wait_for("First.")
    renderer.finish(ending(reply_of("First.")))
    assert "First." in page.text


def test_an_emoji_may_arrive_in_halves(recorder: Recorder) -> None:
    renderer = recorder.started()
    for half in ("A \U0001f469", "\u200d", "\U0001f680 flies. \ud83d", "\ude00 smiles."):
        renderer.update(text_change(half))
    recorder.wait_for("smiles")
    assert "\U0001f469\u200d\U0001f680" in recorder.model.words
    renderer.finish(ending(reply_of("A")))


def test_thumbnails_have_descriptions(recorder: Recorder) -> None:
    limits = image_limits(lookup("claude-sonnet-5-5"), 1)
    part = to_parts(Image.new("RGB", (300, 200), "red"), "fig")[0]
    small = thumbnails([('fig "<b>', part)], limits)
    renderer = recorder.started(Opening("claude-sonnet-5-5", ('fig "<b> (300x200)',), "", False, small))
    recorder.wait_for("<img")
    renderer.update(text_change("Red."))
    recorder.wait_for("<p>Red.</p>")
    model = recorder.model
    (image,) = re.findall('<img (?:[^">]|"[^"]*")*>', model.html)
    assert 'src="data:image/jpeg;base64,' in image
    assert 'width="96" height="64" alt="fig &quot;&lt;b&gt; (300x200' in image
    assert model.html.index("sent: fig") < model.html.index("<img") < model.html.index("<p>Red.</p>")
    before = len(recorder.sent)
    renderer.update(text_change(" Very."))
    recorder.wait_for("Very.")
    assert all("<img" not in str(state) for state in recorder.sent[before:])  # it is sent once
    renderer.finish(ending(reply_of("Red. Very.")))
    assert "<img" not in recorder.page.text


def test_thinking_is_separate_from_the_status(recorder: Recorder) -> None:
    renderer = recorder.started(Opening("m", (), "", False))
    recorder.wait_for("<p><em>…</em></p>")
    thinking = Reply()._start(0, {"type": "thinking"}).block
    renderer.update(ReplyUpdate("thinking", "Is it <b>so</b>?", thinking))
    recorder.wait_for("Is it")
    assert recorder.model.state["status"] == "<p><em>thinking, 0 s</em></p>\n"
    assert "<p>Is it &lt;b&gt;so&lt;/b&gt;?</p>" in recorder.model.state["thoughts"]
    recorder.wait_for("thinking, 1 s")  # it is seen to be alive
    renderer.update(text_change("Yes."))
    recorder.wait_for("<p>Yes.</p>")
    assert (recorder.model.state["status"], recorder.model.state["thoughts"]) == ("", "")
    renderer.finish(ending(reply_of("Yes.")))


def test_tool_calls_are_shown_and_a_confirmation_is_announced(recorder: Recorder) -> None:
    renderer = recorder.started(Opening("m", (), "", False))
    renderer.update(text_change("Let me look."))
    for state, seen in (("confirming", "waits for your yes"), ("running", "add(a=1) running"), ("done", "<details>")):
        renderer.update(made("add", {"a": 1}, state, told="3"))
        recorder.wait_for(seen)
    assert "<summary>add(a=1)</summary>" in recorder.model.html
    assert recorder.model.said == ["Claude is answering.", "Claude needs your yes.", "Claude is answering."]
    renderer.finish(ending(reply_of("Let me look.", stop_reason="max_tokens")))
    assert recorder.model.said[-1] == "Claude's answer stopped after 3 words."


def test_a_question_that_fails_at_once_leaves_nothing(recorder: Recorder) -> None:
    renderer = recorder.started(Opening("m", (), "", False))
    recorder.wait_for("…")
    renderer.finish(ending(Reply()))
    assert [data for data in recorder.page.outputs.values() if data] == []
    assert not recorder.model.open


def replayed(running: Running) -> tuple[Model, list[tuple[float, int]]]:
    """The widget at the end, and at which moment how many characters of the answer could be seen."""
    model, seen = Model(), []
    for message in running.messages:
        if message.kind.startswith("comm_"):
            model.apply(message.kind, message.content["data"])
            seen.append((message.at, letters(model.words)))
    return model, seen


@pytest.mark.parametrize("shape", ["prose", "code", "line", "table"])
def test_in_a_kernel_it_costs_bytes_in_proportion(
    kernel: Kernel, sent: Sent, shape: str, record_property: RecordProperty
) -> None:
    sizes = []
    for deltas in (2000, 4000):
        sent.forget()
        running = stream(kernel, deltas, shape, "cell")
        text = "".join(pieces(deltas, 4, shape))
        assert_one_answer(running, text)
        model, seen = replayed(running)
        assert not model.open
        comms = [message for message in running.messages if message.kind.startswith("comm_")]
        seconds = sent.moments[-1] - sent.moments[0]
        assert len(comms) < MOST_MESSAGES * seconds + 10
        sizes.append(running.size)
        figures = f"{sizes[-1] / len(text.encode()):.1f} x, {len(comms) / seconds:.1f} messages a second"
        if shape == "code":  # of which every character can be seen
            running.seen = seen
            behind = lags(running, sent, text)
            figures += f", {behind[len(behind) // 2]} / {behind[int(0.95 * len(behind))]} letters behind (50 % / 95 %)"
        record_property(f"{shape} {deltas}", figures)
        print(f"{shape} {deltas}: {figures}")
    assert sizes[0] < MOST_BYTES * 8000
    assert sizes[1] < MOST_GROWTH * sizes[0]


def test_an_answer_stopped_at_any_time_becomes_markdown(kernel: Kernel) -> None:
    plan = "think=40; deltas=4000; pace=200"
    for number, mark in enumerate(("thinking, ", "<h2>Part 1</h2>", "<h2>Part 2</h2>")):
        running = kernel.start(f"%%claude --new\nGo on.\nsimulate: {plan}", "cell")
        running.until(lambda _: mark in str(replayed(running)[0].state))  # noqa: B023
        for _ in range(number + 1):
            kernel.interrupt()
        running.finish()
        assert running.status == "error"
        model, _ = replayed(running)
        assert not model.open
        assert model.said[-1].startswith(
            "Claude's answer stopped after" if number else "Claude's answer stopped before"
        )
        assert UNFINISHED not in str(running.screen.outputs)
        assert len(running.screen.answers) == (1 if number else len(running.screen.answers))
    assert kernel.run("%claude simulate: say=Good.").answer.answer == "Good."


def test_tool_output_is_below_and_the_answer_is_one_output(kernel: Kernel) -> None:
    kernel.run("def look(at: str):\n    'Looks.'\n    display(at)\n    return at.upper()")
    running = kernel.run(
        '%%claude -t look --new\nLook.\nsimulate: tool=look {"at": "here"}; say=Let me **look**.\n'
        "simulate: say=It is **there**.",
        "cell",
    )
    first, second = running.screen.outputs
    assert "It is **there**." in first["data"]["text/markdown"]
    assert second["data"]["text/plain"] == "'here'"
    model, _ = replayed(running)
    assert "<summary>look(at='here')" in model.html
    assert model.html.index("<strong>look</strong>") < model.html.index("<details>")


def test_in_a_terminal_nothing_is_live(cells: Any) -> None:
    cells("%config ClaudeMagics.display = 'live'")
    assert cells("%claude simulate: say=Good.").stdout.startswith("Good.")


@pytest.mark.parametrize(
    ("display", "cell", "is_live"),
    [
        ("auto", "8d2f1f6c-5b0e-4a3f-9f0a-0c6f4b1e2d3a", True),
        ("auto", "vscode-notebook-cell:/home/me/a.ipynb#W0sZmlsZQ", False),
        ("live", "vscode-notebook-cell:/home/me/a.ipynb#W0sZmlsZQ", True),
        ("markdown", "8d2f1f6c-5b0e-4a3f-9f0a-0c6f4b1e2d3a", False),
        ("auto", "", False),
        ("live", "", False),
    ],
)
def test_the_widget_is_used_in_pages_built_like_jupyterlab(
    kernel: Kernel, display: str, cell: str, is_live: bool
) -> None:
    kernel.run(f"%config ClaudeMagics.display = {display!r}")
    running = kernel.run("%claude simulate: say=Good.", cell)
    assert running.answer.answer == "Good."
    assert any(message.kind == "comm_open" for message in running.messages) is is_live


def test_without_a_front_end_there_is_no_widget(kernel: Kernel) -> None:
    running = kernel.run("%claude simulate: say=Good.")  # a front end would have told the cell
    assert running.answer.answer == "Good."
    assert not [message for message in running.messages if message.kind.startswith("comm_")]
