"""What a conversation gives away and takes back: files, and messages in the API's own form."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

from claude_magic.messages.text import pluralize
from claude_magic.conversation import persistence, toolbox
from claude_magic.engine.notice import Notice
from claude_magic.conversation.journal import beginning
from claude_magic.engine.options import Options
from claude_magic.engine.request_body import build
from claude_magic.engine.message import Message
from claude_magic.conversation.turns import seen
from claude_magic.messages import limits
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import ImageLimits, Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from claude_magic.conversation.conversation import Conversation
    from claude_magic.conversation.registry import Conversations

    Path = str | os.PathLike[str]


def save(conversation: Conversation, path: Path, *, undo: bool) -> Notice:
    """See :meth:`Conversation.save`."""
    steps, at = conversation._journal.steps
    if not undo:
        state = steps[at][1]
        steps, at = beginning(dataclasses.replace(state, turns=seen(state.turns))), 0
    content = persistence.Saved(conversation.name, steps, at, conversation._questions.largest_side)
    said = persistence.save(path, content, conversation._home.credentials.hide)
    under_way = conversation._questions.under_way
    return Notice(f"{said} Without {pluralize(under_way, 'answer')} under way." if under_way else said)


def load(conversation: Conversation, path: Path) -> Notice:
    """See :class:`~claude_magic.conversation.loading.Loading`."""
    content, said = persistence.load(path)
    conversation._journal.adopt(content.steps, content.at, f"loading {os.fspath(path)}")
    _settle(conversation, content)
    return Notice(said)


def loaded(cls: type[Conversation], path: Path, name: str | None, home: Conversations | None) -> Conversation:
    """See :class:`~claude_magic.conversation.loading.Loading`."""
    content, _ = persistence.load(path)
    name = name or content.name
    if home is not None and name in home:
        raise BadInput(f"There is a conversation {name!r} already. Load it under another name: name=….")
    made = cls(name=name, home=home)
    made._journal.begin(content.steps, content.at)
    _settle(made, content)
    return made


def _settle(conversation: Conversation, content: persistence.Saved) -> None:
    state = conversation.state
    conversation._questions.of_another_history(content.largest_side)
    conversation._cells.news()  # has been said
    if state.turns:
        conversation._questions.last = state.turns[-1].reply


def to_messages(conversation: Conversation) -> list[dict[str, Any]]:
    """See :meth:`Conversation.to_messages`."""
    messages = [message for turn in seen(conversation.state.turns) for message in turn.messages]
    model, offered = asked(conversation)
    request = build(
        {"model": model.id, **offered}, messages, fitting(conversation, model, messages), system=conversation.system
    )
    found: list[dict[str, Any]] = json.loads(b"".join(request.body))["messages"]
    return found


def fitting(conversation: Conversation, model: Model, messages: Sequence[Message]) -> ImageLimits:
    """How large the pictures of a request with these messages may be."""
    within = limits.image_limits(model, sum(message.pictures for message in messages))
    return within._replace(side=min(within.side, conversation._questions.largest_side))


def asked(conversation: Conversation) -> tuple[Model, dict[str, Any]]:
    """The model that is asked next, and the request's fields for the tools."""
    model = limits.lookup(limits.resolve(conversation.model), conversation._home.learned)
    return model, toolbox.fields(toolbox.current(conversation.state.tools), Options(), model)
