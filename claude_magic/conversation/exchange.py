"""Sending one question and reading its answer, with the repairs that are allowed.

A refused request is mended and sent again in exactly three cases, each once and each said: pictures
larger than the API says it takes are made smaller, earlier thinking that it holds to be bound to
another conversation is left out, and a field that we had added without being asked is taken back.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence

from claude_magic.content import Part
from claude_magic.conversation.options import Fields
from claude_magic.conversation.request import Request, build
from claude_magic.conversation.turns import Fragment, Turn
from claude_magic.messages.client import Client
from claude_magic.messages.errors import InvalidRequest, NotFound
from claude_magic.messages.limits import ImageLimits, nearest
from claude_magic.messages.reply import Change, Reply
from claude_magic.messages.retry import Wait
from claude_magic.messages.stream import Stream

_THINKING_ELSEWHERE = re.compile(r"messages\.\d+\.content\.\d+.*(signature|bound to a different|thinking)", re.DOTALL)


@dataclasses.dataclass
class Exchange:
    """One question on its way.

    Attributes
    ----------
    client : Client
    fields : Fields
    turns : sequence of Turn
        What Claude sees of the past.
    question : tuple of Part
    limits : ImageLimits
    system, prefill : str or None
    repairs : list of str
        In words.
    waits : list of Wait
    stream : Stream or None
    bound_to : bytes
        Digest of what was really sent before the answer.
    asked : Fragment or None
        The question as it was really sent.
    told_side : int or None
        Pixels of a side that the server turned out to take at most.
    """

    client: Client
    fields: Fields
    turns: Sequence[Turn]
    question: tuple[Part, ...]
    limits: ImageLimits
    system: str | None
    prefill: str | None
    repairs: list[str] = dataclasses.field(default_factory=list)
    waits: list[Wait] = dataclasses.field(default_factory=list)
    stream: Stream | None = None
    bound_to: bytes = b""
    asked: Fragment | None = None
    told_side: int | None = None
    _waiting: bool = False

    @property
    def reply(self) -> Reply:
        """What has arrived."""
        return self.stream.reply if self.stream is not None else Reply(self.prefill or "")

    def notices(self) -> list[str]:
        """Further tries and repairs, for the reader."""
        tries = []
        if self.waits:
            reasons = ", ".join(dict.fromkeys(wait.reason for wait in self.waits))
            tries = [f"Sent {self.waits[-1].attempt} times: {reasons}."]
        return [*tries, *self.repairs]

    def run(self, update: Callable[[Change | Wait], None]) -> None:
        """Ask, and read to the end.

        Parameters
        ----------
        update : callable
            Told of each change and each wait.
        """
        wire = dict(self.fields.wire)
        with_thinking = True
        if refitted := sum(turn.refitted(self.limits) for turn in self.turns):
            self.repairs.append(f"{_pictures(refitted)} fitted anew: the limits for this request are others.")
        while True:
            request = self._build(wire, with_thinking)
            try:
                self._read(request, update)
                return
            except KeyboardInterrupt:
                if self._waiting:
                    self.waits.pop()  # what it waited for was not sent
                raise
            except InvalidRequest as error:
                if with_thinking and any(turn.full != turn.bare for turn in self.turns) and _is_about_thinking(error):
                    with_thinking = False
                    self.repairs.append(
                        "Earlier thinking was left out: the API holds it to belong to another conversation."
                    )
                elif self.told_side is None and (side := _largest_side(error)) is not None and side < self.limits.side:
                    self.told_side = side
                    self.limits = self.limits._replace(side=side)
                    self.repairs.append(
                        f"Pictures of more than {side} pixels a side were made smaller, as the API asked."
                    )
                elif (field := _field_of(error)) in self.fields.unasked and field in wire:
                    del wire[field]
                    self.repairs.append(f"Sent again without {field!r}, which this server does not take.")
                else:
                    raise
            except NotFound as error:
                model = str(wire["model"])
                if model in error.message:
                    error.advice = f"Did you mean {' or '.join(nearest(model))}? -m takes these."
                raise

    def _build(self, wire: dict[str, object], with_thinking: bool) -> Request:
        request = build(
            wire,
            self.turns,
            self.question,
            self.limits,
            system=self.system,
            prefill=self.prefill,
            with_thinking=with_thinking,
        )
        self.bound_to, self.asked = request.bound_to, request.asked
        return request

    def _read(self, request: Request, update: Callable[[Change | Wait], None]) -> None:
        def waiting(wait: Wait) -> None:
            self.waits.append(wait)
            self._waiting = True
            update(wait)

        self.stream = self.client.stream(request.body, prefill=self.prefill or "", on_wait=waiting)
        for change in self.stream:
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
