"""A real IPython shell with the extension loaded, and real kernels, on the simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output
from traitlets.config import Config

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine.settings import Settings
from claude_magic.simulator import Simulator, start
from tests.conftest import KEY
from tests.notebook.kernels import Kernel, running_kernel


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
        """What the user sees when the cell fails."""
        with capture_output() as shown:
            result = self.shell.run_cell(cell, store_history=True)
        assert not result.success
        return f"{shown.stdout}{shown.stderr}".strip()

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


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    """The simulator that the module's kernel asks, or one of the test's own."""
    if "module_simulator" in request.fixturenames:
        yield request.getfixturevalue("module_simulator")
    else:
        with start() as running:
            yield running


@pytest.fixture
def claude(simulator: Simulator) -> Iterator[Conversation]:
    """A conversation without a notebook."""
    home = Conversations(Settings(base_url=simulator.url, max_retries=0))
    home.credentials.set_key(KEY)
    yield home.open("main")
    home.close()


@pytest.fixture(scope="module")
def module_simulator() -> Iterator[Simulator]:
    with start() as running:
        yield running


@pytest.fixture(scope="module")
def kernel(
    request: pytest.FixtureRequest, module_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kernel]:
    """The kernel of a module's tests, in which the module's ``SETUP`` ran; a parameter is code that ran before."""
    with running_kernel(tmp_path_factory.mktemp("kernel"), module_simulator.url) as running:
        for code in (getattr(request, "param", ""), request.module.SETUP):
            assert not running.run(code).error
        yield running


@pytest.fixture
def new_kernel(simulator: Simulator, tmp_path: Path) -> Iterator[Kernel]:
    """A kernel of the test's own, without the extension."""
    with running_kernel(tmp_path, simulator.url) as running:
        yield running
