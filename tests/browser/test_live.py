"""The answer that a widget draws, in a real JupyterLab: seen, heard, stopped, and gone afterwards."""

from __future__ import annotations

import itertools
import os
import re
import signal
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, Page, expect

from claude_magic.simulator import Simulator
from tests.browser.lab import Lab, Notebook
from tests.browser.test_jupyterlab import STOPPED
from tests.hostile import SNIPPETS
from tests.processes import PATIENCE

LOAD = "%load_ext claude_magic"
LONG = "simulate: think=0; deltas=2000; chars=4; pace=400"
ENDLESS = "%%claude\nGo on.\nsimulate: think=0; deltas=20000; chars=4; pace=200"
RICH = r"""# Title

Words with **weight**, `code`, $x^2$ and a [link](https://example.com).

```python
@cached
def mean(values: list[float]) -> float:
    "The mean."
    return sum(values) / len(values)  # of all
```

| left | right |
|:-----|------:|
| one  | 1     |

1. first

2. second
   - [x] done

> quoted

$$
\int_0^1 x\,dx
$$

The end.

Really."""


SHOW = """
from claude_magic.engine.rendering import Opening
from claude_magic.messages.reply import ReplyUpdate as Change, Reply
from claude_magic.notebook.display.live import LiveRenderer

def show(text):
    "An answer that does not end."
    global renderer
    renderer = LiveRenderer(get_ipython().display_pub, owns_cell=False)
    renderer.start(Opening('claude-sonnet-5-5', ('fig (30x20, 2 tokens)',), '', False))
    block = Reply()._start(0, {'type': 'text'}).block
    renderer.update(Change('text', text, block))

"""
LOSING = """
from claude_magic.notebook.display import live

class Losing(live.LiveWidget):
    "Of what it sends, a third does not arrive."
    def set(self, **state):
        if self._number % 3 == 1:
            self._number += 1
        else:
            super().set(**state)

live.LiveWidget = Losing
"""
ALIVE = """
() => [...document.querySelectorAll('.claude-answer :not(.claude-copy)')].filter(element =>
  ['IMG', 'SCRIPT', 'STYLE', 'LINK', 'IFRAME', 'OBJECT', 'EMBED', 'VIDEO', 'SVG', 'FORM', 'BUTTON', 'DETAILS', 'BASE']
    .includes(element.tagName.toUpperCase())
  || [...element.attributes].some(attribute => attribute.name.startsWith('on'))
  || (element.getAttribute('style') || '').includes('url(')
  || element.tagName === 'A' && element.href
     && (!['http:', 'https:', 'mailto:'].includes(element.protocol) || !element.rel.includes('noopener'))
).map(element => element.outerHTML)
"""


def live(notebook: Notebook, number: int) -> Locator:
    return notebook.output(number).locator(".claude-live")


def said(page: Page) -> Locator:
    return page.locator("#claude-announces")


def opened(lab: Lab, page: Page, name: str, *cells: str) -> Notebook:
    return lab.open(page, name, [LOAD, *cells], run=1)


def test_it_grows_while_the_cell_runs_and_becomes_markdown_without_a_jump(lab: Lab, page: Page) -> None:
    notebook = opened(lab, page, "live", f"%%claude\nGo on.\n{LONG}".replace("400", "200"), "'below'")
    notebook.watch(1)
    notebook.start(1)
    for heading in ("Part 1", "Part 3", "Part 5"):
        expect(live(notebook, 1).locator("h2", has_text=heading).first).to_be_visible()
        expect(notebook.prompt(1)).to_have_text("[*]:")
    expect(said(page)).to_have_text("Claude is answering.")
    notebook.finish(1)
    expect(notebook.markdown(1)).to_have_count(1)
    expect(notebook.markdown(1).locator("h2").last).to_contain_text(re.compile("Part 1[0-9]"))
    expect(live(notebook, 1)).to_have_count(0)
    expect(said(page)).to_have_text(re.compile(r"Claude's answer is complete, [\d,]+ words\."))
    heights = notebook.heights()
    assert max(before - after for before, after in itertools.pairwise(heights)) < 40
    saved = notebook.save()
    assert "widgets" not in saved.metadata
    (output,) = saved.cells[1].outputs
    assert set(output.data) == {"text/markdown", "text/plain"}
    nbformat.validate(saved)


