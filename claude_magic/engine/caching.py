"""The prompt cache: where a request is marked for it, what is expected of it, and why it was missed.

The API reads what an earlier request wrote if everything before the mark is the same, byte for
byte: tools, system prompt, messages. One mark is automatic and moves along with the last block. The
API looks for earlier entries at most twenty blocks before a mark; where Claude calls many tools at
once, the end of the request before lies further away and gets a mark of its own. Four marks are the
maximum.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from claude_magic.engine.message import THINKING, Message, encode_json
from claude_magic.engine.notice import Notice
from claude_magic.messages.limits import MAX_IMAGE_SIDE
from claude_magic.messages.wire import CacheControl, ToolChoice

if TYPE_CHECKING:
    from claude_magic.messages.client import Client
    from claude_magic.messages.reply import Reply

LOOKBACK = 20
MOST_MARKS = 4


def cache_control(setting: str, client: Client) -> CacheControl | None:
    """The automatic mark; only Anthropic's own servers are known to accept it."""
    if setting == "off" or not client.is_anthropic:
        return None
    return {"type": "ephemeral", "ttl": "1h"} if setting == "1h" else {"type": "ephemeral"}


def free_marks(wire: Mapping[str, Any]) -> int:
    """How many marks a request may still have besides those in its tool definitions."""
    return MOST_MARKS - sum("cache_control" in tool for tool in wire.get("tools", ()))


def ends_out_of_reach(messages: Sequence[Message], most: int) -> frozenset[int]:
    """The messages that ended earlier requests and that the API would not find on its own.

    Parameters
    ----------
    messages : sequence of Message
        Those of the coming request, whose own end is marked.
    most : int
        Marks that are left.

    Returns
    -------
    frozenset of int
        Indices of user messages.
    """
    found: list[int] = []
    blocks = _blocks(messages[-1]) if messages else 0
    for index in range(len(messages) - 2, -1, -1):
        if messages[index].role == "user":
            if blocks < LOOKBACK or len(found) >= most:
                break
            found.append(index)
            blocks = 0
        blocks += _blocks(messages[index])
    return frozenset(found)


def _blocks(message: Message) -> int:
    return 1 if isinstance(message.content, str) else len(message.content)


@dataclasses.dataclass(frozen=True)
class Prefix:
    """What precedes all messages, as digests."""

    model: str
    system: bytes
    tools: bytes

    @classmethod
    def of(cls, wire: Mapping[str, Any], system: str | None) -> Prefix:
        """The prefix of a request."""
        digests = [hashlib.sha256(encode_json(value)).digest() for value in (system or None, wire.get("tools"))]
        return cls(str(wire["model"]), *digests)

    def changes(self, now: Prefix) -> list[str]:
        """What has changed since, in the API's order."""
        pairs = {"tool list": (self.tools, now.tools), "system prompt": (self.system, now.system)}
        return [name for name, (before, after) in pairs.items() if before != after]


@dataclasses.dataclass(frozen=True)
class PreviousRequest:
    """The request before, as far as the next one can build on it.

    Attributes
    ----------
    prefix : Prefix
    choice : dict or None
        Its ``tool_choice``: with a different one the cached messages are not found.
    id : str
        Of the message that answered it.
    estimated, counted : int
        Its input tokens as they were estimated, and as the API counted them.
    cached : int
        Tokens that are in the cache since.
    until : float
        When they leave it, by ``time.monotonic``.
    """

    prefix: Prefix
    choice: ToolChoice | None
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

    def predict(self, estimated: int, wire: Mapping[str, Any], system: str | None) -> tuple[int, int]:
        """Tokens of a request that continues this one, and how many of them are in the cache."""
        if self.prefix != Prefix.of(wire, system):
            return estimated, 0
        total = self.counted + estimated - self.estimated if estimated >= self.estimated else estimated
        kept = "cache_control" in wire and self.choice == wire.get("tool_choice") and time.monotonic() < self.until
        return total, self.cached if kept else 0

    def notice(self, wire: Mapping[str, Any], system: str | None, before: Sequence[Message]) -> str:
        """What a change of system prompt or tools costs; empty if it costs nothing."""
        now = Prefix.of(wire, system)
        changes = self.prefix.changes(now) if self.prefix.model == now.model else []
        lost = ["the cache"] if self.cached and time.monotonic() < self.until else []
        lost += ["earlier thinking"] if any(map(_thinks, before)) else []
        if not changes or not lost:
            return ""
        what = " and ".join(reversed(changes))
        return f"{what[0].upper()}{what[1:]} changed: {' and '.join(lost)} {'are' if len(lost) > 1 else 'is'} not used."


