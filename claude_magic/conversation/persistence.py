"""Conversations that outlive their kernel: one JSON file, with pictures and documents beside it.

What is saved is what later requests are made of, byte by byte, and every state that can still be
undone. What is not: keys, functions (their definitions are), and Python values.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from claude_magic.conversation.journal import Steps
from claude_magic.conversation.saving import folder
from claude_magic.conversation.state import State
from claude_magic.messages.errors import BadInput
from claude_magic.messages.text import join_names, one_line, pluralize
from claude_magic.tools.server_tool import ServerTool
from claude_magic.tools.toolset import current_tools, tool_name

if TYPE_CHECKING:
    from claude_magic.conversation.saving import schema
    from claude_magic.conversation.saving.attachments import Writer
    from claude_magic.conversation.turns import Turn
    from claude_magic.tools.toolset import AnyTool

FORMAT = "claude_magic conversation"
VERSION = 1
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""What makes a file of a version one of the next."""


class Saved(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    name : str
        Of the conversation.
    steps : tuple
        The states in order, each with what led to it.
    at : int
        The present one.
    largest_side : int
    """

    name: str
    steps: Steps
    at: int
    largest_side: int


def write(path: str | os.PathLike[str], content: Saved, hide: Callable[[str], str]) -> str:
    """Write a conversation.

    Parameters
    ----------
    path : path
    content : Saved
    hide : callable
        Takes keys out of a text.

    Returns
    -------
    str
        What was done, in words.

    Raises
    ------
    BadInput
        If it cannot be written; what was there is there.
    """
    from claude_magic.conversation.saving.attachments import Writer

    where = folder.located(path)
    writer = Writer()
    document = _document(content, writer)
    hidden = _Hidden(hide)
    document = hidden(document)
    head = {"format": FORMAT, "version": VERSION, "saved": datetime.datetime.now().astimezone().isoformat()}
    # With escapes, so that half characters come back as they were.
    text = json.dumps({**head, **document}, indent=1)
    folder.write(where, text.encode("ascii"), writer.files)
    state = content.steps[content.at][1]
    words = f"Saved {pluralize(len(state.turns), 'turn')} to {where}"
    if writer.files:
        words += f", {pluralize(len(writer.files), 'file')} in {folder.beside(where).name}"
    if len(content.steps) > 1:
        words += f"; with what can be undone ({pluralize(len(content.steps) - 1, 'step')})"
    return f"{words}.{' An API key in it was replaced by ***.' if hidden.any else ''}"


def read(path: str | os.PathLike[str]) -> tuple[Saved, str]:
    """Read a conversation.

    Returns
    -------
    tuple
        What the file holds, and what is to be said of it.

    Raises
    ------
    BadInput
        If it is no such file, damaged, or of a later version; the line says which.
    """
    import pydantic

    from claude_magic.conversation.saving import schema

    where = folder.located(path)
    reader = folder.Reader(where)
    with reader.undisturbed():
        document = _current(reader.text(), where)
        try:
            content = _content(schema.SavedFile.model_validate(document), reader)
        except pydantic.ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise BadInput(f"{where.name} is damaged: {place}: {first['msg']}. Nothing was loaded.") from None
        except (IndexError, TypeError, KeyError, AttributeError, ValueError) as error:
            if isinstance(error, BadInput) and "Nothing was loaded" in str(error):
                raise
            why = one_line(str(error), 200).rstrip(".")
            raise BadInput(f"{where.name} is damaged: {why}. Nothing was loaded.") from None
    return content, _said(content, where)


def _said(content: Saved, where: Path) -> str:
    state = content.steps[content.at][1]
    words = f"Loaded {pluralize(len(state.turns), 'turn')} from {where.name}."
    gone = [tool_name(tool) for tool in state.tools if not isinstance(tool, dict | ServerTool)]
    if gone:
        flags = join_names([f"-t {name}" for name in gone])
        words += f" Functions are not saved: give {flags} again; until then calls of them are answered with an error."
    if ids := sorted({found for turn in state.turns for found in _uploaded(turn)}):
        words += (
            f" {pluralize(len(ids), 'uploaded file')} by id: {join_names(ids)}; there as long as the API keeps them."
        )
    return words


def _uploaded(turn: Turn) -> set[str]:
    sources = [part.wire.get("source") for part in turn.parts]
    return {str(source["file_id"]) for source in sources if isinstance(source, dict) and source.get("type") == "file"}


class _Hidden:
    """Takes keys out of all texts of a document, and remembers whether there were any."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self.any = False

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str):
            clean = self._hide(value)
            self.any = self.any or clean != value
            return clean
        if isinstance(value, Mapping):
            return {self(key) if isinstance(key, str) else key: self(each) for key, each in value.items()}
        return [self(each) for each in value] if isinstance(value, list | tuple) else value


