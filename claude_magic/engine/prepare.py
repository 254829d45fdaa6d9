"""A question made ready to be sent: resolved, checked, built and estimated. Nothing is changed or sent."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING

from claude_magic.content.parts import Part
from claude_magic.content.thumbnails import thumbnails
from claude_magic.engine import checks
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
from claude_magic.messages.text import pluralize
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
        checks.check_schemas(offered, answer_type)
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
    checks.check_keys(texts, client.credentials.hide)
    checks.check_counts(model, request.messages)
    if model.known:
        checks.check_citations(request.messages, typed=answer_type is not None)
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
    return Opening(request.model.id, tuple(sent), request.prefill or "", show, thumbnails(named, within))


def _answer_type(options: Options) -> AnswerType | None:
    if (schema := options.get("schema")) is None:
        return None
    if options.get("prefill") is not None:
        raise BadInput("--schema and --prefill cannot be combined.")
    from claude_magic.tools.structured_output import AnswerType

    return AnswerType.of(schema)
