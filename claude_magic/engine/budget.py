"""What a request will cost, and what a kernel may spend: checked before every request of any kind.

No counter is asked for an estimate: a picture costs what the published rule says, to the token;
everything else is text, whose tokens follow from its bytes in UTF-8 (characters, in English). How
long an answer will be cannot be known: expected is as much as the longest message of the
conversation so far, at least a thousand tokens, and never more than ``max_tokens`` allows. What the
API counted for the request before is known, and only what was added since is estimated.

What the request is expected to cost is added to what has been spent, and so is what other
conversations are still having answered. Amounts of real and simulated answers are never added: a
budget that was set applies to each separately, so that it can be tried on the simulator.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from claude_magic.engine.message import BuiltRequest, Message
from claude_magic.messages.errors import BadInput, OverBudget
from claude_magic.messages.limits import ImageLimits, Model, widest_limits
from claude_magic.messages.usage import Usage, cost_in_words, format_usd

if TYPE_CHECKING:
    from claude_magic.engine.bill import Spending
    from claude_magic.engine.settings import Settings
    from claude_magic.messages.reply import Reply


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


UNATTENDED = 1.0
"""US dollars for a kernel or program that runs unattended, unless another budget is set."""


def amount(name: str, value: object) -> float | None:
    """A limit as a number; None removes it.

    Raises
    ------
    BadInput
        If it is not an amount.
    """
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not number >= 0:
        unit = "a number of tokens" if name == "budget_tokens" else "a number of US dollars"
        raise BadInput(f"{name} takes {unit} from 0, or None, not {value!r:.80}.")
    return number


@dataclasses.dataclass(frozen=True)
class _Sum:
    """Dollars, and tokens whose price is not known."""

    dollars: float = 0.0
    tokens: int = 0

    def __add__(self, other: _Sum) -> _Sum:
        return _Sum(self.dollars + other.dollars, self.tokens + other.tokens)

    @classmethod
    def of(cls, dollars: float | None, tokens: int) -> _Sum:
        return cls(tokens=tokens) if dollars is None else cls(dollars=float(dollars))


class Budget:
    """What the conversations of a kernel may spend together.

    Parameters
    ----------
    settings : Settings
    spendings : sequence of Spending
        What has been spent; it grows.
    is_interactive : callable
        Whether a person is there.
    """

    def __init__(self, settings: Settings, spendings: Sequence[Spending], is_interactive: Callable[[], bool]) -> None:
        self.settings = settings
        self._spendings = spendings
        self._is_interactive = is_interactive
        self._open: list[Allowance] = []
        self._lock = threading.Lock()

    def limit(self, *, simulated: bool) -> float | None:
        """US dollars; None for no limit."""
        if self.settings.budget is None and not simulated and not self._is_interactive():
            return UNATTENDED
        return self.settings.budget

    @contextlib.contextmanager
    def question(self, *, yes: bool) -> Iterator[Allowance]:
        """What one question may spend; until it ends, its requests count against the others."""
        allowance = Allowance(self, yes=yes)
        with self._lock:
            self._open.append(allowance)
        try:
            yield allowance
        finally:
            with self._lock:
                self._open.remove(allowance)

    def _reserve(self, mine: Allowance, pending: _Sum, check: Callable[[_Sum], None]) -> None:
        """Check what would be spent, and count it from now on; requests are checked one at a time."""
        with self._lock:
            spent = sum((_Sum.of(each.cost, _tokens(each)) for each in self._spent(mine.simulated)), start=_Sum())
            others = (each.pending for each in self._open if each is not mine and each.simulated == mine.simulated)
            check(sum(others, start=spent))
            mine.pending = pending

    def _spent(self, simulated: bool) -> Iterator[Spending]:
        return (each for each in list(self._spendings) if each.simulated == simulated)


def _tokens(spending: Spending) -> int:
    return spending.usage.total_input + spending.usage.output_tokens


class Allowance:
    """What one question may spend.

    Parameters
    ----------
    budget : Budget
    yes : bool
        Whether the user agreed to send the question even above ``ask_above`` or the budget. What
        follows its first answer stays within the budget.

    Attributes
    ----------
    pending : _Sum
        What it has spent, and will spend with the request that was checked last.
    simulated : bool
    """

    def __init__(self, budget: Budget, *, yes: bool) -> None:
        self._budget = budget
        self._yes = yes
        self.pending = _Sum()
        self.simulated = False

    def check(self, upcoming: Estimate, answered: Sequence[Reply], *, simulated: bool) -> None:
        """Stop a request that must not be sent.

        Parameters
        ----------
        upcoming : Estimate
        answered : sequence of Reply
            The messages that have answered the same question so far.
        simulated : bool

        Raises
        ------
        OverBudget
        """
        settings, self.simulated = self._budget.settings, simulated
        pending = _sum(answered)
        spent_here, request = pending, _Sum.of(upcoming.dollars, upcoming.input + upcoming.output)

        def check(elsewhere: _Sum) -> None:
            spent = elsewhere + spent_here
            after = spent + request
            dollars, tokens = self._budget.limit(simulated=simulated), settings.budget_tokens
            over = dollars is not None and upcoming.dollars is not None and after.dollars > dollars
            over_tokens = tokens is not None and upcoming.dollars is None and after.tokens > tokens
            large = settings.ask_above is not None and (upcoming.dollars or 0) > settings.ask_above
            if (over or over_tokens) and (answered or not self._yes):
                raise OverBudget(self._message(upcoming, spent))
            if large and not self._yes:
                raise OverBudget(self._message(upcoming, spent))

        self._budget._reserve(self, pending + request, check)

    def is_limited(self, *, simulated: bool) -> bool:
        """Whether there is any budget."""
        return self._budget.limit(simulated=simulated) is not None or self._budget.settings.budget_tokens is not None

    def last_within(self, upcoming: Estimate, last: Estimate, answered: Sequence[Reply], *, simulated: bool) -> str:
        """The limit, for the reader, if it leaves room for only one more request; empty if there is more room.

        Parameters
        ----------
        upcoming : Estimate
        last : Estimate
            What a request after it that asks for a conclusion would cost.
        answered : sequence of Reply
        simulated : bool
        """
        dollars, tokens = self._budget.limit(simulated=simulated), self._budget.settings.budget_tokens
        found: list[_Sum] = []
        self._budget._reserve(self, self.pending, found.append)
        after = found[0] + _sum(answered)
        for each in (upcoming, last):
            after += _Sum.of(each.dollars, each.input + each.output)
        if dollars is not None and after.dollars > dollars:
            return f"the budget of {format_usd(dollars)}"
        return f"the budget of {tokens:,.0f} tokens" if tokens is not None and after.tokens > tokens else ""

    def _message(self, upcoming: Estimate, spent: _Sum) -> str:
        settings = self._budget.settings
        limit = self._budget.limit(simulated=self.simulated)
        attribute = "claude.budget"
        if upcoming.dollars is None:
            of = f"spent {spent.tokens:,} of {settings.budget_tokens:,.0f}; no price is known for {upcoming.model}"
            attribute = "claude.budget_tokens"
        else:
            of = f"about {cost_in_words(upcoming.dollars)}"
            if limit is not None and spent.dollars + upcoming.dollars > limit:
                of += f"; spent {format_usd(spent.dollars).removesuffix(' USD')} of {format_usd(limit)}"
                of += ", the default budget for unattended runs" if settings.budget is None else ""
            else:
                of += f", more than the {cost_in_words(settings.ask_above or 0)} of ask_above"
                attribute = "claude.ask_above"
        simulated = ", all simulated" if self.simulated else ""
        about = _rounded(upcoming.input)
        return f"This would send about {about:,} tokens ({of}{simulated}). Add --yes, use --new, or raise {attribute}."


def _sum(answered: Sequence[Reply]) -> _Sum:
    costs = ((message.counted.cost(message.model), message.counted) for message in answered)
    sums = (
        _Sum.of(float(cost) if cost is not None else None, usage.total_input + usage.output_tokens)
        for cost, usage in costs
    )
    return sum(sums, start=_Sum())


def _rounded(tokens: int) -> int:
    """Three digits: more would look like an exact count."""
    return int(float(f"{tokens:.3g}"))
