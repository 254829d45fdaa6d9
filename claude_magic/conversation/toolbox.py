"""The tools of a conversation: what Claude may call, in an order that does not change.

A change of the list costs the cache and the earlier thinking, so a tool that is already there keeps
its place when it is given again, and a tool that a turn in the history calls cannot be removed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

from claude_magic.conversation.journal import Journal
from claude_magic.engine.settings import Settings, ToolLimits
from claude_magic.messages.errors import BadInput
from claude_magic.tools.toolset import current_tools, describe, merge_tools, read_tools, tool_name

if TYPE_CHECKING:
    from claude_magic.tools.toolset import AnyTool

_LIMITS = ("confirm", "steps", "seconds", "tokens")


class Tools(Sequence["AnyTool"]):
    """The tools that Claude may call; ``claude.tools.add(f)`` adds one, ``del claude.tools["f"]`` removes it.

    Parameters
    ----------
    journal : Journal
        Of the conversation.
    settings : Settings
        Where limits come from until they are set here.

    Attributes
    ----------
    confirm : str or None
        ``asked``: calls of tools that ask for it are confirmed; ``all``: every call. None, here and
        below: as configured.
    steps : int or None
        Most messages of one answer in which Claude calls tools; then it is asked to conclude.
    seconds : float or None
        After these it is asked to conclude; 0 for no limit.
    tokens : int or None
        Input and output of one answer, after which it is asked to conclude; 0 for no limit.
    always : list of callable
        Functions whose calls need no further confirmation in this conversation.
    """

    __slots__ = ("_journal", "_settings", "always", "confirm", "seconds", "steps", "tokens")

    def __init__(self, journal: Journal, settings: Settings) -> None:
        self._journal = journal
        self._settings = settings
        self.confirm: str | None = None
        self.steps: int | None = None
        self.seconds: float | None = None
        self.tokens: int | None = None
        self.always: list[Callable[..., Any]] = []

    @property
    def limits(self) -> ToolLimits:
        """What holds for the next answer.

        Raises
        ------
        BadInput
            If one of the values makes no sense.
        """
        found = {
            name: getattr(self._settings, f"tool_{name}") if (own := getattr(self, name)) is None else own
            for name in _LIMITS
        }
        if found["confirm"] not in ("asked", "all"):
            raise BadInput(f"claude.tools.confirm is 'asked' or 'all', not {found['confirm']!r}.")
        for name, least in (("steps", 1), ("seconds", 0), ("tokens", 0)):
            if not isinstance(found[name], int | float) or not found[name] >= least:
                raise BadInput(f"claude.tools.{name} is a number from {least}, not {found[name]!r}.")
        return ToolLimits(**found, always=self.always)

    def copy_limits(self, other: Tools) -> None:
        """Take over the limits of another conversation, but not what was allowed there for good."""
        for name in _LIMITS:
            setattr(self, name, getattr(other, name))

    def replace(self, functions: Iterable[object]) -> None:
        """Start a new list; see :attr:`Conversation.tools`."""
        new = read_tools(functions)
        names = set(map(tool_name, new))
        for gone in [name for name in map(tool_name, self._journal.state.tools) if name not in names]:
            self._check_removable(gone)
        self._journal.replace("the new list of tools", tools=new)

    def add(self, *functions: object) -> None:
        """Let Claude call these, too.

        Parameters
        ----------
        *functions : function, Tool, str, dict or list of these
            The name of a server tool as text; a tool definition in the API's form.

        Raises
        ------
        BadInput
            If one cannot be a tool; nothing changes.
        """
        new = read_tools(functions)
        self._change(f"the tools {', '.join(map(tool_name, new))}", lambda held: merge_tools(held, new))

    def __delitem__(self, which: str | int | slice) -> None:
        held = self._current
        chosen = [self[which]] if not isinstance(which, slice) else held[which]
        for tool in chosen:
            self._check_removable(tool_name(tool))
        gone = {tool_name(tool) for tool in chosen}
        self._change(
            f"removing the tools {', '.join(map(tool_name, chosen))}",
            lambda held: tuple(tool for tool in current_tools(held) if tool_name(tool) not in gone),
        )

    def _check_removable(self, name: str) -> None:
        """Refuse to remove a tool that a turn in the history calls: the API requires its definition."""
        if any(name in turn.called for turn in self._journal.state.turns):
            raise BadInput(f"{name} is called in the conversation. Ask with -t none, or start over with --new.")

    @overload
    def __getitem__(self, which: str | int) -> AnyTool: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[AnyTool]: ...
    def __getitem__(self, which: str | int | slice) -> AnyTool | Sequence[AnyTool]:
        held = self._current
        if not isinstance(which, str):
            return held[which]
        for tool in held:
            if tool_name(tool) == which:
                return tool
        raise BadInput(
            f"There is no tool {which!r} here" + (f", only {', '.join(map(tool_name, held))}." if held else ".")
        )

    def __len__(self) -> int:
        return len(self._current)

    def __contains__(self, which: object) -> bool:
        return any(which in (tool_name(tool), tool) for tool in self._current)

    def __repr__(self) -> str:
        if not self:
            return "No tools. claude.tools.add(function), or -t function"
        return "\n".join(describe(tool) for tool in self._current)

    def _ipython_key_completions_(self) -> list[str]:
        return [tool_name(tool) for tool in self]

    @property
    def _current(self) -> tuple[AnyTool, ...]:
        return current_tools(self._journal.state.tools)

    def _change(self, step: str, make: Callable[[tuple[AnyTool, ...]], tuple[AnyTool, ...]]) -> None:
        self._journal.change(lambda state: (step, dataclasses.replace(state, tools=make(state.tools))))
