"""What the conversations of a process share: settings, key, connections, budget and bill."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from claude_magic.engine import bill
from claude_magic.engine.bill import Spending
from claude_magic.engine.budget import Budget
from claude_magic.engine.environment import Environment
from claude_magic.engine.notice import Notice
from claude_magic.engine.settings import Settings
from claude_magic.messages import limits
from claude_magic.messages.credentials import Credentials
from claude_magic.messages.errors import AuthenticationFailed, BadInput, ClaudeError
from claude_magic.tools.main_thread import MainThreadQueue

if TYPE_CHECKING:
    from claude_magic.engine.file_uploads import Files
    from claude_magic.messages.client import Client


class Session:
    """What the conversations of a process share.

    Parameters
    ----------
    settings : Settings, optional
    environment : Environment, optional
        By default plain Python.
    credentials : Credentials, optional

    Attributes
    ----------
    spendings : list of Spending
        Of all answers.
    budget : Budget
    learned : dict
        What the Models API said about models, by id; it overrides the built-in table.
    main_thread : MainThreadQueue
        What answers in the background leave to the main thread.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        environment: Environment | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.environment = environment or Environment()
        self.credentials = credentials or Credentials()
        self.spendings: list[Spending] = []
        self.budget = Budget(self.settings, self.spendings, lambda: self.environment.is_interactive)
        self.learned: dict[str, limits.Model] = {}
        self.main_thread = MainThreadQueue()
        self._clients: dict[object, Client] = {}

    def model_id(self, wanted: str | None) -> str:
        """The id of the model that is asked where this one, or none, is wanted."""
        return limits.resolve(wanted or self.settings.model or limits.DEFAULT_MODEL)

    @property
    def client(self) -> Client:
        """The client for the current settings; its connections live as long as the kernel.

        Those for earlier settings stay, because an answer may still be using one. Where a key comes
        from decides whether it may go to a gateway.
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
            self._clients[key] = self.environment.connect(settings, self.credentials)
        return self._clients[key]

    def login(self, key: str | None = None) -> Notice:
        """Ask for an API key and try it; see :meth:`Conversation.login`."""
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
            known = self.learned = limits.models_from_api(client.models())
        except AuthenticationFailed:
            put_back()
            raise
        except ClaudeError as error:
            return Notice(f"The key is set, but {client.base_url} did not list the models it may use: {error}")
        return Notice(f"The key works: {len(known)} models. It stays in this kernel and is not saved anywhere.")

    @functools.cached_property
    def files(self) -> Files:
        """What this kernel has uploaded."""
        from claude_magic.engine.file_uploads import Files

        return Files(lambda: self.client)

    def close(self) -> None:
        """Close the connections; they are opened again with the next question."""
        while self._clients:
            self._clients.popitem()[1].close()

    def cost(self, conversation: str | None = None, *, simulated: bool = False) -> float | None:
        """US dollars of all answers so far.

        Parameters
        ----------
        conversation : str, optional
            Only of this one.
        simulated : bool
            What the simulated answers would have cost, and nothing else.

        Returns
        -------
        float or None
            None if the price of one of them is not known.
        """
        return bill.total_cost(
            spending
            for spending in self.spendings
            if conversation in (None, spending.conversation) and spending.simulated == simulated
        )
