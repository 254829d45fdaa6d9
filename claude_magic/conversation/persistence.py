"""Saving conversations: one JSON file, with pictures and documents in a folder next to it.

Saved is everything that later requests are built from, byte by byte, and every state that can still
be undone. Not saved: API keys, functions (only their definitions), and Python values.
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
    from claude_magic.conversation.saving.attachments import AttachmentWriter
    from claude_magic.conversation.turns import Turn
    from claude_magic.tools.toolset import AnyTool

FORMAT = "claude_magic conversation"
VERSION = 1
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each older version, a function that converts its document to the next version."""


class SavedConversation(NamedTuple):
    """The content of a file.

    Attributes
    ----------
    name : str
    steps : tuple
        The states of the journal in order, each with a description of what led to it.
    at : int
        The index of the present state.
    largest_side : int
        The longest side in pixels of images that the API accepts in this conversation.
    """

    name: str
    steps: Steps
    at: int
    largest_side: int


def write(path: str | os.PathLike[str], content: SavedConversation, hide: Callable[[str], str]) -> str:
    """Write a conversation.

    Parameters
    ----------
    path : path
    content : SavedConversation
    hide : callable
        Replaces API keys in a text.

    Returns
    -------
    str
        A message for the user: what was saved.

    Raises
    ------
    BadInput
        If the file cannot be written; an existing one is unchanged.
    """
    from claude_magic.conversation.saving.attachments import AttachmentWriter

    where = folder.resolve_path(path)
    writer = AttachmentWriter()
    redactor = _Redactor(hide)
    document = redactor(_to_document(content, writer))
    head = {"format": FORMAT, "version": VERSION, "saved": datetime.datetime.now().astimezone().isoformat()}
    # As ASCII with escapes, which preserves lone surrogates.
    text = json.dumps({**head, **document}, indent=1)
    folder.write(where, text.encode("ascii"), writer.files)
    state = content.steps[content.at][1]
    message = f"Saved {pluralize(len(state.turns), 'turn')} to {where}"
    if writer.files:
        message += f", {pluralize(len(writer.files), 'file')} in {folder.attachment_folder(where).name}"
    if len(content.steps) > 1:
        message += f", with the undo history ({pluralize(len(content.steps) - 1, 'step')})"
    return f"{message}.{' An API key in it was replaced by ***.' if redactor.redacted else ''}"


def read(path: str | os.PathLike[str]) -> tuple[SavedConversation, str]:
    """Read a conversation.

    Returns
    -------
    tuple
        The content of the file, and a message for the user.

    Raises
    ------
    BadInput
        If it is not a saved conversation, is damaged, or has a newer format.
    """
    import pydantic

    from claude_magic.conversation.saving import schema

    where = folder.resolve_path(path)
    reader = folder.Reader(where)
    with reader.lock():
        document = _parse(reader.text(), where)
        try:
            content = _load_content(schema.SavedFile.model_validate(document), reader)
        except pydantic.ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise BadInput(f"{where.name} is damaged: {place}: {first['msg']}. Nothing was loaded.") from None
        except (IndexError, TypeError, KeyError, AttributeError, ValueError) as error:
            if isinstance(error, BadInput) and "Nothing was loaded" in str(error):
                raise
            why = one_line(str(error), 200).rstrip(".")
            raise BadInput(f"{where.name} is damaged: {why}. Nothing was loaded.") from None
    return content, _describe(content, where)


def _describe(content: SavedConversation, where: Path) -> str:
    state = content.steps[content.at][1]
    message = f"Loaded {pluralize(len(state.turns), 'turn')} from {where.name}."
    if functions := [tool_name(tool) for tool in state.tools if not isinstance(tool, dict | ServerTool)]:
        flags = join_names([f"-t {name}" for name in functions])
        message += f" Functions are not saved: pass {flags} again; until then, calls to them return an error."
    if ids := sorted({id for turn in state.turns for id in _file_ids(turn)}):
        message += (
            f" It uses {pluralize(len(ids), 'uploaded file')} by id: {join_names(ids)}, while the API keeps them."
        )
    return message


