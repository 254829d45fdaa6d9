"""Citations of what the user sent: documents and search results for which they are switched on."""

from __future__ import annotations

from collections.abc import Iterator

from .answer import Part, text_part
from .call import JSON, Call, blocks, nested, text_of

KINDS = ("document", "search_result")
_MOST = 80


def switched_on(block: JSON) -> bool:
    """Whether a document or search result is to be cited."""
    return bool((block.get("citations") or {}).get("enabled"))


def parts(call: Call) -> Iterator[Part]:
    """A sentence for each thing of the last turn that is to be cited, with its citation."""
    every = [block for message in call.messages for block in nested(blocks(message["content"]))]
    new = {id(block) for block in nested(call.last_turn)}
    for kind in KINDS:
        for i, block in enumerate(block for block in every if block["type"] == kind):
            if id(block) in new and switched_on(block):
                name = "Document" if kind == "document" else "Search result"
                yield text_part(f"{name} {i + 1} begins with what is cited here. ", citations=(_citation(block, i),))


def _citation(block: JSON, i: int) -> JSON:
    if block["type"] == "search_result":
        place = {"source": block["source"], "title": block["title"], "search_result_index": i}
        text = text_of(block["content"][:1])
        return {"type": "search_result_location", **place, "cited_text": text} | _span("block_index", 0, 1)
    source = block["source"]
    named = {"document_index": i, "document_title": block.get("title"), "file_id": None}
    if source["type"] == "text":
        text = source["data"][:_MOST]
        return {"type": "char_location", **named, "cited_text": text} | _span("char_index", 0, len(text))
    if source["type"] == "content":
        text = text_of(blocks(source["content"])[:1])
        return {"type": "content_block_location", **named, "cited_text": text} | _span("block_index", 0, 1)
    return {"type": "page_location", **named, "cited_text": "(page 1, not read)"} | _span("page_number", 1, 2)


def _span(unit: str, start: int, end: int) -> JSON:
    return {f"start_{unit}": start, f"end_{unit}": end}
