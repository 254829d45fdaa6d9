"""One request: built, sent and read, with the repairs that are allowed.

A request that the API refuses is repaired and sent again in exactly three cases, each once and each
reported: images larger than the API says it accepts are shrunk, earlier thinking that the API takes
to belong to another conversation is left out, and a field that we added unasked is taken back.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from claude_magic.engine.budget import Estimate, estimate, estimate_tokens
from claude_magic.engine.caching import PreviousRequest, RequestHistory, ends_out_of_reach, free_marks
from claude_magic.engine.message import BuiltRequest, Message, build
from claude_magic.messages.client import Client
from claude_magic.messages.errors import InvalidRequest, NotFound, RequestTooLarge
from claude_magic.messages.exchange import OutgoingRequest
from claude_magic.messages.limits import ImageLimits, Model, image_limits, nearest
from claude_magic.messages.reply import Reply, ReplyUpdate
from claude_magic.messages.retry import Wait
from claude_magic.messages.stream import Stream
from claude_magic.messages.wire import CacheControl, RequestFields
from claude_magic.tools.worker import wakeable

if TYPE_CHECKING:
    from claude_magic.engine.budget import Allowance

_BOUND_ELSEWHERE = re.compile(r"messages\.\d+\.content\.\d+.*(signature|bound to a different|thinking)", re.DOTALL)


@dataclasses.dataclass
class Request:
    """The requests of one question: the first, and with tools those that follow.

    Attributes
    ----------
    client : Client
    wire : RequestFields
        The fields of the next request.
    unasked : frozenset of str
        Those that we added on our own, and may take back.
    before : tuple of Message
        What Claude sees of the past.
    own : list of Message
        The question, and what has answered it so far.
    model : Model
    system, prefill : str or None
    history : RequestHistory
        A copy: what this question adds to it counts only if the question does.
    cache_control : dict or None
        The automatic mark for the prompt cache.
    lasting : bool
        Whether the question stays, so that writing it to the cache pays from the first request on.
    allowance : Allowance or None
        What may be spent; None: anything.
    longest : int
        Tokens of Claude's longest message so far.
    repairs : list of str
        What was repaired, for the reader.
    waits : list of Wait
    bound_to : bytes
        Digest of what was really sent before the latest message.
    """

    client: Client
    wire: RequestFields
    unasked: frozenset[str]
    before: tuple[Message, ...]
    own: list[Message]
    model: Model
    system: str | None
    prefill: str | None
    history: RequestHistory
    cache_control: CacheControl | None = None
    lasting: bool = False
    allowance: Allowance | None = None
    longest: int = 0
    repairs: list[str] = dataclasses.field(default_factory=list)
    waits: list[Wait] = dataclasses.field(default_factory=list)
    bound_to: bytes = b""
    _stream: Stream | None = None
    _built: BuiltRequest | None = None
    _with_thinking: bool = True
    _shrunk: bool = False
    _waiting: bool = False

    def __post_init__(self) -> None:
        self._unsent = Reply(self.prefill or "")

    @property
    def reply(self) -> Reply:
        """What has arrived."""
        return self._stream.reply if self._stream is not None else self._unsent

    @property
    def messages(self) -> tuple[Message, ...]:
        """Everything that Claude sees."""
        return (*self.before, *self.own)

    @property
    def limits(self) -> ImageLimits:
        """How large images may be, which depends on how many there are."""
        limits = image_limits(self.model, sum(message.pictures for message in self.messages))
        return limits._replace(side=min(limits.side, self.history.largest_side))

    def notices(self) -> list[str]:
        """Retries and repairs, for the reader."""
        tries = []
        if self.waits:
            reasons = ", ".join(dict.fromkeys(wait.reason for wait in self.waits))
            tries = [f"Sent {self.waits[-1].attempt} times: {reasons}."]
        return [*tries, *self.repairs]

    def extend(self, *messages: Message) -> None:
        """Add the latest message and what answers it; the next :meth:`send` sends both."""
        self.repairs, self.waits = self.notices(), []
        self.own += messages
        self._unsent = Reply(earlier=self.reply.messages)
        self._stream = None
        self.prefill = None  # it was for the first words

    def prepare(self) -> None:
        """Build the next request.

        Raises
        ------
        OverBudget
            If it must not be sent.
        """
        limits = self.limits
        if resized := sum(message.resized(limits) for message in self.messages):
            pictures = f"{resized} earlier picture{'s were' if resized != 1 else ' was'}"
            self.repairs.append(f"{pictures} resized again: this request has other image limits.")
        built = self._build()
        self._check(built)
        self._built = built

    def send(self, update: Callable[[ReplyUpdate | Wait], None]) -> None:
        """Send it, and read one message to its end.

        Parameters
        ----------
        update : callable
            Called with each update of the reply and each wait.
        """
        self._waiting = False
        if self._built is None:
            self.prepare()
        while True:
            if self._built is None:
                self._built = self._build()
                self._check(self._built)
            built, self._built = self._built, None
            try:
                self._read(built, update)
                self.history.previous = PreviousRequest.of(self.wire, self.system, self._tokens(built), self.reply)
                self.longest = max(self.longest, self.reply.counted.output_tokens)
                return
            except KeyboardInterrupt:
                if self._waiting:
                    self.waits.pop()  # the retry that it waited for was not sent
                raise
            except InvalidRequest as error:
                if not self._repair(error):
                    if _accepted_side(error) is not None:
                        error.advice = (
                            "Uploaded pictures are sent as they are; upload it again with claude.files.upload."
                        )
                    raise
            except NotFound as error:
                model = str(self.wire["model"])
                if model in error.message:
                    error.advice = f"Did you mean {' or '.join(nearest(model))}? -m takes these."
                raise

    def outgoing(self) -> OutgoingRequest:
        """The next request as it would be sent now."""
        return self.client.outgoing(self._build().body)

    def last_within_budget(self) -> str:
        """The limit that leaves room for the next request and no other; empty if there is more room."""
        if self.allowance is None or not self.allowance.is_limited(simulated=self.client.simulated):
            return ""
        try:
            built = self._build()
        except RequestTooLarge:
            return ""  # reported when it is to be sent
        next_one, last = self._estimate(built), self._estimate(built, concluding=True)
        answered = self._unsent.earlier
        return self.allowance.last_within(next_one, last, answered, simulated=self.client.simulated)

    def _repair(self, error: InvalidRequest) -> bool:
        """Repair what the API refused; False if there is nothing that we may change."""
        side, field = _accepted_side(error), _field_of(error)
        thinks = self._with_thinking and any(message.thinks for message in self.messages)
        if thinks and _BOUND_ELSEWHERE.search(error.message):
            self._with_thinking = False
            self.repairs.append("Earlier thinking was left out: the API takes it to belong to another conversation.")
        elif not self._shrunk and side is not None and side < self.limits.side:
            self._shrunk = True
            self.history.largest_side = side
            self.repairs.append(f"Pictures of more than {side} pixels per side were shrunk, as the API asked.")
        elif field in self.unasked and field in self.wire:
            self.wire = cast("RequestFields", {name: value for name, value in self.wire.items() if name != field})
            self.cache_control = None if field == "cache_control" else self.cache_control
            self.history.diagnosing = self.history.diagnosing and field != "diagnostics"
            self.repairs.append(f"Sent again without {field!r}, which this server does not support.")
        else:
            return False
        return True

    def _check(self, built: BuiltRequest) -> None:
        if self.allowance is not None:
            answered = self._unsent.earlier
            self.allowance.check(self._estimate(built), answered, simulated=self.client.simulated)

    def _tokens(self, built: BuiltRequest) -> int:
        return estimate_tokens(built, self.messages, self.limits, self.model)

    def _estimate(self, built: BuiltRequest, *, concluding: bool = False) -> Estimate:
        wire = {**self.wire, "tool_choice": {"type": "none"}} if concluding else self.wire
        tokens, cached = self._tokens(built), 0
        if built.continues and self.history.previous is not None:
            tokens, cached = self.history.previous.predict(tokens, wire, self.system)
        return estimate(tokens, self.model, wire, longest=self.longest, cached=cached)

    def _build(self) -> BuiltRequest:
        messages, marked = self.messages, frozenset[int]()
        if self.cache_control is not None and (
            self.lasting or any(message.role == "assistant" for message in messages)
        ):
            self.wire["cache_control"] = self.cache_control
            marked = ends_out_of_reach(messages, free_marks(self.wire) - 1)
        if self.lasting and self.history.diagnosing:
            previous = self.history.previous
            self.wire["diagnostics"] = {"previous_message_id": previous.id if previous else None}
        built = build(
            self.wire,
            messages,
            self.limits,
            system=self.system,
            prefill=self.prefill,
            with_thinking=self._with_thinking,
            marked=marked,
        )
        self.bound_to = built.bound_to
        return built

    def _read(self, built: BuiltRequest, update: Callable[[ReplyUpdate | Wait], None]) -> None:
        def wait(wait: Wait) -> None:
            self._check(built)
            self.waits.append(wait)
            self._waiting = True
            update(wait)

        self._stream = self.client.stream(
            built.body, prefill=self.prefill or "", earlier=self._unsent.earlier, on_wait=wait
        )
        with wakeable(self._stream.abort):
            for change in self._stream:
                self._waiting = False
                update(change)


def _accepted_side(error: InvalidRequest) -> int | None:
    """Pixels per side beyond which the API refused an image."""
    side = error.details.get("max_side_length_pixels")
    return side if error.code == "image_dimensions_too_large" and isinstance(side, int) and side > 0 else None


def _field_of(error: InvalidRequest) -> str:
    """The top-level field that a validation message begins with."""
    return re.split(r"[.:\s]", error.message.strip().strip("`\"'"), maxsplit=1)[0]
