"""A finished answer in full: its text, its tool calls and its sources."""

from __future__ import annotations

import json

from claude_magic.messages.blocks import TextBlock
from claude_magic.messages.reply import Reply
from claude_magic.messages.text import code_fence
from claude_magic.notebook.display.footnotes import Footnotes
from claude_magic.notebook.display.inert import inert
from claude_magic.notebook.display.tool_call_view import Pictures, view_calls


def render_reply(reply: Reply, *, plain: bool = False, pictures: Pictures = lambda call: "") -> str:
    """Render an answer as inert Markdown, in which code that was cut off is closed, or as plain text.

    Parameters
    ----------
    reply : Reply
    plain : bool
        Whether to render plain text.
    pictures : callable
        Returns the pictures in a call's result, as Markdown.
    """
    notes = Footnotes(plain=plain)
    views = list(view_calls(reply, pictures))
    paragraphs: list[str] = []
    for message in reply.messages:
        inline = {block: view for one, block, view in views if one is message and block is not None}
        pieces = [notes.add(message.prefill)]
        for block in message.blocks:
            if isinstance(block, TextBlock) and block.text:
                typed = message.to_frame is not None and not plain
                pieces.append(notes.add(_json(block.text) if typed else block.text, block))
            elif block in inline:
                text = "".join(pieces) + notes.pause()
                paragraphs += [text, inline[block].plain] if plain else [inert(text), inline[block].markdown]
                pieces.clear()
        text = "".join(pieces) + notes.pause()
        paragraphs.append(text if plain else inert(text))
        ran = [view for one, block, view in views if one is message and block is None]
        paragraphs += ["\n".join(view.plain for view in ran)] if plain else [view.markdown for view in ran]
    return "\n\n".join(filter(None, (*paragraphs, notes.pending, notes.sources)))


def _json(text: str) -> str:
    """A structured answer, indented; unchanged if it is not JSON by itself."""
    try:
        return code_fence(json.dumps(json.loads(text), indent=2, ensure_ascii=False), "json")
    except ValueError:
        return text
