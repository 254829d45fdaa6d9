"""Converting messages of the Messages API to turns, and turns to messages."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from claude_magic.content.convert import to_parts
from claude_magic.content.parts import Part, text_part
from claude_magic.content.values import RemotePicture
from claude_magic.conversation.state import State
from claude_magic.conversation.turns import Turn, new_id, seen
from claude_magic.engine.caching import RequestHistory
from claude_magic.engine.message import Message, build, extended_digest, prefix_digest
from claude_magic.engine.options import Options, tool_fields
from claude_magic.engine.session import Session
from claude_magic.messages import limits
from claude_magic.messages.credentials import KEY_IN_TEXT
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import ImageLimits, Model
from claude_magic.messages.reply import Reply
from claude_magic.messages.wire import RequestFields, block_problem
from claude_magic.tools.results import Result
from claude_magic.tools.toolset import current_tools

_ROLES = ("user", "assistant")
_USER_BLOCKS = frozenset({"image", "document", "search_result", "tool_result"})
_ASSISTANT_BLOCKS = frozenset({"tool_use", "thinking", "redacted_thinking", "server_tool_use"})


def turns_of(
    messages: Iterable[Mapping[str, Any]], state: State, session: Session, history: RequestHistory
) -> tuple[Turn, ...]:
    """The turns of a conversation that starts with these messages.

    Parameters
    ----------
    messages : iterable of mapping
    state : State
        The model, system prompt and tools of the conversation.
    session : Session
    history : RequestHistory

    Raises
    ------
    BadInput
        If the API would reject them.
    """
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise BadInput('Messages are a list of {"role": …, "content": …}.')
    read = [_read(message, f"messages[{number}]") for number, message in enumerate(messages)]
    _check_order(read)
    made = [_message(role, content, f"messages[{number}]") for number, (role, content) in enumerate(read)]
    return tuple(map(_turn, _group(_bind(made, state, session, history))))


def messages_of(state: State, session: Session, history: RequestHistory) -> list[dict[str, Any]]:
    """The messages of the next request without its question."""
    messages = [message for turn in seen(state.turns) for message in turn.messages]
    model, fields = _fields(state, session)
    limits = _limits(messages, model, history)
    built = build({"model": model.id, **fields}, messages, limits, system=state.system)
    found: list[dict[str, Any]] = json.loads(b"".join(built.body))["messages"]
    return found


def _fields(state: State, session: Session) -> tuple[Model, RequestFields]:
    """The model that is asked next, and the fields of its request for the tools."""
    model = limits.lookup(session.model_id(state.model), session.learned)
    return model, tool_fields(current_tools(state.tools), Options(), model)


def _limits(messages: Sequence[Message], model: Model, history: RequestHistory) -> ImageLimits:
    """The image limits of a request with these messages."""
    found = limits.image_limits(model, sum(message.pictures for message in messages))
    return found._replace(side=min(found.side, history.largest_side))


def _read(message: Any, where: str) -> tuple[str, str | list[dict[str, Any]]]:
    """Role and content of a message, validated without regard to the others."""
    message = _to_plain(message)
    if not isinstance(message, dict):
        raise BadInput(f'{where} is not a message like {{"role": …, "content": …}}.')
    if message.get("role") == "system":
        raise BadInput(f"{where}: pass the system prompt as from_messages(…, system=…).")
    if message.get("role") not in _ROLES:
        raise BadInput(f"{where}: role must be 'user' or 'assistant', not {message.get('role')!r}.")
    if odd := message.keys() - {"role", "content"}:
        raise BadInput(f"{where}: a message cannot have {', '.join(sorted(map(repr, odd)))}.")
    content = message.get("content")
    if KEY_IN_TEXT.search(str(content)):
        raise BadInput(f"{where} contains an API key. Remove it; to log in, use claude.login().")
    if isinstance(content, str):
        if not content.strip():
            raise BadInput(f"{where} is empty.")
        return message["role"], content
    if not isinstance(content, list | tuple) or not content:
        raise BadInput(f"{where}: content must be a string or a non-empty list of blocks.")
    return message["role"], [
        _block(block, message["role"], f"{where}.content[{at}]") for at, block in enumerate(content)
    ]


def _to_plain(value: Any) -> Any:
    """Objects of the official SDK as dicts; other values unchanged."""
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json", exclude_none=True)
    return dict(value) if isinstance(value, Mapping) else value


def _block(block: Any, role: str, where: str) -> dict[str, Any]:
    block = _to_plain(block)
    if wrong := block_problem(block):
        raise BadInput(f"{where}: {wrong}.")
    kind = block["type"]
    if kind in (_ASSISTANT_BLOCKS if role == "user" else _USER_BLOCKS):
        raise BadInput(f"{where}: a message of the {role} cannot contain {kind}.")
    if kind == "text" and not block["text"].strip():
        raise BadInput(f"{where} is an empty text block.")
    if kind == "tool_result" and isinstance(inner := block.get("content"), list):
        block["content"] = [_block(each, role, f"{where}.content[{at}]") for at, each in enumerate(inner)]
    return {key: value for key, value in block.items() if key != "cache_control"}


def _check_order(messages: list[tuple[str, str | list[dict[str, Any]]]]) -> None:
    """Check that the user begins, and that the message after each tool call has exactly one result for it."""
    if messages and messages[0][0] != "user":
        raise BadInput("messages[0]: the first message must be from the user.")
    open_calls: dict[str, str] = {}
    call_ids: set[str] = set()
    for number, (role, content) in enumerate(messages):
        where = f"messages[{number}]"
        blocks = content if isinstance(content, list) else []
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if role == "assistant" and open_calls:
            raise BadInput(f"{where}: {_unanswered(open_calls)}")
        for id in results:
            if open_calls.pop(id, None) is None:
                raise BadInput(f"{where}: {id!r} is not a call in the message before, or has a second result.")
        if open_calls:
            raise BadInput(f"{where}: {_unanswered(open_calls)}")
        kinds = [block["type"] == "tool_result" for block in blocks]
        if kinds != sorted(kinds, reverse=True):
            raise BadInput(f"{where}: tool results must come first in a message.")
        for block in blocks:
            if block["type"] == "tool_use":
                if block["id"] in call_ids:
                    raise BadInput(f"{where}: two calls have the id {block['id']!r}.")
                call_ids.add(block["id"])
                open_calls[block["id"]] = block["name"]
    if open_calls:
        raise BadInput(f"messages[{len(messages)}] is missing: {_unanswered(open_calls)}")


def _unanswered(calls: Mapping[str, str]) -> str:
    called = ", ".join(f"{name} ({id})" for id, name in calls.items())
    return f"each call in the message before needs a tool_result first: {called}."


def _message(role: str, content: str | list[dict[str, Any]], where: str) -> Message:
    if role == "assistant":
        return Message(role, content if isinstance(content, str) else tuple(content))
    if isinstance(content, str):
        return Message(role, (text_part(content),))
    return Message(role, tuple(_part(block, f"{where}.content[{at}]") for at, block in enumerate(content)))


def _part(block: dict[str, Any], where: str) -> Part:
    kind = block["type"]
    source = block.get("source") if kind in ("image", "document") else None
    if kind == "image" and source and source["type"] == "base64":
        [picture] = to_parts(RemotePicture(f"data:{source['media_type']};base64,{source['data']}"), where)
        return picture
    if kind == "tool_result" and isinstance(inner := block.get("content"), list):
        content = tuple(_part(each, f"{where}.content[{at}]") for at, each in enumerate(inner))
        if any(part.pictures for part in content):
            wire = {key: value for key, value in block.items() if key != "content"}
            return Result(wire, "result of a call", sum(part.pages or 0 for part in content) or None, content)
    pages = None
    if kind == "document" and source and source.get("media_type") == "application/pdf":
        import base64
        import binascii

        from claude_magic.content.pdf import count_pages

        try:
            pages = count_pages(base64.b64decode(source["data"], validate=True), where)
        except binascii.Error:
            raise BadInput(f"{where}.source is not valid base64.") from None
    return Part(block, None if kind == "text" else kind.replace("_", " "), pages)


def _bind(messages: list[Message], state: State, session: Session, history: RequestHistory) -> Iterator[Message]:
    """The messages; each of Claude's with the digest of everything before it, for which its thinking is valid."""
    model, fields = _fields(state, session)
    image_limits = _limits(messages, model, history)
    digest = prefix_digest(model.id, state.system, fields.get("tools"))
    for message in messages:
        bound = Message(message.role, message.content, digest) if message.role == "assistant" else message
        digest = extended_digest(digest, bound.within(image_limits))
        yield bound


def _group(messages: Iterable[Message]) -> Iterator[list[Message]]:
    """For each turn its messages: a question, its answer, and the tool results in between."""
    group: list[Message] = []
    for message in messages:
        results = any(part.wire["type"] == "tool_result" for part in message.parts)
        if group and message.role == "user" and not results and group[-1].role == "assistant":
            yield group
            group = []
        group.append(message)
    if group:
        yield group


def _turn(messages: list[Message]) -> Turn:
    question, answers = messages[0], [message for message in messages if message.role == "assistant"]
    return Turn(
        id=new_id(),
        prompt=" ".join(part.text if part.text is not None else f"{{{part.about}}}" for part in question.parts),
        messages=tuple(messages),
        reply=_reply(answers),
        asked=datetime.datetime.now().astimezone(),
        place=None,
    )


def _reply(answers: list[Message]) -> Reply:
    """The answer as a reply; without an answer, an empty reply that is not complete."""
    reply = Reply()
    for number, message in enumerate(answers):
        reply = Reply(earlier=reply.messages) if number else reply
        content = message.content if isinstance(message.content, str) else list(message.content)
        reply.take({"content": content})
    return reply
