"""The text of an ordinary answer: it says that it is simulated, and reports what the request held."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

from . import image_description, pdf_pages, question_text
from .message_request import JSON, MessageRequest, as_blocks, text_of, with_nested

OPENING = "This is a simulated answer, made without a model."

_TABLE = """| part | count |
|:--|--:|
| messages | {messages} |
| questions | {questions} |
| characters in the question | {characters} |"""
_CODE = """```python
def simulated(values):
    return sum(values) / len(values)
```"""
_MATH = """The mean of $n$ values, which no model chose to show:

$$\\bar{x} = \\frac{1}{n} \\sum_{i=1}^{n} x_i$$"""
_EXTRAS = {
    _TABLE: r"tables?",
    _CODE: r"(?:code|python|functions?|scripts?)",
    _MATH: r"(?:maths?|formulas?|equations?|latex)",
}
"""What a question can ask for in addition to the report, and the words for it."""
_ASKING = (
    r"\b(?:show|make|draw|give|write|print|add|create)(?:[ \t,]+[\w’'-]+){0,6}?[ \t,]+"
    r"|\b(?:as|with|in|into)(?:[ \t]+(?!(?:the|this|that|these|those|my|our|your)\b)\w+){0,3}?[ \t]+"
)
"""What precedes such a word when it asks for something: ``show me a …``, ``as a …``, but not ``in the …``."""


def _asks_for(shape: str, question: str) -> bool:
    found = re.search(rf"(?:{_ASKING}){shape}\b", question_text.without_code(question), re.IGNORECASE)
    return found is not None


def _images(blocks: Iterable[JSON]) -> list[JSON]:
    return [block for block in with_nested(blocks) if block["type"] == "image"]


def _picture(block: JSON) -> str:
    source = block["source"]
    if source["type"] == "base64":
        return image_description.describe(source["data"])
    if source["type"] == "url":
        return f"at {question_text.quoted(source['url'])} (not fetched)"
    return f"file {question_text.quoted(source['file_id'])} (not opened)"


def _document(block: JSON) -> str:
    source = block["source"]
    title = question_text.excerpt(block["title"]) if block.get("title") else "without title"
    if source["type"] == "base64":
        count = pdf_pages.pages(source["data"])
        size = f"{count:,} page{'s' * (count != 1)}, " if count else ""
        return f"{title}, PDF, {size}{len(base64.b64decode(source['data'])):,} bytes"
    if source["type"] == "text":
        return f"{title}, plain text, {len(source['data']):,} characters"
    if source["type"] == "content":
        return f"{title}, {len(as_blocks(source['content']))} content blocks"
    return f"{title}, {source['type']} {question_text.quoted(source.get('url') or source['file_id'])} (not fetched)"


def _result(block: JSON, names: dict[str, str], max_length: int) -> str:
    name = names.get(block["tool_use_id"], block["tool_use_id"])
    content = as_blocks(block.get("content"))
    parts = [question_text.excerpt(text_of(content), max_length)] if text_of(content) else []
    if images := len(_images(content)):
        parts.append(f"{images} picture{'s' * (images != 1)}")
    verb = "failed with" if block.get("is_error") else "returned"
    return f"`{name}` {verb} {' and '.join(parts) or 'nothing'}"


def _results(request: MessageRequest) -> Iterator[tuple[str, str]]:
    uses = (b for m in request.messages for b in as_blocks(m["content"]) if b["type"] == "tool_use")
    names = {block["id"]: block["name"] for block in uses}
    if earlier := request.earlier_tool_results:
        yield f"Earlier results: {len(earlier)}", _numbered(_result(block, names, 60) for block in earlier)
    for block in request.tool_results:
        yield "Tool", _result(block, names, 200)
    if request.text_beside_results:
        yield "Beside the results", question_text.excerpt(request.text_beside_results, 200)


def _numbered(texts: Iterable[str]) -> str:
    return "; ".join(f"{i}. {text}" for i, text in enumerate(texts, 1))


def _facts(request: MessageRequest) -> Iterator[tuple[str, str]]:
    """What was sent, as pairs of a label and a description."""
    question = request.original_question
    if question:
        yield "Question", f"{question_text.excerpt(question)} ({len(question):,} characters)"
    for i, attached in enumerate(request.attached_texts, 1):
        title = attached.strip().partition("\n")[0]
        yield f"Text {i}", f"{question_text.excerpt(title, 200)} ({len(attached):,} characters)"
    if earlier := request.earlier_questions:
        yield f"Earlier questions: {len(earlier)}", _numbered(map(question_text.excerpt, earlier))
    if system := text_of(request.body.get("system")):
        yield "System prompt", f"{question_text.excerpt(system)} ({len(system):,} characters)"
    for message in request.messages:
        if message["role"] == "system":
            yield "System message", question_text.excerpt(text_of(message["content"]))
    yield from _attachments(request)
    yield from _results(request)
    if request.tools:
        yield "Tools", ", ".join(f"`{tool.get('name', tool.get('type'))}`" for tool in request.tools)
    if request.prefill:
        yield "Continued from", question_text.excerpt(request.prefill)


def _attachments(request: MessageRequest) -> Iterator[tuple[str, str]]:
    images = _images(request.last_turn)
    for i, block in enumerate(images, 1):
        yield f"Picture {i}", _picture(block)
    every = [block for message in request.messages for block in as_blocks(message["content"])]
    if (before := len(_images(every)) - len(images)) > 0:
        yield "Earlier pictures", str(before)
    documents = [block for block in with_nested(request.last_turn) if block["type"] == "document"]
    for i, block in enumerate(documents, 1):
        yield f"Document {i}", _document(block)


def text(request: MessageRequest) -> str:
    """The whole answer as Markdown."""
    listed = "\n".join(f"- **{label}**: {description}" for label, description in _facts(request))
    count, asked = len(request.messages), len(request.questions)
    received = f"It received {count} message{'s' * (count != 1)} with {asked} question{'s' * (asked != 1)}."
    sections = [f"{OPENING} {received}", "## What was sent", listed]
    for section, pattern in _EXTRAS.items():
        if _asks_for(pattern, request.original_question):
            counts = {"messages": count, "questions": asked, "characters": len(request.original_question)}
            sections.append(section.format(**counts) if section is _TABLE else section)
    return "\n\n".join(sections) + "\n"
