"""A conversation with a simulator behind it and a notebook that the test plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from typing import TYPE_CHECKING, Unpack

import pytest

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.conversation.conversation_environment import ConversationEnvironment
from claude_magic.engine.environment import Place
from claude_magic.engine.options import Options
from claude_magic.engine.rendering import Ending, Opening, Renderer
from claude_magic.engine.settings import Settings
from claude_magic.simulator import Simulator

if TYPE_CHECKING:
    from claude_magic.engine.rendering import Update


class Recorder:
    """A renderer that remembers what it was told, and passes each change on."""

    def __init__(self, on_change: Callable[[Update], object]) -> None:
        self.opening: Opening | None = None
        self.changes: list[Update] = []
        self.endings: list[Ending] = []
        self._on_change = on_change

    def start(self, opening: Opening) -> None:
        self.opening = opening

    def update(self, update: Update) -> None:
        self.changes.append(update)
        self._on_change(update)

    def finish(self, ending: Ending) -> None:
        self.endings.append(ending)

    @property
    def ending(self) -> Ending:
        [ending] = self.endings
        return ending


class Notebook(ConversationEnvironment):
    """Cells as a test runs them: ``run("cell")`` begins an execution, ``end()`` ends it.

    ``on_change`` is called with each change of the answers that begin after it was set.
    """

    def __init__(self) -> None:
        self.cell = ""
        self.executions = 0
        self.number = 0
        self.on_change: Callable[[Update], object] = lambda change: None
        self.recorder = Recorder(self.on_change)
        self.home: Conversations | None = None

    def run(self, cell: str, deleted: Set[str] = frozenset()) -> None:
        self.cell, self.number = cell, 0
        self.executions += 1
        assert self.home is not None
        self.home.cells_deleted(set(deleted) - {cell})
        self.home.cell_runs(cell)

    def end(self) -> None:
        assert self.home is not None
        self.home.cell_ran(self.cell, str(self.executions), self.cell, {"main": self.number})

    def ask(self, claude: Conversation, cell: str, *prompts: str, **options: Unpack[Options]) -> None:
        """Run a cell that asks these questions, to its end."""
        self.run(cell)
        for prompt in prompts:
            claude(prompt, **options)
        self.end()

    def place(self, conversation: str) -> Place | None:
        if not self.cell:
            return None
        self.number += 1
        return Place(self.cell, str(self.executions), self.number - 1, self.cell)

    def renderer(self, *, background: bool = False) -> Renderer:
        self.recorder = Recorder(self.on_change)
        return self.recorder


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def home(simulator: Simulator, notebook: Notebook) -> Iterator[Conversations]:
    home = Conversations(Settings(base_url=simulator.url, max_retries=0), notebook)
    notebook.home = home
    yield home
    home.close()


@pytest.fixture
def claude(home: Conversations) -> Conversation:
    return home.open("main")
