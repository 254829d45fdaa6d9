"""The API behind the gateways of a module's tests; it accepts only the server's key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from claude_magic.simulator import Simulator, start
from tests.conftest import KEY


@pytest.fixture(scope="module")
def api() -> Iterator[Simulator]:
    with start() as running:
        running.keys = {KEY}
        yield running
