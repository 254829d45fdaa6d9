"""What one process may see of another of the same user."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def hide_process() -> bool:
    """Keep other processes of the same user out of this one's memory and first environment (Linux).

    The environment with which a process was started stays readable in ``/proc/PID/environ``,
    whatever the process does to its own copy. A process that is not *dumpable* shows neither that
    nor its memory to anybody but the superuser; programs that it starts are not affected.

    Returns
    -------
    bool
        Whether it worked.
    """
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False
