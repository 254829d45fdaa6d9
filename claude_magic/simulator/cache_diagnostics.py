"""Compare two requests to find out why the prompt cache was missed."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from .message_request import MessageRequest, as_blocks


class Fingerprint(NamedTuple):
    """Digests of everything in a request that the prompt cache depends on."""

    model: str
    system: str
    tools: str
    messages: tuple[str, ...]
    settings: str

    @classmethod
    def of(cls, request: MessageRequest) -> Fingerprint:
        """The fingerprint of a checked request."""
        body = request.body
        return cls(
            f"{request.model_name} {body.get('speed')}",
            _digest(as_blocks(body.get("system"))),
            _digest(request.tools),
            tuple(_digest([message["role"], as_blocks(message["content"])]) for message in request.messages),
            _digest([body.get(key) for key in ("tool_choice", "thinking", "output_config")]),
        )

    def cache_miss_type(self, later: Fingerprint) -> str | None:
        """``cache_miss_reason.type`` of a later request; None if it only continues this one."""
        for name in ("model", "system", "tools"):
            if getattr(self, name) != getattr(later, name):
                return f"{name}_changed"
        if self.messages != later.messages[: len(self.messages)]:
            return "messages_changed"
        return None if self.settings == later.settings else "unavailable"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(_without_cache_marks(value), sort_keys=True).encode()).hexdigest()


def _without_cache_marks(value: object) -> object:
    """A value without ``cache_control``: clients move their breakpoints from request to request."""
    if isinstance(value, list):
        return [_without_cache_marks(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _without_cache_marks(each) for key, each in value.items() if key != "cache_control"}