def _file_ids(turn: Turn) -> set[str]:
    sources = [part.wire.get("source") for part in turn.parts]
    return {str(source["file_id"]) for source in sources if isinstance(source, dict) and source.get("type") == "file"}


class _Redactor:
    """Replaces API keys in all strings of a document, and remembers whether it found any."""

    def __init__(self, hide: Callable[[str], str]) -> None:
        self._hide = hide
        self.redacted = False

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str):
            clean = self._hide(value)
            self.redacted = self.redacted or clean != value
            return clean
        if isinstance(value, Mapping):
            return {self(key) if isinstance(key, str) else key: self(each) for key, each in value.items()}
        return [self(each) for each in value] if isinstance(value, list | tuple) else value


def _to_document(content: SavedConversation, writer: AttachmentWriter) -> dict[str, Any]:
    from claude_magic.conversation import saved_turns
    from claude_magic.conversation.saving import schema

    turns: dict[int, Turn] = {}  # by the identity of its messages, which present and absent versions of a turn share
    tools: dict[str, int] = {}
    steps = []
    for description, state in content.steps:
        for turn in state.turns:
            turns.setdefault(id(turn.messages), turn)
        number = {messages: number for number, messages in enumerate(turns)}
        offered = [json.dumps(_save_tool(tool)) for tool in current_tools(state.tools)]
        steps.append(
            schema.SavedStep(
                said=description,
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
        turns=[saved_turns.save_turn(turn, writer) for turn in turns.values()],
        tools=[schema.SavedTool(**json.loads(tool)) for tool in tools],
        journal=steps,
        at=content.at,
        largest_side=content.largest_side,
    ).model_dump(exclude={"version"})


def _save_tool(tool: AnyTool) -> dict[str, Any]:
    if isinstance(tool, dict):
        return {"definition": tool}
    return {"server": tool.name} if isinstance(tool, ServerTool) else {"function": tool.to_wire()}


def _load_tool(saved: schema.SavedTool) -> AnyTool:
    if saved.function is not None:
        from claude_magic.tools.restored_tool import RestoredTool

        return RestoredTool(saved.function)
    if saved.definition is not None:
        return saved.definition
    return ServerTool(saved.server or "")


def _load_content(saved: schema.SavedFile, reader: folder.Reader) -> SavedConversation:
    from claude_magic.conversation import saved_turns

    present = [saved_turns.load_turn(turn, reader) for turn in saved.turns]
    absent = [dataclasses.replace(turn, absent=True) for turn in present]
    tools = [_load_tool(tool) for tool in saved.tools]
    steps = tuple(
        (
            step.said,
            State(
                turns=tuple((absent if number in step.absent else present)[number] for number in step.turns),
                system=step.system or None,
                model=step.model or None,
                tools=tuple(tools[number] for number in step.tools),
            ),
        )
        for step in saved.journal
    )
    if saved.at >= len(steps):
        raise BadInput("'at' is not a step of the journal")
    return SavedConversation(saved.name, steps, saved.at, saved.largest_side)


def _parse(text: bytes, where: Path) -> dict[str, Any]:
    """The document, converted to the current version of the format."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        whole = text.rstrip().endswith(b"}")
        problem = "it is not valid JSON" if whole or not text.lstrip().startswith(b"{") else "its end is missing"
        raise BadInput(f"{where.name} is not a saved conversation: {problem}. Nothing was loaded.") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadInput(f"{where.name} is not a saved conversation. Nothing was loaded.")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadInput(f"{where.name} is damaged: the format version is missing. Nothing was loaded.")
    if version > VERSION:
        raise BadInput(
            f"{where.name} was saved by a newer claude_magic (format version {version}; this one reads up to "
            f"{VERSION}). Upgrade with pip install -U claude_magic. Nothing was loaded."
        )
    found: dict[str, Any] = document
    for older in range(version, VERSION):
        found = MIGRATIONS[older](found)
    return found
