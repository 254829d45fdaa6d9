"""One question, from its values to its place in the history."""

from __future__ import annotations

import dataclasses
import datetime
import time
import uuid
from collections.abc import Sequence
from typing import Any

from claude_magic.content import Named, Part, compose, to_parts
from claude_magic.conversation.exchange import Exchange
from claude_magic.conversation.journal import State
from claude_magic.conversation.options import Options, fields
from claude_magic.conversation.outcome import Outcome, outcome
from claude_magic.conversation.rendering import Opening, Renderer
from claude_magic.conversation.settings import Settings
from claude_magic.conversation.turns import Place, Turn, seen, shortened
from claude_magic.messages import limits
from claude_magic.messages.client import Client
from claude_magic.messages.errors import BadInput, Explained

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
    settings : Settings
    client : Client
    place : Place or None

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
        settings: Settings,
        client: Client,
        place: Place | None,
    ) -> None:
        client.require_credentials()
        model = limits.lookup(limits.resolve(options.model or state.model or settings.model))
        if place is not None and (options.append or settings.rerun == "append"):
            place = dataclasses.replace(place, number=None)
        self._state = state
        self._options = options
        self._place = place
        self._model = model
        self._words = "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in prompt).strip()
        self._question, sent = _parts(prompt, model)
        self._slot, self._former = (len(state.turns), None) if options.once else _slot(state.turns, place)
        before = () if options.once or options.new else seen(state.turns[: self._slot])
        if before:
            sent = (*sent, f"{len(before)} earlier turn{'s' if len(before) != 1 else ''}")
        self._opening = Opening(model.id, sent, options.prefill or "", options.thinking == "show")
        asked_for = fields(options, model, max_tokens=settings.max_tokens, version=settings.version)
        wire = {**asked_for.wire, **_caching(settings.cache, client, before)}
        self._exchange = Exchange(
            client,
            dataclasses.replace(asked_for, wire=wire),
            before,
            self._question,
            state.system,
            options.prefill,
        )
        self._asked = datetime.datetime.now().astimezone()
        self._result = Outcome(None)

    def run(self, renderer: Renderer) -> BaseException | None:
        """Send it and read the answer; what stopped that is returned, so that nothing is left undone by it."""
        started = time.monotonic()
        error: BaseException | None = None
        try:
            renderer.start(self._opening)
            self._exchange.run(renderer.update)
        except BaseException as caught:  # noqa: BLE001  (raised again by the conversation, once all is in order)
            error = caught
        self._exchange.reply.seconds = time.monotonic() - started
        return error

    def close(self, error: BaseException | None) -> tuple[Turn, Outcome]:
        """The turn that it made, and what follows from how it ended."""
        reply = self._exchange.reply
        reply.sent = self._opening.sent
        reply.model = reply.model or self._model.id
        if reply.begun and not reply.ended:
            # The server counts at the end; of a cut answer only what arrived can be counted.
            received = (len(reply.text) + len(reply.thinking)) // 4
            output = max(reply.usage.output_tokens, received)
            reply.usage = dataclasses.replace(reply.usage, output_tokens=output, at_least=True)
        self._result = outcome(reply, error, once=self._options.once)
        if self._former is not None and self._result.answer is None and isinstance(self._result.error, Explained):
            self._result.error.add_note("The earlier answer still counts.")
        turn = Turn(
            id=uuid.uuid4().hex[:12],
            prompt=self._words,
            question=self._question,
            answer=self._result.answer or (),
            reply=reply,
            asked=self._asked,
            place=self._place,
            bound_to=self._exchange.bound_to,
        )
        return turn, self._result

    @property
    def kept(self) -> bool:
        """Whether the turn becomes part of the history."""
        return self._result.answer is not None and not self._options.once

    def after(self, turn: Turn) -> tuple[State, str]:
        """The state with the turn in its place, and the step in words."""
        turns = self._state.turns
        earlier = () if self._options.new else turns[: self._slot]
        later = turns[self._slot + (self._former is not None) :]
        if self._former is not None:
            said = f"the new answer in {self._place.label if self._place else ''}"
        else:
            said = (
                f"the answer in {self._place.label}" if self._place else f"the answer to {shortened(self._words, 30)!r}"
            )
        return dataclasses.replace(self._state, turns=(*earlier, turn, *later)), said

    def consequences(self) -> list[str]:
        """What keeping the turn means for the rest of the conversation, for the reader."""
        notices = []
        if self._former is not None:
            later = len(seen(self._state.turns[self._slot + 1 :]))
            others = (
                f"; {later} later answer{'s were' if later != 1 else ' was'} given to the old version" if later else ""
            )
            notices.append(f"Replaced your question of {self._former.asked:%H:%M} here{others}.")
        if self._place is not None and self._place.number == _MANY_QUESTIONS - 1:
            questions = [turn.question for turn in seen(self._state.turns)] + [self._question]
            images = sum(part.wire["type"] == "image" for question in questions for part in question)
            so_far = f" ({images} image{'s' if images != 1 else ''} so far)" if images else ""
            notices.append(f"Each call carries the earlier ones{so_far}. For independent questions: once=True.")
        return notices

    def notices(self, result: Outcome) -> list[str]:
        """How it went, for the reader."""
        return [*self._exchange.notices(), *([result.notice] if result.notice else [])]


def _parts(prompt: Sequence[str | Named], model: limits.Model) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """The parts of the message, and in words what they are beside the words themselves."""
    parts: list[Part] = []
    sent: list[str] = []
    for item in prompt:
        if isinstance(item, str):
            parts.append(Part({"type": "text", "text": item}))
            continue
        converted = to_parts(item.value, item.name, model)
        sent += [f"{item.name} ({part.summary})" for part in converted if part.summary]
        parts += converted
    question = compose(parts)
    if not question:
        raise BadInput("The question is empty.")
    return question, tuple(sent)


def _slot(turns: Sequence[Turn], place: Place | None) -> tuple[int, Turn | None]:
    """Where a question of this place goes, and the turn that it replaces, if any.

    A question that the cell did not ask before follows the one that the same execution asked last.
    """
    if place is None or place.number is None:
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


def _caching(wish: str, client: Client, before: Sequence[Turn]) -> dict[str, Any]:
    """The automatic breakpoint: only Anthropic's own servers are known to take it."""
    if wish == "off" or not client.is_anthropic or not any(turn.answer for turn in before):
        return {}
    return {"cache_control": {"type": "ephemeral", "ttl": "1h"} if wish == "1h" else {"type": "ephemeral"}}
