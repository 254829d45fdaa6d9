"""The prompt cache: where a request is marked for it, what is expected of it, and why it was missed.

The API reads what an earlier request wrote if everything before the mark is the same, byte for
byte: tools, system prompt, messages. One mark is automatic and moves along with the last block. The
API looks for earlier entries at most twenty blocks before a mark; where Claude calls many tools at
once, the end of the request before lies further away, and gets a mark of its own. Four marks are
the most.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from claude_magic.engine.message import THINKING, Message, encode_json

if TYPE_CHECKING:
    from claude_magic.messages.client import Client
    from claude_magic.messages.reply import Reply

LOOKBACK = 20
MOST_MARKS = 4


def automatic(wish: str, client: Client) -> dict[str, Any] | None:
    """The automatic mark: only Anthropic's own servers are known to take it."""
    if wish == "off" or not client.is_anthropic:
        return None
    return {"type": "ephemeral", "ttl": "1h"} if wish == "1h" else {"type": "ephemeral"}


def free_marks(wire: Mapping[str, Any]) -> int:
    """How many marks a request may still have, beside those that definitions of tools bring along."""
    return MOST_MARKS - sum("cache_control" in tool for tool in wire.get("tools", ()))


def ends_out_of_reach(messages: Sequence[Message], most: int) -> frozenset[int]:
    """The messages that ended earlier requests and that the API would not find by itself.

    Parameters
    ----------
    messages : sequence of Message
        Of the coming request, whose own end is marked.
    most : int
        Marks that are left.

    Returns
    -------
    frozenset of int
        Their places; these are messages of the user's.
    """
    found: list[int] = []
    blocks = _blocks(messages[-1]) if messages else 0
    for place in range(len(messages) - 2, -1, -1):
        if messages[place].role == "user":
            if blocks < LOOKBACK or len(found) >= most:
                break
            found.append(place)
            blocks = 0
        blocks += _blocks(messages[place])
    return frozenset(found)


def _blocks(message: Message) -> int:
    return 1 if isinstance(message.content, str) else len(message.content)


@dataclasses.dataclass(frozen=True)
class Prefix:
    """What stands before all messages, as digests."""

    model: str
    system: bytes
    tools: bytes

    @classmethod
    def of(cls, wire: Mapping[str, Any], system: str | None) -> Prefix:
        """The prefix of a request."""
        digests = [hashlib.sha256(encode_json(value)).digest() for value in (system or None, wire.get("tools"))]
        return cls(str(wire["model"]), *digests)

    def changes(self, now: Prefix) -> list[str]:
        """What is another now, in the API's order."""
        pairs = {"tool list": (self.tools, now.tools), "system prompt": (self.system, now.system)}
        return [name for name, (before, after) in pairs.items() if before != after]


@dataclasses.dataclass(frozen=True)
class PreviousRequest:
    """The request before, as far as the next one can build on it.

    Attributes
    ----------
    prefix : Prefix
    choice : dict or None
        Its ``tool_choice``: with another one the messages are not found.
    id : str
        Of the message that answered it.
    estimated, counted : int
        Its input tokens, as they were expected and as the API counted them.
    cached : int
        Tokens that lie in the cache since.
    until : float
        When they leave it, by ``time.monotonic``.
    """

    prefix: Prefix
    choice: dict[str, Any] | None
    id: str
    estimated: int
    counted: int
    cached: int
    until: float

    @classmethod
    def of(cls, wire: Mapping[str, Any], system: str | None, estimated: int, reply: Reply) -> PreviousRequest:
        """What a request and its answer leave behind."""
        usage = reply.counted
        hour = (wire.get("cache_control") or {}).get("ttl") == "1h"
        return cls(
            Prefix.of(wire, system),
            wire.get("tool_choice"),
            reply.id,
            estimated,
            usage.total_input,
            usage.cache_read_input_tokens + usage.cache_creation_input_tokens,
            time.monotonic() + (3600 if hour else 300),
        )

    def foresee(self, estimated: int, wire: Mapping[str, Any], system: str | None) -> tuple[int, int]:
        """Tokens of a request that goes on from here, and those of them that lie in the cache."""
        if self.prefix != Prefix.of(wire, system):
            return estimated, 0
        total = self.counted + estimated - self.estimated if estimated >= self.estimated else estimated
        kept = "cache_control" in wire and self.choice == wire.get("tool_choice") and time.monotonic() < self.until
        return total, self.cached if kept else 0

    def notice(self, wire: Mapping[str, Any], system: str | None, before: Sequence[Message]) -> str:
        """What a change of system prompt or tools costs, if it costs anything."""
        now = Prefix.of(wire, system)
        changes = self.prefix.changes(now) if self.prefix.model == now.model else []
        lost = ["the cache"] if self.cached and time.monotonic() < self.until else []
        lost += ["earlier thinking"] if any(map(_thinks, before)) else []
        if not changes or not lost:
            return ""
        what = " and ".join(reversed(changes))
        verb = "are" if len(lost) > 1 or lost == [] else "is"
        return f"{what[0].upper()}{what[1:]} changed: {' and '.join(lost)} {verb} not used."


