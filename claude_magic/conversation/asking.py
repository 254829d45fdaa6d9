"""One question, from its values to its place in the history."""

from __future__ import annotations

import dataclasses
import datetime
import time
import uuid
from collections.abc import Sequence
from typing import Any

from claude_magic.content import Named, Part, compose, text_part, to_parts
from claude_magic.conversation.exchange import Exchange
from claude_magic.conversation.journal import State
from claude_magic.conversation.options import Options, fields
from claude_magic.conversation.outcome import Outcome, outcome
from claude_magic.conversation.rendering import Opening, Renderer
from claude_magic.conversation.settings import Settings
from claude_magic.conversation.turns import Place, Turn, seen, shortened
from claude_magic.messages import limits
from claude_magic.messages.client import Client
from claude_magic.messages.credentials import KEY_IN_TEXT
from claude_magic.messages.errors import BadInput, ClaudeError, Explained
from claude_magic.messages.limits import Model

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
    largest_side : int
        Pixels, if the server is known to take no larger picture.

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
        largest_side: int = limits.MAX_IMAGE_SIDE,
    ) -> None:
        client.require_credentials()
        if place is not None and (options.append or settings.rerun == "append"):
            place = dataclasses.replace(place, number=None)
        self._state = state
        self._options = options
        self._place = place
        self._model = model
        self._words = "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in prompt).strip()
        self._question, named = _parts(prompt)
        slot, self._former = (len(state.turns), None) if options.once else _slot(state.turns, place)
        before = () if options.once or options.new else seen(state.turns[:slot])
        _check_for_keys(self._question, state.system)
        pictures = sum(part.is_picture for part in self._question) + sum(turn.pictures for turn in before)
        if model.known and pictures > model.max_images:
            raise BadInput(
                f"{model.id} takes at most {model.max_images} pictures; there would be {pictures}. Use --new."
            )
        parts = [*self._question, *(part for turn in before for part in turn.question)]
        pages = sum(getattr(part, "pages", None) or 0 for part in parts)
        if model.known and pages > model.max_pages:
            raise BadInput(
                f"{model.id} takes at most {model.max_pages} pages; there would be {pages}. Use Document(…, pages=…)."
            )
        within = limits.image_limits(model, pictures)
        within = within._replace(side=min(within.side, largest_side))
        sent = tuple(f"{name} ({about})" for name, part in named if (about := part.summary(within)))
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
            within,
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
        if self._exchange.asked is not None:
            turn.remember(self._exchange.limits, self._exchange.asked)
        return turn, self._result

    @property
    def told_side(self) -> int | None:
        """Pixels of a side that the server turned out to take at most."""
        return self._exchange.told_side

    @property
    def kept(self) -> bool:
        """Whether the turn becomes part of the history."""
        return self._result.answer is not None and not self._options.once

    def after(self, turn: Turn, state: State) -> tuple[State, str, list[str]]:
        """The state with the turn in its place, the step in words, and what it means for the rest.

        Parameters
        ----------
        turn : Turn
        state : State
            As it is now.
        """
        slot, former = _slot(state.turns, self._place)
        earlier = () if self._options.new else state.turns[:slot]
        later = state.turns[slot + (former is not None) :]
        if former is not None:
            said = f"the new answer in {self._place.label if self._place else ''}"
        else:
            said = (
                f"the answer in {self._place.label}" if self._place else f"the answer to {shortened(self._words, 30)!r}"
            )
        after = dataclasses.replace(state, turns=(*earlier, turn, *later))
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
            so_far = f" ({images} image{'s' if images != 1 else ''} so far)" if images else ""
            notices.append(f"Each call carries the earlier ones{so_far}. For independent questions: once=True.")
        return notices

    def notices(self, result: Outcome) -> list[str]:
        """How it went, for the reader."""
        return [*self._exchange.notices(), *([result.notice] if result.notice else [])]


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


def _check_for_keys(question: Sequence[Part], system: str | None) -> None:
    texts = [system or "", *(str(part.wire.get("text", "")) for part in question)]
    if any(KEY_IN_TEXT.search(text) for text in texts):
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


def _caching(wish: str, client: Client, before: Sequence[Turn]) -> dict[str, Any]:
    """The automatic breakpoint: only Anthropic's own servers are known to take it."""
    if wish == "off" or not client.is_anthropic or not any(turn.answer for turn in before):
        return {}
    return {"cache_control": {"type": "ephemeral", "ttl": "1h"} if wish == "1h" else {"type": "ephemeral"}}
