"""Where outputs go: what is used of IPython's display publisher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable


class Publisher(Protocol):
    """What is used of IPython's display publisher."""

    def publish(self, data: dict[str, Any], metadata: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Show a bundle."""

    def clear_output(self, wait: bool = False) -> None:
        """Clear the cell."""


@runtime_checkable
class HookedPublisher(Publisher, Protocol):
    """One that can be asked what this thread shows, as that of a kernel."""

    def register_hook(self, hook: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Let a function see each message."""

    def unregister_hook(self, hook: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """No more."""
