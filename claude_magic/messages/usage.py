"""Tokens, and what they cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from claude_magic.messages import limits

_COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


_SEARCH = Decimal("0.01")
"""US dollars for a web search, where the price list does not know the model."""


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
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
    iterations : tuple of (str, Usage)
        Where one answer took several runs (of an adviser, a fallback, a compaction), each with the
        model that is billed for it, empty for the one that answers; they are counted in above.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    one_hour_cache_tokens: int = 0
    web_searches: int = 0
    at_least: bool = False
    iterations: tuple[tuple[str, Usage], ...] = ()

    @property
    def total_input(self) -> int:
        """All input tokens, cached or not."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens

    def __add__(self, other: Usage) -> Usage:
        if not isinstance(other, Usage):
            return NotImplemented
        sums = {name: getattr(self, name) + getattr(other, name) for name in _SUMMED}
        several = self.iterations or other.iterations
        return Usage(
            **sums,
            at_least=self.at_least or other.at_least,
            iterations=(*self._runs(), *other._runs()) if several else (),
        )

    def __radd__(self, other: object) -> Usage:
        return self + Usage() if other == 0 else NotImplemented  # sum() begins with 0

    def __eq__(self, other: object) -> bool:
        # Written out: a usage that knows how to show itself is equal to one that does not.
        return isinstance(other, Usage) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def _runs(self) -> tuple[tuple[str, Usage], ...]:
        """What is billed, each with its model; web searches are billed beside it."""
        return self.iterations or (("", dataclasses.replace(self, web_searches=0)),)

    def __repr__(self) -> str:
        named = ", ".join(
            f"{field.name}={value!r}" for field in dataclasses.fields(self) if (value := getattr(self, field.name))
        )
        return f"Usage({named})"

    def updated(self, raw: Mapping[str, Any]) -> Usage:
        """These counts with those that a server named; what it left out or null stays."""
        found = {name: raw.get(name) for name in _COUNTS}
        if isinstance(creation := raw.get("cache_creation"), dict):
            found["one_hour_cache_tokens"] = creation.get("ephemeral_1h_input_tokens")
        if isinstance(tools := raw.get("server_tool_use"), dict):
            found["web_searches"] = tools.get("web_search_requests")
        changes: dict[str, Any] = {name: count for name, count in found.items() if type(count) is int}
        if isinstance(runs := raw.get("iterations"), list) and runs:
            # Beside them the counts leave out what other models and compactions took.
            billed = [(_model_of(run), Usage().updated(run)) for run in runs if isinstance(run, dict)]
            total = sum((usage for _, usage in billed), start=Usage())
            counts = {name: getattr(total, name) for name in (*_COUNTS, "one_hour_cache_tokens")}
            changes |= {**counts, "iterations": tuple(billed)}
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
            None if neither the list nor our table of models knows the price.
        """
        if not self.iterations:
            return self._price(model)
        prices = [usage._price(other or model) for other, usage in self.iterations]
        prices.append(Usage(web_searches=self.web_searches)._price(model))
        return sum((price for price in prices if price is not None), Decimal()) if None not in prices else None

    def _price(self, model: str) -> Decimal | None:
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
            return self._by_table(model)
        return price.total_price

    def _by_table(self, model: str) -> Decimal | None:
        price = limits.lookup(model).price
        if price is None:
            return None
        hour = min(self.one_hour_cache_tokens, self.cache_creation_input_tokens)
        dollars = price.dollars(
            self.input_tokens,
            self.output_tokens,
            read=self.cache_read_input_tokens,
            written=self.cache_creation_input_tokens - hour,
            written_1h=hour,
        )
        return Decimal(str(dollars)) + self.web_searches * _SEARCH


_SUMMED = tuple(field.name for field in dataclasses.fields(Usage) if field.type == "int")


def _model_of(run: Mapping[str, Any]) -> str:
    return str(run.get("model") or "")


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


def usd(dollars: float) -> str:
    """An amount as ``4.40 USD``, with more digits where it is less than a cent."""
    return f"{dollars:,.2f} USD" if dollars >= 0.01 or not dollars else f"{dollars:.2g} USD"


def in_words(dollars: float) -> str:
    """An amount in a sentence: ``82 cents``, ``1.20 dollars``."""
    if dollars >= 0.995:
        return f"{dollars:,.2f} dollars"
    cents = dollars * 100
    number = f"{cents:.0f}" if cents >= 9.5 else f"{cents:.2g}"
    return f"{number} cent{'' if number == '1' else 's'}"


_NAMES = frozenset(field.name for field in dataclasses.fields(Usage))


def usage_to_json(usage: Usage) -> dict[str, Any]:
    """What is not zero, in a form that JSON can hold."""
    values = {name: getattr(usage, name) for name in sorted(_NAMES)}
    runs = [[model, usage_to_json(run)] for model, run in values.pop("iterations", ())]
    return {name: value for name, value in values.items() if value} | ({"iterations": runs} if runs else {})


def usage_from_json(values: object) -> Usage:
    """The usage that was noted; what has no sense is left out."""
    if not isinstance(values, Mapping):
        return Usage()
    found: dict[str, Any] = {
        name: value
        for name, value in values.items()
        if name in _NAMES and type(value) is (bool if name == "at_least" else int) and value >= 0
    }
    runs = values.get("iterations")
    if isinstance(runs, list) and "iterations" in _NAMES:
        pairs = [run for run in runs if isinstance(run, list) and len(run) == 2 and isinstance(run[0], str)]
        found["iterations"] = tuple((model, usage_from_json(counts)) for model, counts in pairs)
    return Usage(**found)
