"""The conversations of a kernel, by name, and what happens to all of them when cells run or go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

from claude_magic.conversation.conversation_environment import ConversationEnvironment
from claude_magic.engine.session import Session

if TYPE_CHECKING:
    from claude_magic.conversation.cell_turns import CellTurns
    from claude_magic.conversation.runner import Runner
    from claude_magic.engine.settings import Settings
    from claude_magic.messages.credentials import Credentials


class Member(Protocol):
    """What a registry needs of a conversation."""

    name: str
    runner: Runner
    cells: CellTurns


M = TypeVar("M", bound=Member)


class Registry(Session, Mapping[str, M]):
    """The conversations of a kernel, with what they share.

    Parameters
    ----------
    settings : Settings, optional
    environment : ConversationEnvironment, optional
        By default plain Python.
    credentials : Credentials, optional
    """

    environment: ConversationEnvironment

    def __init__(
        self,
        settings: Settings | None = None,
        environment: ConversationEnvironment | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        super().__init__(settings, environment or ConversationEnvironment(), credentials)
        self._by_name: dict[str, M] = {}

    def add(self, conversation: M) -> None:
        """Add a conversation; one of the same name is replaced."""
        self._by_name[conversation.name] = conversation

    def __getitem__(self, name: str) -> M:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._by_name))  # a tool in a thread may open another one in the meantime

    def __len__(self) -> int:
        return len(self._by_name)

    def close(self) -> None:
        """Stop the answers in the background and close the connections, which reopen with the next question."""
        for conversation in self.values():
            conversation.runner.stop()
        super().close()

    def cells_deleted(self, cells: set[str]) -> None:
        """Leave out the turns of cells that were deleted."""
        for conversation in self.values():
            conversation.runner.drop(cells)
            conversation.cells.deleted(cells)

    def cell_runs(self, cell: str) -> None:
        """A cell runs, so it exists, whatever was reported about it."""
        for conversation in self.values():
            conversation.runner.drop({cell})
            conversation.cells.runs(cell)

    def cell_ran(self, cell: str, execution: str, label: str, asked: Mapping[str, int]) -> None:
        """A cell ran to its end: turns that it did not ask for again are dropped.

        Parameters
        ----------
        cell, execution, label : str
            See :class:`~claude_magic.engine.environment.Place`.
        asked : mapping
            How many questions it asked, by conversation.
        """
        for conversation in self.values():
            conversation.cells.ran(cell, execution, label, asked.get(conversation.name, 0))