def test_a_file_saved_in_mid_answer_has_the_markdown_so_far(lab: Lab, page: Page) -> None:
    notebook = opened(lab, page, "halfway", ENDLESS)
    notebook.start(1)
    expect(live(notebook, 1).locator("h2", has_text="Part 4")).to_have_count(1)
    expect(notebook.markdown(1).first).to_be_hidden()
    expect(notebook.markdown(1).locator("h2", has_text="Part 3").first).to_be_attached()
    text = halfway(notebook)
    assert "## Part 3" in text
    assert text.count("not finished") == 1
    expect(notebook.prompt(1)).to_have_text("[*]:")
    notebook.keys(1, "i", "i")
    notebook.finish(1)
    assert "not finished" not in halfway(notebook)


def halfway(notebook: Notebook) -> str:
    """The answer in the file, which has nothing but Markdown."""
    saved = notebook.save()
    nbformat.validate(saved)
    assert "widgets" not in saved.metadata
    outputs = [output for output in saved.cells[1].outputs if output.output_type == "display_data"]
    assert all(set(output.data) <= {"text/markdown", "text/plain"} for output in outputs)
    return "\n".join(output.data["text/markdown"] for output in outputs)


def test_a_dying_kernel_leaves_the_text_so_far(lab: Lab, page: Page) -> None:
    notebook = opened(lab, page, "dies", ENDLESS, "import os; os.getpid()")
    process = int(notebook.value(2))
    notebook.start(1)
    expect(notebook.markdown(1).locator("h2", has_text="Part 3").first).to_be_attached()
    os.kill(process, signal.SIGKILL)
    page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    expect(live(notebook, 1)).to_have_count(0)
    expect(notebook.markdown(1).locator("h2", has_text="Part 3").first).to_be_visible()
    expect(notebook.markdown(1).last).to_contain_text("this answer is not finished")
    expect(said(page)).to_have_text(re.compile("cut off: the kernel has ended"))
    assert "## Part 3" in halfway(notebook)
    again = lab.reopen(page, notebook.path)
    expect(again.markdown(1).locator("h2", has_text="Part 3").first).to_be_visible()
    expect(again.output(1)).not_to_contain_text("Error")


def test_a_reloaded_page_shows_what_was_saved_and_the_kernel_has_the_rest(lab: Lab, page: Page) -> None:
    question = f"%%claude\nGo on.\n{LONG}".replace("2000", "4000")
    notebook = opened(lab, page, "again", question, "claude.last.complete, len(claude.last.text) >= 16_000")
    notebook.start(1)
    expect(live(notebook, 1).locator("h2", has_text="Part 4")).to_have_count(1)
    notebook.save()
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    notebook.wait_until_ready()  # when the answer is complete: a page hears only of its own requests
    expect(notebook.markdown(1).locator("h2").first).to_be_visible()
    expect(notebook.markdown(1).last).to_contain_text("this answer is not finished")
    assert notebook.value(2) == "(True, True)"
    notebook.run(1)
    expect(notebook.markdown(1)).to_have_count(1)
    expect(notebook.markdown(1)).not_to_contain_text("not finished")


