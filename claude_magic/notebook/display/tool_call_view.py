"""Calls of tools in an answer: folded away, and what went wrong in sight.

Names and arguments are a model's text, results are anybody's: all of it is shown as text. What is
long is cut, for the answer stays in the notebook.
"""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from claude_magic.content.parts import Part
from claude_magic.messages.blocks import Block, RawBlock, ToolUseBlock
from claude_magic.messages.text import code_fence, one_line
from claude_magic.notebook.display.footer import escaped, link
from claude_magic.notebook.display.inert import inert
from claude_magic.tools.calls import Call
from claude_magic.tools.results import clean

if TYPE_CHECKING:
    from claude_magic.messages.reply import Reply

Pictures = Callable[[Call], str]
"""Those of a call's result, for Markdown."""
LONGEST = 2000
"""Characters of a text that are shown."""
_LONGEST_TITLE = 240
_LONGEST_NAME = 64
_LONGEST_REASON = 300
_MOST_FOUND = 20
_UNKNOWN = "no reason is given"
_PRINTED = "Printed:\n"
_ALIVE_IN_HTML = re.compile(r"[$\\]")


def title(call: Call) -> str:
    """``run_query(sql='SELECT 1')``, in one line."""
    return _line(f"{name(call)}({call.arguments()})", _LONGEST_TITLE)


def title_of(use: ToolUseBlock) -> str:
    """The same of a call that is still coming, or that the server runs."""
    return title(_call(use, "asked")) if use.closed else name(_call(use, "asked"))


def name(call: Call) -> str:
    """The name of a tool, as far as it can be shown."""
    return _line(call.name, _LONGEST_NAME) or "?"


@dataclasses.dataclass(frozen=True)
class Fold:
    """A call that has ended.

    Attributes
    ----------
    call : Call
        For one that the server ran, what is known of it.
    inside : tuple of str
        What came of it, in Markdown.
    why : str
        What went wrong; empty if nothing did.
    """

    call: Call
    inside: tuple[str, ...] = ()
    why: str = ""

    @property
    def markdown(self) -> str:
        """The call to be unfolded; behind it, in sight, what must be known."""
        ended = [] if self.call.state == "done" else [self.call.state]
        ended += [_seconds(self.call.seconds)] if self.call.seconds else []
        summary = _in_html(" · ".join([title(self.call), *ended]))
        inside = list(filter(None, self.inside)) or [_text(self.why) or "*nothing*"]
        if arguments := _in_full(self.call):
            inside = ["*arguments*", arguments, "*result*", *inside]
        called = escaped(name(self.call))
        lines = [f"**{called}** {self.call.state}: {escaped(self.why)}"] if self.why else []
        lines += [f"**{called}**: {escaped(note)}" for note in self._notes]
        return "\n\n".join([f"<details><summary>{summary}</summary>", *inside, "</details>", *lines])

    @property
    def plain(self) -> str:
        """All that must be known, in a line."""
        ended = f"{self.call.state}: {self.why}" if self.why else self.call.state
        if self.call.state == "done":
            ended = f"→ {_seconds(self.call.seconds)}" if self.call.seconds else "→ done"
        return f"[{'; '.join([f'{title(self.call)} {ended}', *self._notes])}]"

    @property
    def _notes(self) -> list[str]:
        return [_line(note, _LONGEST_REASON) for note in self.call.notes]


def of_call(call: Call, pictures: str = "") -> Fold:
    """A call that was run here.

    Parameters
    ----------
    call : Call
    pictures : str
        Those of its result, for Markdown; else they are named.
    """
    told = [part.wire["text"] for part in call.parts if part.wire["type"] == "text"]
    printed = [text for text in told if call.printed and text.startswith(_PRINTED)]
    result = "\n".join(text for text in told if text not in printed)
    others = [_named(part) for part in call.parts if part.wire["type"] != "text"]
    inside = [_text(result), pictures or escaped(", ".join(others)), *(_printed(text) for text in printed)]
    why = _line(result.strip().partition("\n")[0], _LONGEST_REASON) or _UNKNOWN if call.is_error else ""
    return Fold(call, tuple(inside), why)


def of_use(use: ToolUseBlock) -> Fold:
    """A call of which nothing has come."""
    return Fold(_call(use, "asked"), (), "it is not run here" if use.type == "tool_use" else "nothing came back")


def of_result(use: ToolUseBlock, result: RawBlock) -> Fold:
    """A call that the server ran."""
    content = result.data.get("content")
    fields = content if isinstance(content, dict) else {}
    inside = tuple(_shown(content))
    code = fields.get("return_code")
    if (error := fields.get("error_code")) is not None:
        return Fold(_call(use, "failed"), inside, _line(str(error).replace("_", " "), _LONGEST_REASON))
    if isinstance(code, int) and code:
        return Fold(_call(use, "failed"), inside, f"return code {code}")
    if result.data.get("is_error"):
        return Fold(_call(use, "failed"), inside, _line(_words(content) or _UNKNOWN, _LONGEST_REASON))
    return Fold(_call(use, "done"), inside)


