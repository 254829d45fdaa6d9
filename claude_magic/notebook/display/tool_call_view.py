"""Tool calls in an answer: collapsed, with errors and notes left visible.

Names and arguments come from a model and results from anywhere, so all of it is shown as text. Long
results are truncated, because the answer stays in the notebook.
"""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

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
"""Returns the pictures in a call's result, as Markdown."""
LONGEST = 2000
"""Characters of a result that are shown."""
_LONGEST_TITLE = 240
_LONGEST_NAME = 64
_LONGEST_REASON = 300
_MOST_PAGES = 20
_NO_REASON = "no reason given"
_PRINTED = "Printed:\n"
_FORMULA_CHARACTER = re.compile(r"[$\\]")


def title(call: Call) -> str:
    """``run_query(sql='SELECT 1')``, in one line."""
    return _line(f"{tool_name(call)}({call.arguments()})", _LONGEST_TITLE)


def title_of_block(block: ToolUseBlock) -> str:
    """The title of a call that is still streaming or that the server runs."""
    call = _call(block, "asked")
    return title(call) if block.closed else tool_name(call)


def tool_name(call: Call) -> str:
    """The name of the tool, printable and truncated."""
    return _line(call.name, _LONGEST_NAME) or "?"


@dataclasses.dataclass(frozen=True)
class ToolCallView:
    """A tool call that has ended.

    Attributes
    ----------
    call : Call
        Made from the block if the server ran the call.
    details : tuple of str
        The result as Markdown, shown when the call is expanded.
    error : str
        What went wrong; empty if nothing did.
    """

    call: Call
    details: tuple[str, ...] = ()
    error: str = ""

    @property
    def markdown(self) -> str:
        """The collapsed call, followed by its error and notes."""
        ended = [] if self.call.state == "done" else [self.call.state]
        ended += [_seconds(self.call.seconds)] if self.call.seconds else []
        summary = _in_html(" · ".join([title(self.call), *ended]))
        details = list(filter(None, self.details)) or [_text(self.error) or "*nothing*"]
        if arguments := _full_arguments(self.call):
            details = ["*arguments*", arguments, "*result*", *details]
        name = escaped(tool_name(self.call))
        lines = [f"**{name}** {self.call.state}: {escaped(self.error)}"] if self.error else []
        lines += [f"**{name}**: {escaped(note)}" for note in self._notes]
        return "\n\n".join([f"<details><summary>{summary}</summary>", *details, "</details>", *lines])

    @property
    def plain(self) -> str:
        """The call, how it ended, and its notes in one line."""
        ended = f"{self.call.state}: {self.error}" if self.error else self.call.state
        if self.call.state == "done":
            ended = f"→ {_seconds(self.call.seconds)}" if self.call.seconds else "→ done"
        return f"[{'; '.join([f'{title(self.call)} {ended}', *self._notes])}]"

    @property
    def _notes(self) -> list[str]:
        return [_line(note, _LONGEST_REASON) for note in self.call.notes]


def view_call(call: Call, pictures: str = "") -> ToolCallView:
    """View a call that was run in the kernel.

    Parameters
    ----------
    call : Call
    pictures : str
        The pictures in its result, as Markdown; without it they are only named.
    """
    texts = [part.wire["text"] for part in call.parts if part.wire["type"] == "text"]
    printed = [text for text in texts if call.printed and text.startswith(_PRINTED)]
    result = "\n".join(text for text in texts if text not in printed)
    others = [_description(part) for part in call.parts if part.wire["type"] != "text"]
    details = [
        _text(result),
        pictures or escaped(", ".join(others)),
        *(f"*printed*\n\n{_text(text.removeprefix(_PRINTED))}" for text in printed),
    ]
    error = _line(result.strip().partition("\n")[0], _LONGEST_REASON) or _NO_REASON if call.is_error else ""
    return ToolCallView(call, tuple(details), error)


def view_server_call(block: ToolUseBlock, result: RawBlock) -> ToolCallView:
    """View a call that the server ran."""
    content = result.data.get("content")
    fields = content if isinstance(content, dict) else {}
    details = tuple(_server_result(content))
    code = fields.get("return_code")
    if (error := fields.get("error_code")) is not None:
        return ToolCallView(_call(block, "failed"), details, _line(str(error).replace("_", " "), _LONGEST_REASON))
    if isinstance(code, int) and code:
        return ToolCallView(_call(block, "failed"), details, f"return code {code}")
    if result.data.get("is_error"):
        return ToolCallView(_call(block, "failed"), details, _line(_all_text(content) or _NO_REASON, _LONGEST_REASON))
    return ToolCallView(_call(block, "done"), details)


class ServerCalls(dict[str, ToolUseBlock]):
    """The calls that the server runs, by id, until their results arrive, maybe in a later message."""

    def add(self, block: Block) -> None:
        """Remember a block if it is such a call."""
        if isinstance(block, ToolUseBlock) and block.type != "tool_use":
            self[block.id] = block

    def answered_by(self, block: Block) -> ToolUseBlock | None:
        """The call whose result a block is."""
        return self.get(str(block.data.get("tool_use_id"))) if isinstance(block, RawBlock) else None


