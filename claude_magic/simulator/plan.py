"""Plans: one line that says what an answer should contain, and what should go wrong with it.

A plan consists of words and ``key=value`` pairs, separated by ``;``::

    529; retry-after=2; times=2
    fault=cut; after=5
    deltas=4000; chars=4; pace=400; crlf; data-only
    say=The rest of the line, exactly.
    tool=add {"a": 1, "b": 2}; tool=add {"a": 3, "b": 4}
    tool=web_search; tool-error=max_uses_exceeded

It comes from the request header ``x-simulator``, from :attr:`Simulator.faults`, or from lines
``simulate: …`` in the last question. The first of these lines is for the first answer, the second for
the answer to its tool results (or after a pause), and so on; a line with ``times=N`` is for N answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import re
from typing import NamedTuple

from . import simulated_tools
from .api_errors import STATUSES
from .message_request import JSON
from .vendor_quirks import MUTATORS

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
TOOL_ERRORS = tuple(dict.fromkeys(itertools.chain.from_iterable(simulated_tools.ERRORS.values())))
FRAMINGS = frozenset(
    ("crlf", "cr", "bom", "comments", "data-only", "done", "no-final-blank", "multiline-data", "bare-json")
)
"""Quirks in how events are encoded; those of the events themselves are in :mod:`.vendor_quirks`."""

QUIRKS = FRAMINGS | MUTATORS.keys()
"""All the ways in which a plan can make a stream deviate from the API's."""

GROUPS = {"gateway": ("bare-json", "few-message-fields", "bare-blocks", "untyped-deltas", "usage-in-delta")}
"""Names for several quirks that one real server has together."""

REST_OF_LINE = ("say", "input")
"""Keys whose value may contain ``;`` and extends to the end of the line."""


class PlannedCall(NamedTuple):
    """A tool to call, and its input if the plan sets that, too."""

    name: str
    input: JSON | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """What should happen to one or more answers; :meth:`parse` reads one from text.

    Attributes
    ----------
    status : int or None
        Answer with this HTTP error, before the request is checked.
    fault : str or None
        ``error``, ``cut``, ``hangup``, ``truncate``, ``stall`` or ``refusal``.
    after : int or None
        Number of content deltas before the fault.
    type, message : str or None
        Of the error, in the body or in the event.
    body : str
        Shape of an error response: ``json``, ``html``, ``openai``, ``empty``, ``no-outer-type``, ``string``.
    retry_after, retry_after_ms, should_retry : str or None
        Response headers.
    times : int
        The number of requests (in :attr:`Simulator.faults`) or answers (in a question) it is used for.
    pace : float or None
        Content deltas per second.
    delay, think_delay : float
        Seconds of silence before the first byte, and before the first block that is not thinking.
    bytes : int or None
        Write the stream in chunks of this many bytes, regardless of where events end.
    category : str or None
        Of a refusal.
    stop : str or None
        The ``stop_reason``.
    empty : bool
        No content at all.
    answer_as : str or None
        ``json`` or ``html``, with status 200, instead of a stream.
    deltas, chars, shape : int, int, str
        Answer with this many text deltas of exactly this many characters; ``max_tokens`` does not apply.
    think : int or None
        Begin with this many thinking deltas.
    tools : tuple of PlannedCall
        Call these tools.
    input : dict or None
        The input of planned calls that have none of their own.
    tool_error : str or None
        The error code with which calls of server tools fail.
    say : str or None
        Answer exactly this.
    quirks : frozenset of str
        Deviations of the stream, see :data:`QUIRKS`.
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
    tools: tuple[PlannedCall, ...] = ()
    input: JSON | None = None
    tool_error: str | None = None
    say: str | None = None
    quirks: frozenset[str] = frozenset()

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
            For an unknown word or key, or an invalid value.
        """
        changes: JSON = {"tools": (), "quirks": frozenset()}
        for part in _parts(text):
            key, separator, value = (piece.strip() for piece in part.partition("="))
            _read_pair(key, value, changes) if separator else _read_word(key, changes)
        return cls(**changes)

    def has(self, quirk: str) -> bool:
        """Whether the stream should have this quirk."""
        return quirk in self.quirks

    @property
    def sets_content(self) -> bool:
        """Whether the plan sets the content of the answer."""
        return bool(self.empty or self.deltas is not None or self.tools or self.say is not None or self.think)