class Uses:
    """Knows what the server was asked to run, until its result comes, which may be a message later."""

    def __init__(self) -> None:
        self._uses: dict[str, ToolUseBlock] = {}

    def see(self, block: Block) -> None:
        """Note a block that may be such a call."""
        if isinstance(block, ToolUseBlock) and block.type != "tool_use":
            self._uses[block.id] = block

    def answered_by(self, block: Block) -> ToolUseBlock | None:
        """The call whose result a block is."""
        return self._uses.get(str(block.data.get("tool_use_id"))) if isinstance(block, RawBlock) else None


def folds(reply: Reply, pictures: Pictures = lambda call: "") -> Iterator[tuple[Reply, Block | None, Fold]]:
    """The calls of an answer, in order: with the message, and the block in whose place they stand.

    A call in which the answer was cut is none yet.

    Parameters
    ----------
    reply : Reply
    pictures : callable
        Those of a call's result, for Markdown.
    """
    blocks = [block for message in reply.messages for block in message.blocks]
    answered = {str(block.data.get("tool_use_id")) for block in blocks if isinstance(block, RawBlock)}
    uses = Uses()
    for message in reply.messages:
        ran = {call.id for call in message.calls}
        for block in message.blocks:
            uses.see(block)
            if (use := uses.answered_by(block)) is not None and isinstance(block, RawBlock):
                yield message, block, of_result(use, block)
            elif isinstance(block, ToolUseBlock) and block.closed and block.id not in answered | ran:
                yield message, block, of_use(block)
        for call in message.calls:
            yield message, None, of_call(call, pictures(call))


def _call(use: ToolUseBlock, state: str) -> Call:
    return Call(use.id, use.name, use.input, use.invalid, state=state)


def _shown(content: object) -> Iterator[str]:
    """What came of a call on the server, by what is in it."""
    if isinstance(content, list) and any(isinstance(found, dict) and "url" in found for found in content):
        pages = [found for found in content if isinstance(found, dict)]
        yield "\n".join(f"- {_page(page)}" for page in pages[:_MOST_FOUND])
        if len(pages) > _MOST_FOUND:
            yield f"*… {len(pages) - _MOST_FOUND} more*"
        return
    fields: Mapping[str, Any] = content if isinstance(content, dict) else {}
    if "url" in fields:
        document = fields.get("content")
        yield _page({**(document if isinstance(document, dict) else {}), "url": fields["url"]})
        yield _text(_words(document))
    elif "stdout" in fields or "stderr" in fields:
        yield _text(str(fields.get("stdout") or ""))
        if fields.get("stderr"):
            yield f"*stderr*\n\n{_text(str(fields['stderr']))}"
        yield f"return code {escaped(_line(str(fields.get('return_code')), 20))}"
    elif words := _words(content):
        yield _text(words)
    elif "error_code" not in fields and content:
        yield _text(json.dumps(_readable(content), ensure_ascii=False, default=str))


def _page(page: Mapping[str, Any]) -> str:
    heading = escaped(_line(str(page.get("title") or ""), _LONGEST_REASON))
    return " ".join(filter(None, [heading, link(_line(str(page.get("url") or ""), LONGEST))]))


def _words(content: object) -> str:
    """The text in a result, wherever it stands."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, map(_words, content)))
    if isinstance(content, dict):
        source = content.get("source")
        if isinstance(source, dict):
            return str(source.get("data") or "") if source.get("type") == "text" else ""
        return _words(content.get("text") or content.get("content"))
    return ""


def _readable(content: object) -> object:
    if not isinstance(content, dict):
        return content
    return {key: value for key, value in content.items() if not key.startswith("encrypted_")}


def _in_full(call: Call) -> str:
    """The arguments, where the line above cannot show them as they are."""
    whole = ", ".join(f"{key}={value!r}" for key, value in call.input.items())
    if call.invalid is not None:
        return _text(call.invalid)
    if title(call) == f"{name(call)}({whole})" and "\\n" not in whole:
        return ""
    return _text("\n".join(f"{_line(key, 60)} = {_value(value)}" for key, value in call.input.items()))


def _value(value: object) -> str:
    return f"\n{value}" if isinstance(value, str) and "\n" in value else repr(value)


def _text(text: str) -> str:
    """Text as it is, up to a length."""
    shown = clean(text[:LONGEST])
    more = f"\n\n*… {len(text) - LONGEST:,} more characters*" if len(text) > LONGEST else ""
    return inert(code_fence(shown.rstrip("\n"))) + more if shown.strip() else ""


def _printed(text: str) -> str:
    return f"*printed*\n\n{_text(text.removeprefix(_PRINTED))}"


def _named(part: Part) -> str:
    if part.is_picture and (box := getattr(part, "box", None)):
        return f"picture {box[2] - box[0]}x{box[3] - box[1]}"
    return _line(part.about or str(part.wire["type"]), _LONGEST_REASON)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"


def _line(text: str, limit: int) -> str:
    """Text in one line, with nothing in it that cannot be seen."""
    return "".join(char for char in one_line(clean(text), limit) if char.isprintable())


def _in_html(text: str) -> str:
    """Text in an HTML element: no marks, and no formula."""
    return _ALIVE_IN_HTML.sub(lambda match: f"<span>&#{ord(match[0])};</span>", html.escape(text, quote=False))
