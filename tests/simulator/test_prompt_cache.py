"""The simulated prompt cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from claude_magic.simulator import Simulator

from .conftest import JSON, Api, fold

FIVE, HOUR = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
LONG = "A long text. " * 200  # 2600 characters, 650 tokens


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(clock: Clock) -> Iterator[Api]:
    with Simulator(clock=clock) as simulator, Api(simulator) as talker:
        yield talker


def marked(text: str = LONG, mark: JSON | None = None) -> list[JSON]:
    return [{"type": "text", "text": text, "cache_control": mark or FIVE}]


def usage(api: Api, *content: Any, **body: Any) -> tuple[int, int, int]:
    """Uncached, written, read."""
    found = api.ask(*content, **body)["usage"]
    return found["input_tokens"], found["cache_creation_input_tokens"], found["cache_read_input_tokens"]


def test_write_and_read(api: Api) -> None:
    assert usage(api, system=marked()) == (5, 650, 0)
    assert usage(api, "Other", system=marked()) == (5, 0, 650)
    assert usage(api, system=LONG) == (655, 0, 0)


def test_streams_say_the_same(api: Api) -> None:
    api.ask(system=marked())
    events = api.events(system=marked())
    assert events[0]["message"]["usage"]["cache_read_input_tokens"] == 650
    assert fold(events)["usage"]["cache_read_input_tokens"] == 650


def test_lifetimes(api: Api, clock: Clock) -> None:
    usage(api, system=marked())
    usage(api, system=marked("Hour. " + LONG, HOUR))
    for _ in range(3):
        clock.now += 299
        assert usage(api, system=marked())[2] == 650  # each use renews it
    clock.now += 301
    assert usage(api, system=marked())[1:] == (650, 0)
    assert usage(api, system=marked("Hour. " + LONG, HOUR))[1] == 0
    clock.now += 3601
    found = api.ask(system=marked("Hour. " + LONG, HOUR))["usage"]
    assert found["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 652}


def test_minimum_of_the_model(api: Api) -> None:
    assert usage(api, system=marked("A short text."))[1:] == (0, 0)
    assert usage(api, system=marked(), model="claude-opus-4-8")[1:] == (0, 0)
    assert usage(api, system=marked(LONG * 2), model="claude-opus-4-8")[1:] == (1300, 0)


def test_each_model_has_its_own(api: Api) -> None:
    usage(api, system=marked())
    assert usage(api, system=marked(), model="claude-opus-5-5")[1:] == (650, 0)


def test_automatic_mark_moves_along(api: Api) -> None:
    messages: list[JSON] = [{"role": "user", "content": LONG}]
    _, written, read = usage(api, messages=messages, cache_control=FIVE)
    assert (written, read) == (650, 0)
    messages += [{"role": "assistant", "content": LONG}, {"role": "user", "content": "More"}]
    _, written, read = usage(api, messages=messages, cache_control=FIVE)
    assert (written, read) == (651, 650)


def test_a_change_invalidates_what_follows(api: Api) -> None:
    tools = [{"name": "add", "input_schema": {"type": "object"}, "description": LONG, "cache_control": FIVE}]
    request = {"tools": tools, "system": marked()}
    written = usage(api, **request)[1]
    assert usage(api, **request)[1:] == (0, written)
    changed = usage(api, **request | {"system": marked("Other. " + LONG)})
    assert 650 < changed[2] < written
    assert usage(api, **request | {"tools": [tools[0] | {"name": "sub"}]})[2] == 0


def test_lookback_of_twenty_blocks(api: Api) -> None:
    blocks = [{"type": "text", "text": LONG}] + [{"type": "text", "text": f"block {i}"} for i in range(30)]

    def ask(last: int) -> tuple[int, int, int]:
        return usage(api, [*blocks[:last], blocks[last] | {"cache_control": FIVE}])

    assert ask(0)[1] == 650
    assert ask(20)[2] == 650
    assert ask(0)[2] == 650
    api.simulator.cache._entries.clear()
    ask(0)
    assert ask(21)[2] == 0


def test_mixed_lifetimes(api: Api) -> None:
    found = api.ask([*marked(LONG, HOUR), *marked(LONG)])["usage"]
    assert found["cache_creation"] == {"ephemeral_5m_input_tokens": 650, "ephemeral_1h_input_tokens": 650}


def reason(api: Api, previous: str | None, **body: Any) -> tuple[str, Any]:
    """The id of the answer, and what it says of the cache."""
    found = api.ask(diagnostics={"previous_message_id": previous}, cache_control=FIVE, **body)
    return found["id"], found["diagnostics"]


def test_diagnostics_name_what_differs_first(api: Api) -> None:
    first = {"system": LONG, "messages": [{"role": "user", "content": "Hi"}]}
    id, said = reason(api, None, **first)
    assert said is None
    messages = [*first["messages"], {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "And?"}]
    assert reason(api, id, system=marked(), messages=messages)[1] is None  # cache_control makes no difference
    tools = [{"name": "add", "input_schema": {"type": "object"}}]
    for changes, kind in (
        ({"model": "claude-opus-5-5", "system": "x", "tools": tools}, "model_changed"),
        ({"system": "x", "tools": tools}, "system_changed"),
        ({"tools": tools}, "tools_changed"),
        ({"messages": [{"role": "user", "content": "Ho"}, *messages[1:]]}, "messages_changed"),
    ):
        found = reason(api, id, **{"system": LONG, "messages": messages, **changes})[1]["cache_miss_reason"]
        assert found["type"] == kind
        assert type(found["cache_missed_input_tokens"]) is int
    effort = {"output_config": {"effort": "low"}}
    unsure = reason(api, id, system=LONG, messages=messages, **effort)[1]
    assert unsure == {"cache_miss_reason": {"type": "unavailable"}}


def test_diagnostics_remember_only_requests_that_asked(api: Api) -> None:
    id = api.ask()["id"]
    unknown = {"cache_miss_reason": {"type": "previous_message_not_found"}}
    assert reason(api, id)[1] == unknown
    assert reason(api, "msg_nobody")[1] == unknown
    assert api.ask(diagnostics=None)["diagnostics"] is None
    assert "previous_message_id" in api.error(diagnostics={"previous_message_id": 5})
    assert "Extra inputs" in api.error(diagnostics={"previous": "x"})
    events = api.events(diagnostics={"previous_message_id": "msg_nobody"})
    assert events[0]["message"]["diagnostics"] == unknown
