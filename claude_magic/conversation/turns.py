"""A turn: the question and everything that answered it."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from claude_magic.content import Part
from claude_magic.content.words import one_line
from claude_magic.messages.limits import ImageLimits
from claude_magic.messages.reply import Reply
from claude_magic.messages.usage import money

if TYPE_CHECKING:
    from claude_magic.tools.calls import Call


THINKING = ("thinking", "redacted_thinking")
"""The blocks that are valid only behind what stood before them when they were written."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in the notebook a question was asked.

    Attributes
    ----------
    cell : str
        The cell's id; empty where the front end does not tell it.
    execution : str
        The execution of the cell, by the id of its request.
    number : int or None
        The how-manieth question of that execution, from 0; None for one that stands for itself
        and is never replaced.
    label : str
        For people, for example ``In [5]``.
    """

    cell: str
    execution: str
    number: int | None
    label: str


@dataclasses.dataclass(frozen=True)
class Fragment:
    """Bytes of a request, and their digest, made once; none for a message that must not be sent."""

    data: bytes
    digest: bytes

    @classmethod
    def of(cls, role: str, content: Any) -> Fragment:
        """A message as it stands inside the request's list; a lone text goes as a plain string."""
        if not isinstance(content, str) and len(content) == 1 and content[0].keys() == {"type", "text"}:
            content = content[0]["text"]
        data = encode({"role": role, "content": content}) if content else b""
        return cls(data, hashlib.sha256(data).digest())


@dataclasses.dataclass(frozen=True, eq=False)
class Message:
    """One message of the history. Never changed.

    Attributes
    ----------
    role : str
        ``user`` or ``assistant``.
    content : str, or tuple of dict or Part
        Blocks in the API's form, and parts that take it when it is known which limits hold.
    bound_to : bytes
        Of an answer: digest of everything that was sent before it; its thinking is valid only there.
    """

    role: str
    content: str | tuple[dict[str, Any] | Part, ...]
    bound_to: bytes = b""

    @functools.cached_property
    def parts(self) -> tuple[Part, ...]:
        """What the user's side put into it."""
        return tuple(block for block in self.content if isinstance(block, Part))

    @functools.cached_property
    def _fragments(self) -> dict[ImageLimits | None, Fragment]:
        return {}

    def within(self, limits: ImageLimits) -> Fragment:
        """The message as it is sent where these limits hold for pictures; made once for each."""
        # A message without pictures is the same within any limits.
        key = limits if self.pictures else None
        if key not in self._fragments:
            self._fragments[key] = Fragment.of(self.role, self._content(limits))
        return self._fragments[key]

    @functools.cached_property
    def bare(self) -> Fragment:
        """An answer without thinking, and without citations, which number earlier documents."""
        return Fragment.of(self.role, _without_thinking(self.content))

    @functools.cached_property
    def thinks(self) -> bool:
        """Whether there is thinking in it, or anything else that is valid at its place only."""
        return self.role == "assistant" and _without_thinking(self.content) != self.content

    @functools.cached_property
    def pictures(self) -> int:
        """How many pictures it carries."""
        return sum(part.pictures for part in self.parts)

    def refitted(self, limits: ImageLimits) -> int:
        """How many of its pictures become others than those made last, under these limits for the first time."""
        if not self.pictures or not self._fragments or limits in self._fragments:
            return 0
        last = next(reversed(self._fragments))
        if last is None:
            return 0
        return sum(part.pictures for part in self.parts if part.summary(limits) != part.summary(last))

    def _content(self, limits: ImageLimits) -> Any:
        if isinstance(self.content, str):
            return self.content
        return [block.block(limits) if isinstance(block, Part) else block for block in self.content]


@dataclasses.dataclass(frozen=True, eq=False)
class Turn:
    """A question with all that answered it, as it stands in the history. Never changed, only replaced.

    Attributes
    ----------
    id : str
    prompt : str
        The words of the question, for people.
    messages : tuple of Message
        The question, and everything that answered it: Claude's messages and the results of its calls.
    reply : Reply
    asked : datetime.datetime
    place : Place or None
        None outside a notebook, or where the front end does not tell the cell.
    absent : bool
        Whether its cell was deleted: it keeps its place but Claude does not see it.
    """

    id: str
    prompt: str
    messages: tuple[Message, ...]
    reply: Reply
    asked: datetime.datetime
    place: Place | None
    absent: bool = False

    @property
    def parts(self) -> list[Part]:
        """All that went to Claude in it."""
        return [part for message in self.messages for part in message.parts]

    @property
    def pictures(self) -> int:
        """How many pictures it carries."""
        return sum(message.pictures for message in self.messages)

    @property
    def called(self) -> set[str]:
        """The names of the tools that are called in it, the server's included."""
        blocks = (block for message in self.messages for block in message.content if isinstance(block, dict))
        return {str(block["name"]) for block in blocks if block["type"].endswith("tool_use")}

    @property
    def tool_calls(self) -> list[Call]:
        """The calls that Claude made, with their results and errors."""
        return self.reply.tool_calls

    @property
    def state(self) -> str:
        """``complete``, or why it is not."""
        if self.absent:
            return "cell deleted"
        return "complete" if self.reply.complete else (self.reply.stop_reason or "stopped")

    def __repr__(self) -> str:
        where = f" {self.place.label}" if self.place else ""
        return f"<Turn{where}: {one_line(self.prompt, 50)!r}, {self.state}>"


class Turns(Sequence[Turn]):
    """The turns that Claude sees; ``del claude.turns[2]`` makes it forget one.

    Parameters
    ----------
    visible : callable
        The turns as they are now.
    forget : callable
        Takes a list of turns out of the conversation.
    """

    def __init__(self, visible: Callable[[], tuple[Turn, ...]], forget: Callable[[list[Turn]], None]) -> None:
        self._visible = visible
        self._forget = forget

    def __len__(self) -> int:
        return len(self._visible())

    def __getitem__(self, index: Any) -> Any:
        return self._visible()[index]

    def __iter__(self) -> Iterator[Turn]:
        return iter(self._visible())

    def __delitem__(self, index: int | slice) -> None:
        chosen = self._visible()[index]
        self._forget(list(chosen) if isinstance(chosen, tuple) else [chosen])

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [("", "cell", "question", "tokens", "cost", "state")]
        for number, turn in enumerate(self):
            usage = turn.reply.usage
            rows.append(
                (
                    str(number),
                    turn.place.label if turn.place else "",
                    one_line(turn.prompt, 50),
                    f"{usage.total_input + usage.output_tokens:,}",
                    money(turn.reply.cost),
                    turn.state,
                )
            )
        return rows

    def __repr__(self) -> str:
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


def seen(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Those of the turns that Claude sees."""
    return tuple(turn for turn in turns if not turn.absent)


def encode(value: object) -> bytes:
    """JSON bytes, the same for the same value at any time; a half of a surrogate pair becomes ``?``."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _without_thinking(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return tuple(
        {key: value for key, value in block.items() if key != "citations"}
        for block in content
        if block["type"] not in THINKING
    )
