"""``Conversation.load(path)`` makes a conversation, ``claude.load(path)`` gives one what was saved."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from claude_magic.conversation.conversation import Conversation
    from claude_magic.conversation.registry import Conversations
    from claude_magic.engine.notice import Notice

    Path = str | os.PathLike[str]


class Loading:
    """A method that means another thing on the class than on an object of it."""

    @overload
    def __get__(self, instance: None, owner: type[Conversation]) -> Callable[..., Conversation]: ...
    @overload
    def __get__(self, instance: Conversation, owner: type[Conversation]) -> Callable[[Path], Notice]: ...
    def __get__(self, instance: Conversation | None, owner: type[Conversation]) -> Callable[..., object]:
        def load(path: Path) -> Notice:
            """Go on with a saved conversation; undo() goes back through its steps, and then to what was here.

            Parameters
            ----------
            path : path
                Of a file that :meth:`save` wrote. What stands in it runs nothing.

            Raises
            ------
            BadInput
                If it is no such file, damaged, or of a later version; nothing changes.
            """
            from claude_magic.conversation import persistence

            assert instance is not None  # noqa: S101  (for the type checker)
            return persistence.load(instance, path)

        def load_new(path: Path, *, name: str | None = None, home: Conversations | None = None) -> Conversation:
            """Make a conversation of a saved one.

            Parameters
            ----------
            path : path
                Of a file that :meth:`save` wrote. What stands in it runs nothing.
            name : str, optional
                By default the one it had.
            home : Conversations, optional
                The family that it joins; by default one of its own.

            Raises
            ------
            BadInput
                If it is no such file, damaged, or of a later version.
            """
            from claude_magic.conversation import persistence

            return persistence.loaded(owner, path, name, home)

        return load_new if instance is None else load
