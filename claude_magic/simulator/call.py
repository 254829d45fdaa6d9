"""A request that passed the checks, and what can be read from it."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..messages.limits import Model
from . import words

JSON = dict[str, Any]

_PLAN_LINE = re.compile(r"^[ \t]*simulate:[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_LEVELS = ("low", "medium", "high", "xhigh", "max")


def blocks(content: Any) -> list[JSON]:
    """Content as a list of blocks; a string is one text block, anything else malformed is dropped."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if isinstance(content, list):
        return [block for block in content if isinstance(block, dict)]
    return []


def text_of(content: Any) -> str:
    """The text blocks of some content, joined by line ends."""
    return "\n".join(str(b.get("text", "")) for b in blocks(content) if b.get("type") == "text")


def nested(found: Iterable[JSON]) -> Iterator[JSON]:
    """Blocks, and those inside tool results and documents."""
    for block in found:
        yield block
        if block["type"] == "tool_result":
            yield from nested(blocks(block.get("content")))
        elif block["type"] == "document" and block["source"]["type"] == "content":
            yield from nested(blocks(block["source"]["content"]))


def calls_tools(message: JSON) -> bool:
    """Whether a message is an answer that does not end a turn: it calls tools, the user's or the server's."""
    kinds = ("tool_use", "server_tool_use")
    return message.get("role") == "assistant" and any(b.get("type") in kinds for b in blocks(message.get("content")))


def plan_lines(body: Any) -> tuple[list[str], int]:
    """What stands after each ``simulate:`` in the last question, and how many answers there were since.

    The body may be anything: it was not checked yet.
    """
    messages = body.get("messages") if isinstance(body, dict) else None
    rounds = 0
    for message in reversed(messages if isinstance(messages, list) else []):
        if not isinstance(message, dict):
            break
        if message.get("role") == "user" and (said := text_of(message.get("content"))):
            return _PLAN_LINE.findall(said), rounds
        if calls_tools(message):
            rounds += 1
        elif message.get("role") == "assistant":
            break
    return [], rounds


def without_plan(text: str) -> str:
    """A question without its ``simulate:`` line."""
    return _PLAN_LINE.sub("", text).strip()


def _results(message: JSON) -> list[JSON]:
    """The tool results in a message."""
    return [block for block in blocks(message["content"]) if block["type"] == "tool_result"]


def _said(found: list[JSON]) -> tuple[str, list[str]]:
    """The question in some blocks, and the text attached to it."""
    said, attached = words.sorted_out([str(block["text"]) for block in found if block["type"] == "text"])
    return without_plan("\n".join(said)), attached


@dataclasses.dataclass(frozen=True)
class Call:
    """A request that may be answered.

    Attributes
    ----------
    body : dict
        As sent, except that thinking blocks dropped on request are gone.
    model : Model
        What the table knows about the model.
    model_name : str
        The id that the answer carries.
    version : str
        ``anthropic-version``.
    betas : frozenset of str
        Values of ``anthropic-beta``.
    transformations : tuple of dict
        What was dropped from the input, for ``input_transformations``.
    """

    body: JSON
    model: Model
    model_name: str
    version: str
    betas: frozenset[str] = frozenset()
    transformations: tuple[JSON, ...] = ()

    @property
    def messages(self) -> list[JSON]:
        """The conversation."""
        found: list[JSON] = self.body["messages"]
        return found

    @property
    def tools(self) -> list[JSON]:
        """The definitions of tools; often none."""
        return self.body.get("tools") or []

    @property
    def last_turn(self) -> list[JSON]:
        """The blocks of the user's messages at the end, system messages between them left out."""
        found: list[JSON] = []
        for message in reversed(self.messages):
            if message["role"] == "assistant":
                if found or message is not self.messages[-1]:
                    break
                continue  # a prefill stands after the question
            if message["role"] == "user":
                found[:0] = blocks(message["content"])
        return found

    @property
    def _turns(self) -> list[list[JSON]]:
        """The blocks of each turn in which the user asks; what comes along with tool results asks nothing."""
        talk = (message for message in self.messages if message["role"] != "system")
        turns = (list(turn) for role, turn in itertools.groupby(talk, lambda m: m["role"]) if role == "user")
        asking = ([b for m in turn if not _results(m) for b in blocks(m["content"])] for turn in turns)
        return [found for found in asking if found]

    @property
    def question(self) -> str:
        """What the user says in the last turn, without a plan and without attached text; often nothing in a loop."""
        return _said(self.last_turn)[0]

    @property
    def asked(self) -> str:
        """The question that is being answered: the last turn's, or in a loop of tools the one that began it."""
        return _said(self._turns[-1])[0] if self._turns else ""

    @property
    def attached(self) -> list[str]:
        """Text that was attached to it."""
        return _said(self._turns[-1])[1] if self._turns else []

    @property
    def earlier_questions(self) -> list[str]:
        """What the user said before it, oldest first."""
        return [said for turn in self._turns[:-1] if (said := _said(turn)[0])]

    @property
    def questions(self) -> list[str]:
        """All that the user said, oldest first."""
        return [*self.earlier_questions, *([self.asked] if self.asked else [])]

    @property
    def prefill(self) -> str:
        """The beginning of the answer, put into the model's mouth."""
        last = self.messages[-1]
        return text_of(last["content"]) if last["role"] == "assistant" else ""

    @property
    def results(self) -> list[JSON]:
        """The tool results of the last turn."""
        return [block for block in self.last_turn if block["type"] == "tool_result"]

    @property
    def earlier_results(self) -> list[JSON]:
        """The tool results since the question, without those of the last turn."""
        since = itertools.takewhile(lambda m: m["role"] != "user" or _results(m), reversed(self.messages))
        found = [block for message in reversed(list(since)) for block in _results(message)]
        return found[: len(found) - len(self.results)]

    @property
    def beside_results(self) -> str:
        """What is said along with tool results in the last message of the user's."""
        last = next(message for message in reversed(self.messages) if message["role"] == "user")
        return text_of(last["content"]) if _results(last) else ""

    @property
    def goes_on(self) -> bool:
        """Whether it continues an answer: with tool results, or after a pause."""
        return bool(self.results) or calls_tools(self.messages[-1])

    @property
    def thinking(self) -> str:
        """The kind of thinking in force: the request's, else the model's own."""
        asked = self.body.get("thinking")
        if asked:
            return str(asked["type"])
        return "adaptive" if self.model.thinks_by_default else "disabled"

    @property
    def display(self) -> str:
        """``summarized`` or ``omitted``."""
        return str((self.body.get("thinking") or {}).get("display") or self.model.thinking_display)

    @property
    def asks_effort(self) -> bool:
        """Whether high effort or more is asked for in so many words."""
        return (self.body.get("output_config") or {}).get("effort") in _LEVELS[2:]
