"""How a question ends: what is kept, what fails, what is said.

======================================================== ======================== =========================
ending                                                   kept                     the cell
======================================================== ======================== =========================
complete, stop sequence                                  whole                    succeeds
a limit, or an end that nobody announced; with text      question + that text     succeeds, with a notice
stopped, connection lost, error in mid-answer; with text question + that text     fails, after showing it
any of these before there is text; a refusal             nothing                  fails
no answer of the type that was asked for                 whole                    fails, after showing it
======================================================== ======================== =========================

Where Claude called tools, the calls that were answered count as text, and stay. A request that the
API refuses takes the whole turn down: a result may be what it refuses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from claude_magic.messages.text import pluralize
from claude_magic.engine.message import reply_messages
from claude_magic.engine.message import THINKING, Message
from claude_magic.messages.errors import (
    AnswerBroken,
    AnswerUnfit,
    ClaudeError,
    Explained,
    Interrupted,
    InvalidRequest,
    Refused,
    RequestTooLarge,
)
from claude_magic.messages.reply import Reply


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What follows from a reply and an error.

    Attributes
    ----------
    answer : tuple of Message or None
        The messages to keep behind the question; None keeps not even the question.
    error : BaseException or None
        To be raised once the answer is shown.
    notice : str or None
    """

    answer: tuple[Message, ...] | None
    error: BaseException | None = None
    notice: str | None = None


def outcome(
    reply: Reply,
    error: BaseException | None,
    answered: Sequence[Message] = (),
    bound_to: bytes = b"",
    *,
    once: bool = False,
) -> Outcome:
    """Decide by the table above.

    Parameters
    ----------
    reply : Reply
        As far as it came.
    error : BaseException or None
        What ended it early.
    answered : sequence of Message
        The messages of the answer before this one, with the results of calls.
    bound_to : bytes
        Digest of what was sent before this message.
    once : bool
        Whether the question leaves nothing behind anyway.
    """
    answered = _closed(answered)
    whole = _closed((*answered, *reply_messages(reply, bound_to)))
    if isinstance(error, AnswerUnfit):
        return Outcome(whole, _with(error, reply))
    as_text = (*answered, *_text_only(reply)) if reply.has_text or answered else None
    if error is not None:
        return _failed(reply, error, as_text, once)
    if reply.stop_reason == "refusal":
        return Outcome(None, _refused(reply))
    if reply.complete and reply.tool_uses:
        # Nobody can answer the call, and a history with an open call is refused for good.
        names = ", ".join(dict.fromkeys(call.name for call in reply.tool_uses))
        return Outcome(as_text, notice=f"Claude called {names}, which is not run here; see reply.tool_uses.")
    if reply.complete:
        return Outcome(whole, notice=None if reply.has_text else "Claude answered nothing.")
    why = _why_cut(reply)
    if as_text is None:
        return Outcome(None, AnswerBroken(f"There is no answer: {why}"))
    return Outcome(as_text, notice=f"The answer is cut: {why}")


def _failed(reply: Reply, error: BaseException, kept: tuple[Message, ...] | None, once: bool) -> Outcome:
    stopped = isinstance(error, KeyboardInterrupt)
    if not stopped and not isinstance(error, ClaudeError):
        return Outcome(kept, error)
    if kept is None:
        return Outcome(None, Interrupted("Stopped before there was an answer.") if stopped else error)
    if isinstance(error, InvalidRequest | RequestTooLarge):
        return Outcome(None, _with(error, reply))
    rest = "." if once else "; kept, Claude will see them as its answer. undo() drops them."
    line = f"{'Stopped' if stopped else 'Broke off'} {_so_far(reply)}{rest}"
    if stopped:
        return Outcome(kept, _with(Interrupted(line), reply), notice="Stopped here.")
    return Outcome(kept, _with(AnswerBroken(f"{line} Reason: {error}"), reply), notice="The answer broke off here.")


def _so_far(reply: Reply) -> str:
    ran = sum(call.state in ("done", "failed") for call in reply.tool_calls)
    counts = [(len(reply.text.split()), "word"), (ran, "tool call")]
    words = " and ".join(pluralize(count, what) for count, what in counts if count)
    return f"after {words}" if words else "before there was text"


def _closed(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages without calls that the server left open: the API takes them back nowhere but in their pause.

    A message out of which something is taken loses its thinking, too, which would not be valid in it.
    """
    blocks = [block for message in messages for block in message.content if isinstance(block, dict)]
    answered = {block.get("tool_use_id") for block in blocks}
    left_open = {block["id"] for block in blocks if block["type"] == "server_tool_use" and block["id"] not in answered}
    if not left_open:
        return tuple(messages)
    closed = []
    for message in messages:
        ids = {block.get("id") for block in message.content if isinstance(block, dict)}
        if not ids & left_open:
            closed.append(message)
            continue
        kept = [
            block
            for block in message.content
            if isinstance(block, dict) and block["type"] not in THINKING and block.get("id") not in left_open
        ]
        closed += [dataclasses.replace(message, content=tuple(kept))] if kept else []
    return tuple(closed)


def _with(error: Explained, reply: Reply) -> Explained:
    error.reply = reply
    return error


def _refused(reply: Reply) -> Refused:
    details = reply.stop_details or {}
    category = details.get("category")
    about = f" ({category})" if category else ""
    explanation = f": {details['explanation']}" if details.get("explanation") else "."
    return Refused(
        f"Claude declined to answer{about}{explanation} The question is not kept. Word it differently, or ask another "
        "model with -m."
    )


def _why_cut(reply: Reply) -> str:
    if not reply.ended:
        return "it ended without the server saying so. Run the cell again."
    if reply.stop_reason == "max_tokens":
        return "it reached the most tokens allowed. Raise --max-tokens, or ask Claude to go on."
    if reply.stop_reason == "model_context_window_exceeded":
        return "the conversation is full. Begin afresh with --new."
    if reply.stop_reason == "pause_turn":
        return "the server paused it. Ask Claude to go on."
    return f"the server stopped it ({reply.stop_reason})."


def _text_only(reply: Reply) -> tuple[Message, ...]:
    return (Message("assistant", reply.own_text),) if reply.own_text.strip() else ()
