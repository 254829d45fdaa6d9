"""What a kernel may spend: checked before every request, whatever kind of request it is.

To what was spent is added what the request is expected to cost, and what the requests of other
conversations that are still being answered are. Amounts of real and of simulated answers are never
added: a budget that was set holds for each on its own, so that it can be tried on the simulator.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from claude_magic.messages.errors import BadInput, OverBudget
from claude_magic.messages.usage import in_words, usd

if TYPE_CHECKING:
    from claude_magic.engine.bill import Spending
    from claude_magic.engine.estimate import Estimate
    from claude_magic.conversation.registry import Conversations
    from claude_magic.engine.settings import Settings
    from claude_magic.messages.reply import Reply

UNATTENDED = 1.0
"""US dollars for a kernel or program in front of which nobody sits, unless something else is set."""


def amount(name: str, value: object) -> float | None:
    """A limit as a number; None takes it back.

    Raises
    ------
    BadInput
        For what is no amount.
    """
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not number >= 0:
        unit = "a number of tokens" if name == "budget_tokens" else "US dollars, a number"
        raise BadInput(f"{name} is {unit} from 0, or None; it cannot be {value!r:.80}.")
    return number


class Limited:
    """The limits as attributes of a conversation; they hold for all conversations of its kernel."""

    _home: Conversations

    @property
    def budget(self) -> float | None:
        """US dollars that all conversations of this kernel may spend; None: no limit.

        Where nobody sits in front (a notebook run by a program, a script) it is 1 dollar until it is
        set; ``float("inf")`` is no limit there.
        """
        return self._home.budget.limit(simulated=False)

    @budget.setter
    def budget(self, dollars: float | None) -> None:
        self._set("budget", dollars)

    @property
    def budget_tokens(self) -> float | None:
        """Tokens that this kernel may use with models whose price is not known; None: no limit."""
        return self._home.settings.budget_tokens

    @budget_tokens.setter
    def budget_tokens(self, tokens: float | None) -> None:
        self._set("budget_tokens", tokens)

    @property
    def ask_above(self) -> float | None:
        """US dollars of one request, above which it needs ``--yes`` (``yes=True``); None: never."""
        return self._home.settings.ask_above

    @ask_above.setter
    def ask_above(self, dollars: float | None) -> None:
        self._set("ask_above", dollars)

    def _set(self, name: str, value: float | None) -> None:
        self._home.host.configure(self._home.settings, name, amount(name, value))


@dataclasses.dataclass(frozen=True)
class _Sum:
    """Dollars, and tokens of unknown price."""

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
        What was spent; it grows.
    attended : callable
        Whether somebody sits in front.
    """

    def __init__(self, settings: Settings, spendings: Sequence[Spending], attended: Callable[[], bool]) -> None:
        self.settings = settings
        self._spendings = spendings
        self._attended = attended
        self._open: list[Allowance] = []
        self._lock = threading.Lock()

    def limit(self, *, simulated: bool) -> float | None:
        """US dollars; None for no limit."""
        if self.settings.budget is None and not simulated and not self._attended():
            return UNATTENDED
        return self.settings.budget

    @contextlib.contextmanager
    def question(self, *, yes: bool) -> Iterator[Allowance]:
        """What one question may spend; until its end its requests count for the others."""
        allowance = Allowance(self, yes=yes)
        with self._lock:
            self._open.append(allowance)
        try:
            yield allowance
        finally:
            with self._lock:
                self._open.remove(allowance)

    def _reserve(self, mine: Allowance, pending: _Sum, check: Callable[[_Sum], None]) -> None:
        """Check what would be spent, and count it from now on: one after the other, as requests come."""
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
        Whether the user said so: then the question is sent although it is above ``ask_above`` or the
        budget. What comes after its first answer keeps to the budget.

    Attributes
    ----------
    pending : _Sum
        What it has spent and is going to spend with the request that was checked last.
    simulated : bool
    """

    def __init__(self, budget: Budget, *, yes: bool) -> None:
        self._budget = budget
        self._yes = yes
        self.pending = _Sum()
        self.simulated = False

    def check(self, coming: Estimate, answered: Sequence[Reply], *, simulated: bool) -> None:
        """Stop a request that is not to be sent.

        Parameters
        ----------
        coming : Estimate
        answered : sequence of Reply
            The messages that answer the same question already.
        simulated : bool

        Raises
        ------
        OverBudget
        """
        settings, self.simulated = self._budget.settings, simulated
        pending = _sum(answered)
        spent_here, request = pending, _Sum.of(coming.dollars, coming.input + coming.output)

        def check(elsewhere: _Sum) -> None:
            spent = elsewhere + spent_here
            after = spent + request
            dollars, tokens = self._budget.limit(simulated=simulated), settings.budget_tokens
            over = dollars is not None and coming.dollars is not None and after.dollars > dollars
            over_tokens = tokens is not None and coming.dollars is None and after.tokens > tokens
            large = settings.ask_above is not None and (coming.dollars or 0) > settings.ask_above
            if (over or over_tokens) and (answered or not self._yes):
                raise OverBudget(self._said(coming, spent))
            if large and not self._yes:
                raise OverBudget(self._said(coming, spent))

        self._budget._reserve(self, pending + request, check)

    def bounded(self, *, simulated: bool) -> bool:
        """Whether there is a budget at all."""
        return self._budget.limit(simulated=simulated) is not None or self._budget.settings.budget_tokens is not None

    def at_its_end(self, coming: Estimate, last: Estimate, answered: Sequence[Reply], *, simulated: bool) -> str:
        """The limit, in words, if there is room for no more than one request; empty if there is more.

        Parameters
        ----------
        coming : Estimate
        last : Estimate
            What the request after it would cost that asks for a conclusion.
        answered : sequence of Reply
        simulated : bool
        """
        dollars, tokens = self._budget.limit(simulated=simulated), self._budget.settings.budget_tokens
        found: list[_Sum] = []
        self._budget._reserve(self, self.pending, found.append)
        after = found[0] + _sum(answered)
        for each in (coming, last):
            after += _Sum.of(each.dollars, each.input + each.output)
        if dollars is not None and after.dollars > dollars:
            return f"the budget of {usd(dollars)}"
        return f"the budget of {tokens:,.0f} tokens" if tokens is not None and after.tokens > tokens else ""

    def _said(self, coming: Estimate, spent: _Sum) -> str:
        settings = self._budget.settings
        limit = self._budget.limit(simulated=self.simulated)
        raise_what = "claude.budget"
        if coming.dollars is None:
            of = f"spent {spent.tokens:,} of {settings.budget_tokens:,.0f}; no price is known for {coming.model}"
            raise_what = "claude.budget_tokens"
        else:
            of = f"about {in_words(coming.dollars)}"
            if limit is not None and spent.dollars + coming.dollars > limit:
                of += f"; spent {usd(spent.dollars).removesuffix(' USD')} of {usd(limit)}"
                of += ", the budget where nobody sits in front" if settings.budget is None else ""
            else:
                of += f", more than the {in_words(settings.ask_above or 0)} of ask_above"
                raise_what = "claude.ask_above"
        simulated = ", all of it simulated" if self.simulated else ""
        about = _rounded(coming.input)
        return f"This would send about {about:,} tokens ({of}{simulated}). Add --yes, use --new, or raise {raise_what}."


def _sum(answered: Sequence[Reply]) -> _Sum:
    costs = ((message.counted.cost(message.model), message.counted) for message in answered)
    sums = (
        _Sum.of(float(cost) if cost is not None else None, usage.total_input + usage.output_tokens)
        for cost, usage in costs
    )
    return sum(sums, start=_Sum())


def _rounded(tokens: int) -> int:
    """Three figures: more would look like a count."""
    return int(float(f"{tokens:.3g}"))
