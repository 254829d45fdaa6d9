"""What all tests share: an environment without the user's key, a simulator, marks and their order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from claude_magic.simulator import Simulator, start
from tests.judges import description, running_steady

# No test depends on how long an example takes; all else is Hypothesis's default, including its settings for CI.
settings.register_profile("patient", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# A shell starts background jobs with SIGINT ignored, and tests interrupt themselves.
signal.signal(signal.SIGINT, signal.default_int_handler)

MARKED_BY_FIXTURE = {
    "kernel": {"kernel", "new_kernel", "make_kernel", "executed", "executed_once"},
    "slow": {"postgres_url", "steady", "wheel"},
}
"""A test that uses one of these fixtures, directly or not, gets the mark."""
MARKS = ("browser", "kernel", "slow")
"""By what they cost, the highest first."""

KEY = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789"
"""What a key looks like; no test may find its characters in anything that is written."""


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures they use; the files that take longest come first.

    A worker takes a whole file, so that a kernel or a server that its tests share is started once.
    """
    costs: dict[Path, int] = {}
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker("browser")
        fixtures = set(getattr(item, "fixturenames", ()))
        for mark, names in MARKED_BY_FIXTURE.items():
            if fixtures & names:
                item.add_marker(mark)
        cost = max((len(MARKS) - n for n, mark in enumerate(MARKS) if item.get_closest_marker(mark)), default=0)
        costs[item.path] = max(costs.get(item.path, 0), cost)
    items.sort(key=lambda item: -costs[item.path])


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
    """A simulator for this test alone, at full speed."""
    with start() as running:
        yield running


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the mock server that the official libraries are tested with."""
    with running_steady(description(), tmp_path_factory.mktemp("steady")) as url:
        yield url
