"""A simulator, a JupyterLab that asks it, and a browser that may speak to nobody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from claude_magic.simulator import Simulator, start
from tests.browser.lab import Lab, running_lab
from tests.judges import require_judge
from tests.processes import PATIENCE

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LOOPBACK = ("127.0.0.1", "localhost", "")
expect.set_options(timeout=PATIENCE * 1000)


# Not for the session: while it is there, an event loop runs in this thread, which other tests have to themselves.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = require_judge("chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="package")
def simulator() -> Iterator[Simulator]:
    with start() as running:
        yield running


@pytest.fixture(scope="package")
def environment(simulator: Simulator) -> dict[str, str]:
    """What a kernel needs to ask the simulator."""
    return {"ANTHROPIC_BASE_URL": simulator.url, "ANTHROPIC_API_KEY": "any-key"}


@pytest.fixture(scope="package")
def lab(browser: Browser, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab"), environment) as running:
        yield running


@pytest.fixture(scope="package")
def notebook7(browser: Browser, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("notebook7"), environment, "notebook") as running:
        yield running


@pytest.fixture(params=["lab", "notebook7"])
def front_end(request: pytest.FixtureRequest) -> Lab:
    chosen: Lab = request.getfixturevalue(request.param)
    chosen.end_kernels()
    return chosen


@pytest.fixture
def page(browser: Browser, lab: Lab) -> Iterator[Page]:
    """A page that reaches this machine and nothing else; it fails the test that makes it try."""
    lab.end_kernels()
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    refused: list[str] = []

    def route(one: Route) -> None:
        if (urlsplit(one.request.url).hostname or "") in _LOOPBACK:
            one.continue_()
        else:
            refused.append(one.request.url)
            one.abort()

    context.route("**/*", route)
    opened = context.new_page()
    yield opened
    context.close()
    assert refused == []


@pytest.fixture
def guarded_page(page: Page) -> Iterator[Page]:
    """A page in which nothing hostile may run or be fetched; it fails the test that lets it."""
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url) if "fetched" in request.url else None)
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.add_init_script("window.ran = () => { window.hasRun = 1 }")
    yield page
    assert page.evaluate("[typeof window.ran, window.hasRun]") == ["function", None]
    assert fetched == []


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures of the page go: a folder of one's choice, or one that pytest throws away."""
    folder = Path(os.environ.get("CLAUDE_MAGIC_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
