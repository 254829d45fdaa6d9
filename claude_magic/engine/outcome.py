"""How a question ends: what is kept, whether the cell fails, and what is reported.

======================================================== ======================== =========================
ending                                                   kept                     the cell
======================================================== ======================== =========================
complete, stop sequence                                  whole                    succeeds
a limit, or an unannounced end; with text                question + that text     succeeds, with a notice
stopped, connection lost, error in mid-answer; with text question + that text     fails, after showing it
any of these before there is text; a refusal             nothing                  fails
an answer that does not fit its type                     whole                    fails, after showing it
======================================================== ======================== =========================

Where Claude called tools, the calls that were answered count as text and stay. A request that the
API refuses drops the whole turn, because one of its results may be what the API refuses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from claude_magic.engine.message import THINKING, Message, reply_messages
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
from claude_magic.messages.text import pluralize


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What follows from how a question ended.

    Attributes
    ----------
    answer : tuple of Message or None
        The messages to keep after the question; None: do not even keep the question.
    error : BaseException or None
        To be raised once the answer has been drawn.
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
    """Decide how a question ended, by the table above.

    Parameters
    ----------
    reply : Reply
        As far as it arrived.
    error : BaseException or None
        What ended it early.
    answered : sequence of Message
        The messages of the answer before this one, with the results of calls.
    bound_to : bytes
        Digest of what was sent before this message.
    once : bool
        Whether nothing of the question is kept anyway.
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
        # Nobody can answer the call, and the API refuses a history with an unanswered call.
        names = ", ".join(dict.fromkeys(call.name for call in reply.tool_uses))
        return Outcome(as_text, notice=f"Claude called {names}, which is not run here. See reply.tool_uses.")
    if reply.complete:
        return Outcome(whole, notice=None if reply.has_text else "Claude gave an empty answer.")
    why = _why_cut(reply)
    if as_text is None:
        return Outcome(None, AnswerBroken(f"There is no answer: {why}"))
    return Outcome(as_text, notice=f"The answer is cut off: {why}")


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
    """The messages without server calls that were left open, which the API accepts only while it pauses.

    A message that loses a block also loses its thinking, which would no longer be valid in it.
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
        f"Claude declined to answer{about}{explanation} The question is not kept. Rephrase it, or ask another model "
        "with -m."
    )


def _why_cut(reply: Reply) -> str:
    if not reply.ended:
        return "the stream ended without the server saying so. Run the cell again."
    if reply.stop_reason == "max_tokens":
        return "it reached the limit of tokens. Raise --max-tokens, or ask Claude to continue."
    if reply.stop_reason == "model_context_window_exceeded":
        return "the context window is full. Start over with --new."
    if reply.stop_reason == "pause_turn":
        return "the server paused it. Ask Claude to continue."
    return f"the server stopped it ({reply.stop_reason})."


def _text_only(reply: Reply) -> tuple[Message, ...]:
    return (Message("assistant", reply.own_text),) if reply.own_text.strip() else ()
