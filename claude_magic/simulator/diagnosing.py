"""What two requests have in common, for the diagnostics of the prompt cache."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from .call import JSON, Call, blocks


class Fingerprint(NamedTuple):
    """A request, as far as the prompt cache looks at it, in digests."""

    model: str
    system: str
    tools: str
    messages: tuple[str, ...]
    rest: str

    @classmethod
    def of(cls, call: Call) -> Fingerprint:
        """Of a checked request."""
        body = call.body
        return cls(
            f"{call.model_name} {body.get('speed')}",
            _digest(blocks(body.get("system"))),
            _digest(call.tools),
            tuple(_digest([message["role"], blocks(message["content"])]) for message in call.messages),
            _digest([body.get(key) for key in ("tool_choice", "thinking", "output_config")]),
        )

    def divergence(self, now: Fingerprint) -> str | None:
        """What is the first to differ in a later request; None if that only goes on from here."""
        for name in ("model", "system", "tools"):
            if getattr(self, name) != getattr(now, name):
                return f"{name}_changed"
        if self.messages != now.messages[: len(self.messages)]:
            return "messages_changed"
        return None if self.rest == now.rest else "unavailable"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(_unmarked(value), sort_keys=True).encode()).hexdigest()


def _unmarked(value: Any) -> Any:
    """Without marks for the cache, which move along."""
    if isinstance(value, list):
        return [_unmarked(each) for each in value]
    if not isinstance(value, dict):
        return value
    found: JSON = {key: _unmarked(each) for key, each in value.items() if key != "cache_control"}
    return found
