"""Third-party judges and counterparts; a test that lacks one names it."""

from __future__ import annotations

import importlib.resources
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import free_port, running

_STEADY_LISTENS = r"(?:requests on|listening at) (http://\S+)"
"""What steady prints; the second form where ``CI`` is set."""


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


def description() -> Path:
    """Anthropic's own description of its API, as llm-comply carries it."""
    return Path(str(importlib.resources.files("llm_comply") / "specs" / "anthropic.json"))


@contextmanager
def running_steady(described: Path, folder: Path) -> Iterator[str]:
    """The address of the mock server that the official libraries are tested with, serving a description."""
    kinds = [f"{place}-{kind}" for place in ("query", "form") for kind in ("array", "object")]
    command = [require_judge("steady"), "--host", "127.0.0.1", "-p", str(free_port())]
    command += [*(f"--validator-{kind}-format=brackets" for kind in kinds), str(described)]
    with running(command, _STEADY_LISTENS, folder / "steady.txt") as url:
        yield url
