"""Check ``messages``: roles, empty content, tool calls and their results, and how a conversation may end."""

from __future__ import annotations

from . import content_checks, pdf_pages, simulated_citations
from .api_errors import bad_request
from .field_checks import check_choice, check_object, spec
from .message_request import JSON, MessageRequest, as_blocks, with_nested

MAX_MESSAGES = 100_000
_MESSAGE = spec(role=str, content=(str, list))
_ROLES = ("user", "assistant", "system")


def check(request: MessageRequest) -> None:
    """Check each message and its blocks, then the order of messages, then limits of the whole request."""
    messages = request.messages
    if not messages:
        raise bad_request("messages: at least one message is required")
    if len(messages) > MAX_MESSAGES:
        raise bad_request(f"messages: List should have at most {MAX_MESSAGES} items")
    if isinstance(request.body.get("system"), list):
        for j, block in enumerate(request.body["system"]):
            content_checks.check(block, f"system.{j}", "system", request)
    for i, message in enumerate(messages):
        _check_message(request, i, message)
    if messages[0]["role"] != "user":
        raise bad_request('messages: first message must use the "user" role')
    _check_system_messages(request)
    _check_tool_results(messages)
    _check_server_tool_results(messages)
    _check_end(request)
    content_checks.check_images(request)
    _check_documents(request)


def _check_message(request: MessageRequest, i: int, message: JSON) -> None:
    """Only a last assistant message may be empty, and text must not be blank."""
    path = f"messages.{i}"
    check_object(message, _MESSAGE, path)
    check_choice(message["role"], _ROLES, f"{path}.role")
    last = i == len(request.messages) - 1
    if not message["content"] and not (last and message["role"] == "assistant"):
        raise bad_request(
            f"{path}: all messages must have non-empty content except for the optional final assistant message"
        )
    if isinstance(message["content"], str):
        if message["content"] and not message["content"].strip():
            raise bad_request("messages: text content blocks must contain non-whitespace text")
        return
    for j, block in enumerate(message["content"]):
        content_checks.check(block, f"{path}.content.{j}", message["role"], request)


def _ends_in_server_result(message: JSON) -> bool:
    kinds = [block["type"] for block in as_blocks(message["content"])]
    return bool(kinds) and kinds[-1].endswith("_tool_result")


def _check_system_messages(request: MessageRequest) -> None:
    """A system message follows a user message or a server tool's result; only an assistant message may follow it."""
    messages = request.messages
    for i, message in enumerate(messages):
        if message["role"] != "system":
            continue
        path = f"messages.{i}"
        if not request.model.system_messages:
            raise bad_request(f"{path}: role 'system' is not supported on this model")
        before = messages[i - 1]
        if before["role"] == "assistant" and not _ends_in_server_result(before):
            raise bad_request(f"{path}: a system message must follow a user message")
        if i + 1 < len(messages) and messages[i + 1]["role"] == "user":
            raise bad_request(f"{path}: a system message must be last or be followed by an assistant message")


def _tool_use_ids(message: JSON) -> list[str]:
    if message["role"] != "assistant":
        return []
    return [block["id"] for block in as_blocks(message["content"]) if block["type"] == "tool_use"]


def _tool_result_ids(message: JSON) -> list[str]:
    return [b["tool_use_id"] for b in as_blocks(message["content"]) if b["type"] == "tool_result"]


