"""Output for a cell that has ended: messages that belong to its execution, whichever cell runs meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from claude_magic.notebook.display.publisher import Bundle, Metadata


@contextlib.contextmanager
def redirect_output(shell: Any, parent: dict[str, Any]) -> Iterator[None]:
    """Send what the main thread of a kernel shows to the cell that a request, ``parent``, ran."""
    current = shell.get_parent()
    shell.set_parent(parent)
    try:
        yield
    finally:
        shell.set_parent(current)


class LateOutputPublisher:
    """Publishes to the execution that is running now, even after another one has started.

    A kernel's own publisher uses the thread's context or (ipykernel 6) whichever cell is running. Its
    session takes the parent of a message as given.

    Parameters
    ----------
    publisher : ipykernel.zmqshell.ZMQDisplayPublisher
    parent : dict
        The request that runs the cell.
    """

    def __init__(self, publisher: Any, parent: dict[str, Any]) -> None:
        self._publisher = publisher
        self._parent = parent

    def publish(self, data: Bundle, metadata: Metadata, *, transient: dict[str, str], update: bool) -> None:
        """Show an output."""
        kind = "update_display_data" if update else "display_data"
        self._send(kind, {"data": data, "metadata": metadata or {}, "transient": transient})

    def clear_output(self, wait: bool = False) -> None:
        """Clear the output of the cell."""
        self._send("clear_output", {"wait": wait})

    def _send(self, kind: str, content: dict[str, object]) -> None:
        publisher = self._publisher
        publisher.session.send(publisher.pub_socket, kind, content, parent=self._parent, ident=publisher.topic)