@dataclasses.dataclass
class RequestHistory:
    """What the earlier requests of a conversation mean for the next one.

    Attributes
    ----------
    previous : PreviousRequest or None
    largest_side : int
        Pixels per side of the largest image that the server is known to accept.
    diagnosing : bool
        Whether the API is asked, with each request, why the cache was missed.
    diagnosed : bool
        Whether it was asked with the last request.
    """

    previous: PreviousRequest | None = None
    largest_side: int = MAX_IMAGE_SIDE
    diagnosing: bool = False
    diagnosed: bool = False

    def forget(self) -> None:
        """Start over: no request of this kernel has sent the turns that are there now."""
        self.previous, self.diagnosed = None, False


def _thinks(message: Message) -> bool:
    return message.role == "assistant" and any(
        isinstance(block, dict) and block["type"] in THINKING for block in message.content
    )


_REASONS = {
    "model_changed": "the model differs from that of the request before; each model has its own cache.",
    "system_changed": "the system prompt differs from that of the request before. Set it once, and put what is new "
    "into a question.",
    "tools_changed": "the tools, or their order, differ from those of the request before.",
    "messages_changed": "an earlier message differs from that of the request before: a cell was run again, or a turn "
    "was deleted or undone.",
    "previous_message_not_found": "the API does not know the request before; perhaps it did not ask for reasons. "
    "Ask again.",
    "unavailable": "unknown. Other options (thinking, tool choice, effort) can invalidate the cache, too.",
}
_PENDING = "the API had not found out by the time it answered."
_FROM_NOW_ON = "From the next question on the API is asked why; then claude.why_no_cache() tells more."


def explain_cache(reply: Reply | None, *, asked: bool, impossible: str, minimum: int) -> Notice:
    """Why the cache was not used for an answer.

    Parameters
    ----------
    reply : Reply or None
    asked : bool
        Whether the API had been asked for the reason.
    impossible : str
        Why there can be no caching at all; empty if there can.
    minimum : int
        Tokens below which nothing is cached.
    """
    if impossible:
        return Notice(impossible)
    if reply is None:
        return Notice(f"Nothing has been asked yet. {_FROM_NOW_ON}")
    usage = reply.usage
    found = f"{usage.cache_read_input_tokens:,} of {usage.total_input:,} tokens of the last answer came from the cache."
    for message in reply.messages:
        if message.diagnostics is None:
            continue
        reason = message.diagnostics.get("cache_miss_reason")
        if not isinstance(reason, dict):
            return Notice(f"{found} The API was asked why: {_PENDING}")
        words = _REASONS.get(str(reason.get("type")), f"{reason.get('type')}.")
        missed = reason.get("cache_missed_input_tokens")
        count = (
            f" About {missed:,} tokens were processed again because of it."
            if isinstance(missed, int) and missed
            else ""
        )
        return Notice(f"{found} Reason given by the API: {words}{count}")
    if asked:
        return Notice(f"{found} The API found nothing that changed since the request before.")
    if usage.cache_read_input_tokens:
        return Notice(f"{found} {_FROM_NOW_ON}")
    if usage.total_input < minimum:
        return Notice(f"{found} This model caches nothing below {minimum:,} tokens.")
    if usage.cache_creation_input_tokens:
        return Notice(
            f"{found} {usage.cache_creation_input_tokens:,} tokens were written to it: this is the first request of "
            f"its kind, or the one before is too long ago. {_FROM_NOW_ON}"
        )
    return Notice(f"{found} {_FROM_NOW_ON}")