def test_a_notebook_closed_meanwhile_reopens_without_a_dead_stop_button(lab: Lab, page: Page) -> None:
    ask = ENDLESS.replace("%%claude", "%%claude -b")
    notebook = opened(lab, page, "reopened", ask, "claude.stop()")
    notebook.run(1)
    expect(live(notebook, 1).locator("h2", has_text="Part 2").first).to_be_attached()
    expect(notebook.markdown(1).locator("h2").first).to_be_attached()
    notebook.save()
    for label in ("File", "Close Tab"):
        page.locator(".lm-MenuBar-itemLabel, .lm-Menu-itemLabel").get_by_text(label, exact=True).first.click()
    discard = page.get_by_role("dialog").get_by_role("button", name="Discard")  # more may have come since
    expect(discard.or_(page.locator(".jp-Launcher")).first).to_be_visible()
    if discard.is_visible():
        discard.click()
    page.locator(".jp-DirListing-item", has_text=re.compile("^reopened.ipynb")).dblclick()
    notebook.wait_until_ready()
    expect(notebook.markdown(1).last).to_contain_text("this answer is not finished")
    expect(notebook.markdown(1).last).to_be_visible()
    expect(live(notebook, 1)).to_have_count(0)
    notebook.run(2)


def test_updates_that_were_lost_appear_at_the_end(lab: Lab, page: Page) -> None:
    notebook = opened(lab, page, "lost", LOSING, f"%%claude\nGo on.\n{LONG}")
    notebook.run(1)
    notebook.start(2)
    expect(live(notebook, 2)).to_contain_text("a part is missing here")
    notebook.finish(2)
    expect(notebook.markdown(2)).to_have_count(1)
    expect(notebook.markdown(2)).not_to_contain_text("missing")
    headings = notebook.markdown(2).locator("h2").all_inner_texts()
    assert [heading.removesuffix("¶") for heading in headings] == [f"Part {n}" for n in range(1, len(headings) + 1)]


