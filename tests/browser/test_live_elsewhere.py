"""The answer while it streams: in Notebook 7, and in a JupyterLab that cannot draw widgets."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.lab import Lab, running_lab
from tests.browser.test_jupyterlab import ALIVE, STOPPED
from tests.browser.test_live import ENDLESS, LONG, halfway, live, opened, said
from tests.hostile import SNIPPETS


@pytest.fixture(scope="module", params=["Notebook 7", "no anywidget", "no widgets"])
def lab(
    request: pytest.FixtureRequest,
    browser: Browser,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lab]:
    program, disabled = {
        "Notebook 7": ("notebook", []),
        "no anywidget": ("jupyterlab", ["anywidget"]),
        "no widgets": ("jupyterlab", ["anywidget", "@jupyter-widgets/jupyterlab-manager"]),
    }[request.param]
    with running_lab(tmp_path_factory.mktemp("elsewhere"), environment, program, disabled) as running:
        yield running


notebook7 = pytest.mark.parametrize("lab", ["Notebook 7"], indirect=True)


@notebook7
def test_it_grows_while_the_cell_runs_and_leaves_markdown(lab: Lab, page: Page) -> None:
    notebook = opened(lab, page, "grows", f"%%claude\nGo on.\n{LONG}")
    notebook.start(1)
    for heading in ("Part 1", "Part 3", "Part 5"):
        expect(live(notebook, 1).locator("h2", has_text=heading).first).to_be_visible()
        expect(notebook.prompt(1)).to_have_text("[*]:")
    assert "not finished" in halfway(notebook)
    notebook.finish(1)
    expect(notebook.markdown(1)).to_have_count(1)
    expect(live(notebook, 1)).to_have_count(0)
    expect(said(page)).to_have_text(re.compile(r"Claude's answer is complete, [\d,]+ words\."))
    assert "not finished" not in halfway(notebook)


@notebook7
@pytest.mark.parametrize("way", ["button", "Escape"])
def test_it_is_stopped(lab: Lab, page: Page, way: str) -> None:
    notebook = opened(lab, page, f"stops_{way}", ENDLESS)
    notebook.start(1)
    expect(live(notebook, 1).locator("h2").first).to_be_visible()
    stop = live(notebook, 1).get_by_role("button", name="Stop")
    if way == "button":
        stop.click()
    else:
        stop.focus()
        page.keyboard.press(way)
    notebook.finish(1)
    assert STOPPED.fullmatch(notebook.error(1).inner_text())
    expect(notebook.markdown(1).locator("blockquote")).to_have_text("Stopped here.")


@notebook7
def test_a_finished_answer_is_inert(lab: Lab, guarded_page: Page) -> None:
    show = (
        "from claude_magic.notebook.display.inert import inert\n"
        "from IPython.display import display\n"
        "for text in {!r}:\n"
        "    display({{'text/markdown': inert(text) + '\\n\\nThis was $x^2$ shown.'}}, raw=True)\n"
    )
    groups = [SNIPPETS[at : at + 40] for at in range(0, len(SNIPPETS), 40)]
    notebook = opened(lab, guarded_page, "inert", *(show.format(group) for group in groups))
    for number, group in enumerate(groups, 1):
        notebook.run(number)
        expect(notebook.markdown(number).locator("mjx-container").last).to_be_visible()
        expect(notebook.markdown(number).get_by_text("This was", exact=False)).to_have_count(len(group))
    assert guarded_page.evaluate(ALIVE) == []


@pytest.mark.parametrize("lab", ["no anywidget", "no widgets"], indirect=True)
def test_without_widgets_the_markdown_is_visible(lab: Lab, page: Page) -> None:
    notebook = opened(lab, page, "plain", f"%%claude\nGo on.\n{LONG}")
    notebook.start(1)
    expect(notebook.markdown(1).locator("h2", has_text="Part 2").first).to_be_visible()
    expect(notebook.markdown(1).last).to_contain_text("this answer is not finished")
    expect(notebook.prompt(1)).to_have_text("[*]:")
    expect(live(notebook, 1)).to_have_count(0)
    notebook.finish(1)
    expect(notebook.markdown(1)).to_have_count(1)
    expect(notebook.output(1)).not_to_contain_text("not finished")
    expect(notebook.output(1)).not_to_contain_text("rror")
