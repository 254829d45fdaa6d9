"""The tools of a conversation: what Claude may call, in an order that does not change.

A change of the list costs the cache and the earlier thinking, so a tool that is there already
keeps its place, whoever gives it again, and a tool that a turn in the history calls cannot leave.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast, overload

from claude_magic.messages.text import one_line
from claude_magic.engine.options import Options
from claude_magic.conversation.turns import Turn
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import Model
from claude_magic.tools.server_tool import ServerTool

if TYPE_CHECKING:
    from claude_magic.engine.settings import Settings
    from claude_magic.tools.definition import Tool

    AnyTool = Tool[..., Any] | ServerTool | dict[str, Any]


class Tools(Sequence["Offered"]):
    """The tools that Claude may call; ``claude.tools.add(f)`` adds one, ``del claude.tools["f"]`` takes it out.

    Parameters
    ----------
    held : callable
        The tools as they are now.
    change : callable
        Told in words what changes, makes others out of the present ones.
    turns : callable
        The turns that Claude sees.
    settings : Settings
        Where limits come from until they are set here.

    Attributes
    ----------
    confirm : str or None
        ``asked``: calls of tools that want it are confirmed; ``all``: every call. None, here and
        below: as configured.
    steps : int or None
        Most messages of one answer in which Claude calls tools; then it is asked to conclude.
    seconds : float or None
        After which it is asked to conclude; 0 is no limit.
    tokens : int or None
        Input and output of one answer, after which it is asked to conclude; 0 is no limit.
    always : list of callable
        Functions whose calls need no further yes in this conversation.
    """

    __slots__ = ("_change", "_held", "_settings", "_turns", "always", "confirm", "seconds", "steps", "tokens")

    def __init__(
        self,
        held: Callable[[], tuple[AnyTool, ...]],
        change: Callable[[str, Callable[[tuple[AnyTool, ...]], tuple[AnyTool, ...]]], None],
        turns: Callable[[], Sequence[Turn]],
        settings: Settings,
    ) -> None:
        self._held = held
        self._change = change
        self._turns = turns
        self._settings = settings
        self.confirm: str | None = None
        self.steps: int | None = None
        self.seconds: float | None = None
        self.tokens: int | None = None
        self.always: list[Callable[..., Any]] = []

    @property
    def bounds(self) -> ToolLimits:
        """What holds for the next answer.

        Raises
        ------
        BadInput
            If one of the values makes no sense.
        """
        found = {
            name: configured if (own := getattr(self, name)) is None else own
            for name in LIMITS
            for configured in [getattr(self._settings, f"tool_{name}")]
        }
        if found["confirm"] not in ("asked", "all"):
            raise BadInput(f"claude.tools.confirm is 'asked' or 'all', not {found['confirm']!r}.")
        for name, least in (("steps", 1), ("seconds", 0), ("tokens", 0)):
            if not isinstance(found[name], int | float) or not found[name] >= least:
                raise BadInput(f"claude.tools.{name} is a number from {least}, not {found[name]!r}.")
        return ToolLimits(**found)

    def limit_as(self, other: Tools) -> None:
        """Take over the limits of another conversation, but not what was allowed there for always."""
        for name in LIMITS:
            setattr(self, name, getattr(other, name))

    def add(self, *functions: object) -> None:
        """Let Claude call these, too.

        Parameters
        ----------
        *functions : function, Tool, str, dict or list of these
            The name of a tool that the server runs, as text; a tool definition in the API's form.

        Raises
        ------
        BadInput
            If one cannot be a tool; nothing changes.
        """
        new = read_tools(functions)
        self._change(f"the tools {', '.join(map(tool_name, new))}", lambda held: merge_tools(held, new))

    def __delitem__(self, which: str | int | slice) -> None:
        held = current_tools(self._held())
        chosen = [self[which]] if not isinstance(which, slice) else held[which]
        for tool in chosen:
            self.check_removable(tool_name(tool))
        gone = {tool_name(tool) for tool in chosen}
        self._change(
            f"taking out the tools {', '.join(map(tool_name, chosen))}",
            lambda held: tuple(tool for tool in current_tools(held) if tool_name(tool) not in gone),
        )

    def check_removable(self, name: str) -> None:
        """Refuse to take out what a turn in the history calls: the API wants its definition to stay."""
        if any(name in turn.called for turn in self._turns()):
            raise BadInput(f"{name} is called in the conversation. Ask with -t none, or begin anew with --new.")

    @overload
    def __getitem__(self, which: str | int) -> AnyTool: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[AnyTool]: ...
    def __getitem__(self, which: str | int | slice) -> AnyTool | Sequence[AnyTool]:
        held = current_tools(self._held())
        if not isinstance(which, str):
            return held[which]
        for tool in held:
            if tool_name(tool) == which:
                return tool
        raise BadInput(f"There is no tool {which!r} here" + (f", but {_names(held)}." if held else "."))

    def __len__(self) -> int:
        return len(current_tools(self._held()))

    def __contains__(self, which: object) -> bool:
        return any(which in (tool_name(tool), tool) for tool in current_tools(self._held()))

    def __repr__(self) -> str:
        if not self:
            return "No tools. claude.tools.add(function), or -t function"
        return "\n".join(_line(tool) for tool in current_tools(self._held()))

    def _ipython_key_completions_(self) -> list[str]:
        return [tool_name(tool) for tool in self]
