"""The next morning in JupyterLab: a new kernel, and Claude sees again what the notebook shows."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from claude_magic.simulator import Simulator
from tests.browser.lab import Lab
from tests.conversation.wire import answers, questions

LOAD = "%load_ext claude_magic"


def test_saved_answers_are_restored(lab: Lab, page: Page, simulator: Simulator) -> None:
    cells = [
        LOAD,
        "number = 42",
        "%%claude\nWhat is {{ number }}?\nsimulate: say=A **number** of $x$.",
        "%%claude\nFirst.\nsimulate: say=One.",
        "%%claude\nAnd now?\nsimulate: say=Now.",
    ]
    notebook = lab.open(page, "morning", cells, run=4)
    notebook.save()
    page.goto("about:blank")
    lab.end_kernels()
    notebook = lab.reopen(page, notebook.path)
    notebook.replace(0, f"{LOAD}\nprint(claude.restore())")
    expect(notebook.run(0)).to_contain_text("Restored 2 answers from morning.ipynb")
    notebook.run(4)
    expect(notebook.markdown(4)).to_contain_text("Now.")
    assert questions(simulator) == [
        "What is [number: not restored; run the cell to send it again]?\nsimulate: say=A **number** of $x$.",
        "First.\nsimulate: say=One.",
        "And now?\nsimulate: say=Now.",
    ]
    assert answers(simulator) == ["A **number** of $x$.", "One."]
    notebook.run(1)
    notebook.run(2)
    expect(notebook.markdown(2).locator("blockquote")).to_contain_text("Replaced your question")
    assert questions(simulator) == ["What is 42?\nsimulate: say=A **number** of $x$."]
