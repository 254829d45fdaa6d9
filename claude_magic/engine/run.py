"""One question, from its values to its place in the history."""

from __future__ import annotations

import dataclasses
import datetime
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from claude_magic.content.values import Named
from claude_magic.content.thumbnails import thumbnails
from claude_magic.messages.text import pluralize, one_line
from claude_magic.engine import caching, checks
from claude_magic.engine.caching import PreviousRequest
from claude_magic.conversation.cell_turns import asked_within, slot
from claude_magic.engine.request import Request
from claude_magic.conversation.state import State
from claude_magic.engine.tool_loop import ToolLoop
from claude_magic.engine.options import Options, fields
from claude_magic.engine.outcome import Outcome, outcome
from claude_magic.engine.question import parts_of
from claude_magic.engine.rendering import Opening, Renderer
from claude_magic.engine.settings import Settings
from claude_magic.conversation.toolbox import Tools
from claude_magic.tools.toolset import current_tools, merge_tools, tool_name
from claude_magic.engine.options import tool_fields
from claude_magic.engine.message import Message
from claude_magic.engine.environment import Place
from claude_magic.conversation.turns import Turn, seen
from claude_magic.messages import limits
from claude_magic.messages.blocks import TextBlock, ThinkingBlock
from claude_magic.messages.client import Client
from claude_magic.messages.errors import BadInput, Explained, OverBudget, RequestTooLarge
from claude_magic.messages.limits import Model

if TYPE_CHECKING:
    from claude_magic.engine.budget import Allowance
    from claude_magic.engine.token_count import Count
    from claude_magic.messages.exchange import OutgoingRequest
    from claude_magic.tools.structured_output import AnswerType
    from claude_magic.tools.calls import Call

_MANY_QUESTIONS = 6
"""The question of one execution at which it is said what carrying the earlier ones costs."""


