"""Plans: what should happen to an answer, said in one line.

A plan is a list of words and ``key=value`` pairs, separated by ``;``::

    529; retry-after=2; times=2
    fault=cut; after=5
    deltas=4000; chars=4; pace=400; crlf; data-only
    say=The rest of the line, exactly.
    tool=add {"a": 1, "b": 2}; tool=add {"a": 3, "b": 4}
    tool=web_search; tool-error=max_uses_exceeded

It comes from the request header ``x-simulator``, from :attr:`Simulator.faults`, or from lines
``simulate: …`` in the last question. Of these the first holds for the first answer, the next for the
one after the tool results (or after a pause), and so on; a line with ``times=N`` holds for N answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import re
from typing import Any, NamedTuple

from . import server_tools
from .problem import TEXTS

FAULTS = ("error", "cut", "hangup", "truncate", "stall", "refusal")
BODIES = ("json", "html", "openai", "empty", "no-outer-type", "string")
SHAPES = ("prose", "code", "table", "line")
STOPS = (
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
)
TOOL_ERRORS = tuple(dict.fromkeys(itertools.chain.from_iterable(server_tools.ERRORS.values())))
FRAMINGS = frozenset(
    (
        "crlf",
        "cr",
        "bom",
        "comments",
        "data-only",
        "done",
        "no-final-blank",
        "multiline-data",
        "bare-json",
    )
)
"""Oddities of how events become bytes; those of the events themselves are in :mod:`.oddities`."""

ODDITIES = FRAMINGS | frozenset(
    (
        "ping-first",
        "no-message-fields",
        "few-message-fields",
        "usage-in-delta",
        "no-usage",
        "null-usage",
        "bare-blocks",
        "untyped-deltas",
        "unknown-events",
        "no-block-starts",
        "no-block-stops",
        "late-stops",
        "double-stops",
        "index-gap",
        "no-signature",
        "tool-input-whole",
        "tool-input-double-encoded",
        "tool-input-invalid",
        "tool-input-missing",
        "odd-tool-ids",
        "openai-stop-words",
        "no-stop-reason",
        "double-message-delta",
    )
)
"""Every deviation of a stream that a plan can ask for."""

GROUPS = {
    "gateway": ("bare-json", "few-message-fields", "bare-blocks", "untyped-deltas", "usage-in-delta"),
}
"""Names for several oddities that one real server shows together."""

REST_OF_LINE = ("say", "input")
"""Keys whose value may hold ``;``: it goes on to the end of the line."""


class ToolCall(NamedTuple):
    """A tool that is to be called, and its input if that is planned, too."""

    name: str
    input: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """What should happen to one answer, or to several.

    Attributes
    ----------
    status : int or None
        Answer with this HTTP error, before anything is checked.
    fault : str or None
        ``error``, ``cut``, ``hangup``, ``truncate``, ``stall`` or ``refusal``.
    after : int or None
        How many content deltas go out before the fault.
    type, message : str or None
        Of the error, in the body or in the event.
    body : str
        Shape of an error: ``json``, ``html``, ``openai``, ``empty``, ``no-outer-type``, ``string``.
    retry_after, retry_after_ms, should_retry : str or None
        Response headers.
    times : int
        For how many requests it holds in the queue, or for how many answers in a question.
    pace : float or None
        Content deltas a second.
    delay, think_delay : float
        Seconds of silence before the first byte; before the first block that is not thinking.
    bytes : int or None
        Write the stream in chunks of this many bytes, wherever events end.
    category : str or None
        Of a refusal.
    stop : str or None
        The ``stop_reason``.
    empty : bool
        No content at all.
    answer_as : str or None
        ``json`` or ``html``, with status 200, instead of a stream.
    deltas, chars, shape : int, int, str
        An answer of so many text deltas of exactly so many characters. Not cut at ``max_tokens``.
    think : int or None
        So many thinking deltas first.
    tools : tuple of ToolCall
        Call these tools.
    input : dict or None
        With this input, those that have none of their own.
    tool_error : str or None
        With this error code, those that run on the server.
    say : str or None
        Answer exactly this.
    oddities : frozenset of str
        Deviations of the stream, see :data:`ODDITIES`.
    """

    status: int | None = None
    fault: str | None = None
    after: int | None = None
    type: str | None = None
    message: str | None = None
    body: str = "json"
    retry_after: str | None = None
    retry_after_ms: str | None = None
    should_retry: str | None = None
    times: int = 1
    pace: float | None = None
    delay: float = 0.0
    think_delay: float = 0.0
    bytes: int | None = None
    category: str | None = None
    stop: str | None = None
    empty: bool = False
    answer_as: str | None = None
    deltas: int | None = None
    chars: int = 4
    shape: str = "prose"
    think: int | None = None
    tools: tuple[ToolCall, ...] = ()
    input: dict[str, Any] | None = None
    tool_error: str | None = None
    say: str | None = None
    oddities: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Plan:
        """Read a plan.

        Parameters
        ----------
        text : str
            Words and ``key=value`` pairs, separated by ``;``.

        Returns
        -------
        Plan

        Raises
        ------
        ValueError
            For a word, key or value that means nothing.
        """
        changes: dict[str, Any] = {"tools": (), "oddities": frozenset()}
        for part in _parts(text):
            key, separator, value = (piece.strip() for piece in part.partition("="))
            _read_pair(key, value, changes) if separator else _read_word(key, changes)
        return cls(**changes)

    def has(self, oddity: str) -> bool:
        """Whether the stream should deviate in this way."""
        return oddity in self.oddities

    @property
    def shapes_answer(self) -> bool:
        """Whether the plan says what the answer holds."""
        return bool(self.empty or self.deltas is not None or self.tools or self.say is not None or self.think)


_NUMBERS = ("after", "times", "bytes", "deltas", "chars", "think")
_SECONDS = ("pace", "delay", "think-delay")
_TEXTS = ("type", "message", "category", "retry-after", "retry-after-ms")
_CHOICES = {"body": BODIES, "shape": SHAPES, "stop": STOPS, "as": ("json", "html"), "tool-error": TOOL_ERRORS}
_FIELDS = {"as": "answer_as", "x-should-retry": "should_retry"}


_TOOL_WITH_INPUT = re.compile(r"\s*tool\s*=[^;{]+(?={)")


def _parts(text: str) -> list[str]:
    """Split at ``;``, but leave the rest of the line after ``say=`` and ``input=`` alone."""
    parts: list[str] = []
    while text.strip():
        if re.match(rf"\s*({'|'.join(REST_OF_LINE)})\s*=", text):
            return [*parts, text]
        part, text = _first_part(text)
        if part.strip():
            parts.append(part)
    return parts


def _first_part(text: str) -> tuple[str, str]:
    """The first part and the rest; a ``;`` in the input of ``tool=NAME {…}`` ends nothing."""
    start = 0
    if found := _TOOL_WITH_INPUT.match(text):
        with contextlib.suppress(ValueError):
            start = json.JSONDecoder().raw_decode(text, found.end())[1]
    end = text.find(";", start)
    return (text, "") if end < 0 else (text[:end], text[end + 1 :])


def _read_word(word: str, changes: dict[str, Any]) -> None:
    if word.isdigit():
        changes["status"] = _status(word)
    elif word in FAULTS:
        changes["fault"] = word
    elif word == "empty":
        changes["empty"] = True
    elif word == "verbatim":
        pass  # what say= means anyway; reads well before it
    elif word in ODDITIES:
        changes["oddities"] |= {word}
    elif word in GROUPS:
        changes["oddities"] |= set(GROUPS[word])
    else:
        raise ValueError(f"plan: {word!r} is unknown; words are {', '.join(sorted({*ODDITIES, *GROUPS}))}")


def _read_pair(key: str, value: str, changes: dict[str, Any]) -> None:
    field = _FIELDS.get(key, key.replace("-", "_"))
    if key == "fault":
        if value not in FAULTS and not value.isdigit():
            raise ValueError(f"plan: fault={value} is unknown; faults are {', '.join(FAULTS)} or a status")
        _read_word(value, changes)
    elif key in _NUMBERS:
        changes[field] = _number(key, value, int)
    elif key in _SECONDS:
        changes[field] = _number(key, value, float)
    elif key in _TEXTS:
        changes[field] = value
    elif key in _CHOICES:
        changes[field] = _one_of(key, value, _CHOICES[key])
    elif key == "x-should-retry":
        changes[field] = _one_of(key, value, ("true", "false"))
    elif key == "tool":
        changes["tools"] += (_tool_call(value),)
    elif key == "say":
        changes["say"] = value
    elif key == "input":
        changes["input"] = _json_object(value)
    else:
        raise ValueError(f"plan: {key}= is unknown")


def _status(word: str) -> int:
    if (status := int(word)) in TEXTS:
        return status
    raise ValueError(f"plan: {word} is no status of an error; there are {', '.join(map(str, TEXTS))}")


def _number(key: str, value: str, kind: type[int] | type[float]) -> float:
    try:
        number = kind(value)
    except ValueError:
        raise ValueError(f"plan: {key}={value} is no number") from None
    if number < 0 or (key in ("pace", "bytes", "chars", "times") and number == 0):
        raise ValueError(f"plan: {key}={value} is too small")
    return number


def _one_of(key: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"plan: {key}={value} is unknown; there are {', '.join(choices)}")
    return value


def _tool_call(value: str) -> ToolCall:
    name, brace, rest = value.partition("{")
    return ToolCall(name.strip(), _json_object(brace + rest) if brace else None)


def _json_object(value: str) -> dict[str, Any]:
    try:
        loaded = json.loads(value)
    except ValueError:
        loaded = None
    if not isinstance(loaded, dict):
        raise ValueError(f"plan: the input of a tool is a JSON object, not {value[:60]!r}")
    return loaded
