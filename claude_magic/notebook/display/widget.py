"""The kernel's half of the widget, in the Jupyter widget protocol; ``live.js`` and ``live.css`` are its view."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any


@functools.cache
def _view() -> dict[str, str]:
    """The state that is the same for every answer: the code of the view, and the anywidget version that runs it."""
    major, minor, *_ = version("anywidget").split(".")
    compatible = f"~{major}.{minor}.0"
    here = Path(__file__).with_name("live.js")
    return {
        "_model_name": "AnyModel",
        "_model_module": "anywidget",
        "_model_module_version": compatible,
        "_view_name": "AnyView",
        "_view_module": "anywidget",
        "_view_module_version": compatible,
        "_esm": here.read_text("utf-8"),
        "_css": here.with_suffix(".css").read_text("utf-8"),
        "_anywidget_id": "claude_magic.notebook.display.live",
    }


class LiveWidget:
    """A widget model whose state is mirrored in the page; ipywidgets is not needed in the kernel."""

    def __init__(self, **state: object) -> None:
        from comm import create_comm

        self._comm = create_comm(
            target_name="jupyter.widget",
            data={"state": {**_view(), **state}, "buffer_paths": []},
            metadata={"version": "2.1.0"},
        )
        self._number = 0

    def set(self, **state: object) -> None:
        """Update a part of the state; a serial number lets the page ignore outdated updates."""
        self._number += 1
        self._comm.send({"method": "update", "state": {**state, "number": self._number}, "buffer_paths": []})

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call a function when Stop is pressed in the page; the kernel receives that only between cells."""
        self._comm.on_msg(lambda message: stop() if _is_stop(message) else None)

    def close(self) -> None:
        """Remove the widget from the page."""
        self._comm.close()


def _is_stop(message: dict[str, Any]) -> bool:
    data = message["content"]["data"]
    return data.get("method") == "custom" and (data.get("content") or {}).get("stop") is True
