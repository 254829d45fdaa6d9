"""A question made ready to be sent: resolved, checked, built and estimated. Nothing is changed or sent."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from claude_magic.content.parts import Part
from claude_magic.content.thumbnails import thumbnails
from claude_magic.engine.background import confirm_on_main_thread
from claude_magic.engine.caching import RequestHistory, cache_control
from claude_magic.engine.message import Message
from claude_magic.engine.options import Options, request_fields, tool_fields
from claude_magic.engine.question import Question, prompt_parts
from claude_magic.engine.rendering import Opening
from claude_magic.engine.request import Request
from claude_magic.engine.settings import ToolLimits
from claude_magic.engine.tool_loop import ToolLoop
from claude_magic.messages import limits
from claude_magic.messages.errors import BadInput, RequestTooLarge
from claude_magic.messages.limits import Model
from claude_magic.messages.text import pluralize
from claude_magic.tools.server_tool import ServerTool
from claude_magic.tools.toolset import current_tools, tool_name

if TYPE_CHECKING:
    from claude_magic.engine.budget import Allowance
    from claude_magic.engine.session import Session
    from claude_magic.tools.structured_output import AnswerType
    from claude_magic.tools.toolset import AnyTool


@dataclasses.dataclass(frozen=True)
class Context:
    """What Claude has besides the question.

    Attributes
    ----------
    model : str
        Id or alias; asked if the question names none.
    system : str or None
    tools : tuple
    tool_limits : ToolLimits
    messages : tuple of Message
        The earlier turns.
    turns : int
        How many turns that is.
    longest : int
        Tokens of Claude's longest message in them.
    history : RequestHistory
        Of the conversation.
    """

    model: str
    system: str | None
    tools: tuple[AnyTool, ...]
    tool_limits: ToolLimits
    messages: tuple[Message, ...]
    turns: int
    longest: int
    history: RequestHistory


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A question that is ready to be sent.

    Attributes
    ----------
    question : Question
    context : Context
    request : Request
        The first request, built and estimated.
    loop : ToolLoop
    opening : Opening
    at : datetime.datetime
    cache_notice : str
        What a changed prefix costs, if the request reaches the server.
    """

    question: Question
    context: Context
    request: Request
    loop: ToolLoop
    opening: Opening
    at: datetime.datetime
    cache_notice: str


def prepare(question: Question, context: Context, session: Session, allowance: Allowance | None = None) -> Prepared:
    """Make a question ready to be sent.

    Parameters
    ----------
    question : Question
    context : Context
        What Claude has besides it.
    session : Session
    allowance : Allowance, optional
        What it may cost.

    Raises
    ------
    BadInput
        If it cannot be asked like this.
    OverBudget
        If it would be too expensive.
    """
    options, client, settings = question.options, session.client, session.settings
    model = limits.lookup(limits.resolve(options.get("model") or context.model), session.learned)
    answer_type = _answer_type(options)
    prompt = question.prompt
    if answer_type is not None and model.known and not model.structured_output:
        prompt = [*prompt, f"\n\n{answer_type.instruction()}"]
    message, named = prompt_parts(prompt)
    offered = current_tools(context.tools)
    if client.is_anthropic:
        _check_schemas(offered, answer_type)
    fields = request_fields(options, model, answer_type, max_tokens=settings.max_tokens, version=settings.version)
    request = Request(
        client=client,
        wire={**fields.wire, **tool_fields(offered, options, model)},
        unasked=fields.unasked | {"cache_control", "diagnostics"},
        before=context.messages,
        own=[Message("user", message)],
        model=model,
        system=context.system,
        prefill=options.get("prefill"),
        history=dataclasses.replace(context.history),
        cache_control=cache_control(settings.cache, client),
        lasting=not options.get("once"),
        allowance=allowance,
        longest=context.longest,
    )
    # A tool's default may be a key, and defaults are part of its definition.
    texts = [context.system, request.prefill, str(request.wire), *(str(part.wire) for part in message)]
    _check_keys(texts, client.credentials.hide)
    _check_counts(model, request.messages)
    if model.known:
        _check_citations(request.messages, typed=answer_type is not None)
    previous = context.history.previous
    prepared = Prepared(
        question,
        context,
        request,
        ToolLoop(
            request, offered, context.tool_limits, confirm_on_main_thread(session.environment.confirm), answer_type
        ),
        _opening(request, named, offered, options, context.turns),
        datetime.datetime.now().astimezone(),
        previous.notice(request.wire, context.system, context.messages) if previous is not None else "",
    )
    try:
        request.prepare()  # a question that is too expensive fails before anything of it is drawn
    except RequestTooLarge:
        pass  # reported when it is to be sent
    return prepared


def _opening(
    request: Request,
    named: Sequence[tuple[str, Part]],
    offered: Sequence[AnyTool],
    options: Options,
    turns: int,
) -> Opening:
    """What the reader is told is sent, besides the text of the question."""
    within = request.limits
    sent = [f"{name} ({about})" for name, part in named if (about := part.summary(within))]
    if offered and options.get("tool_choice") != "none":
        sent.append(f"{'tools' if len(offered) != 1 else 'tool'} {', '.join(map(tool_name, offered))}")
    if turns:
        sent.append(pluralize(turns, "earlier turn"))
    show = options.get("thinking") == "show"
    return Opening(
        request.model.id, tuple(sent), request.prefill or "", show, thumbnails(named, within) if named else ()
    )


def _answer_type(options: Options) -> AnswerType | None:
    if (schema := options.get("schema")) is None:
        return None
    if options.get("prefill") is not None:
        raise BadInput("--schema and --prefill cannot be combined.")
    from claude_magic.tools.structured_output import AnswerType

    return AnswerType.of(schema)


def _check_keys(texts: Iterable[str | None], hide: Callable[[str], str]) -> None:
    """Refuse to send an API key.

    Parameters
    ----------
    texts : iterable of str or None
    hide : callable
        Replaces the keys in a text.
    """
    if any(hide(text) != text for text in texts if text):
        raise BadInput("The question contains an API key; nothing was sent. Remove it, and use claude.login().")


def _check_schemas(offered: Sequence[AnyTool], answer_type: AnswerType | None) -> None:
    """Refuse schemas that the API cannot compile into a grammar."""
    schemas = [tool.input_schema for tool in offered if not isinstance(tool, dict | ServerTool) and tool.strict]
    schemas += [answer_type.schema] if answer_type is not None else []
    if schemas:
        from claude_magic.tools.strict_schema import exceeded_limit

        if problem := exceeded_limit(schemas):
            raise BadInput(problem)


def _check_counts(model: Model, messages: Sequence[Message]) -> None:
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


def _check_citations(messages: Sequence[Message], *, typed: bool) -> None:
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
