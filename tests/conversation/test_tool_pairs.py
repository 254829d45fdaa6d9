"""Whatever happens in a loop of calls, the history stays one that the API takes: a property."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine import interrupts
from claude_magic.engine.settings import Settings
from claude_magic.messages.errors import ClaudeError, Interrupted
from claude_magic.simulator import Simulator, start
from claude_magic.tools import Tool
from tests.conversation.test_tools import check_pairs
from tests.conversation.wire import body, questions


def works(number: int = 1) -> int:
    """Works."""
    return number


def raises() -> None:
    """Raises."""
    raise ValueError("no")


def leaves() -> None:
    """Wants to end Python."""
    raise SystemExit(3)


def presses() -> None:
    """Ctrl-C is pressed while it runs."""
    signal.raise_signal(signal.SIGINT)


def beside() -> str:
    """Runs in a thread."""
    return "beside"


async def waits() -> str:
    """Is awaited."""
    return "waited"


TOOLS = [works, raises, leaves, presses, waits, Tool(beside, parallel=True)]
CALLS = [
    'tool=works {"number": 3}',
    'tool=works {"number": "three"}',
    "tool=raises",
    "tool=leaves",
    "tool=presses",
    "tool=waits",
    "tool=beside",
    "tool=nowhere",
]
ROUND = st.tuples(st.lists(st.sampled_from(CALLS), min_size=1, max_size=4), st.sampled_from(["", "; say=So."])).map(
    lambda drawn: "; ".join(drawn[0]) + drawn[1]
)
ENDING = st.sampled_from(
    [
        "say=Done.",
        "529",
        "400",
        "fault=cut; after=3; say=One two three four five six.",
        "fault=cut; after=0",
        "stop=max_tokens; tool=works",
        "fault=refusal; after=2",
        "tool-input-invalid; tool=works",
        "empty",
    ]
)


@pytest.fixture(scope="module")
def server() -> Iterator[Simulator]:
    simulator = start()
    yield simulator
    simulator.stop()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each Ctrl-C counts, however soon it follows the one before."""
    monkeypatch.setattr(interrupts, "_TOGETHER", 0.0)


def ask(claude: Conversation, simulator: Simulator, plans: list[str]) -> None:
    simulator.faults.clear()
    simulator.faults.extend(plans)
    with contextlib.suppress(ClaudeError, Interrupted):
        claude("Go.", tools=TOOLS)
    simulator.faults.clear()


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.lists(ROUND, max_size=4), ENDING), min_size=1, max_size=3), st.integers(1, 4))
@example([(["tool=works; tool=presses; tool=works"], "say=Done.")], 20)
@example([(["tool=works"], "529"), (["tool=presses"], "400")], 1)
def test_every_call_is_answered_whatever_happens(
    server: Simulator, patient: None, exchanges: list[tuple[list[str], str]], steps: int
) -> None:
    home = Conversations(Settings(base_url=server.url, max_retries=0))
    claude = home.open("main")
    claude.tools.steps = steps
    try:
        for rounds, ending in exchanges:
            ask(claude, server, [*rounds, ending])
        begun = len(server.requests)
        assert claude("And now?").complete  # the simulator refuses a history that the API would refuse
        assert len(server.requests) == begun + 1
        sent = body(server)["messages"]
        check_pairs(sent)
        assert questions(server)[-1].endswith("And now?")
        ids = [block["id"] for message in sent for block in message["content"] if "id" in block]
        assert len(ids) == len(set(ids))
    finally:
        home.close()
