"""How a question ends: what is kept, what fails, what is said.

=======================================================  ====================  =========================
ending                                                   kept                  the cell
=======================================================  ====================  =========================
complete, stop sequence                                  whole                 succeeds
a limit, or an end that nobody announced; with text      question + that text  succeeds, with a notice
stopped, connection lost, error in mid-answer; with text question + that text  fails, after showing it
any of these before there is text; a refusal             nothing               fails
=======================================================  ====================  =========================
"""

from __future__ import annotations

import dataclasses
from typing import Any

from claude_magic.conversation.turns import Message
from claude_magic.messages.errors import AnswerBroken, ClaudeError, Explained, Interrupted, Refused
from claude_magic.messages.reply import Reply


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What follows from a reply and an error.

    Attributes
    ----------
    answer : tuple of dict or None
        The messages to keep behind the question; None keeps not even the question.
    error : BaseException or None
        To be raised once the answer is shown.
    notice : str or None
    """

    answer: tuple[Message, ...] | None
    error: BaseException | None = None
    notice: str | None = None


def outcome(reply: Reply, error: BaseException | None, *, once: bool = False) -> Outcome:
    """Decide by the table above.

    Parameters
    ----------
    reply : Reply
        As far as it came.
    error : BaseException or None
        What ended it early.
    once : bool
        Whether the question leaves nothing behind anyway.
    """
    if error is not None:
        return _failed(reply, error, once)
    if reply.stop_reason == "refusal":
        return Outcome(None, _refused(reply))
    if reply.tool_uses:
        # Nobody can answer the call, and a history with an open call is refused for good.
        names = ", ".join(dict.fromkeys(call.name for call in reply.tool_uses))
        why = f"Claude asked for a tool ({names}) that it was not offered."
        if not reply.has_text:
            return Outcome(None, AnswerBroken(f"There is no answer: {why}"))
        return Outcome(_text_only(reply), notice=why)
    if reply.complete:
        return Outcome(_whole(reply), notice=None if reply.has_text else "Claude answered nothing.")
    why = _why_cut(reply)
    if not reply.has_text:
        return Outcome(None, AnswerBroken(f"There is no answer: {why}"))
    return Outcome(_text_only(reply), notice=f"The answer is cut: {why}")


def _failed(reply: Reply, error: BaseException, once: bool) -> Outcome:
    words = len(reply.text.split())
    kept = _text_only(reply) if reply.has_text else None
    stopped = isinstance(error, KeyboardInterrupt)
    if not stopped and not isinstance(error, ClaudeError):
        return Outcome(kept, error)
    if kept is None:
        return Outcome(None, Interrupted("Stopped before there was an answer.") if stopped else error)
    after = f"after {words} word{'s' if words != 1 else ''}"
    rest = "." if once else "; kept, Claude will see them as its answer. undo() drops them."
    line = f"{'Stopped' if stopped else 'Broke off'} {after}{rest}"
    if stopped:
        return Outcome(kept, _with(Interrupted(line), reply), notice="Stopped here.")
    return Outcome(kept, _with(AnswerBroken(f"{line} Reason: {error}"), reply), notice="The answer broke off here.")


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
    return ({"role": "assistant", "content": reply.text},)


def _whole(reply: Reply) -> tuple[Message, ...]:
    content: list[dict[str, Any]] = reply.to_wire()
    if reply.prefill:
        texts = [block for block in content if block["type"] == "text"]
        if texts:
            texts[0]["text"] = reply.prefill + texts[0]["text"]
        else:
            content.append({"type": "text", "text": reply.prefill})
    if not content:
        return ()  # an empty turn may not be sent back
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        return ({"role": "assistant", "content": content[0]["text"]},)
    return ({"role": "assistant", "content": content},)
