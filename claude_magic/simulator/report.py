"""The text of an ordinary answer: that it is simulated, and what was really sent."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

from . import pdf, pictures, words
from .call import JSON, Call, blocks, nested, text_of

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
_ASKED = {
    _TABLE: r"tables?",
    _CODE: r"(?:code|python|functions?|scripts?)",
    _MATH: r"(?:maths?|formulas?|equations?|latex)",
}
"""The words for what an answer may hold beside the report."""
_ASKING = (
    r"\b(?:show|make|draw|give|write|print|add|create)(?:[ \t,]+[\w’'-]+){0,6}?[ \t,]+"
    r"|\b(?:as|with|in|into)(?:[ \t]+(?!(?:the|this|that|these|those|my|our|your)\b)\w+){0,3}?[ \t]+"
)
"""What stands before such a word where it is asked for: ``show me a …``, ``as a …``, but not ``in the …``."""


def _asks_for(shape: str, question: str) -> bool:
    asked = re.search(rf"(?:{_ASKING}){shape}\b", words.without_quotations(question), re.IGNORECASE)
    return asked is not None


def _images(found: Iterable[JSON]) -> list[JSON]:
    return [block for block in nested(found) if block["type"] == "image"]


def _picture(block: JSON) -> str:
    source = block["source"]
    if source["type"] == "base64":
        return pictures.describe(source["data"])
    if source["type"] == "url":
        return f"at {words.as_they_are(source['url'])} (not fetched)"
    return f"file {words.as_they_are(source['file_id'])} (not opened)"


def _document(block: JSON) -> str:
    source = block["source"]
    title = words.first(block["title"]) if block.get("title") else "without title"
    if source["type"] == "base64":
        count = pdf.pages(source["data"])
        size = f"{count:,} page{'s' * (count != 1)}, " if count else ""
        return f"{title}, PDF, {size}{len(base64.b64decode(source['data'])):,} bytes"
    if source["type"] == "text":
        return f"{title}, plain text, {len(source['data']):,} characters"
    if source["type"] == "content":
        return f"{title}, {len(blocks(source['content']))} content blocks"
    return f"{title}, {source['type']} {words.as_they_are(source.get('url') or source['file_id'])} (not fetched)"


def _result(block: JSON, names: dict[str, str], most: int) -> str:
    name = names.get(block["tool_use_id"], block["tool_use_id"])
    content = blocks(block.get("content"))
    said = [words.first(text_of(content), most)] if text_of(content) else []
    if images := len(_images(content)):
        said.append(f"{images} picture{'s' * (images != 1)}")
    verb = "failed with" if block.get("is_error") else "returned"
    return f"`{name}` {verb} {' and '.join(said) or 'nothing'}"


def _results(call: Call) -> Iterator[tuple[str, str]]:
    uses = (b for m in call.messages for b in blocks(m["content"]) if b["type"] == "tool_use")
    names = {block["id"]: block["name"] for block in uses}
    if earlier := call.earlier_results:
        yield f"Earlier results: {len(earlier)}", _numbered(_result(block, names, 60) for block in earlier)
    for block in call.results:
        yield "Tool", _result(block, names, 200)
    if call.beside_results:
        yield "Beside the results", words.first(call.beside_results, 200)


def _numbered(texts: Iterable[str]) -> str:
    return "; ".join(f"{i}. {text}" for i, text in enumerate(texts, 1))


def _facts(call: Call) -> Iterator[tuple[str, str]]:
    """Everything that was sent, as pairs of a name and what there is to say."""
    question = call.asked
    if question:
        yield "Question", f"{words.first(question)} ({len(question):,} characters)"
    for i, attached in enumerate(call.attached, 1):
        title = attached.strip().partition("\n")[0]
        yield f"Text {i}", f"{words.first(title, 200)} ({len(attached):,} characters)"
    if earlier := call.earlier_questions:
        yield f"Earlier questions: {len(earlier)}", _numbered(map(words.first, earlier))
    if system := text_of(call.body.get("system")):
        yield "System prompt", f"{words.first(system)} ({len(system):,} characters)"
    for message in call.messages:
        if message["role"] == "system":
            yield "System message", words.first(text_of(message["content"]))
    yield from _attachments(call)
    yield from _results(call)
    if call.tools:
        yield "Tools", ", ".join(f"`{tool.get('name', tool.get('type'))}`" for tool in call.tools)
    if call.prefill:
        yield "Continued from", words.first(call.prefill)


def _attachments(call: Call) -> Iterator[tuple[str, str]]:
    images = _images(call.last_turn)
    for i, block in enumerate(images, 1):
        yield f"Picture {i}", _picture(block)
    every = [block for message in call.messages for block in blocks(message["content"])]
    if (before := len(_images(every)) - len(images)) > 0:
        yield "Earlier pictures", str(before)
    documents = [block for block in nested(call.last_turn) if block["type"] == "document"]
    for i, block in enumerate(documents, 1):
        yield f"Document {i}", _document(block)


def text(call: Call) -> str:
    """The whole answer, as Markdown."""
    listed = "\n".join(f"- **{name}**: {said}" for name, said in _facts(call))
    count, asked = len(call.messages), len(call.questions)
    received = f"It received {count} message{'s' * (count != 1)} with {asked} question{'s' * (asked != 1)}."
    sections = [f"{OPENING} {received}", "## What was sent", listed]
    for section, pattern in _ASKED.items():
        if _asks_for(pattern, call.asked):
            sections.append(
                section.format(messages=count, questions=asked, characters=len(call.asked))
                if section is _TABLE
                else section
            )
    return "\n\n".join(sections) + "\n"
