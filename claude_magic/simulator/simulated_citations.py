"""Citations of the documents and search results for which a request enables them."""

from __future__ import annotations

from collections.abc import Iterator

from .message_request import JSON, MessageRequest, as_blocks, text_of, with_nested
from .simulated_message import SimulatedBlock, text_block

CITABLE = ("document", "search_result")
_MAX_CITED = 80
"""Characters that are cited of a text document."""


def enabled(block: JSON) -> bool:
    """Whether a document or search result may be cited."""
    return bool((block.get("citations") or {}).get("enabled"))


def blocks(request: MessageRequest) -> Iterator[SimulatedBlock]:
    """A sentence with a citation for each citable block of the last turn."""
    every = [block for message in request.messages for block in with_nested(as_blocks(message["content"]))]
    new = {id(block) for block in with_nested(request.last_turn)}
    for kind in CITABLE:
        # The API counts documents and search results separately, over the whole conversation.
        for i, block in enumerate(block for block in every if block["type"] == kind):
            if id(block) in new and enabled(block):
                name = "Document" if kind == "document" else "Search result"
                yield text_block(f"{name} {i + 1} begins with what is cited here. ", citations=(_citation(block, i),))


def _citation(block: JSON, i: int) -> JSON:
    """The citation of a block's beginning; its type depends on the block's source."""
    if block["type"] == "search_result":
        place = {"source": block["source"], "title": block["title"], "search_result_index": i}
        text = text_of(block["content"][:1])
        return {"type": "search_result_location", **place, "cited_text": text} | _span("block_index", 0, 1)
    source = block["source"]
    document = {"document_index": i, "document_title": block.get("title"), "file_id": None}
    if source["type"] == "text":
        text = source["data"][:_MAX_CITED]
        return {"type": "char_location", **document, "cited_text": text} | _span("char_index", 0, len(text))
    if source["type"] == "content":
        text = text_of(as_blocks(source["content"])[:1])
        return {"type": "content_block_location", **document, "cited_text": text} | _span("block_index", 0, 1)
    return {"type": "page_location", **document, "cited_text": "(page 1, not read)"} | _span("page_number", 1, 2)


def _span(unit: str, start: int, end: int) -> JSON:
    return {f"start_{unit}": start, f"end_{unit}": end}
