"""Saving and loading turns: their messages exactly, their replies without Python values."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, cast

from claude_magic.content.parts import Part
from claude_magic.conversation.saving import schema
from claude_magic.conversation.saving.attachments import AttachmentWriter, StoredFiles, load_part
from claude_magic.conversation.turns import Turn
from claude_magic.engine.environment import Place
from claude_magic.engine.message import Message
from claude_magic.messages.blocks import Block, RawBlock, TextBlock, ThinkingBlock, ToolUseBlock, make_block
from claude_magic.messages.errors import BadInput
from claude_magic.messages.reply import Reply
from claude_magic.messages.usage import usage_from_json, usage_to_json
from claude_magic.messages.wire import block_problem
from claude_magic.tools.calls import ANSWERED, Call
from claude_magic.tools.results import Result


def save_turn(turn: Turn, writer: AttachmentWriter) -> schema.SavedTurn:
    """A turn as it is saved; its attachments are added to the writer."""
    return schema.SavedTurn(
        id=turn.id,
        prompt=turn.prompt,
        asked=turn.asked.isoformat(),
        place=schema.SavedPlace(**vars(turn.place)) if turn.place else None,
        messages=[_save_message(message, writer) for message in turn.messages],
        reply=[_save_reply(message) for message in turn.reply.messages],
    )


def load_turn(saved: schema.SavedTurn, files: StoredFiles) -> Turn:
    """The turn that was saved.

    Raises
    ------
    BadInput
        If an attachment is missing, or a value is invalid.
    """
    messages = tuple(_load_message(message, files) for message in saved.messages)
    results = {
        part.wire.get("tool_use_id"): part.content
        for message in messages
        for part in message.parts
        if isinstance(part, Result)
    }
    try:
        asked = datetime.datetime.fromisoformat(saved.asked)
    except ValueError:
        raise BadInput(f"{saved.asked[:40]!r} is not a date.") from None
    return Turn(
        id=saved.id,
        prompt=saved.prompt,
        messages=messages,
        reply=_load_reply(saved.reply, results),
        asked=asked,
        place=Place(**dict(saved.place)) if saved.place else None,
    )


def _save_message(message: Message, writer: AttachmentWriter) -> schema.SavedMessage:
    content: dict[str, Any]
    if isinstance(message.content, str):
        content = {"text": message.content}
    elif parts := message.parts:
        content = {"parts": [writer.save_part(part) for part in parts]}
    else:
        content = {"blocks": [block for block in message.content if isinstance(block, dict)]}
    return schema.SavedMessage(**content, role=cast("schema.Role", message.role), bound_to=message.bound_to.hex())


def _load_message(saved: schema.SavedMessage, files: StoredFiles) -> Message:
    content: str | tuple[dict[str, Any] | Part, ...]
    if saved.text is not None:
        content = saved.text
    elif saved.parts is not None:
        content = tuple(load_part(part, files) for part in saved.parts)
    else:
        content = tuple(saved.blocks or ())
        if wrong := next(filter(None, map(block_problem, content)), ""):
            raise BadInput(f"a block: {wrong}")
    return Message(saved.role, content, bytes.fromhex(saved.bound_to))


def _save_reply(reply: Reply) -> schema.SavedReply:
    return schema.SavedReply(
        id=reply.id,
        model=reply.model,
        prefill=reply.prefill,
        blocks=[schema.SavedAnswerBlock(start=_block_start(block), closed=block.closed) for block in reply.blocks],
        stop_reason=reply.stop_reason,
        stop_sequence=reply.stop_sequence,
        stop_details=reply.stop_details,
        request_id=reply.request_id,
        ended=reply.ended,
        simulated=reply.simulated,
        sent=list(reply.sent),
        seconds=reply.seconds,
        usage=usage_to_json(reply.counted),
        calls=[_save_call(call) for call in reply.calls if call.state in ANSWERED],
    )


def _load_reply(saved: Iterable[schema.SavedReply], results: Mapping[Any, tuple[Part, ...]]) -> Reply:
    earlier: tuple[Reply, ...] = ()
    for message in saved:
        reply = Reply(message.prefill, earlier)
        for name in ("id", "model", "stop_reason", "stop_sequence", "stop_details", "request_id", "ended", "seconds"):
            setattr(reply, name, getattr(message, name))
        reply.simulated = message.simulated
        reply.sent = tuple(message.sent)
        reply.counted = usage_from_json(message.usage)
        for block in message.blocks:
            if not isinstance(block.start.get("type"), str):
                raise BadInput("a block has no type")
            made = make_block(block.start)
            if block.closed:
                made.close()
            reply.blocks.append(made)
        reply.calls = tuple(
            Call(**{**dict(call), "notes": tuple(call.notes), "parts": results.get(call.id, ())})
            for call in message.calls
        )
        earlier = (*earlier, reply)
    return earlier[-1]


def _save_call(call: Call) -> schema.SavedCall:
    return schema.SavedCall(
        **{name: getattr(call, name) for name in schema.SavedCall.model_fields if name != "notes"},
        notes=list(call.notes),
    )


def _block_start(block: Block) -> dict[str, Any]:
    """The ``content_block_start`` with which the API would have sent the whole block at once."""
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text, **({"citations": block.citations} if block.citations else {})}
    if isinstance(block, ThinkingBlock):
        return {"type": "thinking", "thinking": block.text, "signature": block.signature}
    if isinstance(block, ToolUseBlock):
        return block.to_start()
    return block.data if isinstance(block, RawBlock) else {"type": block.type}