def _check_tool_results(messages: list[JSON]) -> None:
    """The next message answers every tool call, with the results before any other content."""
    seen: set[str] = set()
    for i, message in enumerate(messages):
        uses = _tool_use_ids(message)
        if len(set(uses)) < len(uses) or seen & set(uses):
            raise bad_request(f"messages.{i}: `tool_use` ids must be unique")
        seen |= set(uses)
        results = _tool_result_ids(messages[i + 1]) if i + 1 < len(messages) else []
        if missing := [use for use in uses if use not in results]:
            raise bad_request(
                f"messages.{i}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        _check_results_match(i, message, _tool_use_ids(messages[i - 1]) if i else [])


def _check_results_match(i: int, message: JSON, calls: list[str]) -> None:
    """Each result belongs to a call of the message before, one result per call."""
    answered: set[str] = set()
    other_before = False
    for j, block in enumerate(as_blocks(message["content"])):
        if block["type"] != "tool_result":
            other_before = True
            continue
        path, use = f"messages.{i}.content.{j}", block["tool_use_id"]
        if use not in calls:
            raise bad_request(
                f"{path}: unexpected `tool_use_id` found in `tool_result` blocks: {use}. Each `tool_result` "
                "block must have a corresponding `tool_use` block in the previous message."
            )
        if use in answered:
            raise bad_request(f"{path}: each tool_use must have a single result. Found several for id {use}.")
        if other_before:
            raise bad_request(f"{path}: `tool_result` blocks must come first in the content of a message.")
        answered.add(use)


def _check_server_tool_results(messages: list[JSON]) -> None:
    """Server tool calls have their results in the same or a later assistant message; only the last may lack them."""
    sent = [(i, block) for i, m in enumerate(messages) if m["role"] == "assistant" for block in as_blocks(m["content"])]
    last = max((i for i, _ in sent), default=0)
    results = {block["tool_use_id"] for _, block in sent if _is_server_tool_result(block)}
    uses = {block["id"]: i for i, block in sent if block["type"] == "server_tool_use"}
    for use, i in uses.items():
        if use not in results and i < last:
            raise bad_request(f"messages.{i}: `server_tool_use` {use} was found without a corresponding result block.")
    if unexpected := sorted(results - uses.keys()):
        raise bad_request(f"messages: unexpected `tool_use_id` in results of server tools: {', '.join(unexpected)}.")


def _is_server_tool_result(block: JSON) -> bool:
    """Whether it is the result of a server tool; results of MCP tools belong to ``mcp_tool_use`` calls."""
    kind, use = block["type"], block.get("tool_use_id")
    return kind.endswith("_tool_result") and kind != "mcp_tool_result" and isinstance(use, str)


def _check_documents(request: MessageRequest) -> None:
    """Check the number of PDF pages, and that citations are enabled for all documents or none."""
    every = [block for message in request.messages for block in with_nested(as_blocks(message["content"]))]
    documents = [block for block in every if block["type"] == "document"]
    sources = [block["source"] for block in documents if block["source"]["type"] == "base64"]
    if (count := sum(pdf_pages.pages(source["data"]) for source in sources)) > request.model.max_pages:
        raise bad_request(f"messages: a maximum of {request.model.max_pages} PDF pages may be provided. Found {count}.")
    cited = {simulated_citations.enabled(block) for block in documents}
    if len(cited) > 1:
        raise bad_request("messages: citations must be enabled on all or none of the documents of a request.")
    if True in cited and (request.body.get("output_config") or {}).get("format"):
        raise bad_request("output_config.format: structured outputs do not go with citations.")


def _check_end(request: MessageRequest) -> None:
    """Newer models refuse a prefill, a last message by the assistant; older ones restrict it."""
    last = request.messages[-1]
    # A turn with server tools ended with ``pause_turn`` and is sent back to be continued.
    if last["role"] != "assistant" or any(block["type"] == "server_tool_use" for block in as_blocks(last["content"])):
        return
    if not request.model.prefill:
        raise bad_request(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    if request.thinking_type != "disabled":
        raise bad_request("messages: an assistant message may not come last when thinking is enabled.")
    if (request.body.get("output_config") or {}).get("format"):
        raise bad_request("messages: an assistant message may not come last with output_config.format.")
    texts = [block["text"] for block in as_blocks(last["content"]) if block["type"] == "text"]
    if texts and texts[-1] != texts[-1].rstrip():
        raise bad_request("messages: final assistant content cannot end with trailing whitespace")
