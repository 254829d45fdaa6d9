"""Answers in the background in a real JupyterLab: where they are seen, how they are stopped, what is saved."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from claude_magic.simulator import Simulator
from tests.browser.lab import Lab
from tests.processes import eventually

LOAD = "%load_ext claude_magic\n%config ClaudeMagics.display = '{}'"
ENDLESS = "%%claude -b\nGo on.\nsimulate: think=0; deltas=20000; chars=4; pace=200"


@pytest.mark.parametrize("display", ["markdown", "live"])
def test_it_keeps_streaming_below_its_cell_and_is_saved(
    lab: Lab, page: Page, display: str, simulator: Simulator, screenshots: Path
) -> None:
    ask = "%%claude -b\nGo on.\nsimulate: think=0; deltas=1200; chars=4; pace=200"
    seen = f"seen_{display}"  # the cell runs until the page has shown the parts, however slow the machine
    work = (
        f"import pathlib, time\nwhile not (claude.turns and pathlib.Path('{seen}').exists()):\n"
        "    print('at work')\n    time.sleep(0.2)\n'done'"
    )
    notebook = lab.open(page, f"background_{display}", [LOAD.format(display), ask, work], run=2)
    notebook.start(2)
    for heading in ("Part 1", "Part 3", "Part 5"):
        expect(notebook.output(1).locator("h2", has_text=heading).first).to_be_visible()
    expect(notebook.prompt(2)).to_have_text("[*]:")
    page.screenshot(path=screenshots / f"background_{display}.png")
    (lab.notebooks / seen).touch()
    notebook.finish(2)
    expect(notebook.output(1).locator("em", has_text="SIMULATED")).to_be_visible()
    expect(notebook.output(1).locator(".claude-live")).to_have_count(0)
    saved = notebook.save()
    nbformat.validate(saved)
    assert "widgets" not in saved.metadata
    outputs = [output for output in saved.cells[1].outputs if output.get("data")]
    assert [set(output.data) for output in outputs] == [{"text/markdown", "text/plain"}]
    assert len(saved.cells[1].outputs) == 1
    assert {output.output_type for output in saved.cells[2].outputs} == {"stream", "execute_result"}
    assert set(saved.cells[2].outputs[0].text.split("\n")) == {"at work", ""}


def test_its_stop_button_does_not_stop_a_running_cell(lab: Lab, page: Page) -> None:
    busy = "import pathlib, time\nwhile not pathlib.Path('go-on').exists():\n    time.sleep(0.1)\n'through'"
    notebook = lab.open(page, "background_button", [LOAD.format("live"), ENDLESS, busy], run=2)
    live = notebook.output(1).locator(".claude-live")
    expect(live.locator("h2").first).to_be_visible()
    notebook.start(2)
    live.get_by_role("button", name="Stop").click()
    expect(live.get_by_role("button")).to_have_text("Stopping…")
    (lab.notebooks / "go-on").touch()
    notebook.finish(2)
    expect(notebook.output(2).locator("pre")).to_have_text("'through'")
    said = notebook.markdown(1).locator("blockquote")
    expect(said).to_contain_text(re.compile(r"Interrupted: Stopped after \d+ words; kept"))
    expect(live).to_have_count(0)


def test_running_its_cell_again_leaves_only_the_new_answer(lab: Lab, page: Page, simulator: Simulator) -> None:
    cells = [LOAD.format("markdown"), ENDLESS, "claude.wait(); claude.turns"]
    notebook = lab.open(page, "background_again", cells, run=2)
    expect(notebook.output(1).locator("h2").first).to_be_visible()
    notebook.replace(1, "%%claude -b\nAnew.\nsimulate: say=Quite anew.")
    notebook.run(1)
    expect(notebook.markdown(1)).to_contain_text("Quite anew.")
    assert "Anew." in notebook.run(2).inner_text()
    expect(notebook.output(1)).not_to_contain_text("Part 1")
    (output,) = notebook.save().cells[1].outputs
    assert "Quite anew." in output.data["text/markdown"]


def test_no_answer_is_lost_when_the_page_is_closed(lab: Lab, page: Page, simulator: Simulator) -> None:
    ask = "%%claude -b\nGo on.\nsimulate: think=0; deltas=300; chars=4; pace=100"
    cells = [LOAD.format("markdown"), ask, "claude.wait().complete, len(claude.turns)"]
    notebook = lab.open(page, "background_closed", cells, run=2)
    expect(notebook.output(1).locator("h2").first).to_be_visible()
    notebook.save()
    path = notebook.path
    page.goto("about:blank")
    eventually(lambda: simulator.requests)
    again = lab.reopen(page, path)
    assert again.value(2) == "(True, 1)"
