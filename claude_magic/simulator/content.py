"""Rules for single content blocks: which fields, in whose messages, and what pictures must be."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from ..messages import limits
from . import pictures
from .call import JSON, Call, blocks
from .fields import Shape, conform, one_of, shape, typed
from .parameters import cache_mark
from .problem import invalid

_ID = re.compile(r"[a-zA-Z0-9_-]+")
_STRICT_VERSION = "2026-10-21"

_BLOCKS: dict[str, Shape] = {
    "text": shape("cache_control citations", type=str, text=str),
    "image": shape("cache_control transformations", type=str, source=dict),
    "document": shape("cache_control title context citations", type=str, source=dict),
    "search_result": shape("cache_control citations", type=str, source=str, title=str, content=list),
    "thinking": shape(type=str, thinking=str, signature=str),
    "redacted_thinking": shape(type=str, data=str),
    "tool_use": shape("cache_control caller toolset_name", type=str, id=str, name=str, input=dict),
    "tool_result": shape("cache_control content is_error toolset_name", type=str, tool_use_id=str),
    "server_tool_use": shape("cache_control caller", type=str, id=str, name=str, input=dict),
    "container_upload": shape("cache_control", type=str, file_id=str),
}
_SOURCES: dict[str, dict[str, Shape]] = {
    "image": {
        "base64": shape(type=str, media_type=str, data=str),
        "url": shape(type=str, url=str),
        "file": shape(type=str, file_id=str),
    },
    "document": {
        "base64": shape(type=str, media_type=str, data=str),
        "text": shape(type=str, media_type=str, data=str),
        "content": shape(type=str, content=(str, list)),
        "url": shape(type=str, url=str),
        "file": shape(type=str, file_id=str),
    },
}
_ASSISTANT_ONLY = ("thinking", "redacted_thinking", "tool_use", "server_tool_use")
_PLACES = {
    "system": ("text",),
    "user": ("text", "image", "document", "search_result", "tool_result", "container_upload"),
    "assistant": ("text", "document", *_ASSISTANT_ONLY),
    "tool_result": ("text", "image", "document", "search_result"),
    "document": ("text", "image"),
}
_OPEN = re.compile(
    r"mcp_tool_use|mcp_tool_listing|compaction|fallback|tool_reference|browser_state"
    r"|tool_addition|tool_removal|[a-z_]+_tool_result"
)
"""Blocks that come from the server or from betas: taken as they are."""


def check(block: Any, path: str, place: str, call: Call) -> None:
    """Check one block.

    Parameters
    ----------
    block : dict
        As sent.
    path : str
        Where it stands, for error texts.
    place : str
        A role, ``tool_result`` or ``document``.
    call : Call
        The request it belongs to.

    Raises
    ------
    Problem
        400.
    """
    typed(block, dict, path)
    kind = block.get("type")
    if not isinstance(kind, str):
        raise invalid(f"{path}.type: Field required")
    if kind not in _BLOCKS:
        if place in ("system", "document") or not _OPEN.fullmatch(kind):
            raise invalid(f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
        return
    if kind not in _PLACES[place] or (kind == "document" and place == "assistant" and call.version >= _STRICT_VERSION):
        raise invalid(f"{path}: `{kind}` blocks are not allowed in {place} content")
    conform(block, _BLOCKS[kind], f"{path}.{kind}")
    if block.get("cache_control") is not None:
        cache_mark(block["cache_control"], f"{path}.{kind}.cache_control")
    _RULES.get(kind, _nothing)(block, path, place, call)


def _nothing(block: JSON, path: str, place: str, call: Call) -> None:
    pass


def _text(block: JSON, path: str, place: str, call: Call) -> None:
    where = "system" if place == "system" and path.startswith("system") else "messages"
    if not block["text"]:
        raise invalid(f"{where}: text content blocks must be non-empty")
    if not block["text"].strip():
        raise invalid(f"{where}: text content blocks must contain non-whitespace text")
    if block.get("citations") and place != "assistant" and call.version >= _STRICT_VERSION:
        raise invalid(f"{path}.text.citations: Extra inputs are not permitted")


def _source(block: JSON, path: str) -> JSON:
    kind = block["type"]
    shapes = _SOURCES[kind]
    one_of(block["source"].get("type"), shapes, f"{path}.{kind}.source.type")
    name = block["source"]["type"]
    return conform(block["source"], shapes[name], f"{path}.{kind}.source.{name}")


def _decoded(source: JSON, path: str) -> bytes:
    try:
        return base64.b64decode(source["data"], validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"{path}.data: invalid base64 data") from None


def _image(block: JSON, path: str, place: str, call: Call) -> None:
    source = _source(block, path)
    options = block.get("transformations")
    if options is not None:
        conform(options, shape("oversized_image"), f"{path}.image.transformations")
        one_of(options.get("oversized_image", "downsize"), ("downsize", "error"), f"{path}.image.transformations")
    if source["type"] != "base64":
        return
    inner = f"{path}.image.source.base64"
    one_of(source["media_type"], pictures.MEDIA_TYPES, f"{inner}.media_type")
    length, most = len(source["data"]), limits.MAX_IMAGE_BASE64_BYTES
    if length > most:
        raise invalid(f"{inner}: image exceeds {most // 2**20} MB maximum: {length} bytes > {most} bytes")
    kind = pictures.media_type(_decoded(source, inner))
    if kind is None:
        raise invalid(f"{path}: Could not process image")
    if kind != source["media_type"]:
        raise invalid(
            f"{inner}.data: The image was specified using the {source['media_type']} media type, "
            f"but the image appears to be a {kind} image"
        )
    try:
        pictures.opened(source["data"])
    except ValueError:
        raise invalid(f"{path}: Could not process image") from None


def _document(block: JSON, path: str, place: str, call: Call) -> None:
    source = _source(block, path)
    _cited(block, path)
    inner = f"{path}.document.source.{source['type']}"
    if source["type"] == "base64":
        one_of(source["media_type"], ("application/pdf",), f"{inner}.media_type")
        if not _decoded(source, inner).startswith(b"%PDF"):
            raise invalid(f"{inner}.data: The PDF specified was not valid.")
    elif source["type"] == "text":
        one_of(source["media_type"], ("text/plain",), f"{inner}.media_type")
        if not source["data"].strip():
            raise invalid(f"{inner}.data: document content must be non-empty")
    elif source["type"] == "content" and isinstance(source["content"], list):
        for j, part in enumerate(source["content"]):
            check(part, f"{inner}.content.{j}", "document", call)


def _cited(block: JSON, path: str) -> None:
    if block.get("citations") is not None:
        conform(block["citations"], shape("enabled"), f"{path}.{block['type']}.citations")


def _search_result(block: JSON, path: str, place: str, call: Call) -> None:
    _cited(block, path)
    for j, part in enumerate(block["content"]):
        check(part, f"{path}.search_result.content.{j}", "system", call)


def _tool_use(block: JSON, path: str, place: str, call: Call) -> None:
    for name in ("id", "name"):
        if not _ID.fullmatch(block[name]):
            raise invalid(f"{path}.tool_use.{name}: String should match pattern '^{_ID.pattern}$'")


def _tool_result(block: JSON, path: str, place: str, call: Call) -> None:
    inner = f"{path}.tool_result"
    if not _ID.fullmatch(block["tool_use_id"]):
        raise invalid(f"{inner}.tool_use_id: String should match pattern '^{_ID.pattern}$'")
    if block.get("is_error") is not None:
        typed(block["is_error"], bool, f"{inner}.is_error")
    found = block.get("content")
    if found is None:
        return
    typed(found, (str, list), f"{inner}.content")
    for j, part in enumerate(found if isinstance(found, list) else ()):
        check(part, f"{inner}.content.{j}", "tool_result", call)


_RULES = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
}


def _images(found: list[JSON], path: str) -> Iterator[tuple[str, JSON]]:
    """Every picture in some content, also within tool results and documents."""
    for j, block in enumerate(found):
        here = f"{path}.{j}"
        if block["type"] == "image":
            yield here, block
        elif block["type"] == "tool_result":
            yield from _images(blocks(block.get("content")), f"{here}.tool_result.content")
        elif block["type"] == "document" and block["source"]["type"] == "content":
            yield from _images(blocks(block["source"]["content"]), f"{here}.document.source.content")


def check_images(call: Call) -> None:
    """Check how many pictures a request holds, and how large they are."""
    found = [
        pair
        for i, message in enumerate(call.messages)
        for pair in _images(blocks(message["content"]), f"messages.{i}.content")
    ]
    if len(found) > call.model.max_images:
        raise invalid(f"messages: too many images: {len(found)} > {call.model.max_images} maximum")
    many = len(found) > limits.MANY_IMAGES
    for path, block in found:
        if block["source"]["type"] == "base64":
            _size(block, path, call, many)


def _size(block: JSON, path: str, call: Call, many: bool) -> None:
    width, height = size = pictures.opened(block["source"]["data"]).size
    most = limits.MAX_IMAGE_SIDE_WHEN_MANY if many else limits.MAX_IMAGE_SIDE
    if max(size) > most:
        request = "many-image requests" if many else "a request"
        raise invalid(
            f"{path}.image.source.base64.data: At least one of the image dimensions exceed max allowed size "
            f"for {request}: {most} pixels",
            error_code="image_dimensions_too_large",
            max_side_length_pixels=most,
            paths=[path],
        )
    seen = limits.fit(width, height, call.model.image_tier)
    if seen != size and (block.get("transformations") or {}).get("oversized_image") == "error":
        raise invalid(
            f"{path}: the image is {width}x{height} pixels and would be resized to {seen[0]}x{seen[1]}.",
            error_code="image_dimensions_too_large",
            max_side_length_pixels=max(seen),
            paths=[path],
        )
