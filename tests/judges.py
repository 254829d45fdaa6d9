"""Judges and counterparts that this project did not write; without them a test says what it misses."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest


def require_judge(name: str) -> str:
    """The path of a program, beside this Python or on the PATH; skips or, where all must be there, fails."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        message = f"{name} is not installed"
        if os.environ.get("CLAUDE_MAGIC_REQUIRE_JUDGES"):
            pytest.fail(message)
        pytest.skip(message)
    return found
