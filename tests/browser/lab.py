"""A real JupyterLab and a notebook in it, driven as a person drives it."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Locator, Page, expect

from tests.processes import PATIENCE, eventually, free_port

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


class Lab:
    """A running JupyterLab, or Notebook 7."""

    def __init__(self, url: str, token: str, folder: Path, page: str) -> None:
        self.url = url
        self.page = page
        self.token = token
        self.folder = folder

    def open(self, page: Page, name: str, cells: Sequence[nbformat.NotebookNode | str]) -> Notebook:
        """Write a notebook and open it.

        Parameters
        ----------
        page : Page
        name : str
            Without its suffix.
        cells : sequence of NotebookNode or str
            A string is the source of a code cell.
        """
        notebook = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        )
        notebook.cells = [nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        path = self.folder / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return self.reopen(page, path)

    def reopen(self, page: Page, path: Path) -> Notebook:
        """Open a notebook that is there, with a kernel of its own."""
        page.goto(f"{self.url}/{self.page}/{path.name}?reset&token={self.token}")
        opened = Notebook(page, path)
        opened.wait_until_ready()
        return opened

    def end_kernels(self) -> None:
        """End every kernel, so that the next notebook gets a new one."""
        for session in self._call("GET", "/api/sessions"):
            self._call("DELETE", f"/api/sessions/{session['id']}")

    def _call(self, method: str, path: str) -> Any:
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.loads(response.read() or b"null")


class Notebook:
    """A notebook that is open in a page."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.path = path
        self.panel = page.locator(".jp-NotebookPanel:visible")

    def wait_until_ready(self) -> None:
        """Until the kernel is known and idle."""
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
        """Begin to run a cell, one that will not get the number that it has."""
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
        """Until a cell has ended."""
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
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "JUPYTER"))}
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", program, "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    command += [f"--ServerApp.root_dir={folder / 'notebooks'}"]
    lab = Lab(f"http://127.0.0.1:{port}", token, folder / "notebooks", _PAGES[program])
    with (folder / "lab.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**inherited, **private, **environment},
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            eventually(lambda: _answers(lab, process))
            yield lab
        finally:
            lab_is_up = process.poll() is None
            if lab_is_up:
                lab.end_kernels()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(lab: Lab, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, f"the server ended with status {process.returncode}"
    try:
        lab._call("GET", "/api/status")
    except OSError:
        return False
    return True
