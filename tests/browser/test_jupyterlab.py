"""The magics in a real JupyterLab."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import nbformat
from playwright.sync_api import Page, expect

from claude_magic.simulator import Simulator
from tests.browser.lab import Lab
from tests.conversation.wire import body
from tests.hostile import DOCUMENTS, SNIPPETS, placed

ROOT = Path(__file__).parents[2]
LOAD = "%load_ext claude_magic"
MARKDOWN = f"{LOAD}\n%config ClaudeMagics.display = 'markdown'"
SEEN = "[turn.prompt.split()[0] for turn in claude.turns]"
STOPPED = re.compile(
    r"Interrupted: Stopped after [\d,]+ words; kept, Claude will see them as its answer\. undo\(\) drops them\.\s*"
)
LONG = "simulate: think=0; deltas=2000; chars=4; pace=400"


ALIVE = """
() => [...document.querySelectorAll('.jp-OutputArea .jp-RenderedMarkdown *')].filter(element =>
  ['IMG', 'SCRIPT', 'STYLE', 'LINK', 'IFRAME', 'OBJECT', 'EMBED', 'VIDEO', 'SVG', 'FORM', 'BUTTON', 'DETAILS', 'BASE']
    .includes(element.tagName.toUpperCase())
  || [...element.attributes].some(attribute => attribute.name.startsWith('on'))
  || (element.getAttribute('style') || '').includes('url(')
  || element.tagName === 'A' && !['http:', 'https:', 'mailto:'].includes(element.protocol)
).map(element => element.outerHTML)
"""


def ask(word: str) -> str:
    return f"%%claude\n{word}\nsimulate: say=You said **{word}**."


def test_the_quickstart_notebook(lab: Lab, page: Page, screenshots: Path) -> None:
    source = nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", as_version=4)
    page.set_viewport_size({"width": 1200, "height": 5200})
    notebook = lab.open(page, "quickstart", source.cells)
    numbers = [number for number, cell in enumerate(source.cells) if cell.cell_type == "code"]

    page.keyboard.press("Escape")
    page.get_by_text("Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).click()
    for number in numbers:
        notebook.finish(number)
        if "%claude" in source.cells[number].source:
            expect(notebook.error(number)).to_have_count(0)
            expect(notebook.markdown(number)).to_have_count(1)
            expect(notebook.markdown(number).locator("em").last).to_contain_text("SIMULATED · claude-")

    page.screenshot(path=screenshots / "quickstart.png")


def test_an_answer_grows_while_the_cell_runs_and_never_collapses(lab: Lab, page: Page) -> None:
    notebook = lab.open(page, "grows", [MARKDOWN, f"%%claude\nGo on.\n{LONG}"], run=1)
    notebook.watch(1)
    notebook.start(1)
    for heading in ("Part 1", "Part 3", "Part 5"):
        expect(notebook.markdown(1).locator("h2", has_text=heading).first).to_be_visible()
        expect(notebook.prompt(1)).to_have_text("[*]:")
    notebook.finish(1)
    expect(notebook.markdown(1)).to_have_count(1)
    expect(notebook.markdown(1).locator("h2").last).to_contain_text(re.compile("Part 1[0-9]"))
    heights = [height for height in notebook.heights() if height > 100]
    drops = [before - after for before, after in itertools.pairwise(heights)]
    assert max(drops) < 0.2 * max(heights), sorted(drops)[-5:]


def test_running_a_cell_again_replaces_its_turn_and_deleting_it_removes_the_turn(lab: Lab, page: Page) -> None:
    notebook = lab.open(page, "history", [LOAD, ask("first"), ask("second"), ask("third"), SEEN], run=4)
    expect(notebook.markdown(2).locator("strong")).to_have_text("second")
    assert notebook.value(4) == "['first', 'second', 'third']"

    notebook.replace(2, ask("other"))
    notebook.run(2)
    expect(notebook.markdown(2).locator("strong")).to_have_text("other")
    expect(notebook.markdown(2)).to_contain_text("1 later answer was given to the old version.")
    assert notebook.value(4) == "['first', 'other', 'third']"

    notebook.keys(2, "d", "d")
    expect(notebook.panel.locator(".jp-Notebook .jp-Cell")).to_have_count(4)
    assert notebook.value(3) == "['first', 'third']"

    notebook.keys(2, "z")
    expect(notebook.panel.locator(".jp-Notebook .jp-Cell")).to_have_count(5)
    notebook.run(2)
    assert notebook.value(4) == "['first', 'other', 'third']"


def test_a_cell_that_was_cut_and_pasted_keeps_its_turn(lab: Lab, page: Page) -> None:
    notebook = lab.open(page, "moved", [LOAD, ask("first"), ask("second"), SEEN], run=3)
    notebook.keys(1, "x")
    expect(notebook.panel.locator(".jp-Notebook .jp-Cell")).to_have_count(3)
    notebook.keys(1, "v")
    expect(notebook.panel.locator(".jp-Notebook .jp-Cell")).to_have_count(4)
    notebook.run(2)
    assert notebook.value(3) == "['first', 'second']"


def test_two_questions_in_one_cell(lab: Lab, page: Page, screenshots: Path) -> None:
    code = (
        "print('before')\n"
        f"one = claude('Go on.\\n{LONG}')\n"
        "print('between')\n"
        "two = claude('simulate: say=The **second** one.')\n"
        "print('after')"
    )
    notebook = lab.open(page, "two", [LOAD, code, "[turn.reply for turn in claude.turns] == [one, two]"], run=2)
    page.screenshot(path=screenshots / "two_questions.png")
    texts = [text for text in notebook.output(1).locator(".jp-OutputArea-output").all_inner_texts() if text.strip()]
    assert [text.split()[0] for text in texts] == ["before", "Part", "between", "sent:", "after"]
    assert notebook.value(2) == "True"


def test_stopping_with_the_keyboard_leaves_the_text_and_one_line(
    lab: Lab, page: Page, simulator: Simulator, screenshots: Path
) -> None:
    notebook = lab.open(page, "stopped", [MARKDOWN, f"%%claude\nGo on.\n{LONG}", ask("next")], run=1)
    notebook.start(1)
    expect(notebook.markdown(1).locator("h2", has_text="Part 2").first).to_be_visible()
    notebook.keys(1, "i", "i")
    notebook.finish(1)
    expect(notebook.error(1)).to_have_count(1)
    assert STOPPED.fullmatch(notebook.error(1).inner_text())
    expect(notebook.markdown(1).locator("h2").first).to_contain_text("Part 1")
    expect(notebook.markdown(1).locator("blockquote")).to_have_text("Stopped here.")
    page.screenshot(path=screenshots / "stopped.png")
    notebook.run(2)
    assert [message["role"] for message in body(simulator)["messages"]] == ["user", "assistant", "user"]


def test_the_saved_file_holds_markdown_and_nothing_else(lab: Lab, page: Page) -> None:
    saved = lab.open(page, "saved", [LOAD, f"%%claude\nGo on.\n{LONG}", ask("second")], run=3).save()
    assert "widgets" not in saved.metadata
    for cell in saved.cells[1:]:
        (output,) = cell.outputs
        assert output.output_type == "display_data"
        assert set(output.data) == {"text/markdown", "text/plain"}
        assert output.metadata.claude_magic.complete is True
    nbformat.validate(saved)


def test_a_new_kernel_says_that_it_does_not_see_the_answers_above(lab: Lab, page: Page) -> None:
    notebook = lab.open(page, "again", [LOAD, ask("first"), ask("second")], run=3)
    notebook.run(0)
    notebook.save()
    page.goto("about:blank")
    lab.end_kernels()
    notebook = lab.reopen(page, notebook.path)
    expect(notebook.markdown(1)).to_contain_text("You said first.")
    notebook.run(0)
    notebook.run(2)
    notice = notebook.markdown(2).locator("blockquote")
    expect(notice).to_have_text("New kernel: Claude does not see the answers above. claude.restore() brings them back.")


def test_an_error_is_one_line(lab: Lab, page: Page, screenshots: Path) -> None:
    broken = "%%claude\nGo on.\nsimulate: think=0; deltas=200; chars=5; fault=cut; after=150"
    refused = "%%claude\nGo on.\nsimulate: fault=refusal; category=bio"
    overloaded = "%%claude\nGo on.\nsimulate: 400; message=Nothing of the kind."
    notebook = lab.open(page, "errors", [LOAD, broken, refused, overloaded, "%%claude -m\nHello"], run=5)
    page.screenshot(path=screenshots / "errors.png")
    for number in range(1, 5):
        expect(notebook.error(number)).to_have_count(1)
        assert "\n" not in notebook.error(number).inner_text().strip()


def test_an_answer_can_neither_run_script_nor_fetch(lab: Lab, guarded_page: Page) -> None:
    hostile = (
        "![x](/files/fetched.png) <img src=/files/fetched.png> <img src=x onerror='ran()'> "
        "<style>.jp-Cell { visibility: hidden }</style> Harmless."
    )
    notebook = lab.open(guarded_page, "hostile", [LOAD, f"%%claude\nShow me.\nsimulate: say={hostile}"], run=1)
    expect(notebook.markdown(0)).to_have_count(0)
    notebook.start(1)
    expect(notebook.prompt(1)).to_have_text("[2]:")
    expect(notebook.markdown(1)).to_contain_text("Harmless.")
    expect(notebook.markdown(1)).to_be_visible()


def test_inert_markdown_neither_runs_nor_fetches(lab: Lab, guarded_page: Page, screenshots: Path) -> None:
    single = [placed(snippet)["alone"] for snippet in SNIPPETS]
    shown = [[*single[start : start + 40]] for start in range(0, len(single), 40)]
    texts = list(DOCUMENTS.values())
    rows = [texts[start::45] for start in range(45)]  # a cell shows no more than 50 outputs
    show = (
        "from claude_magic.notebook.display.inert import inert\n"
        "from IPython.display import display\n"
        "def show(*texts):\n"
        "    written = '\\n\\n'.join([*map(inert, texts), 'This was $x^2$ shown.'])\n"
        "    display({'text/markdown': written}, raw=True)\n"
    )
    cells = [f"{show}for text in {group!r}: show(text)" for group in shown]
    cells.append(f"{show}for row in {rows!r}: show(*row)")
    notebook = lab.open(guarded_page, "inert", cells)
    for number, count in enumerate([*map(len, shown), len(rows)]):
        notebook.run(number)
        marks = notebook.markdown(number).get_by_text("This was", exact=False)
        expect(marks).to_have_count(count)
        expect(marks.locator("mjx-container")).to_have_count(count)
        expect(marks.last).to_be_visible()
    guarded_page.screenshot(path=screenshots / "inert.png")
    assert guarded_page.evaluate(ALIVE) == []


def test_calls_are_drawn_while_they_run_and_fold(lab: Lab, guarded_page: Page, screenshots: Path) -> None:
    setup = (
        f"{MARKDOWN}\nimport pathlib, time\n"
        "def run_query(sql: str):\n    'Runs a query.'\n"
        "    while not pathlib.Path('seen').exists():\n        time.sleep(0.1)\n    print('asked')\n"
        "    return '| region |\\n| Rome |'\n"
        "def find(text: str):\n    'Finds.'\n    raise LookupError('no such region: <img src=/files/fetched.png>')"
    )
    hostile = "</details><img src=/files/fetched.png onerror=ran()> $x$ \\\\(y\\\\) ![z](/files/fetched.png) ```"
    question = (
        "%%claude -t run_query, find\nWhich region?\n"
        'simulate: tool=run_query {"sql": "SELECT region,\\n  sum(amount)\\nFROM sales"}; '
        f'tool=find {{"text": "{hostile}"}}; say=Let me **look**.\nsimulate: say=It is **Rome**.'
    )
    page, notebook = guarded_page, lab.open(guarded_page, "calls", [setup, question], run=1)
    notebook.start(1)
    running = notebook.markdown(1).filter(has_text=re.compile(r"run_query\(sql='SELECT region.* running, [1-9]\d* s"))
    expect(running).to_be_visible()
    expect(notebook.output(1).locator("strong", has_text="look")).to_be_visible()
    page.screenshot(path=screenshots / "calls_running.png")
    (lab.notebooks / "seen").touch()
    notebook.finish(1)

    expect(notebook.markdown(1)).to_have_count(1)
    folded = notebook.markdown(1).locator("details")
    expect(folded).to_have_count(2)
    expect(folded.nth(0).locator("summary")).to_have_text(re.compile(r"^run_query\(sql='SELECT region,.* · [.\d]+ s$"))
    expect(folded.nth(1).locator("summary")).to_contain_text("find(text='</details><img src=/files/fetched")
    expect(notebook.markdown(1)).to_contain_text(
        "find failed: LookupError: no such region: <img src=/files/fetched.png>"
    )
    for number in (0, 1):
        expect(folded.nth(number).locator("pre").first).to_be_hidden()
    page.screenshot(path=screenshots / "calls_folded.png")
    for number in (0, 1):
        folded.nth(number).locator("summary").click()
        expect(folded.nth(number).locator("pre").last).to_be_visible()
    expect(folded.nth(0)).to_contain_text("sum(amount)")
    expect(folded.nth(0)).to_contain_text("| Rome |")
    expect(folded.nth(1).locator("pre").first).to_contain_text("</details><img")
    page.screenshot(path=screenshots / "calls_unfolded.png")

    expect(notebook.output(1).locator("img, mjx-container, details a")).to_have_count(0)
    (output,) = notebook.save().cells[1].outputs
    assert output.data["text/markdown"].count("<details>") == 2
