"""What is checked of a question before it is sent, so that the API need not refuse it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from claude_magic.engine.message import Message
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import Model
from claude_magic.tools.server_tool import ServerTool

if TYPE_CHECKING:
    from claude_magic.tools.toolset import AnyTool
    from claude_magic.tools.structured_output import AnswerType


def keys(texts: Iterable[str | None], hide: Callable[[str], str]) -> None:
    """No key is part of what is sent.

    Parameters
    ----------
    texts : iterable of str or None
    hide : callable
        Takes the keys out of a text.
    """
    if any(hide(text) != text for text in texts if text):
        raise BadInput("The question holds an API key; nothing was sent. Take it out, and use claude.login().")


def schemas(offered: Sequence[AnyTool], shape: AnswerType | None) -> None:
    """What the API cannot compile into a grammar."""
    schemas = [tool.input_schema for tool in offered if not isinstance(tool, dict | ServerTool) and tool.strict]
    schemas += [shape.schema] if shape is not None else []
    if schemas:
        from claude_magic.tools.strict_schema import excess

        if line := excess(schemas):
            raise BadInput(line)


def counts(model: Model, messages: Sequence[Message]) -> None:
    """What the API would refuse by its number."""
    if not model.known:
        return
    pictures = sum(message.pictures for message in messages)
    if pictures > model.max_images:
        raise BadInput(f"{model.id} takes at most {model.max_images} pictures; there would be {pictures}. Use --new.")
    pages = sum(part.pages or 0 for message in messages for part in message.parts)
    if pages > model.max_pages:
        from claude_magic.content.pdf import check_pages

        check_pages(pages, model.max_pages, f"A question to {model.id}")


def citations(messages: Sequence[Message], *, typed: bool) -> None:
    """Citations are on for all documents of a request or for none, and not where the answer has a type."""
    parts = [part for message in messages for part in message.parts]
    documents = [part for part in parts if part.wire["type"] in ("document", "search_result")]
    cited = [part for part in documents if part.wire.get("citations", {}).get("enabled")]
    if cited and len(cited) < len(documents):
        other = next(part for part in documents if part not in cited)
        on, off = (getattr(part, "name", part.about) for part in (cited[0], other))
        raise BadInput(
            f"Citations are on for all documents of a conversation or for none: {on} has them, {off} has not. "
            "Use Document(…, citations=True) for each, or --new."
        )
    if cited and typed:
        raise BadInput("A typed answer cannot cite. Leave out --schema, or ask about the documents with --new.")
