"""Messages in the API's own form as turns, and turns as messages."""

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
_OF_THE_USER = frozenset({"image", "document", "search_result", "tool_result"})
_OF_CLAUDE = frozenset({"tool_use", "thinking", "redacted_thinking", "server_tool_use"})


def turns_of(
    messages: Iterable[Mapping[str, Any]], state: State, session: Session, history: RequestHistory
) -> tuple[Turn, ...]:
    """The turns of a conversation that starts with these messages.

    Parameters
    ----------
    messages : iterable of mapping
    state : State
        Of the conversation: its model, system prompt and tools.
    session : Session
    history : RequestHistory

    Raises
    ------
    BadInput
        If the API would not accept them.
    """
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise BadInput('Messages are a list of {"role": …, "content": …}.')
    read = [_read(message, f"messages[{number}]") for number, message in enumerate(messages)]
    _check_order(read)
    made = [_message(role, inside, f"messages[{number}]") for number, (role, inside) in enumerate(read)]
    return tuple(map(_turn, _grouped(_bound(made, state, session, history))))


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
    """How large the images of a request with these messages may be."""
    found = limits.image_limits(model, sum(message.pictures for message in messages))
    return found._replace(side=min(found.side, history.largest_side))


def _read(message: Any, where: str) -> tuple[str, str | list[dict[str, Any]]]:
    """Role and content, checked by themselves."""
    message = _plain(message)
    if not isinstance(message, dict):
        raise BadInput(f'{where} is no message: {{"role": …, "content": …}}.')
    if message.get("role") == "system":
        raise BadInput(f"{where}: the system prompt is not a message here: from_messages(…, system=…).")
    if message.get("role") not in _ROLES:
        raise BadInput(f"{where}: role is 'user' or 'assistant', not {message.get('role')!r}.")
    if odd := message.keys() - {"role", "content"}:
        raise BadInput(f"{where}: the API takes no {', '.join(sorted(map(repr, odd)))} in a message.")
    inside = message.get("content")
    if KEY_IN_TEXT.search(str(inside)):
        raise BadInput(f"{where} holds an API key. Take it out; claude.login() is the place for it.")
    if isinstance(inside, str):
        if not inside.strip():
            raise BadInput(f"{where} is empty.")
        return message["role"], inside
    if not isinstance(inside, list | tuple) or not inside:
        raise BadInput(f"{where}: content is a text or a list of blocks that is not empty.")
    return message["role"], [
        _block(block, message["role"], f"{where}.content[{at}]") for at, block in enumerate(inside)
    ]


def _plain(value: Any) -> Any:
    """Objects of the official SDK as the dicts that they stand for."""
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json", exclude_none=True)
    return dict(value) if isinstance(value, Mapping) else value


def _block(block: Any, role: str, where: str) -> dict[str, Any]:
    block = _plain(block)
    if wrong := block_problem(block):
        raise BadInput(f"{where}: {wrong}.")
    kind = block["type"]
    if kind in (_OF_CLAUDE if role == "user" else _OF_THE_USER):
        raise BadInput(f"{where}: {kind} cannot stand in a message of the {role}.")
    if kind == "text" and not block["text"].strip():
        raise BadInput(f"{where} is an empty text.")
    if kind == "tool_result" and isinstance(inner := block.get("content"), list):
        block["content"] = [_block(each, role, f"{where}.content[{at}]") for at, each in enumerate(inner)]
    return {key: value for key, value in block.items() if key != "cache_control"}


def _check_order(messages: list[tuple[str, str | list[dict[str, Any]]]]) -> None:
    """Who begins, and that each call is answered, once, in the message that follows it."""
    if messages and messages[0][0] != "user":
        raise BadInput("messages[0]: the first message is the user's.")
    open_calls: dict[str, str] = {}
    seen: set[str] = set()
    for number, (role, inside) in enumerate(messages):
        where = f"messages[{number}]"
        found = inside if isinstance(inside, list) else []
        results = [block["tool_use_id"] for block in found if block["type"] == "tool_result"]
        if role == "assistant" and open_calls:
            raise BadInput(f"{where}: {_unanswered(open_calls)}")
        for id in results:
            if open_calls.pop(id, None) is None:
                raise BadInput(
                    f"{where}: the result of {id!r} answers no call of the message before, or answers it twice."
                )
        if open_calls:
            raise BadInput(f"{where}: {_unanswered(open_calls)}")
        kinds = [block["type"] == "tool_result" for block in found]
        if kinds != sorted(kinds, reverse=True):
            raise BadInput(f"{where}: results of calls come first in a message.")
        for block in found:
            if block["type"] == "tool_use":
                if block["id"] in seen:
                    raise BadInput(f"{where}: there are two calls {block['id']!r}.")
                seen.add(block["id"])
                open_calls[block["id"]] = block["name"]
    if open_calls:
        raise BadInput(f"messages[{len(messages)}] is missing: {_unanswered(open_calls)}")


def _unanswered(calls: Mapping[str, str]) -> str:
    called = ", ".join(f"{name} ({id})" for id, name in calls.items())
    return f"the calls of the message before are answered first, with a tool_result each: {called}."


def _message(role: str, inside: str | list[dict[str, Any]], where: str) -> Message:
    if role == "assistant":
        return Message(role, inside if isinstance(inside, str) else tuple(inside))
    if isinstance(inside, str):
        return Message(role, (text_part(inside),))
    return Message(role, tuple(_part(block, f"{where}.content[{at}]") for at, block in enumerate(inside)))


def _part(block: dict[str, Any], where: str) -> Part:
    kind = block["type"]
    source = block.get("source") if kind in ("image", "document") else None
    if kind == "image" and source and source["type"] == "base64":
        [picture] = to_parts(RemotePicture(f"data:{source['media_type']};base64,{source['data']}"), where)
        return picture
    if kind == "tool_result" and isinstance(inner := block.get("content"), list):
        inside = tuple(_part(each, f"{where}.content[{at}]") for at, each in enumerate(inner))
        if any(part.pictures for part in inside):
            wire = {key: value for key, value in block.items() if key != "content"}
            return Result(wire, "result of a call", sum(part.pages or 0 for part in inside) or None, inside)
    pages = None
    if kind == "document" and source and source.get("media_type") == "application/pdf":
        import base64
        import binascii

        from claude_magic.content.pdf import count_pages

        try:
            pages = count_pages(base64.b64decode(source["data"], validate=True), where)
        except binascii.Error:
            raise BadInput(f"{where}.source is no valid base64.") from None
    return Part(block, None if kind == "text" else kind.replace("_", " "), pages)


def _bound(messages: list[Message], state: State, session: Session, history: RequestHistory) -> Iterator[Message]:
    """The messages, with Claude's bound to what precedes them."""
    model, fields = _fields(state, session)
    within = _limits(messages, model, history)
    digest = prefix_digest(model.id, state.system, fields.get("tools"))
    for message in messages:
        bound = Message(message.role, message.content, digest) if message.role == "assistant" else message
        digest = extended_digest(digest, bound.within(within))
        yield bound


def _grouped(messages: Iterable[Message]) -> Iterator[list[Message]]:
    """A question with all that answered it, the results of calls included."""
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
    """What was answered, as a reply; without an answer an empty one, which is not complete."""
    reply = Reply()
    for number, message in enumerate(answers):
        reply = Reply(earlier=reply.messages) if number else reply
        inside = message.content if isinstance(message.content, str) else list(message.content)
        reply.take({"content": inside})
    return reply
