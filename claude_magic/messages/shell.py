"""The IPython shell this may run in. IPython is never imported here, only used if it already is."""

from __future__ import annotations

import sys
from typing import Any


def running_shell() -> Any:
    """The running shell, or None."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_ipython() if get_ipython is not None else None


def append_next_input(shell: Any, source: str) -> None:
    """Add source to the next input: a new cell below the running one, or the next prompt.

    Front ends create one new cell per execution, so later source goes into the same cell, below the first.
    """
    payloads = shell.payload_manager.read_payload()
    below = [one["text"] for one in payloads if one.get("source") == "set_next_input" and not one.get("replace")]
    waiting = below[-1] if below else getattr(shell, "rl_next_input", None)
    shell.set_next_input(f"{waiting}\n\n{source}" if waiting else source, replace=False)