_NUMBERS = ("after", "times", "bytes", "deltas", "chars", "think")
_SECONDS = ("pace", "delay", "think-delay")
_TEXTS = ("type", "message", "category", "retry-after", "retry-after-ms", "say")
_CHOICES = {"body": BODIES, "shape": SHAPES, "stop": STOPS, "as": ("json", "html"), "tool-error": TOOL_ERRORS}
_KEYS = (*_NUMBERS, *_SECONDS, *_TEXTS, *_CHOICES, "fault", "x-should-retry", "tool", "input")
_FIELDS = {"as": "answer_as", "x-should-retry": "should_retry"}
"""Keys that are not simply the name of a field with ``-`` for ``_``."""


_TOOL_WITH_INPUT = re.compile(r"\s*tool\s*=[^;{]+(?={)")


def _parts(text: str) -> list[str]:
    """Split at ``;``, but keep everything after ``say=`` or ``input=`` together."""
    parts: list[str] = []
    while text.strip():
        if re.match(rf"\s*({'|'.join(REST_OF_LINE)})\s*=", text):
            return [*parts, text]
        part, text = _first_part(text)
        if part.strip():
            parts.append(part)
    return parts


def _first_part(text: str) -> tuple[str, str]:
    """The first part and the rest; a ``;`` inside the JSON of ``tool=NAME {…}`` does not end the part."""
    start = 0
    if found := _TOOL_WITH_INPUT.match(text):
        with contextlib.suppress(ValueError):
            start = json.JSONDecoder().raw_decode(text, found.end())[1]
    end = text.find(";", start)
    return (text, "") if end < 0 else (text[:end], text[end + 1 :])


def _read_word(word: str, changes: JSON) -> None:
    if word.isdigit():
        changes["status"] = _status(word)
    elif word in FAULTS:
        changes["fault"] = word
    elif word == "empty":
        changes["empty"] = True
    elif word == "verbatim":
        pass  # say= is always verbatim; the word only makes a plan easier to read
    elif word in QUIRKS:
        changes["quirks"] |= {word}
    elif word in GROUPS:
        changes["quirks"] |= set(GROUPS[word])
    else:
        raise ValueError(f"plan: {word!r} is unknown; use one of {', '.join(sorted({*QUIRKS, *GROUPS}))}")


def _read_pair(key: str, value: str, changes: JSON) -> None:
    field = _FIELDS.get(key, key.replace("-", "_"))
    if key == "fault":
        if value not in FAULTS and not value.isdigit():
            raise ValueError(f"plan: fault={value} is unknown; use an HTTP status or one of {', '.join(FAULTS)}")
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
    elif key == "input":
        changes["input"] = _json_object(value)
    else:
        raise ValueError(f"plan: {key}= is unknown; use one of {', '.join(sorted(_KEYS))}")


def _status(word: str) -> int:
    if (status := int(word)) in STATUSES:
        return status
    raise ValueError(f"plan: {word} is not an HTTP error status; use one of {', '.join(map(str, STATUSES))}")


def _number(key: str, value: str, kind: type[int] | type[float]) -> float:
    try:
        number = kind(value)
    except ValueError:
        raise ValueError(f"plan: {key}={value} is not a number") from None
    if number < 0 or (key in ("pace", "bytes", "chars", "times") and number == 0):
        raise ValueError(f"plan: {key}={value} is too small")
    return number


def _one_of(key: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"plan: {key}={value} is unknown; use one of {', '.join(choices)}")
    return value


def _tool_call(value: str) -> PlannedCall:
    name, brace, rest = value.partition("{")
    return PlannedCall(name.strip(), _json_object(brace + rest) if brace else None)


def _json_object(value: str) -> JSON:
    try:
        loaded = json.loads(value)
    except ValueError:
        loaded = None
    if not isinstance(loaded, dict):
        raise ValueError(f"plan: the input of a tool must be a JSON object, not {value[:60]!r}")
    return loaded
