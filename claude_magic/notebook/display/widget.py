"""The model of a widget, in the protocol that all widgets speak; ``live.js`` and ``live.css`` are its view."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any


@functools.cache
def _module() -> dict[str, str]:
    """What the page needs to draw, the same for every answer: the view's code, and which widget runs it."""
    major, minor, *_ = version("anywidget").split(".")
    fits = f"~{major}.{minor}.0"
    here = Path(__file__).with_name("live.js")
    return {
        "_model_name": "AnyModel",
        "_model_module": "anywidget",
        "_model_module_version": fits,
        "_view_name": "AnyView",
        "_view_module": "anywidget",
        "_view_module_version": fits,
        "_esm": here.read_text("utf-8"),
        "_css": here.with_suffix(".css").read_text("utf-8"),
        "_anywidget_id": "claude_magic.notebook.display.live",
    }


class Page:
    """The model of a widget: what is set here is set in the page.

    The module needs nothing of ipywidgets in the kernel, only the protocol that all widgets speak.

    Parameters
    ----------
    state : dict
        What it begins with.
    """

    def __init__(self, **state: Any) -> None:
        from comm import create_comm

        self._comm = create_comm(
            target_name="jupyter.widget",
            data={"state": {**_module(), **state}, "buffer_paths": []},
            metadata={"version": "2.1.0"},
        )
        self._number = 0

    def set(self, **state: Any) -> None:
        """Change a part of the state; the number tells the page what is older."""
        self._number += 1
        self._comm.send({"method": "update", "state": {**state, "number": self._number}, "buffer_paths": []})

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call a function when the page's button is pressed; the kernel hears of it between cells."""
        self._comm.on_msg(lambda message: stop() if _is_stop(message) else None)

    def close(self) -> None:
        """Take it out of the page."""
        self._comm.close()


def _is_stop(message: dict[str, Any]) -> bool:
    data = message["content"]["data"]
    return data.get("method") == "custom" and (data.get("content") or {}).get("stop") is True
