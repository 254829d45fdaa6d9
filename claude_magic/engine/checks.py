"""What is checked before a question is sent, so that the API does not have to refuse it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from claude_magic.engine.message import Message
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import Model
from claude_magic.tools.server_tool import ServerTool

if TYPE_CHECKING:
    from claude_magic.tools.structured_output import AnswerType
    from claude_magic.tools.toolset import AnyTool


def check_keys(texts: Iterable[str | None], hide: Callable[[str], str]) -> None:
    """Refuse to send an API key.

    Parameters
    ----------
    texts : iterable of str or None
    hide : callable
        Replaces the keys in a text.
    """
    if any(hide(text) != text for text in texts if text):
        raise BadInput("The question contains an API key; nothing was sent. Remove it, and use claude.login().")


def check_schemas(offered: Sequence[AnyTool], answer_type: AnswerType | None) -> None:
    """Refuse schemas that the API cannot compile into a grammar."""
    schemas = [tool.input_schema for tool in offered if not isinstance(tool, dict | ServerTool) and tool.strict]
    schemas += [answer_type.schema] if answer_type is not None else []
    if schemas:
        from claude_magic.tools.strict_schema import excess

        if problem := excess(schemas):
            raise BadInput(problem)


def check_counts(model: Model, messages: Sequence[Message]) -> None:
    """Refuse more pictures or PDF pages than the model accepts."""
    if not model.known:
        return
    pictures = sum(message.pictures for message in messages)
    if pictures > model.max_images:
        raise BadInput(f"{model.id} accepts at most {model.max_images} pictures, and this has {pictures}. Use --new.")
    pages = sum(part.pages or 0 for message in messages for part in message.parts)
    if pages > model.max_pages:
        from claude_magic.content.pdf import check_pages

        check_pages(pages, model.max_pages, f"A question to {model.id}")


def check_citations(messages: Sequence[Message], *, typed: bool) -> None:
    """Refuse citations for only some documents of a request, or together with a typed answer."""
    parts = [part for message in messages for part in message.parts]
    documents = [part for part in parts if part.wire["type"] in ("document", "search_result")]
    cited = [part for part in documents if part.wire.get("citations", {}).get("enabled")]
    if cited and len(cited) < len(documents):
        other = next(part for part in documents if part not in cited)
        on, off = (getattr(part, "name", part.about) for part in (cited[0], other))
        raise BadInput(
            f"Either all documents of a conversation have citations or none: {on} has them, {off} does not. "
            "Use Document(…, citations=True) for each, or --new."
        )
    if cited and typed:
        raise BadInput("A typed answer cannot cite. Leave out --schema, or ask about the documents with --new.")
