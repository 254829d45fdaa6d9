"""The gateway itself: check, meter and bill each request. It depends on no web framework."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from claude_magic.gateway.auth import Caller, KernelTokens
from claude_magic.gateway.ledger import DOLLAR, Ledger, Reservation
from claude_magic.gateway.meter import Meter
from claude_magic.gateway.parsed_request import ParsedRequest
from claude_magic.gateway.quotas import Quota
from claude_magic.gateway.rate_limiter import RateLimiter
from claude_magic.gateway.rejection import Rejection
from claude_magic.gateway.upstream import Unreachable, Upstream
from claude_magic.messages.usage import Usage


class MeteredAnswer:
    """One answer in progress: its bytes are metered and its cost is entered into the ledger.

    Attributes
    ----------
    meter : Meter
    failed : bool
        Set this if the API returned an error, which costs nothing.
    """

    def __init__(self, ledger: Ledger, number: int, meter: Meter, on_end: Callable[[], None]) -> None:
        self.meter = meter
        self.failed = False
        self._on_end = on_end
        self._settled = False
        self._requested_model = meter.model
        self._ledger = ledger
        self._number = number
        self._updated = False

    def feed(self, chunk: bytes) -> None:
        """Meter some bytes. Call this before forwarding them: a client that has read the end may ask again at once."""
        self.meter.feed(chunk)
        if self.meter.ended:
            self.settle()
        elif self.meter.begun and not self._updated:
            self._updated = True
            self._ledger.update(self._number, self.meter.usage, self._cost())

    def settle(self) -> None:
        """Enter the final cost; calling it again has no effect."""
        if self._settled:
            return
        self._settled = True
        self._on_end()
        if self.failed:
            self._ledger.release(self._number)
            return
        self.meter.close()
        state = "whole" if self.meter.ended else "broken"
        self._ledger.settle(self._number, state, self.meter.usage, self._cost())

    def _cost(self) -> int:
        """Price by the model that answers, or by the requested one if the price of the former is unknown."""
        usage = self.meter.usage
        cost = _cost(usage, self.meter.model)
        return (_cost(usage, self._requested_model) or 0) if cost is None else cost


class Gateway:
    """Stands between the kernels of a server and the API.

    Parameters
    ----------
    upstream : Upstream
    ledger : Ledger
    quota_of : callable
        Returns the quota of a user.
    log : logging.Logger, optional

    Attributes
    ----------
    tokens : KernelTokens
    tasks : set of asyncio.Task
        Requests in progress; the web handlers add and remove them.
    """

    def __init__(
        self,
        upstream: Upstream,
        ledger: Ledger,
        quota_of: Callable[[str], Quota],
        log: logging.Logger | None = None,
    ) -> None:
        self.upstream = upstream
        self.ledger = ledger
        self.quota_of = quota_of
        self.log = log or logging.getLogger(__name__)
        self.tokens = KernelTokens()
        self.tasks: set[asyncio.Task[None]] = set()
        self._limiter = RateLimiter()
        self._clock_was_back = False
        if ledger.lost:
            self.log.warning(
                "Claude: answers in progress when the server last stopped: %d. "
                "The ledger counts what was received of them.",
                ledger.lost,
            )

    def check(self, caller: Caller, request: ParsedRequest | None = None) -> None:
        """Count a request, and reject it if the caller's quota does not allow it.

        Raises
        ------
        Rejection
        """
        quota = self.quota_of(caller.user)
        self._limiter.count_request(caller.user, quota)
        if request is not None:
            quota.check_model(request.model)

    @contextmanager
    def metered(self, caller: Caller, request: ParsedRequest) -> Iterator[MeteredAnswer]:
        """Reserve the cost of an answer before the request is sent, and settle it in the end.

        Raises
        ------
        Rejection
            If the quota does not allow the request, or the ledger cannot be written.
        """
        self.check(caller, request)
        self._warn_of_clock()
        quota = self.quota_of(caller.user)
        with ExitStack() as stack:
            stack.enter_context(self._limiter.stream(caller.user, quota))
            reservation = self._reservation(caller, request, priced=quota.dollars_per_day > 0)
            try:
                number = self.ledger.reserve(reservation, quota.check_budget)
            except sqlite3.Error as error:
                self.log.error("Claude: the ledger cannot be written: %s", error)
                raise Rejection(
                    503,
                    f"The ledger of this Jupyter server cannot be written ({error}), so nothing was sent. "
                    "Tell whoever runs the server",
                ) from None
            answer = MeteredAnswer(self.ledger, number, Meter(request.estimated, request.model), stack.close)
            try:
                yield answer
            except Unreachable:
                answer.failed = True
                raise
            finally:
                answer.settle()

    async def close(self) -> None:
        """Cancel the requests in progress, and close the ledger."""
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.upstream.close()
        self.ledger.close()

    def _warn_of_clock(self) -> None:
        back, was = self.ledger.clock_is_back, self._clock_was_back
        self._clock_was_back = back
        if back and not was:
            self.log.warning("Claude: the clock was set back; no new day begins until %s is over.", self.ledger.today())

    def _reservation(self, caller: Caller, request: ParsedRequest, *, priced: bool) -> Reservation:
        cost = _cost(request.estimated, request.model)
        if priced and (cost is None or request.fast):
            what = f"{request.model} at another speed" if request.fast else request.model
            raise Rejection(
                403,
                f"This server has a budget in dollars and does not know the price of {what}. Choose another model",
            )
        most = _cost(Usage(output_tokens=request.max_output), request.model)
        return Reservation(
            caller.user,
            caller.kernel,
            request.model,
            self.upstream.simulated,
            request.estimated,
            cost or 0,
            request.max_output,
            most or 0,
        )


def _cost(usage: Usage, model: str) -> int | None:
    """Billionths of a US dollar; None if the price is unknown."""
    dollars = usage.cost(model)
    return None if dollars is None else round(dollars * DOLLAR)
