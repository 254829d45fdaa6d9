"""How many tokens a question would have, by the API's own counter, and what they would cost."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_magic.messages.exchange import RequestBody
from claude_magic.messages.limits import ImageLimits
from claude_magic.messages.retry import Wait
from claude_magic.messages.text import pluralize
from claude_magic.messages.usage import Usage, format_cost

if TYPE_CHECKING:
    from claude_magic.content.parts import Part
    from claude_magic.engine.request import Request

COUNTED = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed"}
)
"""The fields of a request that the counter accepts; the others concern the answer."""
_DISCLOSURE = "This asks the API's free counter: the content is sent, but nothing is answered or billed."


@dataclasses.dataclass(frozen=True, repr=False)
class Count:
    """The input of a question, history and tools included.

    Attributes
    ----------
    tokens : int
        By the API's counter, which calls it an estimate.
    model : str
    pictures : int
        How many pictures it has.
    picture_tokens : int
        What those cost by the published formula, one token per 28 x 28 pixels; without those
        whose size is not known here (URLs, uploaded files).
    cost : Decimal or None
        US dollars for this input if none of it is read from the cache; None if the price is not known.
    waits : tuple of Wait
        Retries that were waited for.
    """

    tokens: int
    model: str
    pictures: int
    picture_tokens: int
    cost: Decimal | None
    waits: tuple[Wait, ...] = ()

    def __repr__(self) -> str:
        price = f"{format_cost(self.cost)} if nothing is cached" if self.cost is not None else "price not known"
        pictures = (
            f"; {pluralize(self.pictures, 'picture')}: {self.picture_tokens:,} by the formula" if self.pictures else ""
        )
        tries = f" (asked {self.waits[-1].attempt} times: {self.waits[-1].reason})" if self.waits else ""
        return f"{pluralize(self.tokens, 'input token')} for {self.model}, {price}{pictures}{tries}.\n{_DISCLOSURE}"


def count_tokens(request: Request) -> Count:
    """Count the tokens of the next request.

    Raises
    ------
    ClaudeError
        If the API does not count it: the counter refuses what a question would be refused for.
    """
    request.client.require_credentials()
    whole = json.loads(bytes(request.outgoing().body))
    body = RequestBody([json.dumps({name: whole[name] for name in whole if name in COUNTED}).encode()])
    waits: list[Wait] = []
    tokens = request.client.count_tokens(body, waits.append)
    parts = [part for message in request.messages for part in message.parts]
    return Count(
        tokens=tokens,
        model=request.model.id,
        pictures=sum(message.pictures for message in request.messages),
        picture_tokens=sum(_picture_tokens(part, request.limits) for part in parts),
        cost=Usage(input_tokens=tokens).cost(request.model.id),
        waits=tuple(waits),
    )


def _picture_tokens(part: Part, limits: ImageLimits) -> int:
    from claude_magic.content.picture_part import PicturePart
    from claude_magic.tools.results import Result

    if isinstance(part, Result):
        return sum(_picture_tokens(inner, limits) for inner in part.content)
    return part.weight(limits).tokens if isinstance(part, PicturePart) else 0
