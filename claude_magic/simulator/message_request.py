"""A request to ``/v1/messages`` that passed all checks, and what the simulator reads from it."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..messages.limits import Model
from . import question_text

JSON = dict[str, Any]

_PLAN_LINE = re.compile(r"^[ \t]*simulate:[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_HIGH_EFFORT = ("high", "xhigh", "max")


def as_blocks(content: object) -> list[JSON]:
    """Content as a list of blocks: a string becomes one text block, anything malformed is dropped."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if isinstance(content, list):
        return [block for block in content if isinstance(block, dict)]
    return []


def text_of(content: object) -> str:
    """The text blocks of some content, joined by newlines."""
    return "\n".join(str(b.get("text", "")) for b in as_blocks(content) if b.get("type") == "text")


def with_nested(blocks: Iterable[JSON]) -> Iterator[JSON]:
    """Blocks, each followed by those inside it if it is a tool result or a document."""
    for block in blocks:
        yield block
        if block["type"] == "tool_result":
            yield from with_nested(as_blocks(block.get("content")))
        elif block["type"] == "document" and block["source"]["type"] == "content":
            yield from with_nested(as_blocks(block["source"]["content"]))


def calls_tools(message: JSON) -> bool:
    """Whether an assistant message leaves its turn open by calling tools, the client's or the server's."""
    kinds = ("tool_use", "server_tool_use")
    return message.get("role") == "assistant" and any(b.get("type") in kinds for b in as_blocks(message.get("content")))


def plan_lines(body: object) -> tuple[list[str], int]:
    """The plans in the ``simulate:`` lines of the last question, and the number of answers since then.

    The body may be anything, as plans apply before the request is checked.
    """
    messages = body.get("messages") if isinstance(body, dict) else None
    rounds = 0
    for message in reversed(messages if isinstance(messages, list) else []):
        if not isinstance(message, dict):
            break
        if message.get("role") == "user" and (text := text_of(message.get("content"))):
            return _PLAN_LINE.findall(text), rounds
        if calls_tools(message):
            rounds += 1
        elif message.get("role") == "assistant":
            break
    return [], rounds


def without_plan(text: str) -> str:
    """A question without its ``simulate:`` lines."""
    return _PLAN_LINE.sub("", text).strip()


def _tool_results(message: JSON) -> list[JSON]:
    return [block for block in as_blocks(message["content"]) if block["type"] == "tool_result"]


def _question_and_attachments(blocks: list[JSON]) -> tuple[str, list[str]]:
    """The question in some blocks, and the texts attached to it."""
    texts = [str(block["text"]) for block in blocks if block["type"] == "text"]
    question, attached = question_text.split_attachments(texts)
    return without_plan("\n".join(question)), attached


@dataclasses.dataclass(frozen=True)
class MessageRequest:
    """A request that can be answered.

    Attributes
    ----------
    body : dict
        The JSON body. Files are already inserted, thinking blocks dropped on request already removed.
    model : Model
        The model's entry in the table of models.
    model_name : str
        The model id that the answer reports.
    version : str
        ``anthropic-version``.
    betas : frozenset of str
        Values of ``anthropic-beta``.
    transformations : tuple of dict
        What was dropped from the input, reported as ``input_transformations``.
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
        messages: list[JSON] = self.body["messages"]
        return messages

    @property
    def tools(self) -> list[JSON]:
        """The tool definitions; empty if the request has none."""
        return self.body.get("tools") or []

    @property
    def last_turn(self) -> list[JSON]:
        """The blocks of the user messages at the end, without the system messages between them."""
        blocks: list[JSON] = []
        for message in reversed(self.messages):
            if message["role"] == "assistant":
                if blocks or message is not self.messages[-1]:
                    break
                continue  # a prefill follows the question
            if message["role"] == "user":
                blocks[:0] = as_blocks(message["content"])
        return blocks

    @property
    def _question_turns(self) -> list[list[JSON]]:
        """The blocks of each user turn that asks something; text sent along with tool results does not."""
        dialogue = (message for message in self.messages if message["role"] != "system")
        turns = (list(turn) for role, turn in itertools.groupby(dialogue, lambda m: m["role"]) if role == "user")
        asking = ([b for m in turn if not _tool_results(m) for b in as_blocks(m["content"])] for turn in turns)
        return [blocks for blocks in asking if blocks]

    @property
    def question(self) -> str:
        """The user's words in the last turn, without plan lines and attached texts; often empty in a tool loop."""
        return _question_and_attachments(self.last_turn)[0]

    @property
    def original_question(self) -> str:
        """The question being answered: that of the last turn or, in a tool loop, the one that started the loop."""
        return _question_and_attachments(self._question_turns[-1])[0] if self._question_turns else ""

    @property
    def attached_texts(self) -> list[str]:
        """The texts attached to the original question."""
        return _question_and_attachments(self._question_turns[-1])[1] if self._question_turns else []

    @property
    def earlier_questions(self) -> list[str]:
        """The questions before the original one, oldest first."""
        turns = self._question_turns[:-1]
        return [question for turn in turns if (question := _question_and_attachments(turn)[0])]

    @property
    def questions(self) -> list[str]:
        """All questions of the conversation, oldest first."""
        return [*self.earlier_questions, *([self.original_question] if self.original_question else [])]

    @property
    def prefill(self) -> str:
        """The beginning of the answer, supplied by the client as a last assistant message."""
        last = self.messages[-1]
        return text_of(last["content"]) if last["role"] == "assistant" else ""

    @property
    def tool_results(self) -> list[JSON]:
        """The tool results of the last turn."""
        return [block for block in self.last_turn if block["type"] == "tool_result"]

    @property
    def earlier_tool_results(self) -> list[JSON]:
        """The tool results since the original question, without those of the last turn."""
        since = itertools.takewhile(lambda m: m["role"] != "user" or _tool_results(m), reversed(self.messages))
        results = [block for message in reversed(list(since)) for block in _tool_results(message)]
        return results[: len(results) - len(self.tool_results)]

    @property
    def text_beside_results(self) -> str:
        """The text that the last user message sends along with tool results."""
        last = next(message for message in reversed(self.messages) if message["role"] == "user")
        return text_of(last["content"]) if _tool_results(last) else ""

    @property
    def continues_answer(self) -> bool:
        """Whether it continues an answer, with tool results or after ``pause_turn``."""
        return bool(self.tool_results) or calls_tools(self.messages[-1])

    @property
    def thinking_type(self) -> str:
        """``thinking.type`` in force: the request's, or else the model's default."""
        thinking = self.body.get("thinking")
        if thinking:
            return str(thinking["type"])
        return "adaptive" if self.model.thinks_by_default else "disabled"

    @property
    def thinking_display(self) -> str:
        """``summarized`` or ``omitted``."""
        return str((self.body.get("thinking") or {}).get("display") or self.model.thinking_display)

    @property
    def wants_high_effort(self) -> bool:
        """Whether the request itself sets an effort of ``high`` or more."""
        return (self.body.get("output_config") or {}).get("effort") in _HIGH_EFFORT
