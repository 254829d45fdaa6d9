"""A turn: one whole exchange, the question and everything that answered it."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from claude_magic.content import Part
from claude_magic.messages.limits import ImageLimits
from claude_magic.messages.reply import Reply
from claude_magic.messages.usage import money

Message = dict[str, Any]


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
    """Bytes of a request, and their digest, made once."""

    data: bytes
    digest: bytes

    @classmethod
    def of(cls, messages: Sequence[Message]) -> Fragment:
        """The messages as they stand inside the request's list, without its brackets."""
        data = b",".join(encode(message) for message in messages)
        return cls(data, hashlib.sha256(data).digest())


@dataclasses.dataclass(frozen=True, eq=False)
class Turn:
    """One exchange, as it stands in the history. Never changed, only replaced.

    Attributes
    ----------
    id : str
    prompt : str
        The words of the question, for people.
    question : tuple of Part
    answer : tuple of dict
        The messages that answered, in the API's form.
    reply : Reply
    asked : datetime.datetime
    place : Place or None
        None outside a notebook, or where the front end does not tell the cell.
    bound_to : bytes
        Digest of everything that was sent before the answer; thinking is valid only behind it.
    absent : bool
        Whether its cell was deleted: it keeps its place but Claude does not see it.
    """

    id: str
    prompt: str
    question: tuple[Part, ...]
    answer: tuple[Message, ...]
    reply: Reply
    asked: datetime.datetime
    place: Place | None
    bound_to: bytes
    absent: bool = False

    @functools.cached_property
    def _questions(self) -> dict[ImageLimits, Fragment]:
        return {}

    def asked_within(self, limits: ImageLimits) -> Fragment:
        """The question as it is sent where these limits hold for pictures; made once for each."""
        if limits not in self._questions:
            self._questions[limits] = Fragment.of([user_message(self.question, limits)])
        return self._questions[limits]

    def remember(self, limits: ImageLimits, asked: Fragment) -> None:
        """Keep the question as it was sent with the turn's own request."""
        self._questions[limits] = asked

    def refitted(self, limits: ImageLimits) -> int:
        """How many of its pictures become others than those sent last, under these limits for the first time."""
        if not self._questions or limits in self._questions:
            return 0
        last = next(reversed(self._questions))
        return sum(part.is_picture and part.summary(limits) != part.summary(last) for part in self.question)

    @property
    def pictures(self) -> int:
        """How many pictures it carries."""
        return sum(part.is_picture for part in self.question)

    @functools.cached_property
    def full(self) -> Fragment:
        """The answer as it came, thinking included."""
        return Fragment.of(self.answer)

    @functools.cached_property
    def bare(self) -> Fragment:
        """The answer without thinking, and without citations, which number earlier documents."""
        messages = ((message["role"], _without_thinking(message["content"])) for message in self.answer)
        return Fragment.of([{"role": role, "content": content} for role, content in messages if content])

    @property
    def state(self) -> str:
        """``complete``, or why it is not."""
        if self.absent:
            return "cell deleted"
        return "complete" if self.reply.complete else (self.reply.stop_reason or "stopped")

    def __repr__(self) -> str:
        where = f" {self.place.label}" if self.place else ""
        return f"<Turn{where}: {shortened(self.prompt, 50)!r}, {self.state}>"


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
                    shortened(turn.prompt, 50),
                    f"{usage.total_input + usage.output_tokens:,}",
                    money(usage.cost(turn.reply.model)),
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


def user_message(parts: Sequence[Part], limits: ImageLimits) -> Message:
    """The user's message; a lone text goes as a plain string."""
    blocks = [part.block(limits) for part in parts]
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        return {"role": "user", "content": blocks[0]["text"]}
    return {"role": "user", "content": blocks}


def encode(value: object) -> bytes:
    """JSON bytes, the same for the same value at any time; a half of a surrogate pair becomes ``?``."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def shortened(text: str, length: int) -> str:
    """The first words of a text on one line, in characters that can be printed."""
    words = " ".join(text[: 20 * length].split()).encode("utf-8", "replace").decode("utf-8")
    return words if len(words) <= length else words[: length - 1] + "…"


def _without_thinking(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [
        {key: value for key, value in block.items() if key != "citations"}
        for block in content
        if block["type"] not in ("thinking", "redacted_thinking")
    ]
