"""Lists of tools: what may be given as a tool, what each is called, and its definition in a request."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import Model
from claude_magic.messages.text import one_line
from claude_magic.tools.server_tool import ServerTool

if TYPE_CHECKING:
    from claude_magic.tools.definition import Tool

    AnyTool = Tool[..., Any] | ServerTool | dict[str, Any]


def read_tools(values: object) -> tuple[AnyTool, ...]:
    """Read functions, names of server tools and definitions as tools.

    Parameters
    ----------
    values : function, Tool, str, dict, or an iterable of these
        A single tool needs no list.

    Raises
    ------
    BadInput
        If one of them cannot be a tool, or two have the same name.
    """
    tools: list[AnyTool] = []
    single = isinstance(values, str | dict) or callable(values) or not isinstance(values, Iterable)
    for value in [values] if single else cast("Iterable[object]", values):
        if isinstance(value, str):
            tools.append(ServerTool(value))
        elif isinstance(value, dict | ServerTool):
            tools.append(_checked(value) if isinstance(value, dict) else value)
        elif isinstance(value, Sequence | set):
            tools += read_tools(value)
        else:
            from claude_magic.tools.definition import Tool

            tools.append(Tool.of(value))
    names = [tool_name(tool) for tool in tools]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadInput(f"Two tools are called {', '.join(sorted(twice))}. Rename one with @tool(name=…).")
    return tuple(tools)


def merge_tools(held: tuple[AnyTool, ...], new: Iterable[AnyTool]) -> tuple[AnyTool, ...]:
    """Add new tools to a list: one with a known name takes that place, so that the order never changes."""
    by_name = {tool_name(tool): tool for tool in held}
    return tuple({**by_name, **{tool_name(tool): tool for tool in new}}.values())


def current_tools(held: Iterable[AnyTool]) -> tuple[AnyTool, ...]:
    """The tools as they are defined now: running a cell again that defines one replaces it."""
    latest = (tool if isinstance(tool, dict | ServerTool) else _latest(tool) for tool in held)
    return merge_tools((), latest)  # one may have taken another's name in the meantime


def tool_name(tool: AnyTool) -> str:
    """The name that Claude calls a tool by."""
    return str(tool.get("name") or tool.get("type")) if isinstance(tool, dict) else tool.name


def tool_definition(tool: AnyTool, model: Model) -> dict[str, Any]:
    """The definition of a tool in a request to a model."""
    if isinstance(tool, dict):
        return tool
    return tool.to_wire(model) if isinstance(tool, ServerTool) else tool.to_wire()


def describe(tool: AnyTool) -> str:
    """A tool in one line: its name and what it does."""
    if isinstance(tool, dict):
        return f"{tool_name(tool)}: {one_line(str(tool.get('description') or tool.get('type') or ''), 80)}"
    if isinstance(tool, ServerTool):
        return f"{tool.name}: run by the server"
    return f"{tool.name}: {one_line(tool.description, 80)}" if tool.description else tool.name


def _latest(tool: Tool[..., Any]) -> Tool[..., Any]:
    """What the name of the tool's function means now in the module that defined it."""
    from claude_magic.tools.arguments import innermost
    from claude_magic.tools.definition import Tool

    function = tool.function
    name = _qualname(function)
    found = getattr(innermost(function), "__globals__", {}).get(name)
    if isinstance(found, Tool) and not isinstance(function, Tool):
        return tool if found.function is function else found
    if not callable(found) or found is function or inspect.isclass(found) or _qualname(found) != name:
        return tool
    return Tool(found, **tool.options)  # a function that needs confirmation still needs it


def _qualname(function: object) -> str:
    return str(getattr(function, "__qualname__", ""))


def _checked(definition: dict[str, Any]) -> dict[str, Any]:
    if not (isinstance(definition.get("name"), str) or isinstance(definition.get("type"), str)):
        raise BadInput('A tool definition needs a "name" (for your own tool) or a "type" (for one of the API\'s).')
    return definition
