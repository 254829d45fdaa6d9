"""Taking a conversation elsewhere: to a file, another kernel, the API's own messages, or readers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, cast, overload

from claude_magic.conversation.cell_turns import CellTurns
from claude_magic.conversation.journal import Journal, first_step
from claude_magic.conversation.runner import Runner
from claude_magic.conversation.turns import seen
from claude_magic.engine.notice import Notice
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import pluralize

if TYPE_CHECKING:
    from claude_magic.conversation.persistence import SavedConversation
    from claude_magic.conversation.registry import Registry

    Path = str | os.PathLike[str]


class _Load:
    """A method that makes a conversation when called on the class, and loads into one when called on that."""

    @overload
    def __get__(self, instance: None, owner: type[Portable]) -> Callable[..., Any]: ...
    @overload
    def __get__(self, instance: Portable, owner: type[Portable]) -> Callable[[Path], Notice]: ...
    def __get__(self, instance: Portable | None, owner: type[Portable]) -> Callable[..., Any]:
        return owner._load_new if instance is None else instance._load_here


class Portable:
    """Saving and loading, messages, restoring and exporting, as methods of a conversation."""

    __slots__ = ()
    name: str
    cells: CellTurns
    runner: Runner
    _journal: Journal
    home: Registry[Any]
    load = _Load()

    def save(self, path: Path, *, undo: bool = True) -> Notice:
        """Save the conversation so that another kernel can continue it; see :meth:`load`.

        Later requests will be the same, byte for byte. Pictures and documents go into a folder next
        to the file. Not saved: keys, functions (their definitions are), values that functions
        returned, and which calls are allowed for good.

        Parameters
        ----------
        path : path
            ``.json`` is added if it has no suffix.
        undo : bool
            Whether to save what can be undone, too, deleted turns included. Otherwise the file has
            only what Claude sees.

        Raises
        ------
        BadInput
            If it cannot be written; an existing file is unchanged.
        """
        from claude_magic.conversation import persistence

        steps, at = self._journal.steps
        if not undo:
            state = steps[at][1]
            steps, at = first_step(dataclasses.replace(state, turns=seen(state.turns))), 0
        content = persistence.SavedConversation(self.name, steps, at, self.runner.history.largest_side)
        done = persistence.write(path, content, self.home.credentials.hide)
        running = self.runner.running
        return Notice(f"{done} Without {pluralize(running, 'answer')} still under way." if running else done)

    def _load_here(self, path: Path) -> Notice:
        """Continue a saved conversation; undo() goes back through its steps, and then to what was here.

        Parameters
        ----------
        path : path
            Of a file that :meth:`save` wrote. Nothing in it is executed.

        Raises
        ------
        BadInput
            If it is not such a file, damaged, or of a later version; nothing changes.
        """
        from claude_magic.conversation import persistence

        content, done = persistence.read(path)
        self._journal.adopt(content.steps, content.at, f"loading {os.fspath(path)}")
        self._settle(content)
        return Notice(done)

    @classmethod
    def _load_new(cls, path: Path, *, name: str | None = None, home: Any = None) -> Self:
        """Make a conversation from a saved one.

        Parameters
        ----------
        path : path
            Of a file that :meth:`save` wrote. Nothing in it is executed.
        name : str, optional
            By default the one it had.
        home : Conversations, optional
            The conversations that it joins; by default it has its own.

        Raises
        ------
        BadInput
            If it is not such a file, damaged, or of a later version.
        """
        from claude_magic.conversation import persistence

        content, _ = persistence.read(path)
        name = name or content.name
        if home is not None and name in home:
            raise BadInput(f"There already is a conversation {name!r}. Load this one under another name: name=….")
        made: Self = cast(Any, cls)(name=name, home=home)
        made._journal.begin(content.steps, content.at)
        made._settle(content)
        return made

    def _settle(self, content: SavedConversation) -> None:
        state = self._journal.state
        self.runner.history.largest_side = content.largest_side
        self.runner.history.forget()
        self.cells.news()  # was reported before it was saved
        if state.turns:
            self.runner.last = state.turns[-1].reply

    def to_messages(self) -> list[dict[str, Any]]:
        """What Claude sees in the API's own form: the ``messages`` of the next request without its question."""
        from claude_magic.conversation.from_messages import messages_of

        return messages_of(self._journal.state, self.home, self.runner.history)

    @classmethod
    def from_messages(
        cls,
        messages: Iterable[Mapping[str, Any]],
        *,
        model: str | None = None,
        system: str | None = None,
        tools: Iterable[object] = (),
        name: str = "main",
        home: Any = None,
    ) -> Self:
        """A conversation that starts with these messages, which need not be Claude's own.

        Parameters
        ----------
        messages : iterable of mapping
            In the API's form: ``role``, and ``content`` as text or a list of blocks. Images are resized
            for each request like others; ``cache_control`` is left out, as caching is automatic.
        model, system, tools, name, home
            As for a new conversation.

        Raises
        ------
        BadInput
            If the API would not accept them; the error names the one.

        Examples
        --------
        >>> from claude_magic import Conversation
        >>> messages = [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hi."}]
        >>> claude = Conversation.from_messages(messages, system="Be brief.")
        >>> claude.to_messages() == messages
        True
        """
        from claude_magic.conversation.from_messages import turns_of

        if home is not None and name in home:
            raise BadInput(f"There already is a conversation {name!r}. Give this one another name: name=….")
        made: Self = cast(Any, cls)(model, system, tools=tools, name=name, home=home)
        turns = turns_of(messages, made._journal.state, made.home, made.runner.history)
        made._journal.begin(first_step(dataclasses.replace(made._journal.state, turns=turns)))
        return made

    def restore(self, path: Path | None = None) -> Notice:
        """Bring back the answers that the saved notebook shows, as text.

        Without thinking, tool calls and values; the notice says what is missing. Running a cell again
        replaces its answer, as always.

        Parameters
        ----------
        path : path, optional
            By default the open notebook, if the front end tells which it is.

        Raises
        ------
        BadInput
            If there is no such notebook, or no answer in it.
        """
        found = self.home.environment.restored(self.name, self._journal.state, path)
        if found.turns:
            self._journal.change(lambda state: (found.step, found.before(state)))
        return Notice(found.text)

    def export(self, path: Path) -> Notice:
        """Write the conversation for people: as ``.md``, ``.html`` or ``.ipynb``, by the path's suffix.

        What Claude wrote is inert in all of them. Pictures go into a folder next to the Markdown, small
        ones into the notebook.

        Raises
        ------
        BadInput
            For any other suffix, or if it cannot be written.
        """
        return self.home.environment.export(self, path)
