"""Server tools (web search, web fetch, code execution): their calls, results, citations and errors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .message_request import JSON, MessageRequest
from .simulated_message import Blocks, SimulatedBlock, text_block

_TYPE = re.compile(r"(web_search|web_fetch|code_execution)_\d{8}")
_URL = re.compile(r"https?://[^\s<>\"'`)\]]+")
_PYTHON_ONLY = "code_execution_20250522"
"""The only version whose calls are named ``code_execution``; later ones run a shell."""
_COMMON = ("invalid_tool_input", "unavailable", "too_many_requests")
_SENTENCE = "A simulated page says that nothing was searched or fetched."
_PAGE = {"url": "https://example.org/simulated", "title": "A simulated page"}

ERRORS = {
    "web_search": (*_COMMON, "max_uses_exceeded", "query_too_long", "request_too_large"),
    "web_fetch": (
        *_COMMON,
        "max_uses_exceeded",
        "url_too_long",
        "url_not_allowed",
        "url_not_in_prior_context",
        "url_not_accessible",
        "unsupported_content_type",
        "content_too_large",
    ),
    "code_execution": (*_COMMON, "execution_time_exceeded"),
}
"""The error codes of each tool. An error is a result like any other: the answer goes on."""


def kind(tool: JSON) -> str | None:
    """``web_search``, ``web_fetch`` or ``code_execution``, by the definition's type; None for other tools."""
    found = _TYPE.fullmatch(str(tool.get("type")))
    return found[1] if found else None


def offered(request: MessageRequest) -> dict[str, JSON]:
    """The server tools of a request, by name."""
    return {tool["name"]: tool for tool in request.tools if kind(tool)}


def sample(tool: JSON, request: MessageRequest) -> JSON:
    """An input for a server tool, taken from the question."""
    name = _call_name(tool)
    if name == "web_search":
        return {"query": " ".join(request.question.split()[:12]) or "simulated"}
    if name == "web_fetch":
        return {"url": next(iter(_urls(request)), _PAGE["url"])}
    return {"code": 'print("simulated")'} if name == "code_execution" else {"command": "echo simulated"}


def blocks(tool: JSON, value: JSON, id: str, error: str | None, request: MessageRequest) -> Iterator[SimulatedBlock]:
    """One use of a server tool: the call, its result, and a sentence that cites the result if it can be cited.

    Parameters
    ----------
    tool : dict
        The definition.
    value : dict
        The input.
    id : str
        Of the call.
    error : str or None
        One of :data:`ERRORS` to fail with.
    request : MessageRequest
    """
    tool_kind, name = kind(tool) or "", _call_name(tool)
    yield SimulatedBlock.tool_call("server_tool_use", id, name, value)
    # Web fetch only opens addresses that already appear in the conversation.
    if error is None and tool_kind == "web_fetch" and value.get("url") not in _urls(request):
        error = "url_not_in_prior_context"
    result: JSON = {"type": f"{name}_tool_result", "tool_use_id": id}
    if tool_kind != "code_execution":
        result["caller"] = {"type": "direct"}
    if error is not None:
        yield SimulatedBlock({**result, "content": {"type": f"{name}_tool_result_error", "error_code": error}})
        return
    content, citation = _RESULTS[tool_kind](name, value, tool)
    yield SimulatedBlock({**result, "content": content})
    if citation:
        yield text_block(_SENTENCE, citations=({**citation, "cited_text": _SENTENCE},))


def usage(blocks: Blocks) -> dict[str, int] | None:
    """``usage.server_tool_use``: the number of searches and fetches; None without any."""
    names = [block.start["name"] for block in blocks if block.kind == "server_tool_use"]
    counts = {f"{name}_requests": names.count(name) for name in ("web_search", "web_fetch")}
    return counts if any(counts.values()) else None


def _call_name(tool: JSON) -> str:
    """The ``name`` in a call of a server tool."""
    shell = kind(tool) == "code_execution" and tool["type"] != _PYTHON_ONLY
    return "bash_code_execution" if shell else str(kind(tool))


def _urls(request: MessageRequest) -> list[str]:
    """The URLs in the conversation, those of the last turn first."""
    return _URL.findall("\n".join([request.question, *request.attached_texts, *request.questions]))


def _searched(name: str, value: JSON, tool: JSON) -> tuple[object, JSON]:
    found = {"type": "web_search_result", **_PAGE, "encrypted_content": "c2ltdWxhdGVk", "page_age": None}
    return [found], {"type": "web_search_result_location", **_PAGE, "encrypted_index": "c2ltdWxhdGVk"}


def _fetched(name: str, value: JSON, tool: JSON) -> tuple[object, JSON]:
    source = {"type": "text", "media_type": "text/plain", "data": _SENTENCE}
    cited = bool((tool.get("citations") or {}).get("enabled"))
    page = {"type": "document", "source": source, "title": _PAGE["title"], "citations": {"enabled": cited}}
    result = {"type": "web_fetch_result", "url": value["url"], "retrieved_at": None, "content": page}
    place = {"start_char_index": 0, "end_char_index": len(_SENTENCE), "file_id": None}
    citation = {"type": "char_location", "document_index": 0, "document_title": _PAGE["title"], **place}
    return result, citation if cited else {}


def _executed(name: str, value: JSON, tool: JSON) -> tuple[object, JSON]:
    output = {"stdout": "simulated\n", "stderr": "", "return_code": 0, "content": []}
    return {"type": f"{name}_result", **output}, {}


_RESULTS = {"web_search": _searched, "web_fetch": _fetched, "code_execution": _executed}
