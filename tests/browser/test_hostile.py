"""Hostile answers in three front ends, beside what the same text does in a plain Markdown output."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from claude_magic.notebook.display.inert import inert
from tests.browser.lab import Lab
from tests.browser.test_jupyterlab import ALIVE
from tests.hostile import SNIPPETS, marked
from tests.notebook.kernels import exported
from tests.processes import PATIENCE, eventually

PAYLOADS = marked(SNIPPETS)
TOGETHER = 40  # a cell shows no more than 50 outputs
SHOW = "from IPython.display import Markdown, display\nfor text in {!r}: display(Markdown(text))"
PAGE = "http://page.example/answer.html"


class Watched:
    """A page that reaches this machine and nothing else, and notes what it tries.

    Attributes
    ----------
    page : Page
    asked : list of str
        The addresses of all requests.
    called : set of int
        The payloads of which script ran.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.called: set[int] = set()
        self.html = ""
        page.expose_function("ran", self._ran)
        page.on("dialog", lambda dialog: dialog.dismiss())
        page.context.route("**/*", self._route)

    def _ran(self, number: int) -> None:
        self.called.add(number)

    def _route(self, one: Route) -> None:
        self.asked.append(one.request.url)
        if one.request.url == PAGE:
            one.fulfill(body=self.html, content_type="text/html")
        elif urlsplit(one.request.url).hostname == "127.0.0.1":
            one.continue_()
        elif one.request.is_navigation_request():
            one.fulfill(status=204)  # the page stays
        else:
            one.abort()

    @property
    def fetched(self) -> set[str]:
        """The payloads that were fetched."""
        return {match[1] for url in self.asked if (match := re.search(r"fetched-(\w+)", url))}

    def others(self) -> set[str]:
        """What was asked of other machines."""
        return {url for url in self.asked if urlsplit(url).hostname not in {"127.0.0.1", "page.example"}}


@pytest.fixture
def watch(browser: Browser) -> Iterator[Callable[[], Watched]]:
    """Makes pages, each in a fresh browser context."""
    contexts: list[BrowserContext] = []

    def make() -> Watched:
        contexts.append(browser.new_context(viewport={"width": 1200, "height": 1000}))
        return Watched(contexts[-1].new_page())

    yield make
    for context in contexts:
        context.close()


def run_all(lab: Lab, watched: Watched, name: str, texts: Sequence[str]) -> None:
    """Show texts as plain Markdown outputs of cells that run, and wait until all is drawn."""
    groups = [[*texts[at : at + TOGETHER]] for at in range(0, len(texts), TOGETHER)]
    page = watched.page
    lab.end_kernels()
    notebook = lab.open(page, name, [SHOW.format(group) for group in groups])
    page.get_by_text("Run", exact=True).first.click()
    page.get_by_text("Run All Cells", exact=True).click()
    for number, group in enumerate(groups):
        # Each is looked at as text: what is hostile may hide all of it.
        expect(notebook.prompt(number)).to_have_text(re.compile(r"^\[\d+\]:$"), timeout=PATIENCE * 1000)
        expect(notebook.markdown(number)).to_have_count(len(group), timeout=PATIENCE * 1000)


def test_nothing_runs_or_is_fetched_where_a_cell_has_run(front_end: Lab, watch: Callable[[], Watched]) -> None:
    ours = watch()
    run_all(front_end, ours, "inert", [f"{inert(payload)}\n\nThis was $x^2$ shown." for payload in PAYLOADS])
    marks = ours.page.locator(".jp-RenderedMarkdown p", has_text="This was")
    expect(marks.locator("mjx-container")).to_have_count(len(PAYLOADS), timeout=PATIENCE * 1000)
    expect(marks.last).to_be_visible()
    assert ours.page.evaluate(ALIVE) == []
    assert (ours.called, ours.fetched, ours.others()) == (set(), set(), set())

    plain = watch()
    run_all(front_end, plain, "plain", PAYLOADS)
    # Asking the page for its title lets what it did be told.
    eventually(lambda: plain.page.title() and len(plain.called) >= 10 and len(plain.fetched) >= 30)
    assert plain.others()
    print(f"{front_end.page}, plain: of {len(PAYLOADS)}, {len(plain.called)} ran and {len(plain.fetched)} were fetched")


def show(watched: Watched, texts: Sequence[str]) -> None:
    watched.html = exported(*(nbformat.v4.new_output("display_data", {"text/markdown": text}) for text in texts))
    watched.page.goto(PAGE)


def test_nothing_runs_or_is_fetched_in_the_exported_page(watch: Callable[[], Watched]) -> None:
    harmless = watch()
    show(harmless, ["Harmless, $x^2$."])

    ours = watch()
    show(ours, [f"{inert(payload)}\n\nThis was shown." for payload in PAYLOADS])
    marks = ours.page.locator(".jp-OutputArea .jp-RenderedMarkdown p", has_text="This was shown.")
    expect(marks).to_have_count(len(PAYLOADS))
    expect(marks.last).to_be_visible()
    assert ours.page.evaluate(ALIVE) == []
    assert (ours.called, ours.fetched) == (set(), set())
    assert ours.others() == harmless.others()  # what the page of any notebook asks for

    plain = watch()
    for at in range(0, len(PAYLOADS), 10):  # what is hostile may swallow what follows it in the page
        show(plain, PAYLOADS[at : at + 10])
    print(f"exported, plain: of {len(PAYLOADS)}, {len(plain.called)} ran and {len(plain.fetched)} were fetched")
    assert len(plain.called) >= 10
    assert len(plain.fetched) >= 30
    assert plain.others() > harmless.others()
