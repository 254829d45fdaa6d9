"""One question, from its values to its place in the history."""

from __future__ import annotations

import dataclasses
import datetime
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from claude_magic.content import Named, Part, compose, text_part, to_parts
from claude_magic.content.thumbnails import thumbnails
from claude_magic.content.words import counted
from claude_magic.conversation import caching
from claude_magic.conversation.caching import Precedent
from claude_magic.conversation.exchange import Exchange
from claude_magic.conversation.journal import State
from claude_magic.conversation.loop import Loop
from claude_magic.conversation.options import Options, fields
from claude_magic.conversation.outcome import Outcome, outcome
from claude_magic.conversation.rendering import Opening, Renderer
from claude_magic.conversation.settings import Settings
from claude_magic.conversation.toolbox import Tools, current, joined, name_of
from claude_magic.conversation.toolbox import fields as tool_fields
from claude_magic.conversation.turns import Message, Place, Turn, seen, shortened
from claude_magic.messages import limits
from claude_magic.messages.blocks import TextBlock, ThinkingBlock
from claude_magic.messages.client import Client
from claude_magic.messages.errors import BadInput, ClaudeError, Explained, OverBudget, RequestTooLarge
from claude_magic.messages.limits import Model
from claude_magic.tools.server import ServerTool

if TYPE_CHECKING:
    from claude_magic.conversation.budget import Allowance
    from claude_magic.conversation.counting import Count
    from claude_magic.conversation.toolbox import Offered
    from claude_magic.messages.transmission import Outgoing
    from claude_magic.tools.answers import Shape
    from claude_magic.tools.calls import Call

_MANY_QUESTIONS = 6
"""The question of one execution at which it is said what carrying the earlier ones costs."""


