"""Keep a process's secrets from other processes of the same user."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def hide_process() -> bool:
    """Hide this process's memory and initial environment from others of the same user (Linux only).

    ``/proc/PID/environ`` keeps showing the environment that a process was started with, even after
    the process has changed its own copy. For a process that is not *dumpable* only the superuser can
    read that file or the memory. Programs that it starts are not affected.

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
