"""The simulated server: a tornado server on its own thread and event loop."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType

from tornado.httpserver import HTTPServer
from tornado.web import Application

from . import handlers
from .answers import Ids
from .caching import Cache
from .files import MOST_BYTES, Files
from .plan import Plan
from .recorded import Recorded

_LARGEST_BODY = MOST_BYTES + 16 * 1024 * 1024
"""Bodies up to this size are read, so that one that is too large can be told so."""

_HOST = "127.0.0.1"


class Faults:
    """Plans for the next requests, oldest first; each plan is used as often as it says."""

    def __init__(self) -> None:
        self._plans: collections.deque[Plan] = collections.deque()
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
        """Forget all that are left."""
        with self._lock:
            self._plans.clear()

    def take(self) -> Plan | None:
        """The plan for one request."""
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


class Simulator:
    """A server that speaks the Messages API without a model.

    Parameters
    ----------
    port : int
        0 for any free one.
    pace : float, optional
        Content deltas a second; as fast as possible if left out.
    plan : Plan or str, optional
        What should happen to answers for which nothing else is planned.
    clock : callable
        Seconds since 1970; the prompt cache and uploaded files live by it.

    Attributes
    ----------
    url : str
        For instance ``http://127.0.0.1:49152``.
    requests : list of Recorded
        In the order of their arrival.
    faults : Faults
        Plans for the next requests to ``/v1/messages``.
    files : Files
        What was uploaded.
    keys : set of str or None
        The keys that are accepted. None accepts every key but one that begins with ``wrong``.

    Examples
    --------
    >>> with start() as simulator:
    ...     simulator.faults.append("529; times=2")
    """

    def __init__(
        self,
        port: int = 0,
        pace: float | None = None,
        plan: Plan | str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.pace = pace
        self.plan = Plan.parse(plan) if isinstance(plan, str) else plan or Plan()
        self.clock = clock
        self.keys: set[str] | None = None
        self.requests: list[Recorded] = []
        self.faults = Faults()
        self.ids = Ids()
        self.cache = Cache(clock)
        self.files = Files(self.ids, clock)
        self.working: set[asyncio.Task[None]] = set()
        self._socket = socket.create_server((_HOST, port), backlog=128)
        self._socket.setblocking(False)  # noqa: FBT003  takes no keyword
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{_HOST}:{self.port}"
        self._ready, self._stopping = threading.Event(), threading.Event()
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="claude-magic simulator", daemon=True)
        self._thread.start()
        self._ready.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        application = Application(handlers.routes(self), log_function=lambda handler: None)
        server = HTTPServer(application, max_buffer_size=_LARGEST_BODY, decompress_request=True)
        server.add_socket(self._socket)
        self._ready.set()
        await self._over.wait()
        server.stop()
        for task in tuple(self.working):
            task.cancel()
        await asyncio.gather(*self.working, return_exceptions=True)
        await server.close_all_connections()

    def stop(self) -> None:
        """End every open stream and stop; again and again if you like."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def serve_forever(self) -> None:
        """Wait until Ctrl-C or :meth:`stop`, then stop."""
        try:
            self._stopping.wait()
        except KeyboardInterrupt:
            pass
        finally:
            self.stop()

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "stopped" if self._stopping.is_set() else f"at {self.url}"
        return f"<Simulator {state}, {len(self.requests)} requests>"


def start(port: int = 0, pace: float | None = None, plan: Plan | str | None = None) -> Simulator:
    """Start a simulator on a thread of its own; it listens when this returns.

    Parameters
    ----------
    port : int
        0 for any free one.
    pace : float, optional
        Content deltas a second; as fast as possible if left out.
    plan : Plan or str, optional
        What should happen to answers for which nothing else is planned.

    Returns
    -------
    Simulator
        A context manager, too.

    Raises
    ------
    OSError
        If the port is taken.
    """
    return Simulator(port, pace, plan)
