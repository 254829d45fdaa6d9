"""Token counts and their cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal

from claude_magic.messages import limits
from claude_magic.messages.wire import JSONObject, object_at

_API_COUNTERS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_WEB_SEARCH_PRICE = Decimal("0.01")
"""US dollars, for models that the price list does not know."""


@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Usage:
    """Tokens of one answer, or the sum of several.

    Attributes
    ----------
    input_tokens : int
        Only the uncached part of the input, as the API counts.
    output_tokens : int
        Including thinking.
    cache_creation_input_tokens, cache_read_input_tokens : int
        Written to and read from the prompt cache.
    one_hour_cache_tokens : int
        The part of the cache writes that lasts an hour and costs more.
    web_searches : int
        Searches run by a server tool; each is billed separately.
    at_least : bool
        Whether the answer stopped before the server sent the final counts.
    iterations : tuple of (str, Usage)
        If one answer took several runs (an adviser, a fallback, a compaction): each with the model
        billed for it, empty for the answering model. The counts above include them.
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
        """All input tokens, cached and uncached."""
        return self.input_tokens + self.cache_creation_input_tokens + self.cache_read_input_tokens

    def __add__(self, other: Usage) -> Usage:
        if not isinstance(other, Usage):
            return NotImplemented
        sums = {name: getattr(self, name) + getattr(other, name) for name in _COUNTERS}
        several = self.iterations or other.iterations
        return Usage(
            **sums,
            at_least=self.at_least or other.at_least,
            iterations=(*self._runs(), *other._runs()) if several else (),
        )

    def __radd__(self, other: object) -> Usage:
        return self + Usage() if other == 0 else NotImplemented  # sum() starts with 0

    def __eq__(self, other: object) -> bool:
        # Written out, so that a subclass that only adds a display form is equal to its base.
        return isinstance(other, Usage) and dataclasses.astuple(self) == dataclasses.astuple(other)

    def __hash__(self) -> int:
        return hash(dataclasses.astuple(self))

    def _runs(self) -> tuple[tuple[str, Usage], ...]:
        """What is billed per model; web searches are billed separately."""
        return self.iterations or (("", dataclasses.replace(self, web_searches=0)),)

    def __repr__(self) -> str:
        named = ", ".join(
            f"{field.name}={value!r}" for field in dataclasses.fields(self) if (value := getattr(self, field.name))
        )
        return f"Usage({named})"

    def updated(self, raw: Mapping[str, object]) -> Usage:
        """These counts, updated with a ``usage`` object of the API; missing and null counts stay."""
        found = {name: raw.get(name) for name in _API_COUNTERS}
        found["one_hour_cache_tokens"] = object_at(raw, "cache_creation").get("ephemeral_1h_input_tokens")
        found["web_searches"] = object_at(raw, "server_tool_use").get("web_search_requests")
        changes: JSONObject = {name: count for name, count in found.items() if type(count) is int}
        if isinstance(runs := raw.get("iterations"), list) and runs:
            # The counts beside the runs exclude other models and compactions.
            billed = [(str(run.get("model") or ""), Usage().updated(run)) for run in runs if isinstance(run, dict)]
            total = sum((usage for _, usage in billed), start=Usage())
            counts = {name: getattr(total, name) for name in (*_API_COUNTERS, "one_hour_cache_tokens")}
            changes |= {**counts, "iterations": tuple(billed)}
        return dataclasses.replace(self, **changes) if changes else self

    def cost(self, model: str) -> Decimal | None:
        """US dollars for these tokens, answered by a model with this id.

        Prices come from genai-prices, else from our own table of models; None if neither has one.
        """
        if not self.iterations:
            return self._price(model)
        prices = [usage._price(other or model) for other, usage in self.iterations]
        prices.append(Usage(web_searches=self.web_searches)._price(model))
        return sum((price for price in prices if price is not None), Decimal()) if None not in prices else None

    def _price(self, model: str) -> Decimal | None:
        # Imported here because the price list takes 0.1 s to load and is needed only after an answer.
        from genai_prices import Usage as Priced
        from genai_prices import calc_price

        read, written = self.cache_read_input_tokens, self.cache_creation_input_tokens
        hour = min(self.one_hour_cache_tokens, written)
        try:
            price = calc_price(
                Priced(
                    input_tokens=self.total_input,  # unlike the API, the price list includes cached tokens
                    cache_read_tokens=read,
                    cache_write_tokens=written,
                    cache_write_5m_tokens=written - hour,
                    cache_write_1h_tokens=hour,
                    output_tokens=self.output_tokens,
                    web_searches=self.web_searches,
                ),
                model,
                provider_id="anthropic",
            )
            return price.total_price
        except LookupError:
            if (ours := limits.lookup(model).price) is None:
                return None
        plain, output = self.input_tokens, self.output_tokens
        dollars = ours.dollars(plain, output, read=read, written=written - hour, written_1h=hour)
        return Decimal(str(dollars)) + self.web_searches * _WEB_SEARCH_PRICE


_COUNTERS = tuple(field.name for field in dataclasses.fields(Usage) if field.type == "int")
_SAVED = sorted((*_COUNTERS, "at_least"))


def usage_to_json(usage: Usage) -> JSONObject:
    """The fields that are not zero, as a JSON object."""
    counts = {name: value for name in _SAVED if (value := getattr(usage, name))}
    runs = [[model, usage_to_json(run)] for model, run in usage.iterations]
    return counts | ({"iterations": runs} if runs else {})


def usage_from_json(values: object) -> Usage:
    """A usage saved by :func:`usage_to_json`; invalid fields are ignored."""
    if not isinstance(values, Mapping):
        return Usage()
    found: JSONObject = {
        name: value
        for name in _SAVED
        if type(value := values.get(name)) is (bool if name == "at_least" else int) and value >= 0
    }
    if isinstance(runs := values.get("iterations"), list):
        pairs = [run for run in runs if isinstance(run, list) and len(run) == 2 and isinstance(run[0], str)]
        found["iterations"] = tuple((model, usage_from_json(counts)) for model, counts in pairs)
    return Usage(**found)


def format_cost(dollars: Decimal | float | None) -> str:
    """``4.2 ¢`` below a dollar, else ``1.20 USD``: never a dollar sign, which starts math in Markdown."""
    if dollars is None:
        return "?"
    if dollars >= 1:
        return f"{dollars:,.2f} USD"
    cents = float(dollars) * 100
    if cents >= 0.1:
        return f"{cents:.1f} ¢"
    return f"{cents:.2g} ¢" if cents else "0 ¢"


def format_usd(dollars: float) -> str:
    """``4.40 USD``, with more digits for less than a cent."""
    return f"{dollars:,.2f} USD" if dollars >= 0.01 or not dollars else f"{dollars:.2g} USD"


def cost_in_words(dollars: float) -> str:
    """``82 cents`` or ``1.20 dollars``, for use in a sentence."""
    if dollars >= 0.995:
        return f"{dollars:,.2f} dollars"
    cents = dollars * 100
    number = f"{cents:.0f}" if cents >= 9.5 else f"{cents:.2g}"
    return f"{number} cent{'' if number == '1' else 's'}"