def test_code_is_copied_by_a_button(lab: Lab, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    code = "for x in y:\n    print(x)\n"
    text = f"```python\n{code}```\n\nWords\n\nand more words"
    notebook = opened(lab, page, "copies", f"{SHOW}show({text!r})")
    notebook.run(1)
    copy = live(notebook, 1).get_by_role("button", name="Copy this code")
    copy.focus()
    page.keyboard.press("Enter")
    expect(said(page)).to_have_text("Code copied.")
    assert page.evaluate("navigator.clipboard.readText()") == code


def test_the_button_stops_it(lab: Lab, page: Page, simulator: Simulator) -> None:
    notebook = opened(lab, page, "button", ENDLESS)
    notebook.start(1)
    expect(live(notebook, 1).locator("h2").first).to_be_visible()
    live(notebook, 1).get_by_role("button", name="Stop").click()
    notebook.finish(1)
    assert STOPPED.fullmatch(notebook.error(1).inner_text())
    expect(notebook.markdown(1).locator("blockquote")).to_have_text("Stopped here.")
    expect(live(notebook, 1)).to_have_count(0)
    expect(said(page)).to_have_text(re.compile(r"Claude's answer stopped after [\d,]+ words\."))


def test_a_stop_without_effect_is_reported_and_can_be_repeated(lab: Lab, page: Page) -> None:
    notebook = opened(lab, page, "stop_again", ENDLESS)
    notebook.start(1)
    stop = live(notebook, 1).get_by_role("button")
    expect(stop).to_have_text("Stop")
    request = "**/api/kernels/*/interrupt?*"
    page.route(request, lambda route: route.fulfill(status=500))
    stop.click()
    expect(stop).to_have_text(re.compile("To stop, .*■ in the toolbar"))
    page.unroute(request)
    page.route(request, lambda route: route.fulfill(status=204))
    stop.click()
    expect(stop).to_have_text("Still running. Stop again", timeout=PATIENCE * 1000)
    expect(said(page)).to_have_text(re.compile("has not stopped yet"))
    page.unroute(request)
    stop.click()
    notebook.finish(1)
    assert STOPPED.fullmatch(notebook.error(1).inner_text())


def test_right_to_left_text_is_aligned_right(lab: Lab, page: Page) -> None:
    notebook = opened(lab, page, "bidi", f"{SHOW}show('مرحبا بك (1)\\n\\nHello')")
    notebook.run(1)
    ends = """node => {
      const range = document.createRange();
      range.selectNodeContents(node);
      const [text, box] = [range.getBoundingClientRect(), node.getBoundingClientRect()];
      return [text.left - box.left < 2, box.right - text.right < 2];
    }"""
    paragraphs = live(notebook, 1).locator(".claude-answer p")
    assert paragraphs.filter(has_text="مرحبا").evaluate(ends) == [False, True]
    assert paragraphs.filter(has_text="Hello").evaluate(ends) == [True, False]


@pytest.mark.parametrize("key", ["Enter", "Space", "Escape"])
def test_it_is_stopped_with_the_keyboard_alone(lab: Lab, page: Page, key: str, screenshots: Path) -> None:
    notebook = opened(lab, page, f"keys_{key}", ENDLESS, "'below'")
    notebook.start(1)
    expect(live(notebook, 1).locator("h2").first).to_be_visible()
    stop = live(notebook, 1).get_by_role("button", name="Stop")
    for _ in range(40):
        page.keyboard.press("Tab")
        if stop.evaluate("node => node === document.activeElement"):
            break
    expect(stop).to_be_focused()
    page.screenshot(path=screenshots / "live_focus.png")
    page.keyboard.press(key)
    notebook.finish(1)
    assert STOPPED.fullmatch(notebook.error(1).inner_text())
    expect(notebook.cell(1)).to_be_focused()


def test_a_streamed_answer_is_inert(lab: Lab, guarded_page: Page) -> None:
    show = (
        "from claude_magic.notebook.display.live import LiveWidget, split_html\n"
        "from claude_magic.notebook.display.html import StreamingHTML\n"
        "from IPython.display import display\n"
        "for number, text in enumerate(TEXTS):\n"
        "    mark = f'claude-test-{len(_ih)}-{number}'\n"
        "    growing, page = StreamingHTML(), LiveWidget(model='m', mark=mark, pieces=0, number=0, says='')\n"
        "    display({'text/markdown': f'<span class=\"{mark}\"></span>'}, raw=True)\n"
        "    growing.feed(text + f'\\n\\nHarmless {number}.')\n"
        "    state = {}\n"
        "    for n, html in growing.changes().items():\n"
        "        cut = split_html(html)\n"
        "        state |= {f'{n}': len(cut), **{f'{n}.{m}': chunk for m, chunk in enumerate(cut)}}\n"
        "    page.set(**state, pieces=n + 1, changed=[*range(n + 1)])\n"
    )
    groups = [SNIPPETS[at : at + 40] for at in range(0, len(SNIPPETS), 40)]
    notebook = opened(lab, guarded_page, "inert_live", *(show.replace("TEXTS", repr(group)) for group in groups))
    for number, group in enumerate(groups, 1):
        notebook.run(number)
        expect(live(notebook, number)).to_have_count(len(group))
        expect(live(notebook, number).last.locator(".claude-answer")).to_contain_text("Harmless")
        for answer in live(notebook, number).locator(".claude-answer").all():
            expect(answer).to_contain_text("Harmless")
    assert guarded_page.evaluate(ALIVE) == []


def test_it_looks_like_the_finished_answer_in_light_and_dark(lab: Lab, page: Page, screenshots: Path) -> None:
    show = (
        f"{SHOW}show({RICH!r})\nfrom IPython.display import display\ndisplay({{'text/markdown': {RICH!r}}}, raw=True)"
    )
    page.set_viewport_size({"width": 1200, "height": 1900})
    notebook = opened(lab, page, "looks", show)
    notebook.run(1)
    expect(live(notebook, 1)).to_contain_text("The end.")
    shown = notebook.markdown(1).filter(visible=True)
    expect(shown).to_contain_text("The end.")
    expect(live(notebook, 1).locator("mjx-container")).to_have_count(2)
    expect(shown.locator("mjx-container")).to_have_count(2)
    boxes = """node => [...node.querySelectorAll('h1, p, table, ol, blockquote')].map(
      one => [one.tagName, one.offsetWidth, one.offsetHeight])"""
    sent, *streamed = live(notebook, 1).locator(".claude-answer").evaluate(boxes)
    assert streamed == shown.evaluate(boxes)
    assert sent[0] == "P"
    page.screenshot(path=screenshots / "live_light.png")
    choose_theme(page, "JupyterLab Dark")
    page.screenshot(path=screenshots / "live_dark.png")
    keyword = live(notebook, 1).locator("pre .k").first
    dark = keyword.evaluate("node => getComputedStyle(node).color")
    choose_theme(page, "JupyterLab Light")
    assert keyword.evaluate("node => getComputedStyle(node).color") != dark


def choose_theme(page: Page, name: str) -> None:
    page.get_by_text("Settings", exact=True).first.click()
    page.get_by_text("Theme", exact=True).first.click()
    page.get_by_text(name, exact=True).first.click()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", name)
    page.locator("#jupyterlab-splash").wait_for(state="detached")


def test_at_twice_the_size_nothing_is_cut_off(lab: Lab, page: Page, screenshots: Path) -> None:
    notebook = opened(lab, page, "zoom", ENDLESS)
    notebook.start(1)
    page.set_viewport_size({"width": 600, "height": 500})  # 1200 x 1000 at 200 %
    expect(live(notebook, 1).locator("h2").first).to_be_visible()
    stop = live(notebook, 1).get_by_role("button", name="Stop")
    stop.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "live_zoom.png")
    box, area = stop.bounding_box(), notebook.output(1).bounding_box()
    assert box is not None
    assert area is not None
    assert box["x"] >= area["x"]
    assert box["x"] + box["width"] <= area["x"] + area["width"]
    stop.click()
    notebook.finish(1)


