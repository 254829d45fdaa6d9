"""Parse as much of a request body as the gateway needs to check and bill it."""

from __future__ import annotations

import dataclasses
import json

from claude_magic.gateway.rejection import Rejection
from claude_magic.messages import limits
from claude_magic.messages.usage import Usage

_CHARACTERS_PER_TOKEN = 4
_BYTES_PER_DOCUMENT_TOKEN = 20
"""A page of a PDF takes about 60 kB in base64 and 3,000 tokens."""
_MAX_OUTPUT = 128_000


@dataclasses.dataclass(frozen=True)
class ParsedRequest:
    """A request to a model.

    The body is forwarded unchanged. ``fast`` is set if it asks for a speed that has a price of its own;
    ``estimated`` is a rough estimate of the input, ``max_output`` a number of tokens.
    """

    body: bytes
    model: str
    fast: bool
    estimated: Usage
    max_output: int

    @classmethod
    def parse(cls, body: bytes) -> ParsedRequest:
        """Parse a request body.

        Raises
        ------
        Rejection
            If it is not a JSON object, names no model, or repeats a key: of two models the API might
            use the one that was not checked here.
        """
        try:
            wire = json.loads(body, object_pairs_hook=_unique_keys)
        except (ValueError, RecursionError):
            wire = None
        if not isinstance(wire, dict):
            raise Rejection(400, "The request body is not a JSON object.")
        model = wire.get("model")
        if not isinstance(model, str) or not model:
            raise Rejection(400, "model: Field required")
        largest = limits.lookup(model).max_output or _MAX_OUTPUT
        most = wire.get("max_tokens")
        most = min(most, largest) if type(most) is int and most > 0 else 0
        fast = wire.get("speed") not in (None, "standard")
        return cls(body, model, fast, Usage(input_tokens=_estimate_tokens(wire), at_least=True), most)


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Rejection(400, f"The request body repeats the key {twice[:40]}.")
    return found


def _estimate_tokens(wire: dict[str, object]) -> int:
    """Estimate the input: text by its length, every image as the largest one possible."""
    tokens_per_image = limits.models()[0].image_tier.tokens
    left = list(wire.values())
    tokens = 0
    while left:
        value = left.pop()
        if isinstance(value, str):
            tokens += len(value) // _CHARACTERS_PER_TOKEN + 1
        elif isinstance(value, list):
            left += value
        elif isinstance(value, dict):
            if value.get("type") == "base64" and isinstance(data := value.get("data"), str):
                image = str(value.get("media_type")).startswith("image/")
                tokens += tokens_per_image if image else len(data) // _BYTES_PER_DOCUMENT_TOKEN
            else:
                left += value.values()
    return tokens
