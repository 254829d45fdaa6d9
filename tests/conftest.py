"""What all tests share: no key of the user's, a simulator, a shell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from claude_magic.simulator import Simulator, start

# How long an example takes is no test's business; the rest stays as Hypothesis has it, also its settings for CI.
settings.register_profile("patient", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

KEY = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789"
"""What a key looks like; no test may find its characters in anything that is written."""


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_CUSTOM_HEADERS",
        "ANTHROPIC_MODEL",
        "JPY_SESSION_NAME",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator of this test's own, as fast as it can."""
    with start() as running:
        yield running
