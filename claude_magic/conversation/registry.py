"""The conversations of a kernel, and what they share: settings, key, connections, the bill."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from claude_magic.engine import bill
from claude_magic.engine.bill import Spending
from claude_magic.engine.budget import Budget
from claude_magic.engine.environment import Environment
from claude_magic.engine.notice import Notice
from claude_magic.conversation.state import State
from claude_magic.engine.settings import Settings
from claude_magic.messages import limits
from claude_magic.messages.credentials import Credentials
from claude_magic.messages.errors import AuthenticationFailed, BadInput, ClaudeError
from claude_magic.tools.main_thread import MainThreadQueue

if TYPE_CHECKING:
    from claude_magic.conversation.conversation import Conversation
    from claude_magic.engine.file_uploads import Files
    from claude_magic.messages.client import Client


class Conversations(Mapping[str, "Conversation"]):
    """The conversations of a kernel, by name, with what they share.

    Parameters
    ----------
    settings : Settings, optional
    host : Environment, optional
    credentials : Credentials, optional

    Attributes
    ----------
    spendings : list of Spending
    budget : Budget
        What may be spent.
    learned : dict
        What the Models API said of models, by id; it goes before the table.
    errands : MainThreadQueue
        What answers in the background leave to the notebook's thread.
    """

    def __init__(
        self, settings: Settings | None = None, host: Environment | None = None, credentials: Credentials | None = None
    ) -> None:
        self.settings = settings or Settings()
        self.host = host or Environment()
        self.credentials = credentials or Credentials()
        self.spendings: list[Spending] = []
        self.budget = Budget(self.settings, self.spendings, lambda: self.host.attended)
        self.learned: dict[str, limits.Model] = {}
        self.errands = MainThreadQueue()
        self._by_name: dict[str, Conversation] = {}
        self._clients: dict[object, Client] = {}

    def open(self, name: str) -> Conversation:
        """The conversation of this name, made if there is none."""
        if name not in self._by_name:
            from claude_magic.conversation.conversation import Conversation

            Conversation(name=name, home=self)
        return self._by_name[name]

    def __getitem__(self, name: str) -> Conversation:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._by_name))  # a tool in a thread may open another one meanwhile

    def __len__(self) -> int:
        return len(self._by_name)

    def model_of(self, state: State) -> str:
        """The id of the model that a conversation in this state asks."""
        return limits.resolve(state.model or self.settings.model or limits.DEFAULT_MODEL)

    @property
    def client(self) -> Client:
        """The client for the settings as they are now; its connections live as long as the kernel.

        Those for earlier settings stay: an answer may still be on its way through one. Where a key
        comes from decides whether it may go to a gateway.
        """
        settings, source = self.settings, self.credentials.source
        key = (
            source,
            settings.base_url,
            settings.version,
            tuple(settings.betas),
            settings.timeout,
            settings.max_retries,
        )
        if key not in self._clients:
            self._clients[key] = self.host.connect(settings, self.credentials)
        return self._clients[key]

    def login(self, key: str | None = None) -> Notice:
        """See :meth:`Conversation.login`."""
        if key is None:
            from getpass import getpass

            try:
                key = getpass("Anthropic API key (not shown, not saved): ")
            except (EOFError, RuntimeError, NotImplementedError):
                raise BadInput("Nobody can type a key here. Set ANTHROPIC_API_KEY before Jupyter starts.") from None
        credentials, client = self.credentials, self.client
        if client.credentials is not credentials:
            return Notice("The simulator needs no key.")
        put_back = credentials.set_key(key)
        client = self.client
        try:
            known = self.learned = limits.learn(client.models())
        except AuthenticationFailed:
            put_back()
            raise
        except ClaudeError as error:
            return Notice(f"The key is set, but {client.where} did not say which models it may use: {error}")
        return Notice(f"The key works: {len(known)} models. It stays in this kernel and is saved nowhere.")

    @functools.cached_property
    def files(self) -> Files:
        """What this kernel has uploaded."""
        from claude_magic.engine.file_uploads import Files

        return Files(lambda: self.client)

    def close(self) -> None:
        """Stop the answers in the background and close the connections, which come back with the next question."""
        for conversation in self.values():
            conversation.stop()
        while self._clients:
            self._clients.popitem()[1].close()

    def cost(self, conversation: str | None = None, *, simulated: bool = False) -> float | None:
        """US dollars of all answers so far.

        Parameters
        ----------
        conversation : str, optional
            Of this one alone.
        simulated : bool
            What the simulated answers would have cost, and nothing else.

        Returns
        -------
        float or None
            None if the price of one of them is unknown.
        """
        return bill.cost(
            spending
            for spending in self.spendings
            if conversation in (None, spending.conversation) and spending.simulated == simulated
        )

    def cells_deleted(self, cells: set[str]) -> None:
        """Leave out the turns of cells that were deleted."""
        for conversation in self.values():
            conversation._questions.drop(cells)
            conversation._cells.deleted(cells)

    def cell_runs(self, cell: str) -> None:
        """A cell that runs is alive, whatever was reported of it."""
        for conversation in self.values():
            conversation._questions.drop({cell})
            conversation._cells.runs(cell)

    def cell_ran(self, cell: str, execution: str, label: str, asked: Mapping[str, int]) -> None:
        """A cell ran to its end: what it did not ask again leaves.

        Parameters
        ----------
        cell, execution, label : str
            See :class:`~claude_magic.engine.environment.Place`.
        asked : mapping
            How many questions it asked, by conversation.
        """
        for conversation in self.values():
            conversation._cells.ran(cell, execution, label, asked.get(conversation.name, 0))
