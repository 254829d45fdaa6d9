"""Check single content blocks: their fields, where they may stand, and the limits for images."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from ..messages import limits
from . import image_description
from .api_errors import bad_request
from .field_checks import ObjectSpec, check_choice, check_object, check_type, spec
from .message_request import JSON, MessageRequest, as_blocks
from .parameter_checks import check_cache_mark

_ID = re.compile(r"[a-zA-Z0-9_-]+")
_STRICT_VERSION = "2026-10-21"
"""From this API version on, documents and citations are refused where older versions ignored them."""

_BLOCKS: dict[str, ObjectSpec] = {
    "text": spec("cache_control citations", type=str, text=str),
    "image": spec("cache_control transformations", type=str, source=dict),
    "document": spec("cache_control title context citations", type=str, source=dict),
    "search_result": spec("cache_control citations", type=str, source=str, title=str, content=list),
    "thinking": spec(type=str, thinking=str, signature=str),
    "redacted_thinking": spec(type=str, data=str),
    "tool_use": spec("cache_control caller toolset_name", type=str, id=str, name=str, input=dict),
    "tool_result": spec("cache_control content is_error toolset_name", type=str, tool_use_id=str),
    "server_tool_use": spec("cache_control caller", type=str, id=str, name=str, input=dict),
    "container_upload": spec("cache_control", type=str, file_id=str),
}
_SOURCES: dict[str, dict[str, ObjectSpec]] = {
    "image": {
        "base64": spec(type=str, media_type=str, data=str),
        "url": spec(type=str, url=str),
        "file": spec(type=str, file_id=str),
    },
    "document": {
        "base64": spec(type=str, media_type=str, data=str),
        "text": spec(type=str, media_type=str, data=str),
        "content": spec(type=str, content=(str, list)),
        "url": spec(type=str, url=str),
        "file": spec(type=str, file_id=str),
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
"""Blocks made by the server or defined by betas, whose fields are not checked."""


def check(block: object, path: str, place: str, request: MessageRequest) -> None:
    """Check one block: type, place, fields, then the rules of its type.

    Parameters
    ----------
    block : dict
        As sent.
    path : str
        Its path in the body, for error messages.
    place : str
        What contains it: a role, ``tool_result`` or ``document``.
    request : MessageRequest

    Raises
    ------
    ErrorResponse
        400.
    """
    if not isinstance(block, dict):
        raise bad_request(f"{path}: Input should be a valid object")
    kind = block.get("type")
    if not isinstance(kind, str):
        raise bad_request(f"{path}.type: Field required")
    if kind not in _BLOCKS:
        if place in ("system", "document") or not _OPEN.fullmatch(kind):
            raise bad_request(f"{path}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
        return
    if kind not in _PLACES[place] or (
        kind == "document" and place == "assistant" and request.version >= _STRICT_VERSION
    ):
        raise bad_request(f"{path}: `{kind}` blocks are not allowed in {place} content")
    check_object(block, _BLOCKS[kind], f"{path}.{kind}")
    if block.get("cache_control") is not None:
        check_cache_mark(block["cache_control"], f"{path}.{kind}.cache_control")
    if rule := _RULES.get(kind):
        rule(block, path, place, request)


def _check_text(block: JSON, path: str, place: str, request: MessageRequest) -> None:
    """Text must not be blank; since 2026-10-21 only assistant text may have citations."""
    # The text of search results has the place "system", too, but stands in messages.
    where = "system" if place == "system" and path.startswith("system") else "messages"
    if not block["text"]:
        raise bad_request(f"{where}: text content blocks must be non-empty")
    if not block["text"].strip():
        raise bad_request(f"{where}: text content blocks must contain non-whitespace text")
    if block.get("citations") and place != "assistant" and request.version >= _STRICT_VERSION:
        raise bad_request(f"{path}.text.citations: Extra inputs are not permitted")


def _source(block: JSON, path: str) -> JSON:
    """The source of an image or document, with its fields checked."""
    kind = block["type"]
    sources = _SOURCES[kind]
    check_choice(block["source"].get("type"), sources, f"{path}.{kind}.source.type")
    name = block["source"]["type"]
    return check_object(block["source"], sources[name], f"{path}.{kind}.source.{name}")


def _decoded(source: JSON, path: str) -> bytes:
    try:
        return base64.b64decode(source["data"], validate=True)
    except (binascii.Error, ValueError):
        raise bad_request(f"{path}.data: invalid base64 data") from None


def _check_image(block: JSON, path: str, place: str, request: MessageRequest) -> None:
    """At most 10 MB of base64, readable, and of the media type declared."""
    source = _source(block, path)
    options = block.get("transformations")
    if options is not None:
        check_object(options, spec("oversized_image"), f"{path}.image.transformations")
        check_choice(options.get("oversized_image", "downsize"), ("downsize", "error"), f"{path}.image.transformations")
    if source["type"] != "base64":
        return
    inner = f"{path}.image.source.base64"
    check_choice(source["media_type"], image_description.MEDIA_TYPES, f"{inner}.media_type")
    length, most = len(source["data"]), limits.MAX_IMAGE_BASE64_BYTES
    if length > most:
        raise bad_request(f"{inner}: image exceeds {most // 2**20} MB maximum: {length} bytes > {most} bytes")
    kind = image_description.media_type(_decoded(source, inner))
    if kind is None:
        raise bad_request(f"{path}: Could not process image")
    if kind != source["media_type"]:
        raise bad_request(
            f"{inner}.data: The image was specified using the {source['media_type']} media type, "
            f"but the image appears to be a {kind} image"
        )
    try:
        image_description.image_header(source["data"])
    except ValueError:
        raise bad_request(f"{path}: Could not process image") from None


def _check_document(block: JSON, path: str, place: str, request: MessageRequest) -> None:
    """Base64 is a PDF, text is plain and not blank, content consists of text and images."""
    source = _source(block, path)
    _check_citations(block, path)
    inner = f"{path}.document.source.{source['type']}"
    if source["type"] == "base64":
        check_choice(source["media_type"], ("application/pdf",), f"{inner}.media_type")
        if not _decoded(source, inner).startswith(b"%PDF"):
            raise bad_request(f"{inner}.data: The PDF specified was not valid.")
    elif source["type"] == "text":
        check_choice(source["media_type"], ("text/plain",), f"{inner}.media_type")
        if not source["data"].strip():
            raise bad_request(f"{inner}.data: document content must be non-empty")
    elif source["type"] == "content" and isinstance(source["content"], list):
        for j, part in enumerate(source["content"]):
            check(part, f"{inner}.content.{j}", "document", request)


def _check_citations(block: JSON, path: str) -> None:
    if block.get("citations") is not None:
        check_object(block["citations"], spec("enabled"), f"{path}.{block['type']}.citations")


def _check_search_result(block: JSON, path: str, place: str, request: MessageRequest) -> None:
    """Its content is text only, as in a system prompt."""
    _check_citations(block, path)
    for j, inner in enumerate(block["content"]):
        check(inner, f"{path}.search_result.content.{j}", "system", request)


def _check_tool_use(block: JSON, path: str, place: str, request: MessageRequest) -> None:
    """Id and name keep to letters, digits, ``_`` and ``-``."""
    for name in ("id", "name"):
        if not _ID.fullmatch(block[name]):
            raise bad_request(f"{path}.tool_use.{name}: String should match pattern '^{_ID.pattern}$'")


def _check_tool_result(block: JSON, path: str, place: str, request: MessageRequest) -> None:
    """Content is text or a list of text, images, documents and search results; it may be missing."""
    inner = f"{path}.tool_result"
    if not _ID.fullmatch(block["tool_use_id"]):
        raise bad_request(f"{inner}.tool_use_id: String should match pattern '^{_ID.pattern}$'")
    if block.get("is_error") is not None:
        check_type(block["is_error"], bool, f"{inner}.is_error")
    content = block.get("content")
    if content is None:
        return
    check_type(content, (str, list), f"{inner}.content")
    for j, part in enumerate(content if isinstance(content, list) else ()):
        check(part, f"{inner}.content.{j}", "tool_result", request)


_RULES = {
    "text": _check_text,
    "image": _check_image,
    "document": _check_document,
    "search_result": _check_search_result,
    "tool_use": _check_tool_use,
    "tool_result": _check_tool_result,
}


def _images(content: list[JSON], path: str) -> Iterator[tuple[str, JSON]]:
    """Every image in some content, including those in tool results and documents, with its path."""
    for j, block in enumerate(content):
        here = f"{path}.{j}"
        if block["type"] == "image":
            yield here, block
        elif block["type"] == "tool_result":
            yield from _images(as_blocks(block.get("content")), f"{here}.tool_result.content")
        elif block["type"] == "document" and block["source"]["type"] == "content":
            yield from _images(as_blocks(block["source"]["content"]), f"{here}.document.source.content")


def check_images(request: MessageRequest) -> None:
    """Check the number of images in a request, and the size of each: with more than 20, sides must be smaller."""
    found = [
        path_and_block
        for i, message in enumerate(request.messages)
        for path_and_block in _images(as_blocks(message["content"]), f"messages.{i}.content")
    ]
    if len(found) > request.model.max_images:
        raise bad_request(f"messages: too many images: {len(found)} > {request.model.max_images} maximum")
    many = len(found) > limits.MANY_IMAGES
    for path, block in found:
        if block["source"]["type"] == "base64":
            _check_image_size(block, path, request, many)


def _check_image_size(block: JSON, path: str, request: MessageRequest, many: bool) -> None:
    """A side has a limit in any case; ``oversized_image: "error"`` also refuses images that would be resized."""
    width, height = size = image_description.image_header(block["source"]["data"]).size
    most = limits.MAX_IMAGE_SIDE_WHEN_MANY if many else limits.MAX_IMAGE_SIDE
    if max(size) > most:
        where = "many-image requests" if many else "a request"
        raise bad_request(
            f"{path}.image.source.base64.data: At least one of the image dimensions exceed max allowed size "
            f"for {where}: {most} pixels",
            error_code="image_dimensions_too_large",
            max_side_length_pixels=most,
            paths=[path],
        )
    seen = limits.fit_size(width, height, request.model.image_tier)
    if seen != size and (block.get("transformations") or {}).get("oversized_image") == "error":
        raise bad_request(
            f"{path}: the image is {width}x{height} pixels and would be resized to {seen[0]}x{seen[1]}.",
            error_code="image_dimensions_too_large",
            max_side_length_pixels=max(seen),
            paths=[path],
        )
