"""Tool results: what a tool returned or raised, as content for Claude, with limits and a note on what was cut."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence

from claude_magic.content.convert import is_record, to_parts
from claude_magic.content.parts import Block, Part, Weight, text_part
from claude_magic.content.values import RemotePicture
from claude_magic.messages.credentials import KEY_IN_TEXT
from claude_magic.messages.limits import ImageLimits
from claude_magic.messages.text import pluralize, replace_surrogates, truncate
from claude_magic.messages.wire import REQUIRED_FIELDS

LONGEST = 40_000
"""Characters of text in one result."""
LONGEST_ERROR = 4_000
"""Characters of the message of one exception."""
MOST_PICTURES = 10
"""Pictures in one result."""

_OPTIONAL = {
    "text": {"citations", "cache_control"},
    "image": {"cache_control"},
    "document": {"title", "context", "citations", "cache_control"},
    "search_result": {"citations", "cache_control"},
}
"""The blocks that the API accepts in a result, with their optional fields.

A dict with any other field only looks like a block, and the API would refuse it.
"""
_SOURCES = {"image": {"base64", "url", "file"}, "document": {"base64", "text", "content", "url", "file"}}


@dataclasses.dataclass(frozen=True, eq=False)
class Result(Part):
    """A ``tool_result`` block; the pictures in its content are resized for each request, as everywhere."""

    content: tuple[Part, ...] = ()

    @property
    def pictures(self) -> int:
        """How many pictures it contains."""
        return sum(part.pictures for part in self.content)

    def block(self, limits: ImageLimits) -> Block:
        """The block for a request with these limits."""
        blocks = [part.block(limits) for part in self.content]
        if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
            return {**self.wire, "content": blocks[0]["text"]}
        return {**self.wire, "content": blocks}

    def weight(self, limits: ImageLimits) -> Weight:
        """The weight of everything in it that is not text."""
        weights = [part.weight(limits) for part in self.content]
        return Weight(sum(weight.bytes for weight in weights), sum(weight.tokens for weight in weights))

    def summary(self, limits: ImageLimits) -> str | None:
        """Which tool returned it, and what it contains besides plain text."""
        inner = ", ".join(about for part in self.content if (about := part.summary(limits)))
        return f"{self.about} ({inner})" if inner else self.about


def tool_result(id: str, name: str, parts: Iterable[Part], *, is_error: bool) -> Result:
    """Make the block that answers the call with this id, to the tool with this name."""
    wire: Block = {"type": "tool_result", "tool_use_id": id}
    if is_error:
        wire["is_error"] = True
    inside = tuple(parts)
    return Result(wire, f"result of {name}", sum(part.pages or 0 for part in inside) or None, inside)


def value_parts(value: object, name: str) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Convert what a tool returned.

    Parameters
    ----------
    value : object
        Anything that a question can contain. A dict or list of plain values becomes JSON; a list of
        content blocks is used as it is.
    name : str
        The tool's.

    Returns
    -------
    parts : tuple of Part
    notes : tuple of str
        Remarks on what was cut.

    Raises
    ------
    BadInput
        If the value cannot be shown to a model. Methods of the value may raise anything else.
    """
    return _bounded(_parts(value, name))


def describe_error(error: BaseException) -> str:
    """The type and message of what a tool raised, without traceback and source."""
    try:
        message = "\n".join([str(error), *getattr(error, "__notes__", [])]).strip()
    except Exception:  # noqa: BLE001 - __str__ of an exception may raise, too
        message = ""
    kind = type(error).__name__
    return clean(truncate(f"{kind}: {message}" if message else kind, LONGEST_ERROR))


def clean(text: str) -> str:
    """The text with API keys redacted and lone surrogates escaped, so that it can be sent."""
    return KEY_IN_TEXT.sub("sk-ant-***", replace_surrogates(text))


