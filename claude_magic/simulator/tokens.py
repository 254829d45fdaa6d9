"""Estimate tokens: four characters per token, and the published formula for images."""

from __future__ import annotations

import json
import math

from ..messages import limits
from . import image_description, pdf_pages
from .message_request import JSON, as_blocks

CHARACTERS = 4
"""Characters that count as one token."""

PER_MESSAGE = 3
PER_LINKED_IMAGE = 1500
"""Images that are given by URL are not fetched, so their size is unknown."""
PER_PDF_PAGE = 2000


def of_text(text: str) -> int:
    """Tokens of some text, rounded up."""
    return math.ceil(len(text) / CHARACTERS)


def of_block(block: JSON, tier: limits.ImageLimits) -> int:
    """Tokens of one content block, system block or tool definition."""
    kind, source = block.get("type"), block.get("source")
    if kind == "text":
        return of_text(block["text"])
    if kind == "image" and isinstance(source, dict):
        if source["type"] != "base64":
            return PER_LINKED_IMAGE
        return limits.image_tokens(*limits.fit_size(*image_description.image_header(source["data"]).size, tier))
    if kind == "document" and isinstance(source, dict):
        return _of_document(source, tier)
    if kind == "tool_result":
        return PER_MESSAGE + sum(of_block(inner, tier) for inner in as_blocks(block.get("content")))
    seen = {key: value for key, value in block.items() if key not in ("signature", "cache_control")}  # by the model
    return of_text(json.dumps(seen, ensure_ascii=False))


def _of_document(source: JSON, tier: limits.ImageLimits) -> int:
    if source["type"] == "text":
        return of_text(source["data"])
    if source["type"] == "content":
        return sum(of_block(inner, tier) for inner in as_blocks(source["content"]))
    return PER_PDF_PAGE * max(1, pdf_pages.pages(source["data"]) if source["type"] == "base64" else 1)


def of_request(body: JSON, tier: limits.ImageLimits) -> int:
    """Input tokens of a whole request."""
    fixed = [*(body.get("tools") or []), *as_blocks(body.get("system"))]
    total = sum(of_block(block, tier) for block in fixed)
    for message in body["messages"]:
        total += PER_MESSAGE + sum(of_block(block, tier) for block in as_blocks(message["content"]))
    return total
