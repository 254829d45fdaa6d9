"""Token estimates: four characters a token, and the published rule for pictures."""

from __future__ import annotations

import json
import math
from typing import Any

from ..messages import limits
from . import pdf, pictures
from .call import JSON, blocks

CHARACTERS = 4
"""Characters that count as one token."""

PER_MESSAGE = 3
URL_PICTURE = 1500
PAGE = 2000


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
            return URL_PICTURE
        return limits.image_tokens(*limits.fit(*pictures.opened(source["data"]).size, tier))
    if kind == "document" and isinstance(source, dict):
        return _of_document(source, tier)
    if kind == "tool_result":
        return PER_MESSAGE + sum(of_block(inner, tier) for inner in blocks(block.get("content")))
    return of_text(json.dumps(_without_signature(block), ensure_ascii=False))


def _of_document(source: JSON, tier: limits.ImageLimits) -> int:
    if source["type"] == "text":
        return of_text(source["data"])
    if source["type"] == "content":
        return sum(of_block(inner, tier) for inner in blocks(source["content"]))
    return PAGE * max(1, pdf.pages(source["data"]) if source["type"] == "base64" else 1)


def _without_signature(block: JSON) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key not in ("signature", "cache_control")}


def of_request(body: JSON, tier: limits.ImageLimits) -> int:
    """Input tokens of a whole request."""
    fixed = [*(body.get("tools") or []), *blocks(body.get("system"))]
    total = sum(of_block(block, tier) for block in fixed)
    for message in body["messages"]:
        total += PER_MESSAGE + sum(of_block(block, tier) for block in blocks(message["content"]))
    return total
