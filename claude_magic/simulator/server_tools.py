"""Tools that run on the server: their calls, results, citations and errors, all within one answer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .answer import Part, text_part
from .call import JSON, Call

_TYPE = re.compile(r"(web_search|web_fetch|code_execution)_\d{8}")
_URL = re.compile(r"https?://[^\s<>\"'`)\]]+")
_PYTHON_ONLY = "code_execution_20250522"
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
"""What can go wrong with each; the answer goes on all the same."""


def kind(tool: JSON) -> str | None:
    """``web_search``, ``web_fetch`` or ``code_execution`` by a definition's type; None for other tools."""
    found = _TYPE.fullmatch(str(tool.get("type")))
    return found[1] if found else None


def offered(call: Call) -> dict[str, JSON]:
    """The definitions of such tools in a request, by name."""
    return {tool["name"]: tool for tool in call.tools if kind(tool)}


def sample(tool: JSON, call: Call) -> JSON:
    """An input for such a tool, out of the question."""
    name = _called(tool)
    if name == "web_search":
        return {"query": " ".join(call.question.split()[:12]) or "simulated"}
    if name == "web_fetch":
        return {"url": next(iter(_addresses(call)), _PAGE["url"])}
    return {"code": 'print("simulated")'} if name == "code_execution" else {"command": "echo simulated"}


def parts(tool: JSON, value: JSON, id: str, error: str | None, call: Call) -> Iterator[Part]:
    """One use of such a tool: its call, its result, and a sentence that cites it if there is something to cite.

    Parameters
    ----------
    tool : dict
        Its definition.
    value : dict
        The input.
    id : str
        Of the use.
    error : str or None
        One of :data:`ERRORS`, to fail with.
    call : Call
        The request.
    """
    own, name = kind(tool) or "", _called(tool)
    yield Part.calling("server_tool_use", id, name, value)
    if error is None and own == "web_fetch" and value.get("url") not in _addresses(call):
        error = "url_not_in_prior_context"
    result: JSON = {"type": f"{name}_tool_result", "tool_use_id": id}
    if own != "code_execution":
        result["caller"] = {"type": "direct"}
    if error is not None:
        yield Part({**result, "content": {"type": f"{name}_tool_result_error", "error_code": error}})
        return
    content, citation = _RESULTS[own](name, value, tool)
    yield Part({**result, "content": content})
    if citation:
        yield text_part(_SENTENCE, citations=({**citation, "cited_text": _SENTENCE},))


def requests(parts: tuple[Part, ...]) -> JSON | None:
    """How often the web was asked, for ``usage.server_tool_use``; None if never."""
    names = [part.start["name"] for part in parts if part.kind == "server_tool_use"]
    counts = {f"{name}_requests": names.count(name) for name in ("web_search", "web_fetch")}
    return counts if any(counts.values()) else None


def _called(tool: JSON) -> str:
    """What a call of it is named; newer containers have a shell."""
    shell = kind(tool) == "code_execution" and tool["type"] != _PYTHON_ONLY
    return "bash_code_execution" if shell else str(kind(tool))


def _addresses(call: Call) -> list[str]:
    """What may be fetched: addresses that stand in the conversation, those of the last turn first."""
    return _URL.findall("\n".join([call.question, *call.attached, *call.questions]))


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
