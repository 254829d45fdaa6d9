"""What a request will cost, before it is sent.

No counter is asked: a picture costs what the published rule says, to the token; everything else is
text, whose tokens follow from its bytes in UTF-8 (characters, in English). How long an answer will
be cannot be known: expected is as much as the longest message of the conversation so far, at least
a thousand tokens, and never more than ``max_tokens`` allows. What the API counted for the request
before is known, and only what was added since is estimated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from claude_magic.engine.message import Message
from claude_magic.engine.request_body import BuiltRequest
from claude_magic.messages.limits import ImageLimits, Model, widest_limits
from claude_magic.messages.usage import Usage

_BYTES_PER_TOKEN = 3.5
"""Anthropic's rule of thumb for English text."""
_BYTES_PER_TOKEN_SINCE_4_7 = 2.7
"""The same text has about 30% more tokens for Opus 4.7, Sonnet 5, Haiku 5.5 and all later models."""
_LEAST_OUTPUT = 1000


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a request is expected to use.

    Attributes
    ----------
    input, output : int
        Tokens; the input includes its cached part.
    cached : int
        The part of the input that is expected to be read from the cache.
    dollars : float or None
        None if no price is known for the model.
    model : str
    """

    input: int
    output: int
    cached: int
    dollars: float | None
    model: str


def estimate_tokens(request: BuiltRequest, messages: Iterable[Message], limits: ImageLimits, model: Model) -> int:
    """Input tokens of a request, by the rules above.

    Parameters
    ----------
    request : BuiltRequest
        As it would be sent.
    messages : iterable of Message
        Those in it, for what is not text.
    limits : ImageLimits
        As they hold for it.
    model : Model
    """
    size, tokens = len(request.body), 0
    for message in messages:
        for part in message.parts:
            weight = part.weight(limits)
            size, tokens = size - weight.bytes, tokens + weight.tokens
    # The models with the larger image limits are those with the newer tokenizer.
    newer = model.image_tier == widest_limits()
    return tokens + round(size / (_BYTES_PER_TOKEN_SINCE_4_7 if newer else _BYTES_PER_TOKEN))


def estimate(tokens: int, model: Model, wire: Mapping[str, Any], *, longest: int = 0, cached: int = 0) -> Estimate:
    """What a request will use and cost.

    Parameters
    ----------
    tokens : int
        Of its input.
    model : Model
    wire : mapping
        Its fields except for the messages.
    longest : int
        Tokens of Claude's longest message so far.
    cached : int
        Tokens of its beginning that are in the cache.
    """
    thinking = (wire.get("thinking") or {}).get("budget_tokens", 0)
    output = min(wire["max_tokens"], max(_LEAST_OUTPUT, longest) + thinking)
    cached = min(cached, tokens)
    return Estimate(tokens, output, cached, _dollars(model, wire, tokens - cached, cached, output), model.id)


def _dollars(model: Model, wire: Mapping[str, Any], uncached: int, cached: int, output: int) -> float | None:
    mark = wire.get("cache_control")
    hour = mark is not None and mark.get("ttl") == "1h"
    if model.price is None:  # look it up in the complete price list, which takes time to load
        price = Usage(uncached, output, cache_read_input_tokens=cached).cost(model.id)
        return float(price) if price is not None else None
    if mark is None or cached + uncached < model.cache_minimum:
        return model.price.dollars(uncached + cached, output)
    written = {"written_1h": uncached} if hour else {"written": uncached}
    return model.price.dollars(0, output, read=cached, **written)