def view_calls(
    reply: Reply, pictures: Pictures = lambda call: ""
) -> Iterator[tuple[Reply, Block | None, ToolCallView]]:
    """View the calls of an answer in order, each with its message and the block it replaces, if any.

    A call during which the answer was cut off is left out.

    Parameters
    ----------
    reply : Reply
    pictures : callable
        Returns the pictures in a call's result, as Markdown.
    """
    blocks = [block for message in reply.messages for block in message.blocks]
    answered = {str(block.data.get("tool_use_id")) for block in blocks if isinstance(block, RawBlock)}
    server_calls = ServerCalls()
    for message in reply.messages:
        ran = {call.id for call in message.calls}
        for block in message.blocks:
            server_calls.add(block)
            if (use := server_calls.answered_by(block)) is not None and isinstance(block, RawBlock):
                yield message, block, view_server_call(use, block)
            elif isinstance(block, ToolUseBlock) and block.closed and block.id not in answered | ran:
                error = "not run here" if block.type == "tool_use" else "nothing came back"
                yield message, block, ToolCallView(_call(block, "asked"), error=error)
        for call in message.calls:
            yield message, None, view_call(call, pictures(call))


def _call(block: ToolUseBlock, state: str) -> Call:
    return Call(block.id, block.name, block.input, block.invalid, state=state)


def _server_result(content: object) -> Iterator[str]:
    """The result of a server tool as Markdown: search results, a fetched page, or the output of code."""
    if isinstance(content, list) and any(isinstance(item, dict) and "url" in item for item in content):
        pages = [item for item in content if isinstance(item, dict)]
        yield "\n".join(f"- {_page(page)}" for page in pages[:_MOST_PAGES])
        if len(pages) > _MOST_PAGES:
            yield f"*… {len(pages) - _MOST_PAGES} more*"
        return
    fields: Mapping[str, object] = content if isinstance(content, dict) else {}
    if "url" in fields:
        document = fields.get("content")
        yield _page({**(document if isinstance(document, dict) else {}), "url": fields["url"]})
        yield _text(_all_text(document))
    elif "stdout" in fields or "stderr" in fields:
        yield _text(str(fields.get("stdout") or ""))
        if fields.get("stderr"):
            yield f"*stderr*\n\n{_text(str(fields['stderr']))}"
        yield f"return code {escaped(_line(str(fields.get('return_code')), 20))}"
    elif text := _all_text(content):
        yield _text(text)
    elif "error_code" not in fields and content:
        yield _text(json.dumps(_without_encrypted(content), ensure_ascii=False, default=str))


def _page(page: Mapping[str, object]) -> str:
    heading = escaped(_line(str(page.get("title") or ""), _LONGEST_REASON))
    return " ".join(filter(None, [heading, link(_line(str(page.get("url") or ""), LONGEST))]))


def _all_text(content: object) -> str:
    """All text in a result, however deeply it is nested."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, map(_all_text, content)))
    if isinstance(content, dict):
        source = content.get("source")
        if isinstance(source, dict):
            return str(source.get("data") or "") if source.get("type") == "text" else ""
        return _all_text(content.get("text") or content.get("content"))
    return ""


def _without_encrypted(content: object) -> object:
    if not isinstance(content, dict):
        return content
    return {key: value for key, value in content.items() if not key.startswith("encrypted_")}


def _full_arguments(call: Call) -> str:
    """The arguments, unless the title already shows them as they are."""
    whole = ", ".join(f"{key}={value!r}" for key, value in call.input.items())
    if call.invalid is not None:
        return _text(call.invalid)
    if title(call) == f"{tool_name(call)}({whole})" and "\\n" not in whole:
        return ""
    return _text("\n".join(f"{_line(key, 60)} = {_argument(value)}" for key, value in call.input.items()))


def _argument(value: object) -> str:
    return f"\n{value}" if isinstance(value, str) and "\n" in value else repr(value)


def _text(text: str) -> str:
    """Text in a code fence, truncated."""
    shown = clean(text[:LONGEST])
    more = f"\n\n*… {len(text) - LONGEST:,} more characters*" if len(text) > LONGEST else ""
    return inert(code_fence(shown.rstrip("\n"))) + more if shown.strip() else ""


def _description(part: Part) -> str:
    if part.is_picture and (box := getattr(part, "box", None)):
        return f"picture {box[2] - box[0]}x{box[3] - box[1]}"
    return _line(part.about or str(part.wire["type"]), _LONGEST_REASON)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"


def _line(text: str, limit: int) -> str:
    """Text in one line, without unprintable characters."""
    return "".join(char for char in one_line(clean(text), limit) if char.isprintable())


def _in_html(text: str) -> str:
    """Text escaped for an HTML element, in which no formula can begin."""
    return _FORMULA_CHARACTER.sub(lambda match: f"<span>&#{ord(match[0])};</span>", html.escape(text, quote=False))
