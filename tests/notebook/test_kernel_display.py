"""Answers in a real kernel: what streaming costs, how far it lags, and what is left in the notebook."""

from __future__ import annotations

import bisect
import itertools
import json
import time
from collections.abc import Callable

import nbformat
import pytest

from claude_magic.simulator import endpoints
from claude_magic.simulator.prose import pieces
from tests.notebook.kernels import Kernel, Running, letters, shown

SETUP = "%load_ext claude_magic"
CHARS = 4
PACE = 400
MOST_BYTES = 16.0
"""Times the bytes of the text."""
MOST_GROWTH = 2.6
"""When the answer is twice as long."""
MOST_BEHIND = 2400
"""Letters that were sent and are not shown yet, when 95 of 100 deltas are sent: what two seconds bring, ten times the
lag on a machine that others use too, and less than half of the shortest answer."""
RecordProperty = Callable[[str, object], None]


class Sent:
    """When the simulator sent which part of a text."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin with another text."""
        self.moments: list[float] = []
        self.lengths: list[int] = []
        self._length = 0

    def note(self, data: bytes) -> None:
        """Look at what goes out."""
        before = self._length
        for line in data.splitlines():
            if line.startswith(b"data: "):
                self._length += len((json.loads(line[6:]).get("delta") or {}).get("text") or "")
        if self._length > before:
            self.moments.append(time.monotonic())
            self.lengths.append(self._length)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    noted, send = Sent(), endpoints.MessagesEndpoint.send

    async def noting(self: endpoints.MessagesEndpoint, data: bytes) -> None:
        await send(self, data)
        noted.note(data)

    monkeypatch.setattr(endpoints.MessagesEndpoint, "send", noting)
    return noted


def stream(kernel: Kernel, deltas: int, shape: str, cell: str = "") -> Running:
    plan = f"deltas={deltas}; chars={CHARS}; pace={PACE}; shape={shape}; think=0"
    return kernel.run(f"%%claude --new\nGo on.\nsimulate: {plan}", cell, timeout=deltas / PACE + 30)


def lags(running: Running, sent: Sent, text: str) -> list[int]:
    """How many letters had been sent but not shown when each delta was sent."""
    lines = text.splitlines(keepends=True)
    counts = (not char.isspace() and not line.startswith("```") for line in lines for char in line)
    countable = [0, *itertools.accumulate(counts)]  # by how many characters of the text
    shown_at = [at for at, _ in running.seen]
    found = []
    for moment, length in zip(sent.moments, sent.lengths, strict=True):
        index = bisect.bisect_right(shown_at, moment)
        visible = running.seen[index - 1][1] if index else 0
        found.append(max(0, countable[length] - visible))
    return sorted(found)


def assert_one_answer(running: Running, text: str) -> None:
    (output,) = running.screen.outputs
    assert output["output_type"] == "display_data"
    assert set(output["data"]) == {"text/markdown", "text/plain"}
    assert set(output["metadata"]) == {"claude_magic"}
    assert output["metadata"]["claude_magic"]["complete"] is True
    assert shown(output).answer.startswith(text.rstrip("\n"))
    assert letters(shown(output).answer) == letters(text)
    notebook = nbformat.v4.new_notebook()
    notebook.cells.append(nbformat.v4.new_code_cell("%%claude", outputs=[nbformat.from_dict(output)]))
    nbformat.validate(notebook)
    assert sum(map(len, output["data"].values())) < 2 * len(text) + 600  # the text in both forms, and little else


def measured(running: Running, sent: Sent, deltas: int, shape: str, record: RecordProperty) -> float:
    """Check one answer; its bytes for each byte of the text."""
    text = "".join(pieces(deltas, CHARS, shape))
    assert_one_answer(running, text)
    behind = lags(running, sent, text)
    ratio, lag = running.size / len(text.encode()), behind[int(0.95 * len(behind))]
    figures = f"{ratio:.1f} x, {len(running.messages)} messages"
    figures += f", {behind[len(behind) // 2]} / {lag} / {behind[-1]} letters behind (50 % / 95 % / most)"
    record(f"{shape} {deltas}", figures)
    print(f"{shape} {deltas}: {figures}")
    assert ratio <= MOST_BYTES
    assert lag <= MOST_BEHIND
    return ratio


@pytest.mark.parametrize("shape", ["prose", "code", "line"])
def test_an_answer_costs_bytes_in_proportion_and_is_shown_at_once(
    kernel: Kernel, sent: Sent, shape: str, record_property: RecordProperty
) -> None:
    once = measured(stream(kernel, 2000, shape), sent, 2000, shape, record_property)
    sent.forget()
    twice = measured(stream(kernel, 4000, shape), sent, 4000, shape, record_property)
    assert 2 * twice / once <= MOST_GROWTH


def test_the_first_words_are_shown_at_once(kernel: Kernel, sent: Sent) -> None:
    deltas = []
    for _ in range(5):
        sent.forget()
        running = stream(kernel, 40, "prose")
        first = next(at for at, visible in running.seen if visible)
        deltas.append(bisect.bisect_left(sent.moments, first))
    assert min(deltas) <= 20, deltas  # as many as are sent in 50 ms


def test_a_very_long_answer_costs_no_more_for_each_byte(
    kernel: Kernel, sent: Sent, record_property: RecordProperty
) -> None:
    running = stream(kernel, 20_000, "prose")
    measured(running, sent, 20_000, "prose", record_property)
    seconds = sent.moments[-1] - sent.moments[0]
    assert len(running.messages) < 12 * max(seconds, 20_000 / PACE)  # ten drawings a second, and some before and after
