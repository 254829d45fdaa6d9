"""The text of an ordinary answer: that it is simulated, and what was really sent."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

from . import pictures
from .call import JSON, Call, blocks, text_of

OPENING = "This is a simulated answer, made without a model."
_MOST = 60

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
    _TABLE: r"\b(table|tabelle|tabla|compare)\b",
    _CODE: r"\b(code|python|function|script)\b",
    _MATH: r"\b(math|maths|formula|equation|latex)\b",
}


def first_words(text: str, most: int = _MOST) -> str:
    """The beginning of a text on one line, in quotation marks."""
    line = " ".join(text.split())
    return f"“{line}”" if len(line) <= most else f"“{line[:most].rsplit(' ', 1)[0]}…”"


def _flat(found: Iterable[JSON]) -> Iterator[JSON]:
    """Blocks, and those inside tool results and documents."""
    for block in found:
        yield block
        if block["type"] == "tool_result":
            yield from _flat(blocks(block.get("content")))
        elif block["type"] == "document" and block["source"]["type"] == "content":
            yield from _flat(blocks(block["source"]["content"]))


def _images(found: Iterable[JSON]) -> list[JSON]:
    return [block for block in _flat(found) if block["type"] == "image"]


def _picture(block: JSON) -> str:
    source = block["source"]
    if source["type"] == "base64":
        return pictures.describe(source["data"])
    if source["type"] == "url":
        return f"at {source['url']} (not fetched)"
    return f"file {source.get('file_id')} (not opened)"


def _document(block: JSON) -> str:
    source = block["source"]
    title = first_words(block["title"]) if block.get("title") else "without title"
    if source["type"] == "base64":
        return f"{title}, PDF, {len(base64.b64decode(source['data'])):,} bytes"
    if source["type"] == "text":
        return f"{title}, plain text, {len(source['data']):,} characters"
    if source["type"] == "content":
        return f"{title}, {len(blocks(source['content']))} content blocks"
    return f"{title}, {source['type']} {source.get('url') or source.get('file_id')} (not fetched)"


def _result(block: JSON, names: dict[str, str]) -> str:
    name = names.get(block["tool_use_id"], block["tool_use_id"])
    content = blocks(block.get("content"))
    said = first_words(text_of(content), 200) if text_of(content) else "nothing"
    images = len(_images(content))
    verb = "failed with" if block.get("is_error") else "returned"
    return f"`{name}` {verb} {said}" + (f" and {images} picture(s)" if images else "")


def _facts(call: Call) -> Iterator[tuple[str, str]]:
    """Everything that was sent, as pairs of a name and what there is to say."""
    question = call.question
    if question:
        yield "Question", f"{first_words(question)} ({len(question):,} characters)"
    # Tool results have no question of their own: then the last one asked is among the earlier ones.
    earlier = call.questions[:-1] if question else call.questions
    if earlier:
        listed = "; ".join(f"{i}. {first_words(text)}" for i, text in enumerate(earlier, 1))
        yield f"Earlier questions: {len(earlier)}", listed
    if system := text_of(call.body.get("system")):
        yield "System prompt", f"{first_words(system)} ({len(system):,} characters)"
    for message in call.messages:
        if message["role"] == "system":
            yield "System message", first_words(text_of(message["content"]))
    yield from _attachments(call)
    uses = (b for m in call.messages for b in blocks(m["content"]) if b["type"] == "tool_use")
    names = {block["id"]: block["name"] for block in uses}
    for block in call.results:
        yield "Tool", _result(block, names)
    if call.tools:
        yield "Tools", ", ".join(f"`{tool.get('name', tool.get('type'))}`" for tool in call.tools)
    if call.prefill:
        yield "Continued from", first_words(call.prefill)


def _attachments(call: Call) -> Iterator[tuple[str, str]]:
    images = _images(call.last_turn)
    for i, block in enumerate(images, 1):
        yield f"Picture {i}", _picture(block)
    every = [block for message in call.messages for block in blocks(message["content"])]
    if (before := len(_images(every)) - len(images)) > 0:
        yield "Earlier pictures", str(before)
    documents = [block for block in _flat(call.last_turn) if block["type"] == "document"]
    for i, block in enumerate(documents, 1):
        yield f"Document {i}", _document(block)


def text(call: Call) -> str:
    """The whole answer, as Markdown."""
    listed = "\n".join(f"- **{name}**: {said}" for name, said in _facts(call))
    count, asked = len(call.messages), len(call.questions)
    received = f"It received {count} message{'s' * (count != 1)} with {asked} question{'s' * (asked != 1)}."
    sections = [f"{OPENING} {received}", "## What was sent", listed]
    for section, pattern in _ASKED.items():
        if re.search(pattern, call.question, re.IGNORECASE):
            sections.append(
                section.format(messages=count, questions=asked, characters=len(call.question))
                if section is _TABLE
                else section
            )
    return "\n\n".join(sections) + "\n"
