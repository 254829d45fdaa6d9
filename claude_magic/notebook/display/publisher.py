"""The part of IPython's display publisher that answers are drawn with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

Bundle = dict[str, str]
"""An output by MIME type."""
Metadata = Mapping[str, object] | None


class Publisher(Protocol):
    """Sends outputs to the front end."""

    def publish(self, data: Bundle, metadata: Metadata, *, transient: dict[str, str], update: bool) -> None:
        """Show an output."""

    def clear_output(self, wait: bool = False) -> None:
        """Clear the output of the cell."""


@runtime_checkable
class HookedPublisher(Publisher, Protocol):
    """A kernel's publisher, which lets hooks see each message that the calling thread publishes."""

    def register_hook(self, hook: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Add a hook, which returns the message to send."""

    def unregister_hook(self, hook: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Remove a hook."""
