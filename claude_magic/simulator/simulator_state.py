"""The state that the endpoints of one simulator share."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator

from .file_storage import FileStorage
from .id_counters import IdCounters
from .plan import Plan
from .prompt_cache import PromptCache
from .request_log import Recorded


class Faults:
    """Plans for the next requests, oldest first; each is used as many times as it says.

    Append plans or their text: ``simulator.faults.append("529; retry-after=2; times=2")``.
    """

    def __init__(self) -> None:
        self._plans: collections.deque[Plan] = collections.deque()
        # Tests append on their own thread while the server takes plans on its.
        self._lock = threading.Lock()

    def append(self, plan: Plan | str) -> None:
        """Add a plan, or the text of one."""
        parsed = Plan.parse(plan) if isinstance(plan, str) else plan
        with self._lock:
            self._plans.append(parsed)

    def extend(self, plans: Iterable[Plan | str]) -> None:
        """Add several plans."""
        for plan in plans:
            self.append(plan)

    def clear(self) -> None:
        """Discard all plans that are left."""
        with self._lock:
            self._plans.clear()

    def take(self) -> Plan | None:
        """Remove and return the plan for one request; None if there is none."""
        with self._lock:
            if not self._plans:
                return None
            plan = self._plans.popleft()
            if plan.times > 1:
                self._plans.appendleft(dataclasses.replace(plan, times=plan.times - 1))
            return plan

    def __len__(self) -> int:
        return sum(plan.times for plan in self._plans)

    def __iter__(self) -> Iterator[Plan]:
        return iter(tuple(self._plans))


class SimulatorState:
    """Settings of one simulator, and what it remembers from one request to the next.

    Its public part is described at :class:`~.server.Simulator`; ``working`` holds the tasks that are
    answering requests, to be cancelled when the server stops.
    """

    def __init__(self, pace: float | None, plan: Plan | str | None, clock: Callable[[], float]) -> None:
        self.pace = pace
        self.plan = Plan.parse(plan) if isinstance(plan, str) else plan or Plan()
        self.clock = clock
        self.keys: set[str] | None = None
        self.requests: list[Recorded] = []
        self.faults = Faults()
        self.ids = IdCounters()
        self.cache = PromptCache(clock)
        self.files = FileStorage(self.ids, clock)
        self.working: set[asyncio.Task[None]] = set()