class Run:
    """A question that is being asked. Changes nothing; says what there is to change.

    Parameters
    ----------
    state : State
        Of the conversation, with the system prompt that comes with the question.
    prompt : sequence of str or Named
    options : Options
    model : Model
    settings : Settings
    client : Client
    place : Place or None
    tools : Tools
        The limits of calling them.
    confirm : callable
        Asks the user whether a call may run.
    largest_side : int
        Pixels, if the server is known to take no larger picture.
    allowance : Allowance, optional
        What it may cost.
    precedent : PreviousRequest, optional
        The request before it in the conversation.
    diagnosing : bool
        Whether the API is asked why the cache was missed.

    Raises
    ------
    BadInput
        If it cannot be asked so; nothing is sent.
    """

    def __init__(
        self,
        state: State,
        prompt: Sequence[str | Named],
        options: Options,
        model: Model,
        settings: Settings,
        client: Client,
        place: Place | None,
        tools: Tools,
        confirm: Callable[[Call], str],
        largest_side: int = limits.MAX_IMAGE_SIDE,
        *,
        allowance: Allowance | None = None,
        precedent: PreviousRequest | None = None,
        diagnosing: bool = False,
    ) -> None:
        if place is not None and (options.append or settings.rerun == "append"):
            place = dataclasses.replace(place, number=None)
        self._options = options
        self._place = place
        self._model = model
        self._words = "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in prompt).strip()
        shape = _shape(options)
        if shape is not None and model.known and not model.structured_output:
            prompt = [*prompt, f"\n\n{shape.instruction()}"]
        question, named = parts_of(prompt)
        at, self._former = (len(state.turns), None) if options.once else slot(state.turns, place)
        before = () if options.once or options.new else seen(state.turns[:at])
        before = tuple(turn for turn in before if not asked_within(turn, place))
        self._held = state.tools
        offered = current_tools(state.tools)
        if client.is_anthropic:
            checks.schemas(offered, shape)
        asked_for = fields(options, model, shape, max_tokens=settings.max_tokens, version=settings.version)
        self._exchange = Request(
            client=client,
            wire={**asked_for.wire, **tool_fields(offered, options, model)},
            unasked=asked_for.unasked | {"cache_control", "diagnostics"},
            before=tuple(message for turn in before for message in turn.messages),
            own=[Message("user", question)],
            model=model,
            system=state.system,
            prefill=options.prefill,
            largest_side=largest_side,
            caching=caching.automatic(settings.cache, client),
            lasting=not options.once,
            allowance=allowance,
            precedent=precedent,
            longest=max((reply.counted.output_tokens for turn in before for reply in turn.reply.messages), default=0),
            diagnosing=diagnosing and not options.once,
        )
        self._cache_notice = ""
        if precedent is not None:
            self._cache_notice = precedent.notice(self._exchange.wire, state.system, self._exchange.before)
        # A tool's default may be a key, and defaults are part of its definition.
        texts = [state.system, options.prefill, str(self._exchange.wire), *(str(part.wire) for part in question)]
        checks.keys(texts, client.credentials.hide)
        checks.counts(model, self._exchange.messages)
        if model.known:
            checks.citations(self._exchange.messages, typed=shape is not None)
        self._loop = ToolLoop(self._exchange, offered, tools, confirm, shape)
        within = self._exchange.limits
        sent = [f"{name} ({about})" for name, part in named if (about := part.summary(within))]
        if offered and options.tool_choice != "none":
            sent.append(f"{'tools' if len(offered) != 1 else 'tool'} {', '.join(map(tool_name, offered))}")
        if before:
            sent.append(pluralize(len(before), "earlier turn"))
        show = options.thinking == "show"
        self._opening = Opening(model.id, tuple(sent), options.prefill or "", show, thumbnails(named, within))
        self._asked = datetime.datetime.now().astimezone()
        self._result = Outcome(None)
        self._prepare()

    def _prepare(self) -> None:
        """Stop a question that is too expensive before anything is shown of it."""
        try:
            self._exchange.prepare()
        except OverBudget as error:
            self._note_former(error)
            raise
        except RequestTooLarge:
            pass  # that is said when it is to be sent

    def _note_former(self, error: Explained) -> None:
        """Say that the answer stays that this question was to replace."""
        if self._former is not None:
            error.add_note("The earlier answer still counts.")

    @property
    def words(self) -> str:
        """The question, for people."""
        return self._words

    @property
    def place(self) -> Place | None:
        """Where it stands; a number in it can be replaced."""
        return self._place

    def run(self, renderer: Renderer, stop: Callable[[], None] | None = None) -> BaseException | None:
        """Send it and read the answer; what stopped that is returned, so that nothing is left undone by it.

        Parameters
        ----------
        renderer : Renderer
        stop : callable, optional
            Ends it, if it is answered in the background.
        """
        started = time.monotonic()
        error: BaseException | None = None
        try:
            renderer.start(dataclasses.replace(self._opening, stop=stop))
            self._loop.run(renderer.update)
        except BaseException as caught:  # noqa: BLE001  (raised again by the conversation, once all is in order)
            error = caught
        self._exchange.reply.seconds = time.monotonic() - started
        return error

    def close(self, error: BaseException | None) -> tuple[Turn, Outcome]:
        """The turn that it made, and what follows from how it ended."""
        reply = self._exchange.reply
        reply.sent = self._opening.sent
        reply.model = reply.model or self._model.id
        if not reply.ended and (reply.blocks or reply.counted.total_input):
            # The server counts at the end; of a cut answer only what arrived can be counted.
            texts = (block.text for block in reply.blocks if isinstance(block, TextBlock | ThinkingBlock))
            output = max(reply.counted.output_tokens, sum(map(len, texts)) // 4)
            reply.counted = dataclasses.replace(reply.counted, output_tokens=output, at_least=True)
        asked, *answered = self._exchange.own
        self._result = outcome(reply, error, answered, self._exchange.bound_to, once=self._options.once)
        if self._result.answer is None and isinstance(self._result.error, Explained):
            self._note_former(self._result.error)
        turn = Turn(
            id=uuid.uuid4().hex[:12],
            prompt=self._words,
            messages=(asked, *(self._result.answer or ())),
            reply=reply,
            asked=self._asked,
            place=self._place,
        )
        return turn, self._result

    @property
    def outgoing(self) -> OutgoingRequest:
        """The first request, as it would be sent now."""
        return self._exchange.outgoing()

    def count(self) -> Count:
        """Ask the API's counter how many tokens the first request has."""
        from claude_magic.engine.token_count import count

        return count(self._exchange)

    @property
    def largest_side(self) -> int:
        """Pixels of a side that the server is known to take at most."""
        return self._exchange.largest_side

    @property
    def precedent(self) -> PreviousRequest | None:
        """What the next request can build on."""
        return self._exchange.precedent

    @property
    def once(self) -> bool:
        """Whether it leaves nothing in the conversation."""
        return self._options.once

    @property
    def kept(self) -> bool:
        """Whether the turn becomes part of the history."""
        return self._result.answer is not None and not self.once

    def after(self, turn: Turn, state: State) -> tuple[State, str, list[str]]:
        """The state with the turn in its place, the step in words, and what it means for the rest.

        Parameters
        ----------
        turn : Turn
        state : State
            As it is now.
        """
        at, former = slot(state.turns, self._place)
        # A function that it called may have taken its own definition away.
        called = {call.name for call in turn.tool_calls} - set(map(tool_name, state.tools))
        tools = merge_tools(state.tools, (tool for tool in self._held if tool_name(tool) in called))
        earlier = () if self._options.new else state.turns[:at]
        later = state.turns[at + (former is not None) :]
        if former is not None:
            said = f"the new answer in {self._place.label if self._place else ''}"
        else:
            said = (
                f"the answer in {self._place.label}" if self._place else f"the answer to {one_line(self._words, 30)!r}"
            )
        after = dataclasses.replace(state, turns=(*earlier, turn, *later), tools=tools)
        return after, said, self._consequences(after, former, len(seen(later)))

    def _consequences(self, after: State, former: Turn | None, later: int) -> list[str]:
        notices = []
        if former is not None:
            others = (
                f"; {later} later answer{'s were' if later != 1 else ' was'} given to the old version" if later else ""
            )
            notices.append(f"Replaced your question of {former.asked:%H:%M} here{others}.")
        if self._place is not None and self._place.number == _MANY_QUESTIONS - 1:
            images = sum(turn.pictures for turn in seen(after.turns))
            so_far = f" ({pluralize(images, 'image')} so far)" if images else ""
            notices.append(f"Each call carries the earlier ones{so_far}. For independent questions: once=True.")
        return notices

    def notices(self, result: Outcome) -> list[str]:
        """How it went, for the reader."""
        about_cache = [self._cache_notice] if self._cache_notice and self._exchange.reply.begun else []
        notices = [*about_cache, *self._exchange.notices(), *self._loop.notices]
        return [*notices, *([result.notice] if result.notice else [])]


def _shape(options: Options) -> AnswerType | None:
    if options.schema is None:
        return None
    if options.prefill is not None:
        raise BadInput("--schema and --prefill do not go together.")
    from claude_magic.tools.structured_output import AnswerType

    return AnswerType.of(options.schema)
