"""A real IPython shell with the extension loaded, on the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output
from traitlets.config import Config

from claude_magic.simulator import Simulator


class Cells:
    """Runs cells, and raises what they raise.

    Attributes
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def __call__(self, cell: str) -> CapturedIO:
        """What the cell showed."""
        with capture_output() as shown:
            result = self.shell.run_cell(cell, store_history=True)
        result.raise_error()
        return shown

    def fail(self, cell: str) -> str:
        """What the user sees of the cell's failure."""
        with capture_output() as shown:
            result = self.shell.run_cell(cell, store_history=True)
        assert not result.success
        return str(shown.stdout + shown.stderr).strip()

    def __getitem__(self, name: str) -> Any:
        return self.shell.user_ns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.shell.user_ns


@pytest.fixture
def make_shell() -> Iterator[Callable[[], Cells]]:
    """Makes shells with no history file, and clears them away."""
    InteractiveShell.clear_instance()

    def make() -> Cells:
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        return Cells(InteractiveShell.instance(config=config))

    yield make
    shell = InteractiveShell.instance()
    if "ClaudeMagics" in shell.magics_manager.registry:
        with capture_output():
            shell.run_line_magic("unload_ext", "claude_magic")
    InteractiveShell.clear_instance()


@pytest.fixture
def bare(make_shell: Callable[[], Cells]) -> Cells:
    """A shell without the extension."""
    return make_shell()


@pytest.fixture
def cells(bare: Cells, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Cells:
    """A shell with the extension, talking to this test's simulator."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.url)
    bare("%load_ext claude_magic")
    bare("%config ClaudeMagics.max_retries = 0")
    return bare
