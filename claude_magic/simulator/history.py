"""Rules for ``messages``: roles, emptiness, tool calls and their results, where a turn may end."""

from __future__ import annotations

from collections.abc import Iterator

from . import citing, content, pdf
from .call import JSON, Call, blocks, nested
from .fields import conform, one_of, shape
from .problem import Problem, invalid

MOST = 100_000
_MESSAGE = shape(role=str, content=(str, list))
_ROLES = ("user", "assistant", "system")


def check(call: Call) -> None:
    """Check every message, each block in it, and how they follow one another."""
    messages = call.messages
    if not messages:
        raise invalid("messages: at least one message is required")
    if len(messages) > MOST:
        raise invalid(f"messages: List should have at most {MOST} items")
    if isinstance(call.body.get("system"), list):
        for j, block in enumerate(call.body["system"]):
            content.check(block, f"system.{j}", "system", call)
    for i, message in enumerate(messages):
        _message(call, i, message)
    if messages[0]["role"] != "user":
        raise invalid('messages: first message must use the "user" role')
    _systems(call)
    _tools(messages)
    _server_tools(messages)
    _end(call)
    content.check_images(call)
    _documents(call)


def _message(call: Call, i: int, message: JSON) -> None:
    path = f"messages.{i}"
    conform(message, _MESSAGE, path)
    one_of(message["role"], _ROLES, f"{path}.role")
    last = i == len(call.messages) - 1
    if not message["content"] and not (last and message["role"] == "assistant"):
        raise invalid(
            f"{path}: all messages must have non-empty content except for the optional final assistant message"
        )
    if isinstance(message["content"], str):
        if message["content"] and not message["content"].strip():
            raise invalid("messages: text content blocks must contain non-whitespace text")
        return
    for j, block in enumerate(message["content"]):
        content.check(block, f"{path}.content.{j}", message["role"], call)


def _ends_in_server_result(message: JSON) -> bool:
    kinds = [block["type"] for block in blocks(message["content"])]
    return bool(kinds) and kinds[-1].endswith("_tool_result")


def _systems(call: Call) -> None:
    """A system message follows the user's turn and is last, or comes before the assistant's."""
    messages = call.messages
    for i, message in enumerate(messages):
        if message["role"] != "system":
            continue
        path = f"messages.{i}"
        if not call.model.system_messages:
            raise invalid(f"{path}: role 'system' is not supported on this model")
        before = messages[i - 1]
        if before["role"] == "assistant" and not _ends_in_server_result(before):
            raise invalid(f"{path}: a system message must follow a user message")
        if i + 1 < len(messages) and messages[i + 1]["role"] == "user":
            raise invalid(f"{path}: a system message must be last or be followed by an assistant message")


def _uses(message: JSON) -> list[str]:
    if message["role"] != "assistant":
        return []
    return [block["id"] for block in blocks(message["content"]) if block["type"] == "tool_use"]


def _results(message: JSON) -> list[str]:
    return [b["tool_use_id"] for b in blocks(message["content"]) if b["type"] == "tool_result"]


def _tools(messages: list[JSON]) -> None:
    """Every call is answered in the very next message, by results that come first."""
    seen: set[str] = set()
    for i, message in enumerate(messages):
        uses = _uses(message)
        if len(set(uses)) < len(uses) or seen & set(uses):
            raise invalid(f"messages.{i}: `tool_use` ids must be unique")
        seen |= set(uses)
        results = _results(messages[i + 1]) if i + 1 < len(messages) else []
        if missing := [use for use in uses if use not in results]:
            raise _unanswered(i, missing)
        asked = _uses(messages[i - 1]) if i else []
        _answers(i, message, asked)


def _unanswered(i: int, missing: list[str]) -> Problem:
    return invalid(
        f"messages.{i}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
        "next message."
    )


def _answers(i: int, message: JSON, asked: list[str]) -> None:
    answered: set[str] = set()
    other_before = False
    for j, block in enumerate(blocks(message["content"])):
        if block["type"] != "tool_result":
            other_before = True
            continue
        path, use = f"messages.{i}.content.{j}", block["tool_use_id"]
        if use not in asked:
            raise invalid(
                f"{path}: unexpected `tool_use_id` found in `tool_result` blocks: {use}. Each `tool_result` "
                "block must have a corresponding `tool_use` block in the previous message."
            )
        if use in answered:
            raise invalid(f"{path}: each tool_use must have a single result. Found several for id {use}.")
        if other_before:
            raise invalid(f"{path}: `tool_result` blocks must come first in the content of a message.")
        answered.add(use)


def _server_tools(messages: list[JSON]) -> None:
    """Every call of a server's tool has its result, before or in a later answer; only the last may be open."""
    answers = [(i, block) for i, m in enumerate(messages) if m["role"] == "assistant" for block in blocks(m["content"])]
    last = max((i for i, _ in answers), default=0)
    results = {block["tool_use_id"] for _, block in answers if _is_result(block)}
    uses = {block["id"]: i for i, block in answers if block["type"] == "server_tool_use"}
    for use, i in uses.items():
        if use not in results and i < last:
            raise invalid(f"messages.{i}: `server_tool_use` {use} was found without a corresponding result block.")
    if strangers := sorted(results - uses.keys()):
        raise invalid(f"messages: unexpected `tool_use_id` in results of server tools: {', '.join(strangers)}.")


def _is_result(block: JSON) -> bool:
    """Whether it is what a tool on the server returned; those of MCP servers have other calls."""
    kind, use = block["type"], block.get("tool_use_id")
    return kind.endswith("_tool_result") and kind != "mcp_tool_result" and isinstance(use, str)


def _documents(call: Call) -> None:
    """How many pages there are, and whether all documents are to be cited or none."""
    every = [block for message in call.messages for block in nested(blocks(message["content"]))]
    documents = [block for block in every if block["type"] == "document"]
    sources = [block["source"] for block in documents if block["source"]["type"] == "base64"]
    if (count := sum(pdf.pages(source["data"]) for source in sources)) > call.model.max_pages:
        raise invalid(f"messages: a maximum of {call.model.max_pages} PDF pages may be provided. Found {count}.")
    cited = {citing.switched_on(block) for block in documents}
    if len(cited) > 1:
        raise invalid("messages: citations must be enabled on all or none of the documents of a request.")
    if True in cited and (call.body.get("output_config") or {}).get("format"):
        raise invalid("output_config.format: structured outputs do not go with citations.")


def _texts(message: JSON) -> Iterator[str]:
    return (block["text"] for block in blocks(message["content"]) if block["type"] == "text")


def _paused(message: JSON) -> bool:
    """Whether the message is a turn that the server interrupted, sent back to go on."""
    return any(block["type"] == "server_tool_use" for block in blocks(message["content"]))


def _end(call: Call) -> None:
    """Whether the conversation may end as it does: on newer models not with the assistant."""
    last = call.messages[-1]
    if last["role"] != "assistant" or _paused(last):
        return
    if not call.model.prefill:
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    if call.thinking != "disabled":
        raise invalid("messages: an assistant message may not come last when thinking is enabled.")
    if (call.body.get("output_config") or {}).get("format"):
        raise invalid("messages: an assistant message may not come last with output_config.format.")
    texts = list(_texts(last))
    if texts and texts[-1] != texts[-1].rstrip():
        raise invalid("messages: final assistant content cannot end with trailing whitespace")
