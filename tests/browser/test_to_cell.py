"""Code of an answer, put into a cell below the one that runs."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from claude_magic.simulator import Simulator
from tests.browser.lab import Lab

LOAD = "%load_ext claude_magic"
CODE = "say=Like this:\n\n```python\nx = [\n    1,\n]\n```\n\nand then\n\n```python\nprint(sum(x))\n```"


def test_code_goes_into_a_cell_below(front_end: Lab, page: Page, simulator: Simulator) -> None:
    last = "'the last'"
    both = "for n in range(2): claude.last.to_cell(n)"
    simulator.faults.append(CODE)
    notebook = front_end.open(page, "to_cell", [LOAD, "%%claude\nWrite it.", "%claude --cell 1", last, both], run=3)
    cells = notebook.panel.locator(".jp-Notebook .jp-Cell")
    expect(cells).to_have_count(6)
    expect(notebook.output(2)).to_contain_text("main: code block 1 goes into the cell below.")
    expect(notebook.cell(3).locator(".cm-content")).to_have_text("print(sum(x))")
    expect(notebook.cell(4).locator(".cm-content")).to_have_text(last)

    notebook.run(5)  # the last cell of the notebook: two blocks, one new cell
    expect(cells).to_have_count(7)
    notebook.run(6)
    expect(notebook.output(6)).to_have_text("1")
    notebook.replace(4, "claude.last.to_cell(2)")
    notebook.run(4)
    expect(notebook.error(4)).to_have_count(1)
    expect(notebook.error(4)).to_contain_text("There is no code block 2: this answer has 2 code blocks, 0 to 1.")
    expect(cells).to_have_count(7)
    sources = [cell.source for cell in notebook.save().cells]
    assert sources[3::3] == ["print(sum(x))", "x = [\n    1,\n]\n\nprint(sum(x))"]
