"""The metadata of an answer's output, from which a later kernel restores the turn of a saved notebook."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, TypedDict

from claude_magic.engine.rendering import Ending
from claude_magic.messages.blocks import TextBlock
from claude_magic.messages.reply import Reply

_VALUE = re.compile(r".+ \(.+\)", re.DOTALL)
"""A value among the things that were sent; tools and earlier turns are listed without parentheses."""
_FOOTER = re.compile(r"\n\n\([^\n]*\)\s*\Z")
_AROUND = re.compile(r"\A\*sent: [^\n]*\*\n\n|(?:\n\n(?:>[^\n]*\n?)+)?\n\n\*[^\n]*\*\s*\Z")


class AnswerMetadata(TypedDict, total=False):
    """The value of the ``claude_magic`` key in an output's metadata, as notebooks store it."""

    version: int
    turn: str
    number: int
    model: str
    complete: bool
    stop_reason: str | None
    simulated: bool
    usage: dict[str, Any]
    cost_usd: float | None
    calls: list[dict[str, str | float]]
    conversation: str  # this and what follows: only if the question was sent
    asked: str  # ISO 8601
    nth: int | None  # among the questions of its cell, if it was asked in one
    source: str  # digest of the cell
    question: str
    sent: list[str]
    text: list[list[int]]  # start and end of the answer's own words in the plain text


def restoration_data(ending: Ending, plain: str, source: str) -> AnswerMetadata:
    """Collect what a later kernel needs to restore the turn; empty if the question was not sent.

    Parameters
    ----------
    ending : Ending
    plain : str
        The plain text of the output, in which the answer's own words are located.
    source : str
        The source of the cell, if it is a single question: its digest shows later whether the cell was
        edited. Otherwise the question itself is stored.
    """
    asked = ending.asked
    if asked is None:
        return {}
    data: AnswerMetadata = {
        "conversation": ending.conversation,
        "asked": asked.at.isoformat(timespec="milliseconds"),
    }
    if asked.in_cell:
        data["nth"] = asked.number
    if source:
        data["source"] = digest(source)
    else:
        data["question"] = asked.text
    if sent := [line for line in ending.reply.sent if _VALUE.fullmatch(line)]:
        data["sent"] = sent
    if spans := _text_spans(ending.reply, plain):
        data["text"] = spans
    return data


def digest(source: str) -> str:
    """A short hash of a cell's source, regardless of surrounding white space."""
    return hashlib.sha256(source.strip().encode("utf-8", "replace")).hexdigest()[:16]


def answer(about: Mapping[str, object], data: Mapping[str, object]) -> str:
    """Extract the answer's own words from its output.

    Parameters
    ----------
    about : mapping
        Its metadata under ``claude_magic``.
    data : mapping
        Its MIME bundle.
    """
    plain, markdown = (_joined(data.get(kind)) for kind in ("text/plain", "text/markdown"))
    spans = about.get("text")
    if isinstance(spans, list) and all(map(_is_span, spans)):
        found = [plain[start:end] for start, end in spans if end <= len(plain)]
        if len(found) == len(spans):
            return "\n\n".join(found)
    if plain:
        return _FOOTER.sub("", plain)
    return _AROUND.sub("", _AROUND.sub("", markdown))


def _text_spans(reply: Reply, plain: str) -> list[list[int]]:
    """Where the texts of an answer are in the output; empty if one of them is not there verbatim."""
    spans: list[list[int]] = []
    at = 0
    for message in reply.messages:
        texts = [message.prefill, *(block.text.strip() for block in message.blocks if isinstance(block, TextBlock))]
        if message.own_text in plain[at:]:
            texts = [message.own_text]
        for text in filter(str.strip, texts):
            start = plain.find(text, at)
            if start < 0:
                return []
            at = start + len(text)
            spans.append([start, at])
    return spans


def _joined(text: object) -> str:
    """A text as notebooks store it: in one string, or as a list of lines."""
    if isinstance(text, list):
        return "".join(line for line in text if isinstance(line, str))
    return text if isinstance(text, str) else ""


def _is_span(span: object) -> bool:
    return (
        isinstance(span, list) and len(span) == 2 and all(type(end) is int for end in span) and 0 <= span[0] <= span[1]
    )
