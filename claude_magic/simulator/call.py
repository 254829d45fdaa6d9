"""A request that passed the checks, and what can be read from it."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from ..messages.limits import Model

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


def plan_line(body: Any) -> str | None:
    """What stands after ``simulate:`` in the user's last message, if no answer follows it.

    The body may be anything: it was not checked yet.
    """
    messages = body.get("messages") if isinstance(body, dict) else None
    said = [m for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
    while said and said[-1].get("role") == "system":
        said.pop()
    if not said or said[-1].get("role") != "user":
        return None
    found = _PLAN_LINE.search(text_of(said[-1].get("content")))
    return found[1] if found else None


def without_plan(text: str) -> str:
    """A question without its ``simulate:`` line."""
    return _PLAN_LINE.sub("", text).strip()


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
    def question(self) -> str:
        """The text of the last turn, without a plan."""
        return without_plan(text_of(self.last_turn))

    @property
    def questions(self) -> list[str]:
        """The text of every user message that has any, oldest first."""
        texts = (without_plan(text_of(m["content"])) for m in self.messages if m["role"] == "user")
        return [text for text in texts if text]

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
