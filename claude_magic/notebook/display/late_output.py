"""Showing something in a cell that has ended: messages that belong to its execution, whichever runs meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def showing_in(shell: Any, parent: dict[str, Any]) -> Iterator[None]:
    """What the main thread shows in here goes to the cell of this request.

    Parameters
    ----------
    shell : ipykernel.zmqshell.ZMQInteractiveShell
    parent : dict
    """
    now = shell.get_parent()
    shell.set_parent(parent)
    try:
        yield
    finally:
        shell.set_parent(now)


class EndedCell:
    """Publishes into the execution that runs now, also when another one does.

    A kernel's own publisher shows where the thread's context says, or (ipykernel 6) in whatever cell
    runs. The session that it sends with takes the parent of a message as it is given.

    Parameters
    ----------
    publisher : ipykernel.zmqshell.ZMQDisplayPublisher
    parent : dict
        The request that runs the cell.
    """

    def __init__(self, publisher: Any, parent: dict[str, Any]) -> None:
        self._publisher = publisher
        self._parent = parent

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
    ) -> None:
        """Show a bundle of texts."""
        kind = "update_display_data" if update else "display_data"
        self._send(kind, {"data": data, "metadata": metadata or {}, "transient": transient or {}})

    def clear_output(self, wait: bool = False) -> None:
        """Clear the cell."""
        self._send("clear_output", {"wait": wait})

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        publisher = self._publisher
        publisher.session.send(publisher.pub_socket, kind, content, parent=self._parent, ident=publisher.topic)
