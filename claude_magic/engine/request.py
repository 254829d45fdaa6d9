"""Sending a question and reading what answers it, with the repairs that are allowed.

A refused request is mended and sent again in exactly three cases, each once and each said: pictures
larger than the API says it takes are made smaller, earlier thinking that it holds to be bound to
another conversation is left out, and a field that we had added without being asked is taken back.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from claude_magic.engine.caching import PreviousRequest, ends_out_of_reach, free_marks
from claude_magic.engine.estimate import Estimate, count, estimate
from claude_magic.engine.request_body import BuiltRequest, build
from claude_magic.engine.message import Message
from claude_magic.messages.client import Client
from claude_magic.messages.errors import InvalidRequest, NotFound, RequestTooLarge
from claude_magic.messages.limits import ImageLimits, Model, image_limits, nearest
from claude_magic.messages.reply import ReplyUpdate, Reply
from claude_magic.messages.retry import Wait
from claude_magic.messages.stream import Stream
from claude_magic.messages.exchange import OutgoingRequest
from claude_magic.tools.worker import wakeable

if TYPE_CHECKING:
    from claude_magic.engine.budget import Allowance

_THINKING_ELSEWHERE = re.compile(r"messages\.\d+\.content\.\d+.*(signature|bound to a different|thinking)", re.DOTALL)


@dataclasses.dataclass
class Request:
    """One question on its way.

    Attributes
    ----------
    client : Client
    wire : dict
        The fields of the next request.
    unasked : frozenset of str
        Those of them that we added, and may take back.
    before : tuple of Message
        What Claude sees of the past.
    own : list of Message
        The question, and what has answered it so far.
    model : Model
    system, prefill : str or None
    largest_side : int
        Pixels of a side that the server is known to take at most.
    caching : dict or None
        The automatic mark for the prompt cache.
    lasting : bool
        Whether the question stays, so that it is worth writing to the cache from the first request on.
    allowance : Allowance or None
        What may be spent; None: anything.
    precedent : PreviousRequest or None
        The request before, of this answer or an earlier one.
    longest : int
        Tokens of Claude's longest message so far.
    diagnosing : bool
        Whether the API is asked why the cache was missed.
    repairs : list of str
        In words.
    waits : list of Wait
    bound_to : bytes
        Digest of what was really sent before the latest message.
    """

    client: Client
    wire: dict[str, Any]
    unasked: frozenset[str]
    before: tuple[Message, ...]
    own: list[Message]
    model: Model
    system: str | None
    prefill: str | None
    largest_side: int
    caching: dict[str, Any] | None = None
    lasting: bool = False
    allowance: Allowance | None = None
    precedent: PreviousRequest | None = None
    longest: int = 0
    diagnosing: bool = False
    repairs: list[str] = dataclasses.field(default_factory=list)
    waits: list[Wait] = dataclasses.field(default_factory=list)
    bound_to: bytes = b""
    _stream: Stream | None = None
    _prepared: BuiltRequest | None = None
    _with_thinking: bool = True
    _told_side: bool = False
    _waiting: bool = False

    def __post_init__(self) -> None:
        self._unsent = Reply(self.prefill or "")

    @property
    def reply(self) -> Reply:
        """What has arrived."""
        return self._stream.reply if self._stream is not None else self._unsent

    @property
    def messages(self) -> tuple[Message, ...]:
        """All that Claude sees."""
        return (*self.before, *self.own)

    @property
    def limits(self) -> ImageLimits:
        """How large pictures may be: it depends on how many there are."""
        within = image_limits(self.model, sum(message.pictures for message in self.messages))
        return within._replace(side=min(within.side, self.largest_side))

    def notices(self) -> list[str]:
        """Further tries and repairs, for the reader."""
        tries = []
        if self.waits:
            reasons = ", ".join(dict.fromkeys(wait.reason for wait in self.waits))
            tries = [f"Sent {self.waits[-1].attempt} times: {reasons}."]
        return [*tries, *self.repairs]

    def go_on(self, *messages: Message) -> None:
        """Add what the latest message said, and what it is answered with; the next :meth:`run` sends both."""
        self.repairs, self.waits = self.notices(), []
        self.own += messages
        self._unsent = Reply(earlier=self.reply.messages)
        self._stream = None
        self.prefill = None  # it was for the first words

    def prepare(self) -> None:
        """Put the next request together.

        Raises
        ------
        OverBudget
            If it is not to be sent.
        """
        limits = self.limits
        if refitted := sum(message.refitted(limits) for message in self.messages):
            self.repairs.append(f"{_pictures(refitted)} fitted anew: the limits for this request are others.")
        request = self._build()
        self._check(request)
        self._prepared = request

    def run(self, update: Callable[[ReplyUpdate | Wait], None]) -> None:
        """Ask, and read one message to its end.

        Parameters
        ----------
        update : callable
            Told of each change and each wait.
        """
        self._waiting = False
        if self._prepared is None:
            self.prepare()
        while True:
            if self._prepared is None:
                self._prepared = self._build()
                self._check(self._prepared)
            request, self._prepared = self._prepared, None
            try:
                self._read(request, update)
                self.precedent = PreviousRequest.of(self.wire, self.system, self._count(request), self.reply)
                self.longest = max(self.longest, self.reply.counted.output_tokens)
                return
            except KeyboardInterrupt:
                if self._waiting:
                    self.waits.pop()  # what it waited for was not sent
                raise
            except InvalidRequest as error:
                thinks = self._with_thinking and any(message.thinks for message in self.messages)
                if thinks and _is_about_thinking(error):
                    self._with_thinking = False
                    self.repairs.append(
                        "Earlier thinking was left out: the API holds it to belong to another conversation."
                    )
                elif not self._told_side and (side := _largest_side(error)) is not None and side < self.limits.side:
                    self._told_side = True
                    self.largest_side = side
                    self.repairs.append(
                        f"Pictures of more than {side} pixels a side were made smaller, as the API asked."
                    )
                elif (field := _field_of(error)) in self.unasked and field in self.wire:
                    del self.wire[field]
                    self.caching = None if field == "cache_control" else self.caching
                    self.diagnosing = self.diagnosing and field != "diagnostics"
                    self.repairs.append(f"Sent again without {field!r}, which this server does not take.")
                else:
                    if _largest_side(error) is not None:
                        error.advice = "An uploaded picture goes as it is; claude.files.upload(…) anew shrinks it."
                    raise
            except NotFound as error:
                model = str(self.wire["model"])
                if model in error.message:
                    error.advice = f"Did you mean {' or '.join(nearest(model))}? -m takes these."
                raise

    def outgoing(self) -> OutgoingRequest:
        """The next request, as it would be sent now."""
        return self.client.outgoing(self._build().body)

    def at_its_end(self) -> str:
        """The limit that leaves room for the coming request and no other; empty if there is none."""
        if self.allowance is None or not self.allowance.bounded(simulated=self.client.simulated):
            return ""
        try:
            request = self._build()
        except RequestTooLarge:
            return ""  # that is said when it is to be sent
        coming, last = self._estimate(request), self._estimate(request, concluding=True)
        answered = self._unsent.earlier
        return self.allowance.at_its_end(coming, last, answered, simulated=self.client.simulated)

    def _check(self, request: BuiltRequest) -> None:
        if self.allowance is not None:
            answered = self._unsent.earlier
            self.allowance.check(self._estimate(request), answered, simulated=self.client.simulated)

    def _count(self, request: BuiltRequest) -> int:
        return count(request, self.messages, self.limits, self.model)

    def _estimate(self, request: BuiltRequest, *, concluding: bool = False) -> Estimate:
        wire = {**self.wire, "tool_choice": {"type": "none"}} if concluding else self.wire
        tokens, cached = self._count(request), 0
        if request.goes_on and self.precedent is not None:
            tokens, cached = self.precedent.foresee(tokens, wire, self.system)
        return estimate(tokens, self.model, wire, longest=self.longest, cached=cached)

    def _build(self) -> BuiltRequest:
        messages, marked = self.messages, frozenset[int]()
        if self.caching is not None and (self.lasting or any(message.role == "assistant" for message in messages)):
            self.wire["cache_control"] = self.caching
            marked = ends_out_of_reach(messages, free_marks(self.wire) - 1)
        if self.diagnosing:
            self.wire["diagnostics"] = {"previous_message_id": self.precedent.id if self.precedent else None}
        request = build(
            self.wire,
            messages,
            self.limits,
            system=self.system,
            prefill=self.prefill,
            with_thinking=self._with_thinking,
            marked=marked,
        )
        self.bound_to = request.bound_to
        return request

    def _read(self, request: BuiltRequest, update: Callable[[ReplyUpdate | Wait], None]) -> None:
        def waiting(wait: Wait) -> None:
            self._check(request)
            self.waits.append(wait)
            self._waiting = True
            update(wait)

        self._stream = self.client.stream(
            request.body, prefill=self.prefill or "", earlier=self._unsent.earlier, on_wait=waiting
        )
        with wakeable(self._stream.abort):
            for change in self._stream:
                self._waiting = False
                update(change)


def _is_about_thinking(error: InvalidRequest) -> bool:
    return _THINKING_ELSEWHERE.search(error.message) is not None


def _largest_side(error: InvalidRequest) -> int | None:
    """Pixels of a side beyond which the API refused a picture."""
    side = error.details.get("max_side_length_pixels")
    return side if error.code == "image_dimensions_too_large" and isinstance(side, int) and side > 0 else None


def _pictures(count: int) -> str:
    return f"{count} earlier picture{'s were' if count != 1 else ' was'}"


def _field_of(error: InvalidRequest) -> str:
    """The top-level field that a validation message begins with."""
    return re.split(r"[.:\s]", error.message.strip().strip("`\"'"), maxsplit=1)[0]
