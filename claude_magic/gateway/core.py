"""The gateway itself: who may ask for what, and what it came to. It knows no web framework."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from claude_magic.gateway.asked import Asked
from claude_magic.gateway.callers import Caller, KernelTokens
from claude_magic.gateway.ledger import DOLLAR, Entry, Ledger
from claude_magic.gateway.limits import Door, Limits
from claude_magic.gateway.meter import Meter
from claude_magic.gateway.refusal import Refusal
from claude_magic.gateway.upstream import NothingSent, Upstream
from claude_magic.messages import gateway_environment
from claude_magic.messages.usage import Usage


class Answer:
    """One answer on its way, as the books see it.

    Attributes
    ----------
    meter : Meter
        Is to be fed with every byte.
    refused : bool
        To be set if the API answered with an error: it bills nothing for that.
    """

    def __init__(self, ledger: Ledger, number: int, meter: Meter, leave: Callable[[], None]) -> None:
        self.meter = meter
        self.refused = False
        self._leave = leave
        self._settled = False
        self._asked = meter.model
        self._ledger = ledger
        self._number = number
        self._noted = False

    def feed(self, chunk: bytes) -> None:
        """Count some bytes, before they are passed on: whoever has read the end may ask again at once."""
        self.meter.feed(chunk)
        if self.meter.ended:
            self.settle()
        elif self.meter.begun and not self._noted:
            self._noted = True
            self._ledger.note(self._number, self.meter.usage, self._cost())

    def settle(self) -> None:
        """There will be no more: enter what it came to, once."""
        if self._settled:
            return
        self._settled = True
        self._leave()
        if self.refused:
            self._ledger.withdraw(self._number)
            return
        self.meter.close()
        state = "whole" if self.meter.ended else "broken"
        self._ledger.settle(self._number, state, self.meter.usage, self._cost())

    def _cost(self) -> int:
        """By the model that answers; by the one that was asked if nobody knows the other's price."""
        usage = self.meter.usage
        cost = _cost(usage, self.meter.model)
        return (_cost(usage, self._asked) or 0) if cost is None else cost


class Gateway:
    """What is between the kernels of a room and the API.

    Parameters
    ----------
    upstream : Upstream
    ledger : Ledger
    limits_of : callable
        The limits of a user.
    log : logging.Logger, optional

    Attributes
    ----------
    tokens : KernelTokens
    working : set of asyncio.Task
        Requests that are being answered; whoever serves them enters and removes them.
    """

    def __init__(
        self,
        upstream: Upstream,
        ledger: Ledger,
        limits_of: Callable[[str], Limits],
        log: logging.Logger | None = None,
    ) -> None:
        self.upstream = upstream
        self.ledger = ledger
        self.limits_of = limits_of
        self.log = log or logging.getLogger(__name__)
        self.tokens = KernelTokens()
        self.working: set[asyncio.Task[None]] = set()
        self._door = Door()
        self._clock_was_back = False
        if ledger.lost:
            self.log.warning(
                "Claude: %d answers were on their way when the server ended; the ledger counts what was seen of them.",
                ledger.lost,
            )

    def check(self, caller: Caller, asked: Asked | None = None) -> None:
        """Count a request, and refuse it if the caller's limits say so.

        Raises
        ------
        Refusal
        """
        limits = self.limits_of(caller.user)
        self._door.knock(caller.user, limits)
        if asked is not None:
            limits.check_model(asked.model)

    @contextmanager
    def answering(self, caller: Caller, asked: Asked) -> Iterator[Answer]:
        """Enter an answer into the ledger before it is asked for, and what it came to when it has ended.

        Raises
        ------
        Refusal
            If the limits or the ledger do not allow it.
        """
        self.check(caller, asked)
        self._look_at_the_clock()
        limits = self.limits_of(caller.user)
        with ExitStack() as stack:
            stack.enter_context(self._door.inside(caller.user, limits))
            entry = self._entry(caller, asked, priced=limits.dollars_per_day > 0)
            try:
                number = self.ledger.promise(entry, limits.check_spent)
            except sqlite3.Error as error:
                self.log.error("Claude: the ledger cannot be written: %s", error)
                raise Refusal(
                    503,
                    "api_error",
                    f"The ledger of this Jupyter server cannot be written ({error}), so nothing was sent. "
                    "Tell whoever runs it",
                ) from None
            answer = Answer(self.ledger, number, Meter(asked.estimated, asked.model), stack.close)
            try:
                yield answer
            except NothingSent:
                answer.refused = True
                raise
            finally:
                answer.settle()

    async def close(self) -> None:
        """End every answer that is on its way, and close the books."""
        for task in tuple(self.working):
            task.cancel()
        await asyncio.gather(*self.working, return_exceptions=True)
        await self.upstream.close()
        self.ledger.close()

    def _look_at_the_clock(self) -> None:
        back, was = self.ledger.clock_is_back, self._clock_was_back
        self._clock_was_back = back
        if back and not was:
            self.log.warning(
                "Claude: the clock was set back; until %s is over, no new day begins.", self.ledger.today()
            )

    def _entry(self, caller: Caller, asked: Asked, *, priced: bool) -> Entry:
        cost = _cost(asked.estimated, asked.model)
        if priced and (cost is None or asked.fast):
            what = f"{asked.model} at another speed" if asked.fast else asked.model
            raise Refusal(
                403,
                "permission_error",
                f"This server keeps a budget in dollars, and the price of {what} is not known to it. "
                "Choose another model",
            )
        most = _cost(Usage(output_tokens=asked.most_output), asked.model)
        return Entry(
            caller.user,
            caller.kernel,
            asked.model,
            self.upstream.simulated,
            asked.estimated,
            cost or 0,
            asked.most_output,
            most or 0,
        )


def _cost(usage: Usage, model: str) -> int | None:
    """Billionths of a US dollar; None if the price is unknown."""
    dollars = usage.cost(model)
    return None if dollars is None else round(dollars * DOLLAR)


def kernel_environment(environ: Mapping[str, str], url: str, token: str, host: str, model: str = "") -> dict[str, str]:
    """What a kernel finds in its environment.

    Parameters
    ----------
    environ : mapping
        What it would find otherwise. If it names a key or an address already, its kernel spec does:
        the server's own were taken out, so it stays as it is.
    url : str
        Of the gateway.
    token : str
        The kernel's own.
    host : str
        Who answers in the end.
    model : str
        What is asked where nobody names a model, if not the usual one.
    """
    if any(environ.get(name) for name in TAKEN):
        return dict(environ)
    return {
        **({"ANTHROPIC_MODEL": model} if model else {}),
        **environ,
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": token,
        gateway_environment.ADDRESS: url,
        gateway_environment.UPSTREAM: host,
    }


TAKEN = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_BASE_URL")
"""What the server takes out of its environment, so that its kernels do not inherit it."""
