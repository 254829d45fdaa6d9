"""The IPython in which this may run: it is asked if it is there, and never imported."""

from __future__ import annotations

import sys
from typing import Any


def running_shell() -> Any:
    """The shell; None where there is none."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_ipython() if get_ipython is not None else None


def put_next(shell: Any, source: str) -> None:
    """Put source where the user writes next: in a new cell below the one that runs, or at the next prompt.

    Front ends make one new cell for an execution; what is put a second time stands there below the first.

    Parameters
    ----------
    shell : IPython.core.interactiveshell.InteractiveShell
    source : str
    """
    payloads = shell.payload_manager.read_payload()
    below = [one["text"] for one in payloads if one.get("source") == "set_next_input" and not one.get("replace")]
    waiting = below[-1] if below else getattr(shell, "rl_next_input", None)
    shell.set_next_input(f"{waiting}\n\n{source}" if waiting else source, replace=False)
