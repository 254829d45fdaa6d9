"""A request as far as the gateway has to understand it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from claude_magic.gateway.refusal import Refusal
from claude_magic.messages import limits
from claude_magic.messages.usage import Usage

_CHARACTERS_PER_TOKEN = 4
_BYTES_PER_DOCUMENT_TOKEN = 20
"""About 60 kB and 3,000 tokens a page, in base64."""
_MOST_OUTPUT = 128_000


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request to a model.

    Attributes
    ----------
    body : bytes
        As it came, and as it is sent.
    model : str
    fast : bool
        Whether a faster answer is wanted, at another price.
    estimated : Usage
        Its input, by a rule of thumb.
    most_output : int
        Tokens.
    """

    body: bytes
    model: str
    fast: bool
    estimated: Usage
    most_output: int

    @classmethod
    def read(cls, body: bytes) -> Asked:
        """Read a body.

        Raises
        ------
        Refusal
            If it is no JSON object, names no model, or says something twice: of two models the API
            might take the one that was not looked at here.
        """
        try:
            wire = json.loads(body, object_pairs_hook=_object)
        except _Twice as error:
            raise _invalid(f"The body says {error} twice.") from None
        except (ValueError, RecursionError):
            wire = None
        if not isinstance(wire, dict):
            raise _invalid("The body is no JSON object.")
        model = wire.get("model")
        if not isinstance(model, str) or not model:
            raise _invalid("model: Field required")
        largest = limits.lookup(model).max_output or _MOST_OUTPUT
        most = wire.get("max_tokens")
        most = min(most, largest) if type(most) is int and most > 0 else 0
        fast = wire.get("speed") not in (None, "standard")
        return cls(body, model, fast, Usage(input_tokens=_estimate(wire), at_least=True), most)


class _Twice(ValueError):
    """A key that an object holds twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(next(key for key in keys if keys.count(key) > 1)[:40])
    return found


def _estimate(wire: dict[str, Any]) -> int:
    """Tokens of everything that is said, pictures at the most that one may come to."""
    picture = limits.models()[0].image_tier.tokens
    left: list[Any] = list(wire.values())
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
                tokens += picture if image else len(data) // _BYTES_PER_DOCUMENT_TOKEN
            else:
                left += value.values()
    return tokens


def _invalid(message: str) -> Refusal:
    return Refusal(400, "invalid_request_error", message)
