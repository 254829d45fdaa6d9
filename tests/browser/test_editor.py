"""Cells of questions read as prose, in a real JupyterLab and a real Notebook 7."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import Lab, Notebook
from tests.browser.test_live import choose_theme
from tests.processes import eventually

EDITOR = Path(__file__).parents[2] / "claude_magic" / "notebook" / "editor"
INSTALLED = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "claude_magic"
PYTHON = "for x in range(3):\n    print('a', x)  # in class B"
PROSE = "Don't import anything from me: is this True, and which class is for 2024?\n    print('a')  # not code"
HEAD = '%%claude --effort high -s "Be brief." \\\n  -o reply'
COLOURED = """
content => [...content.querySelectorAll('.cm-line span[class]')]
  .filter(span => !span.className.includes('cm-matchingBracket')).map(span => span.textContent.trim())
"""


def content(notebook: Notebook, number: int) -> Locator:
    return notebook.cell(number).locator(".cm-content")


def reads_as(notebook: Notebook, number: int, language: str, coloured: list[str]) -> None:
    """Wait until a cell has this language; these of its words have a colour."""
    expect(content(notebook, number)).to_have_attribute("data-language", language)
    expect(content(notebook, number).locator(".cm-line").first).not_to_be_empty()
    assert content(notebook, number).evaluate(COLOURED) == coloured


def is_wrapped(notebook: Notebook, number: int) -> bool:
    space: str = content(notebook, number).evaluate("content => getComputedStyle(content).whiteSpace")
    return space in {"break-spaces", "pre-wrap"}


def test_the_installed_extension_is_this_one_and_enabled() -> None:
    for path in EDITOR.rglob("*.js*"):
        installed = INSTALLED / path.relative_to(EDITOR)
        assert installed.read_text("utf-8") == path.read_text("utf-8"), "install again: pip install -e '.[test]'"
    command = [sys.executable, "-m", "jupyter", "labextension", "list", "--verbose"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    (line,) = [line for line in (listed.stdout + listed.stderr).splitlines() if " claude_magic v" in line]
    version = json.loads((EDITOR / "package.json").read_text("utf-8"))["version"]
    for word in (f"v{version}", "enabled", "OK", "(python, claude_magic)"):
        assert word in line


def test_a_question_reads_as_prose_and_code_as_code(front_end: Lab, page: Page, screenshots: Path) -> None:
    python = ["for", "in", "range", "(", "3", ")", "print", "(", "'a'", ",", ")", "# in class B"]
    filled = "Which of these? {{ fig }}, {{ other['fig']\n  .T }} or {fig} and }}?"
    cells = [
        PYTHON,
        f"%%claude\n{PROSE}",
        f"{HEAD}\n{filled}\n-m is no option here",
        "\n\n%%claude\nwhile not True",
        "%%claude --verbatim\n{{ for }} in",
        f"%%claudette\n{PYTHON}",
        f"%%time\n{PYTHON}",
        "%claude for what?",
        "x = '''\n%%claude\n'''",
    ]
    notebook = front_end.open(page, "prose", cells)
    reads_as(notebook, 0, "python", python)
    reads_as(notebook, 1, "claude", ["%%claude"])
    options = ["%%claude", "--effort", "-s", '"Be brief."', "-o"]
    reads_as(notebook, 2, "claude", [*options, "{{", "fig", "}}", "{{", "other['fig']", ".T", "}}"])
    reads_as(notebook, 4, "claude", ["%%claude", "--verbatim"])
    expect(content(notebook, 3)).to_have_attribute("data-language", "claude")
    for number in (5, 6):
        expect(content(notebook, number)).to_have_attribute("data-language", "python")
        assert content(notebook, number).evaluate(COLOURED)[-len(python) :] == python
    for number in (7, 8):
        expect(content(notebook, number)).to_have_attribute("data-language", "python")
    assert [is_wrapped(notebook, number) for number in range(9)] == [False, True, True, True, True, *[False] * 4]
    page.screenshot(path=screenshots / f"editor_{front_end.page.partition(chr(47))[0]}_light.png")


def test_typing_switches_and_switches_back(front_end: Lab, page: Page) -> None:
    notebook = front_end.open(page, "typed", [PYTHON, PYTHON, "'the last'"])
    expect(content(notebook, 1)).to_have_attribute("data-language", "python")
    assert len(content(notebook, 1).evaluate(COLOURED)) == 12
    content(notebook, 1).click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("%%claude\n")
    reads_as(notebook, 1, "claude", ["%%claude"])
    assert is_wrapped(notebook, 1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.type("t")
    expect(content(notebook, 1)).to_have_attribute("data-language", "python")
    assert content(notebook, 1).evaluate(COLOURED)[-12:][0] == "for"
    assert not is_wrapped(notebook, 1)
    page.keyboard.press("Backspace")
    reads_as(notebook, 1, "claude", ["%%claude"])
    page.keyboard.press("Control+Z")
    expect(content(notebook, 1)).not_to_have_attribute("data-language", "claude")
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.type("import os")
    reads_as(notebook, 1, "python", ["import"])
    assert len(content(notebook, 0).evaluate(COLOURED)) == 12


def toggle_closing(page: Page) -> None:
    page.get_by_text("Settings", exact=True).first.click()
    page.get_by_text("Auto Close Brackets", exact=True).first.click()


def test_prose_is_written_without_help_for_python(front_end: Lab, page: Page) -> None:
    notebook = front_end.open(page, "written", ["1", "%%claude", "pass"])
    toggle_closing(page)
    content(notebook, 0).click()
    page.keyboard.press("Control+End")

    def closes() -> bool:
        page.keyboard.type("(")
        text: str = content(notebook, 0).inner_text()
        page.keyboard.press("Backspace")
        return text == "1()"

    eventually(closes)
    written = "\nif x:\nsay so, or 'tis (not"
    for number in (1, 2):
        content(notebook, number).click()
        page.keyboard.press("Control+End")
        page.keyboard.type(written)
    cells = notebook.save().cells
    assert cells[1].source == f"%%claude{written})"
    assert cells[2].source == "pass\nif x:\n    say so, or 'tis (not'"
    toggle_closing(page)


def test_a_markdown_cell_and_a_pasted_one(front_end: Lab, page: Page) -> None:
    notebook = front_end.open(page, "kinds", ["1 + 1", nbformat.v4.new_markdown_cell("%%claude\nfor *x*"), "2 + 2"])
    notebook.cell(1).dblclick()
    expect(content(notebook, 1)).to_be_visible()
    expect(content(notebook, 1)).not_to_have_attribute("data-language", "claude")
    page.keyboard.press("Escape")
    notebook.replace(2, f"%%claude\n{PROSE}")
    reads_as(notebook, 2, "claude", ["%%claude"])
    notebook.keys(2, "c", "v")
    expect(notebook.panel.locator(".jp-Notebook .jp-Cell")).to_have_count(4)
    reads_as(notebook, 3, "claude", ["%%claude"])


def test_in_the_dark(lab: Lab, page: Page, screenshots: Path) -> None:
    lab.end_kernels()
    notebook = lab.open(page, "dark", [PYTHON, f"{HEAD}\n{PROSE} {{{{ fig }}}}"])
    choose_theme(page, "JupyterLab Dark")
    reads_as(notebook, 1, "claude", ["%%claude", "--effort", "-s", '"Be brief."', "-o", "{{", "fig", "}}"])
    page.screenshot(path=screenshots / "editor_jupyterlab_dark.png")
    choose_theme(page, "JupyterLab Light")