class Asking:
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
    precedent : Precedent, optional
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
        precedent: Precedent | None = None,
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
        question, named = _parts(prompt)
        slot, self._former = (len(state.turns), None) if options.once else _slot(state.turns, place)
        before = () if options.once or options.new else seen(state.turns[:slot])
        before = tuple(turn for turn in before if not _asked_within(turn, place))
        self._held = state.tools
        offered = current(state.tools)
        if client.is_anthropic:
            _check_schemas(offered, shape)
        asked_for = fields(options, model, shape, max_tokens=settings.max_tokens, version=settings.version)
        self._exchange = Exchange(
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
        _check_for_keys(texts, client.credentials.hide)
        _check_counts(model, self._exchange.messages)
        if model.known:
            _check_citations(self._exchange.messages, typed=shape is not None)
        self._loop = Loop(self._exchange, offered, tools, confirm, shape)
        within = self._exchange.limits
        sent = [f"{name} ({about})" for name, part in named if (about := part.summary(within))]
        if offered and options.tool_choice != "none":
            sent.append(f"{'tools' if len(offered) != 1 else 'tool'} {', '.join(map(name_of, offered))}")
        if before:
            sent.append(counted(len(before), "earlier turn"))
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
            if self._former is not None:
                error.add_note("The earlier answer still counts.")
            raise
        except RequestTooLarge:
            pass  # that is said when it is to be sent

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
        if self._former is not None and self._result.answer is None and isinstance(self._result.error, Explained):
            self._result.error.add_note("The earlier answer still counts.")
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
    def outgoing(self) -> Outgoing:
        """The first request, as it would be sent now."""
        return self._exchange.outgoing()

    def count(self) -> Count:
        """Ask the API's counter how many tokens the first request has."""
        from claude_magic.conversation.counting import count

        return count(self._exchange)

    @property
    def largest_side(self) -> int:
        """Pixels of a side that the server is known to take at most."""
        return self._exchange.largest_side

    @property
    def precedent(self) -> Precedent | None:
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
        slot, former = _slot(state.turns, self._place)
        # A function that it called may have taken its own definition away.
        called = {call.name for call in turn.tool_calls} - set(map(name_of, state.tools))
        tools = joined(state.tools, (tool for tool in self._held if name_of(tool) in called))
        earlier = () if self._options.new else state.turns[:slot]
        later = state.turns[slot + (former is not None) :]
        if former is not None:
            said = f"the new answer in {self._place.label if self._place else ''}"
        else:
            said = (
                f"the answer in {self._place.label}" if self._place else f"the answer to {shortened(self._words, 30)!r}"
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
            so_far = f" ({counted(images, 'image')} so far)" if images else ""
            notices.append(f"Each call carries the earlier ones{so_far}. For independent questions: once=True.")
        return notices

    def notices(self, result: Outcome) -> list[str]:
        """How it went, for the reader."""
        about_cache = [self._cache_notice] if self._cache_notice and self._exchange.reply.begun else []
        notices = [*about_cache, *self._exchange.notices(), *self._loop.notices]
        return [*notices, *([result.notice] if result.notice else [])]


def _parts(prompt: Sequence[str | Named]) -> tuple[tuple[Part, ...], list[tuple[str, Part]]]:
    """The parts of the message, and those among them that are not mere words, by name."""
    parts: list[tuple[str, Part]] = []
    for item in prompt:
        if isinstance(item, str):
            parts.append(("", text_part(item)))
        else:
            parts += [(item.name, part) for part in _converted(item)]
    several = sum(part.is_picture for _, part in parts) > 1
    labelled: list[Part] = []
    number = 0
    for name, part in parts:
        if several and part.is_picture:
            number += 1
            labelled.append(text_part(f"\nPicture {number} ({getattr(part, 'name', name)}):"))
        labelled.append(part)
    question = compose(labelled)
    if not question:
        raise BadInput("The question is empty.")
    return question, [(getattr(part, "name", name), part) for name, part in parts if part.text is None]


def taken(prompt: Sequence[str | Named]) -> list[str | Named]:
    """The same with values that are what will be sent, and change no more."""
    return [item if isinstance(item, str) else Named(item.name, _converted(item)) for item in prompt]


def _converted(item: Named) -> list[Part]:
    """The parts of a value; its own code may fail in any way, and that is said in one line."""
    try:
        return to_parts(item.value, item.name)
    except ClaudeError:
        raise
    except Exception as error:  # noqa: BLE001
        raise BadInput(
            f"{item.name} cannot be shown to a model: {type(error).__name__}: {shortened(str(error), 200)}"
        ) from None


def _check_for_keys(texts: Iterable[str | None], hide: Callable[[str], str]) -> None:
    if any(hide(text) != text for text in texts if text):
        raise BadInput("The question holds an API key; nothing was sent. Take it out, and use claude.login().")


def _slot(turns: Sequence[Turn], place: Place | None) -> tuple[int, Turn | None]:
    """Where a question of this place goes, and the turn that it replaces, if any.

    A question that the cell did not ask before follows the one that the same execution asked last.
    """
    if place is None or place.number is None or not place.cell:
        return len(turns), None
    end = len(turns)
    for index, turn in enumerate(turns):
        if turn.place is None or turn.place.cell != place.cell:
            continue
        if turn.place.execution == place.execution:
            end = index + 1
        elif turn.place.number == place.number:
            return index, turn
    return end, None


def _check_citations(messages: Sequence[Message], *, typed: bool) -> None:
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


def _asked_within(turn: Turn, place: Place | None) -> bool:
    """Whether a turn was asked by a function that this question called when its cell ran before: it will be again."""
    former = turn.place
    if place is None or former is None or place.number is None or former.number is None or not place.cell:
        return False
    return former.cell == place.cell and former.execution != place.execution and former.number > place.number


def _shape(options: Options) -> Shape | None:
    if options.schema is None:
        return None
    if options.prefill is not None:
        raise BadInput("--schema and --prefill do not go together.")
    from claude_magic.tools.answers import Shape

    return Shape.of(options.schema)


def _check_schemas(offered: Sequence[Offered], shape: Shape | None) -> None:
    """What the API cannot compile into a grammar."""
    schemas = [tool.input_schema for tool in offered if not isinstance(tool, dict | ServerTool) and tool.strict]
    schemas += [shape.schema] if shape is not None else []
    if schemas:
        from claude_magic.tools.subset import excess

        if line := excess(schemas):
            raise BadInput(line)


def _check_counts(model: Model, messages: Sequence[Message]) -> None:
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
