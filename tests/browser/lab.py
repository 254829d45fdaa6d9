"""A real JupyterLab and a notebook in it, driven as a person drives it."""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page, expect

from tests.gateway.real_server import RealServer, started
from tests.notebook.kernels import harmless_environment
from tests.processes import PATIENCE, free_port

_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # all cells are in the page, seen or not
}
_PAGES = {"jupyterlab": "lab/tree", "notebook": "notebooks"}
_DONE = re.compile(r"^\[\d+\]:$")
_WATCH = """
cell => {
  const heights = window.heights = [];
  const look = () => {
    const area = cell.querySelector('.jp-OutputArea');
    heights.push(area ? area.getBoundingClientRect().height : 0);
    if (window.heights === heights) requestAnimationFrame(look);
  };
  look();
}
"""


@dataclasses.dataclass
class Lab(RealServer):
    """A running JupyterLab, or Notebook 7."""

    page: str = ""
    """The path of a notebook's page, up to its name."""
    token: str = dataclasses.field(default_factory=secrets.token_hex)

    @property
    def notebooks(self) -> Path:
        """Where the kernels run."""
        return self.folder / "notebooks"

    def open(self, page: Page, name: str, cells: Sequence[nbformat.NotebookNode | str], run: int = 0) -> Notebook:
        """Write a notebook, open it and run its first cells.

        Parameters
        ----------
        page : Page
        name : str
            Without its suffix.
        cells : sequence of NotebookNode or str
            A string is the source of a code cell.
        run : int
            How many cells are run.
        """
        notebook = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        )
        notebook.cells = [nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        path = self.notebooks / f"{name}.ipynb"
        nbformat.write(notebook, path)
        opened = self.reopen(page, path)
        for number in range(run):
            opened.run(number)
        return opened

    def reopen(self, page: Page, path: Path) -> Notebook:
        """Open a notebook that is there, with a kernel of its own."""
        page.goto(f"{self.url}/{self.page}/{path.name}?reset&token={self.token}")
        opened = Notebook(page, path)
        opened.wait_until_ready()
        return opened

    def end_kernels(self) -> None:
        """End every kernel, so that the next notebook gets a new one."""
        for session in self.call("GET", "/api/sessions", self.token):
            self.call("DELETE", f"/api/sessions/{session['id']}", self.token)


class Notebook:
    """A notebook that is open in a page."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.path = path
        self.panel = page.locator(".jp-NotebookPanel:visible")

    def wait_until_ready(self) -> None:
        """Wait until the kernel is known and idle."""
        self.panel.wait_for()
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")
        self.panel.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for()
        self.panel.locator(".cm-content[data-language='python']").first.wait_for()

    def cell(self, number: int) -> Locator:
        """A cell, from 0."""
        return self.panel.locator(".jp-Notebook .jp-Cell").nth(number)

    def prompt(self, number: int) -> Locator:
        """What stands before a code cell: ``[3]:``, ``[*]:``."""
        return self.cell(number).locator(".jp-InputPrompt")

    def output(self, number: int) -> Locator:
        """Everything below a code cell."""
        return self.cell(number).locator(".jp-OutputArea").first

    def markdown(self, number: int) -> Locator:
        """The rendered Markdown below a code cell."""
        return self.output(number).locator(".jp-RenderedMarkdown")

    def error(self, number: int) -> Locator:
        """The error that a cell shows."""
        return self.output(number).locator("[data-mime-type='application/vnd.jupyter.stderr']")

    def select(self, number: int) -> None:
        """Select a cell, in command mode."""
        self.prompt(number).click()

    def replace(self, number: int, source: str) -> None:
        """Write another source into a cell."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Escape")

    def start(self, number: int) -> None:
        """Start a cell, and wait until its execution count changes."""
        now = self.prompt(number).text_content() or ""  # also of a cell that is not drawn because nobody sees it
        begun = re.compile(rf"^(?!{re.escape(now)})\[(\*|\d+)\]:$")
        for _ in range(5):
            self.select(number)
            self.page.keyboard.press("Control+Enter")
            try:
                expect(self.prompt(number)).to_have_text(begun, timeout=5000)
            except AssertionError:
                continue  # the kernel was not known yet, and the cell was skipped
            return
        raise AssertionError(f"cell {number} does not run")

    def finish(self, number: int) -> None:
        """Wait until a cell has ended."""
        expect(self.prompt(number)).to_have_text(_DONE, timeout=PATIENCE * 1000)

    def run(self, number: int) -> Locator:
        """Run a cell to its end; its output comes back."""
        self.start(number)
        self.finish(number)
        return self.output(number)

    def value(self, number: int) -> str:
        """What a cell that is an expression shows."""
        return self.run(number).locator(".jp-OutputArea-executeResult pre").inner_text()

    def watch(self, number: int) -> None:
        """Note the height of a cell's outputs in each frame from now on."""
        self.cell(number).evaluate(_WATCH)

    def heights(self) -> list[float]:
        """What :meth:`watch` noted."""
        noted: list[float] = self.page.evaluate("window.heights")
        return noted

    def keys(self, number: int, *keys: str) -> None:
        """Select a cell and press keys, in command mode."""
        self.select(number)
        for key in keys:
            self.page.keyboard.press(key)

    def save(self) -> nbformat.NotebookNode:
        """Save; the file comes back."""
        with self.page.expect_response(
            lambda response: response.request.method == "PUT" and "/api/contents/" in response.url
        ):
            self.page.keyboard.press("Control+S")
        return nbformat.read(self.path, as_version=4)


@contextmanager
def running_lab(
    folder: Path, environment: Mapping[str, str], program: str = "jupyterlab", disabled: Sequence[str] = ()
) -> Iterator[Lab]:
    """A JupyterLab of its own home and settings.

    Parameters
    ----------
    folder : pathlib.Path
        For everything that it writes.
    environment : mapping
        More variables; the kernels inherit them.
    program : str
        ``jupyterlab``, or ``notebook`` for Notebook 7.
    disabled : sequence of str
        Extensions of the page that are not loaded.
    """
    for name in ("home", "notebooks"):
        (folder / name).mkdir()
    for name, settings in _SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))
    private = {"HOME": str(folder / "home"), "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings")}
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        private[name] = str(folder / name.lower())
    page_config = Path(private["JUPYTER_CONFIG_DIR"]) / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True)
    page_config.write_text(json.dumps({"disabledExtensions": dict.fromkeys(disabled, True)}))
    port = free_port()
    lab = Lab(f"http://127.0.0.1:{port}", folder, page=_PAGES[program])
    command = [sys.executable, "-m", program, "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={lab.token}"]
    command += [f"--ServerApp.root_dir={lab.notebooks}"]

    def ready() -> bool:
        return lab.request("GET", "/api/status", lab.token).is_success

    with started(command, {**harmless_environment(), **private, **environment}, folder, lab, ready) as process:
        try:
            yield lab
        finally:
            if process.poll() is None:
                lab.end_kernels()