def test_it_scrolls_only_for_a_reader_at_the_end(lab: Lab, page: Page) -> None:
    page.set_viewport_size({"width": 1200, "height": 600})
    notebook = opened(lab, page, "scrolls", ENDLESS)
    notebook.start(1)
    stop = live(notebook, 1).get_by_role("button", name="Stop")
    expect(live(notebook, 1).locator("h2", has_text="Part 4")).to_have_count(1)
    expect(stop).to_be_in_viewport()
    live(notebook, 1).locator("h2").first.scroll_into_view_if_needed()
    expect(live(notebook, 1).locator("h2", has_text="Part 6")).to_have_count(1)
    expect(live(notebook, 1).locator("h2").first).to_be_in_viewport()
    expect(stop).not_to_be_in_viewport()
    notebook.keys(1, "i", "i")
    notebook.finish(1)


def test_expanded_thinking_stays_open_and_a_confirmation_is_announced(lab: Lab, page: Page) -> None:
    setup = (
        "from claude_magic import tool\n@tool(confirm=True)\ndef look(at: str):\n    'Looks.'\n    return at.upper()"
    )
    ask = (
        '%%claude -t look\nLook.\nsimulate: think=100; pace=40; tool=look {"at": "here"}; say=Let me look.\n'
        "simulate: say=It is **there**."
    )
    notebook = opened(lab, page, "thinks", setup, ask)
    notebook.run(1)
    notebook.start(2)
    fold = live(notebook, 2).locator(".claude-now details")
    expect(fold.locator("summary")).to_contain_text("thinking")
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(fold).to_have_attribute("open", "")
    expect(live(notebook, 2)).to_contain_text("waits for your yes")
    expect(fold).to_be_visible()
    expect(said(page)).to_have_text("Claude needs your yes.")
    notebook.output(2).locator("input").fill("y")
    page.keyboard.press("Enter")
    notebook.finish(2)
    expect(notebook.markdown(2)).to_contain_text("It is there.")
    expect(live(notebook, 2)).to_have_count(0)
