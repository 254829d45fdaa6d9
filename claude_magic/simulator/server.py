"""The simulator as a tornado server on its own thread and event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType

from tornado.httpserver import HTTPServer
from tornado.web import Application

from . import endpoints
from .file_storage import MAX_FILE_BYTES
from .plan import Plan
from .simulator_state import SimulatorState

_MAX_BODY_BYTES = MAX_FILE_BYTES + 16 * 1024 * 1024
"""Tornado reads bodies up to this size, so that a body over the API's own limit still gets its 413."""

_HOST = "127.0.0.1"


class Simulator(SimulatorState):
    """A server that behaves like the Messages API but needs no model; :func:`start` starts one.

    Parameters
    ----------
    port : int
        0 for any free port.
    pace : float, optional
        Content deltas per second; as fast as possible if left out.
    plan : Plan or str, optional
        The plan for answers that no other plan applies to.
    clock : callable
        Seconds since 1970; prompt cache entries and uploaded files expire by it.

    Attributes
    ----------
    url : str
        For instance ``http://127.0.0.1:49152``.
    requests : list of Recorded
        In order of arrival.
    faults : Faults
        Plans for the next requests to ``/v1/messages``.
    files : FileStorage
        Uploaded files.
    keys : set of str or None
        Accepted API keys. None accepts every key that does not begin with ``wrong``.

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
        super().__init__(pace, plan, clock)
        self._socket = socket.create_server((_HOST, port), backlog=128)
        self._socket.setblocking(False)  # noqa: FBT003  takes no keyword
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{_HOST}:{self.port}"
        self._ready, self._stopping = threading.Event(), threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
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
        application = Application(endpoints.routes(self), log_function=lambda handler: None)
        server = HTTPServer(application, max_buffer_size=_MAX_BODY_BYTES, decompress_request=True)
        server.add_socket(self._socket)
        self._ready.set()
        await self._stopped.wait()
        server.stop()
        for task in tuple(self.working):
            task.cancel()
        await asyncio.gather(*self.working, return_exceptions=True)
        await server.close_all_connections()

    def stop(self) -> None:
        """End all open streams and stop the server; calling it again does no harm."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def serve_forever(self) -> None:
        """Wait for Ctrl-C or :meth:`stop`, then stop the server."""
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
    """Start a simulator of the Messages API on a thread of its own; it accepts requests when this returns.

    Parameters
    ----------
    port : int
        0 for any free port.
    pace : float, optional
        Content deltas per second; as fast as possible if left out.
    plan : Plan or str, optional
        The plan for answers that no other plan applies to.

    Returns
    -------
    Simulator
        Also a context manager that stops the server.

    Raises
    ------
    OSError
        If the port is in use.
    """
    return Simulator(port, pace, plan)
