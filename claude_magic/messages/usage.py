"""Tokens, and what they cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


@dataclasses.dataclass(frozen=True, repr=False)
class Usage:
    """Tokens of one answer, or of several added up.

    Attributes
    ----------
    input_tokens : int
        The uncached part of the input alone, as the API counts.
    output_tokens : int
        Thinking included.
    cache_creation_input_tokens, cache_read_input_tokens : int
        Written to and read from the prompt cache.
    one_hour_cache_tokens : int
        The part of the writes that lives for an hour and costs more.
    web_searches : int
        Searches that a server tool ran; they are billed by the piece.
    at_least : bool
        Whether the answer stopped before the server could count to the end.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    one_hour_cache_tokens: int = 0
    web_searches: int = 0
    at_least: bool = False

    @property
    def total_input(self) -> int:
        """All input tokens, cached or not."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens

    def __add__(self, other: Usage) -> Usage:
        if not isinstance(other, Usage):
            return NotImplemented
        sums = {
            field.name: getattr(self, field.name) + getattr(other, field.name) for field in dataclasses.fields(self)
        }
        return Usage(**{**sums, "at_least": self.at_least or other.at_least})

    def __repr__(self) -> str:
        named = ", ".join(f"{name}={value}" for name, value in vars(self).items() if value)
        return f"Usage({named})"

    def updated(self, raw: Mapping[str, Any]) -> Usage:
        """These counts with those that a server named; what it left out or null stays."""
        found = {name: raw.get(name) for name in _COUNTS}
        if isinstance(creation := raw.get("cache_creation"), dict):
            found["one_hour_cache_tokens"] = creation.get("ephemeral_1h_input_tokens")
        if isinstance(tools := raw.get("server_tool_use"), dict):
            found["web_searches"] = tools.get("web_search_requests")
        changes: dict[str, Any] = {name: count for name, count in found.items() if type(count) is int}
        return dataclasses.replace(self, **changes) if changes else self

    def cost(self, model: str) -> Decimal | None:
        """US dollars for these tokens, by the published price list of genai-prices.

        Parameters
        ----------
        model : str
            The id that answered.

        Returns
        -------
        Decimal or None
            None if the list does not know the model.
        """
        # Imported here: the price list takes 0.1 s to load, and is wanted after an answer.
        from genai_prices import Usage as Priced
        from genai_prices import calc_price

        written = self.cache_creation_input_tokens
        hour = min(self.one_hour_cache_tokens, written)
        try:
            price = calc_price(
                Priced(
                    input_tokens=self.total_input,  # the list counts cached tokens in, the API leaves them out
                    cache_read_tokens=self.cache_read_input_tokens,
                    cache_write_tokens=written,
                    cache_write_5m_tokens=written - hour,
                    cache_write_1h_tokens=hour,
                    output_tokens=self.output_tokens,
                    web_searches=self.web_searches,
                ),
                model,
                provider_id="anthropic",
            )
        except LookupError:
            return None
        return price.total_price


def money(dollars: Decimal | float | None) -> str:
    """An amount in cents, in dollars from one dollar on; never with a dollar sign, which begins math in Markdown."""
    if dollars is None:
        return "?"
    if dollars >= 1:
        return f"{dollars:,.2f} USD"
    cents = float(dollars) * 100
    if cents >= 0.1:
        return f"{cents:.1f} ¢"
    return f"{cents:.2g} ¢" if cents else "0 ¢"
