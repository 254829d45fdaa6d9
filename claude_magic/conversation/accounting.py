"""What a conversation costs, and what it may cost."""

from __future__ import annotations

from claude_magic.engine.bill import Bill, BilledUsage, Cost
from claude_magic.engine.budget import amount
from claude_magic.engine.session import Session


class Accounting:
    """Usage, cost and limits as attributes of a conversation; limits hold for all conversations of its kernel."""

    __slots__ = ()
    name: str
    home: Session

    @property
    def usage(self) -> BilledUsage:
        """Tokens of all its answers, including replaced and undone ones; shows as a table.

        Simulated answers count only while there are no others.
        """
        return BilledUsage.of(Bill(self.name, self.home.spendings))

    @property
    def cost(self) -> Cost | None:
        """US dollars of all its answers without simulated ones; None if a price is not known. Shows as a table."""
        return Cost.of(Bill(self.name, self.home.spendings))

    @property
    def budget(self) -> float | None:
        """US dollars that all conversations of this kernel may spend; None: no limit.

        In unattended runs (a notebook run by a program, a script) it is 1 dollar until it is set;
        ``float("inf")`` means no limit there.
        """
        return self.home.budget.limit(simulated=False)

    @budget.setter
    def budget(self, dollars: float | None) -> None:
        self._configure("budget", dollars)

    @property
    def budget_tokens(self) -> float | None:
        """Tokens that this kernel may use of models whose price is not known; None: no limit."""
        return self.home.settings.budget_tokens

    @budget_tokens.setter
    def budget_tokens(self, tokens: float | None) -> None:
        self._configure("budget_tokens", tokens)

    @property
    def ask_above(self) -> float | None:
        """US dollars of one request above which it needs ``--yes`` (``yes=True``); None: never."""
        return self.home.settings.ask_above

    @ask_above.setter
    def ask_above(self, dollars: float | None) -> None:
        self._configure("ask_above", dollars)

    def _configure(self, name: str, value: float | None) -> None:
        self.home.environment.configure(self.home.settings, name, amount(name, value))
