"""The tools of a conversation: what Claude may call, in an order that does not change.

A change of the list costs the cache and the earlier thinking, so a tool that is there already
keeps its place, whoever gives it again, and a tool that a turn in the history calls cannot leave.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast, overload

from claude_magic.content.words import one_line
from claude_magic.conversation.options import Options
from claude_magic.conversation.turns import Turn
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import Model
from claude_magic.tools.server import ServerTool

if TYPE_CHECKING:
    from claude_magic.conversation.settings import Settings
    from claude_magic.tools.definition import Tool

    Offered = Tool[..., Any] | ServerTool | dict[str, Any]

_CHOICES = ("auto", "any", "none")


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Which calls are confirmed, and how far an answer may go with calls; 0 seconds or tokens are no limit."""

    confirm: str
    steps: int
    seconds: float
    tokens: int


LIMITS = tuple(field.name for field in dataclasses.fields(Bounds))


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
        held: Callable[[], tuple[Offered, ...]],
        change: Callable[[str, Callable[[tuple[Offered, ...]], tuple[Offered, ...]]], None],
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
    def bounds(self) -> Bounds:
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
        return Bounds(**found)

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
        new = read(functions)
        self._change(f"the tools {', '.join(map(name_of, new))}", lambda held: joined(held, new))

    def __delitem__(self, which: str | int | slice) -> None:
        held = current(self._held())
        chosen = [self[which]] if not isinstance(which, slice) else held[which]
        for tool in chosen:
            self.check_removable(name_of(tool))
        gone = {name_of(tool) for tool in chosen}
        self._change(
            f"taking out the tools {', '.join(map(name_of, chosen))}",
            lambda held: tuple(tool for tool in current(held) if name_of(tool) not in gone),
        )

    def check_removable(self, name: str) -> None:
        """Refuse to take out what a turn in the history calls: the API wants its definition to stay."""
        if any(name in turn.called for turn in self._turns()):
            raise BadInput(f"{name} is called in the conversation. Ask with -t none, or begin anew with --new.")

    @overload
    def __getitem__(self, which: str | int) -> Offered: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[Offered]: ...
    def __getitem__(self, which: str | int | slice) -> Offered | Sequence[Offered]:
        held = current(self._held())
        if not isinstance(which, str):
            return held[which]
        for tool in held:
            if name_of(tool) == which:
                return tool
        raise BadInput(f"There is no tool {which!r} here" + (f", but {_names(held)}." if held else "."))

    def __len__(self) -> int:
        return len(current(self._held()))

    def __contains__(self, which: object) -> bool:
        return any(which in (name_of(tool), tool) for tool in current(self._held()))

    def __repr__(self) -> str:
        if not self:
            return "No tools. claude.tools.add(function), or -t function"
        return "\n".join(_line(tool) for tool in current(self._held()))

    def _ipython_key_completions_(self) -> list[str]:
        return [name_of(tool) for tool in self]


def read(values: object) -> tuple[Offered, ...]:
    """Functions and names as tools; one alone may stand without a list.

    Raises
    ------
    BadInput
        If one cannot be a tool, or two have the same name.
    """
    tools: list[Offered] = []
    one = isinstance(values, str | dict) or callable(values) or not isinstance(values, Iterable)
    for value in [values] if one else cast("Iterable[object]", values):
        if isinstance(value, str):
            tools.append(ServerTool(value))
        elif isinstance(value, dict | ServerTool):
            tools.append(_checked(value) if isinstance(value, dict) else value)
        elif isinstance(value, list | tuple | set | Tools):
            tools += read(value)
        else:
            from claude_magic.tools.definition import Tool

            tools.append(Tool.of(value))
    names = [name_of(tool) for tool in tools]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadInput(f"Two tools are called {', '.join(sorted(twice))}. Name one by @tool(name=…).")
    return tuple(tools)


def joined(held: tuple[Offered, ...], new: Iterable[Offered]) -> tuple[Offered, ...]:
    """The tools held with new ones: one of a known name takes the place of the former, others come last."""
    by_name = {name_of(tool): tool for tool in held}
    return tuple({**by_name, **{name_of(tool): tool for tool in new}}.values())


def current(held: Iterable[Offered]) -> tuple[Offered, ...]:
    """The tools as they are defined now: running a cell again that defines one replaces it."""
    latest = (tool if isinstance(tool, dict | ServerTool) else _latest(tool) for tool in held)
    return joined((), latest)  # one may have taken another's name meanwhile


def fields(offered: Sequence[Offered], options: Options, model: Model) -> dict[str, Any]:
    """The request's fields for these tools.

    Raises
    ------
    BadInput
        If the model takes no such choice.
    """
    choice = options.tool_choice
    if not offered:
        if choice in (None, "none") and not options.disable_parallel_tool_use:
            return {}
        raise BadInput("There are no tools to choose from. Name some with -t.")
    wire: dict[str, Any] = {"tools": [_to_wire(tool, model) for tool in offered]}
    if choice is None and not options.disable_parallel_tool_use:
        return wire
    choice = choice or "auto"
    if choice not in _CHOICES and choice not in map(name_of, offered):
        raise BadInput(f"There is no tool {choice!r} to choose, but {_names(offered)}.")
    if choice not in ("auto", "none") and model.known and not model.forced_tool_choice:
        raise BadInput(f"{model.id} cannot be made to call a tool. Ask for it in words, or use -m claude-opus-4-8.")
    wire["tool_choice"] = {"type": choice} if choice in _CHOICES else {"type": "tool", "name": choice}
    if options.disable_parallel_tool_use and choice != "none":
        wire["tool_choice"]["disable_parallel_tool_use"] = True
    return wire


def name_of(tool: Offered) -> str:
    """What a tool is called."""
    return str(tool.get("name") or tool.get("type")) if isinstance(tool, dict) else tool.name


def _latest(tool: Tool[..., Any]) -> Tool[..., Any]:
    """What the name of the tool's function means now, where it was defined."""
    from claude_magic.tools.arguments import innermost
    from claude_magic.tools.definition import Tool

    function = tool.function
    name = _qualname(function)
    found = getattr(innermost(function), "__globals__", {}).get(name)
    if isinstance(found, Tool) and not isinstance(function, Tool):
        return tool if found.function is function else found
    if not callable(found) or found is function or inspect.isclass(found) or _qualname(found) != name:
        return tool
    return Tool(found, **tool.options)  # a function that has to be confirmed still has to be


def _qualname(function: object) -> str:
    return str(getattr(function, "__qualname__", ""))


def _to_wire(tool: Offered, model: Model) -> dict[str, Any]:
    if isinstance(tool, dict):
        return tool
    return tool.to_wire(model) if isinstance(tool, ServerTool) else tool.to_wire()


def _checked(definition: dict[str, Any]) -> dict[str, Any]:
    if not (isinstance(definition.get("name"), str) or isinstance(definition.get("type"), str)):
        raise BadInput('A tool definition needs a "name" (yours), or a "type" (the API\'s).')
    return definition


def _names(tools: Iterable[Offered]) -> str:
    return ", ".join(map(name_of, tools))


def _line(tool: Offered) -> str:
    if isinstance(tool, dict):
        return f"{name_of(tool)}: {one_line(str(tool.get('description') or tool.get('type') or ''), 80)}"
    if isinstance(tool, ServerTool):
        return f"{tool.name}: run by the server"
    return f"{tool.name}: {one_line(tool.description, 80)}" if tool.description else tool.name