def _parts(value: object, name: str) -> list[Part]:
    if value is None:
        return [text_part("done")]
    if isinstance(value, str):
        return [text_part(value if value[:LONGEST].strip() else repr(value[:LONGEST]))]
    if isinstance(value, list | tuple | dict):
        if isinstance(value, list) and value and all(map(_is_block, value)):
            return [_of_block(block, name) for block in value]
        if (text := _json(value)) is not None:
            return [text_part(text)]
    if is_record(value):
        from claude_magic.content.tables.records import from_record

        return from_record(value, name, LONGEST)
    return to_parts(value, name)


def _json(value: object) -> str | None:
    """Plain data as JSON; None if it contains anything else, or is too long."""
    pieces: list[str] = []
    room = LONGEST
    try:
        for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                return None
    except (TypeError, ValueError, RecursionError):
        return None
    return "".join(pieces)


def _is_block(value: object) -> bool:
    if not isinstance(value, dict) or (kind := str(value.get("type"))) not in _OPTIONAL:
        return False
    required = REQUIRED_FIELDS[kind]
    if not all(isinstance(value.get(key), type_) for key, type_ in required.items()):
        return False
    if value.keys() - required.keys() - _OPTIONAL[kind] - {"type"}:
        return False
    if kind in _SOURCES:
        return value["source"].get("type") in _SOURCES[kind]
    return kind == "text" or all(_is_block(inner) and inner["type"] == "text" for inner in value["content"])


def _of_block(block: Block, name: str) -> Part:
    source = block["source"] if block["type"] == "image" else {}
    if source.get("type") == "base64":  # decoded, so that it is resized and stripped of metadata like any picture
        [part] = to_parts(RemotePicture(f"data:{source.get('media_type')};base64,{source.get('data')}"), name)
        return part
    return Part(block, None if block["type"] == "text" else block["type"].replace("_", " "))


def _bounded(parts: Sequence[Part]) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    kept: list[Part] = []
    room, cut, pictures, dropped = LONGEST, 0, 0, 0
    for part in parts:
        if part.pictures:
            pictures += part.pictures
            if pictures > MOST_PICTURES:
                dropped += part.pictures
            else:
                kept.append(part)
            continue
        wire, shown, long = _cut(part.wire, room)
        room, cut = room - shown, cut + long
        if shown or (not long and wire["type"] != "text"):
            kept.append(dataclasses.replace(part, wire={key: _cleaned(each) for key, each in wire.items()}))
    notes = [f"{pluralize(cut, 'character')} cut"] if cut else []
    if dropped:
        notes.append(f"{pluralize(dropped, 'picture')} left out")
    if not kept:
        kept.append(text_part("(empty)"))
    if notes:
        kept.append(text_part("… " + ", ".join(notes)))
    return tuple(kept), tuple(notes)


def _cleaned(value: object) -> object:
    """Part of a block, with every text in it cleaned."""
    if isinstance(value, dict):
        return {key: _cleaned(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    return clean(value) if isinstance(value, str) else value


def _cut(block: Block, room: int) -> tuple[Block, int, int]:
    """The block with as much of its text as fits, the number of characters kept, and the number cut."""
    source = block.get("source")
    if isinstance(source, dict):
        inner, shown, cut = _cut_at("data" if source.get("type") == "text" else "content", source, room)
        return {**block, "source": inner}, shown, cut
    return _cut_at("text" if block["type"] == "text" else "content", block, room)


def _cut_at(key: str, holder: Block, room: int) -> tuple[Block, int, int]:
    inside = holder.get(key)
    if isinstance(inside, str):
        text = inside[:room] if inside[:room].strip() else ""
        return {**holder, key: text}, len(text), max(0, len(inside) - room)
    if not isinstance(inside, list):
        return holder, 0, 0
    kept, shown, cut = [], 0, 0
    for block in inside:
        inner, left, long = _cut(block, room - shown) if block["type"] == "text" else (block, 0, 0)
        if left or block["type"] != "text":
            kept.append(inner)
        shown, cut = shown + left, cut + long
    return {**holder, key: kept}, shown, cut