def _document(content: Saved, writer: Writer) -> dict[str, Any]:
    from claude_magic.conversation import saved_turns
    from claude_magic.conversation.saving import schema

    held: dict[int, Turn] = {}  # with and without its cell it is the same turn: its messages are
    tools: dict[str, int] = {}
    steps = []
    for said, state in content.steps:
        for turn in state.turns:
            held.setdefault(id(turn.messages), turn)
        number = {messages: number for number, messages in enumerate(held)}
        offered = [json.dumps(_tool(tool)) for tool in current_tools(state.tools)]
        steps.append(
            schema.SavedStep(
                said=said,
                turns=[number[id(turn.messages)] for turn in state.turns],
                absent=[number[id(turn.messages)] for turn in state.turns if turn.absent],
                system=state.system,
                model=state.model,
                tools=[tools.setdefault(tool, len(tools)) for tool in offered],
            )
        )
    return schema.SavedFile(
        version=VERSION,
        name=content.name,
        turns=[saved_turns.saved(turn, writer) for turn in held.values()],
        tools=[schema.SavedTool(**json.loads(tool)) for tool in tools],
        journal=steps,
        at=content.at,
        largest_side=content.largest_side,
    ).model_dump(exclude={"version"})


def _tool(tool: AnyTool) -> dict[str, Any]:
    if isinstance(tool, dict):
        return {"definition": tool}
    return {"server": tool.name} if isinstance(tool, ServerTool) else {"function": tool.to_wire()}


def _tool_of(saved: schema.SavedTool) -> AnyTool:
    if saved.function is not None:
        from claude_magic.tools.restored_tool import RestoredTool

        return RestoredTool(saved.function)
    if saved.definition is not None:
        return saved.definition
    return ServerTool(saved.server or "")


def _content(saved: schema.SavedFile, reader: folder.Reader) -> Saved:
    from claude_magic.conversation import saved_turns

    here = [saved_turns.turn_of(turn, reader) for turn in saved.turns]
    away = [dataclasses.replace(turn, absent=True) for turn in here]
    tools = [_tool_of(tool) for tool in saved.tools]
    steps = tuple(
        (
            step.said,
            State(
                turns=tuple((away if number in step.absent else here)[number] for number in step.turns),
                system=step.system or None,
                model=step.model or None,
                tools=tuple(tools[number] for number in step.tools),
            ),
        )
        for step in saved.journal
    )
    if saved.at >= len(steps):
        raise BadInput("the journal has no such step")
    return Saved(saved.name, steps, saved.at, saved.largest_side)


def _current(text: bytes, where: Path) -> dict[str, Any]:
    """The document in the form of this version."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        whole = text.rstrip().endswith(b"}")
        problem = "it is no JSON" if whole or not text.lstrip().startswith(b"{") else "its end is missing"
        raise BadInput(f"{where.name} is no saved conversation: {problem}. Nothing was loaded.") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadInput(f"{where.name} is no saved conversation. Nothing was loaded.")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadInput(f"{where.name} is damaged: it has no version. Nothing was loaded.")
    if version > VERSION:
        raise BadInput(
            f"{where.name} was saved by a later claude_magic (version {version} of the format, this one reads "
            f"{VERSION}): pip install -U claude_magic. Nothing was loaded."
        )
    found: dict[str, Any] = document
    for older in range(version, VERSION):
        found = MIGRATIONS[older](found)
    return found
