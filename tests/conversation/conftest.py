"""A conversation with a simulator behind it and a notebook that the test plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

import pytest

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.conversation.conversation_environment import ConversationEnvironment
from claude_magic.engine.environment import Place
from claude_magic.engine.rendering import Ending, Opening, Renderer
from claude_magic.engine.settings import Settings
from claude_magic.messages.reply import ReplyUpdate
from claude_magic.messages.retry import Wait
from claude_magic.simulator import Simulator
from claude_magic.tools.calls import Call


class Recorder:
    """A renderer that remembers what it was told."""

    def __init__(self) -> None:
        self.opening: Opening | None = None
        self.changes: list[ReplyUpdate | Wait | Call] = []
        self.ending: Ending | None = None
        self.on_change: Callable[[ReplyUpdate | Wait | Call], None] = lambda change: None

    def start(self, opening: Opening) -> None:
        self.opening = opening

    def update(self, change: ReplyUpdate | Wait | Call) -> None:
        self.changes.append(change)
        self.on_change(change)

    def finish(self, ending: Ending) -> None:
        self.ending = ending


class Notebook(ConversationEnvironment):
    """Cells as a test runs them: ``run("cell")`` begins an execution, ``end()`` ends it."""

    def __init__(self) -> None:
        self.cell = ""
        self.executions = 0
        self.number = 0
        self.recorder = Recorder()
        self.home: Conversations | None = None

    def run(self, cell: str, deleted: Set[str] = frozenset()) -> None:
        self.cell, self.number = cell, 0
        self.executions += 1
        assert self.home is not None
        self.home.cells_deleted({*deleted} - {cell})
        self.home.cell_runs(cell)

    def end(self) -> None:
        assert self.home is not None
        self.home.cell_ran(self.cell, str(self.executions), self.cell, {"main": self.number})

    def place(self, conversation: str) -> Place | None:
        if not self.cell:
            return None
        self.number += 1
        return Place(self.cell, str(self.executions), self.number - 1, self.cell)

    def renderer(self, *, background: bool = False) -> Renderer:
        self.recorder = Recorder()
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