def _thinks(message: Message) -> bool:
    return message.role == "assistant" and any(
        isinstance(block, dict) and block["type"] in THINKING for block in message.content
    )


_REASONS = {
    "model_changed": "the model is another than for the request before; each has a cache of its own.",
    "system_changed": "the system prompt is another than for the request before. Set it once, and say new things "
    "in a question.",
    "tools_changed": "the tools are others than for the request before, or in another order.",
    "messages_changed": "an earlier message is another than in the request before: a cell was run again, or a turn "
    "forgotten or undone.",
    "previous_message_not_found": "the API does not know the request before, which may have asked for no reasons. "
    "Ask once more.",
    "unavailable": "the API cannot say. Other options (thinking, tool choice, effort) make the cache useless, too.",
}
_PENDING = "the API had not found out when it answered."
_FROM_NOW_ON = "From the next question on the API is asked; then claude.why_no_cache() says more."


class Notice:
    """A few words on the cache."""

    def __init__(self, said: str) -> None:
        self.said = said

    def __repr__(self) -> str:
        return self.said


def explained(reply: Reply | None, *, asked: bool, possible: str, minimum: int) -> Notice:
    """Why the cache was not used for an answer.

    Parameters
    ----------
    reply : Reply or None
    asked : bool
        Whether the API had been asked for the reason.
    possible : str
        Why there can be no caching at all; empty if there can.
    minimum : int
        Tokens below which nothing is cached.
    """
    if possible:
        return Notice(possible)
    if reply is None:
        return Notice(f"Nothing was asked yet. {_FROM_NOW_ON}")
    usage = reply.usage
    found = f"{usage.cache_read_input_tokens:,} of {usage.total_input:,} tokens of the last answer came from the cache."
    for message in reply.messages:
        if message.diagnostics is None:
            continue
        reason = message.diagnostics.get("cache_miss_reason")
        if not isinstance(reason, dict):
            return Notice(f"{found} The API was asked: {_PENDING}")
        words = _REASONS.get(str(reason.get("type")), f"the API says {reason.get('type')}.")
        missed = reason.get("cache_missed_input_tokens")
        count = f" About {missed:,} tokens were read anew for it." if isinstance(missed, int) and missed else ""
        return Notice(f"{found} The API says why not all: {words}{count}")
    if asked:
        return Notice(f"{found} The API found nothing that changed since the request before.")
    if usage.cache_read_input_tokens:
        return Notice(f"{found} {_FROM_NOW_ON}")
    if usage.total_input < minimum:
        return Notice(f"{found} Below {minimum:,} tokens this model caches nothing.")
    if usage.cache_creation_input_tokens:
        return Notice(
            f"{found} It was written to it ({usage.cache_creation_input_tokens:,} tokens): it is the first request of "
            f"its kind, or the one before is too long ago. {_FROM_NOW_ON}"
        )
    return Notice(f"{found} {_FROM_NOW_ON}")
