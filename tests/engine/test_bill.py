"""What was used and what it cost: sums, tables, and what a cut answer is worth."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage as Priced
from genai_prices import calc_price
from genai_prices.data import providers
from hypothesis import given
from hypothesis import strategies as st

from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine.bill import Bill, BilledUsage, Cost, Spending
from claude_magic.messages import limits
from claude_magic.messages.errors import AnswerBroken, ClaudeError, Interrupted
from claude_magic.messages.usage import Usage
from claude_magic.simulator import Simulator
from tests.processes import eventually

ANTHROPIC = next(provider for provider in providers if provider.id == "anthropic")
PRICED = [
    model.id for model in limits.models() if model.price and model.id not in ("claude-mythos-5-1", "claude-mythos-5")
]
RECORDED: list[dict[str, Any]] = [
    {"input_tokens": 12, "output_tokens": 6},
    {"input_tokens": 1551, "output_tokens": 71, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
    {"input_tokens": 4, "output_tokens": 503, "cache_creation_input_tokens": 1247, "cache_read_input_tokens": 18_203},
    {
        "input_tokens": 10,
        "output_tokens": 90,
        "cache_creation_input_tokens": 3000,
        "cache_read_input_tokens": 500,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1},
    },
    {"input_tokens": 150_000, "output_tokens": 2000, "cache_read_input_tokens": 20_000},
]
COUNTS = st.integers(0, 2_000_000)


@pytest.mark.parametrize("model", PRICED)
@pytest.mark.parametrize("raw", RECORDED)
def test_recorded_usages_cost_what_genai_prices_says(model: str, raw: dict[str, Any]) -> None:
    response = {"model": model, "usage": raw}
    _, extracted = ANTHROPIC.extract_usage(response)
    if raw.get("cache_creation") or raw.get("server_tool_use"):
        extracted = Priced(
            input_tokens=3510,
            cache_read_tokens=500,
            cache_write_tokens=3000,
            cache_write_5m_tokens=1000,
            cache_write_1h_tokens=2000,
            output_tokens=90,
            web_searches=3,
        )
    assert Usage().updated(raw).cost(model) == calc_price(extracted, model, provider_id="anthropic").total_price


def price(usage: Usage, model: str) -> Decimal:
    found = usage.cost(model)
    assert found is not None
    return found


def test_every_run_of_an_answer_is_paid_for_by_its_own_model() -> None:
    runs = [
        {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500},
        {"type": "message", "input_tokens": 23_000, "output_tokens": 1000, "cache_read_input_tokens": 5},
        {"type": "advisor_message", "model": "claude-fable-5-2", "input_tokens": 500, "output_tokens": 80},
    ]
    usage = Usage().updated({"input_tokens": 23_000, "output_tokens": 1000, "iterations": runs})
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens) == (203_500, 4580, 5)
    own, more = [Usage(180_000, 3500), Usage(23_000, 1000, 0, 5)], Usage(10, 10, web_searches=1)
    expected = sum((price(part, "claude-haiku-5-5") for part in own), price(Usage(500, 80), "claude-fable-5-2"))
    assert usage.cost("claude-haiku-5-5") == expected
    assert (usage + more).cost("claude-haiku-5-5") == expected + price(more, "claude-haiku-5-5")
    assert Usage().updated({"iterations": [{**runs[2], "model": "nobody-knows"}]}).cost("claude-opus-5") is None
    nonsense: object
    for nonsense in (None, [], "x", [None, 1], {}):
        assert Usage(1, 2).updated({"iterations": nonsense}).output_tokens in (0, 2)


@given(st.lists(st.tuples(*[COUNTS] * 4, st.integers(0, 5), st.booleans()), max_size=6), st.randoms())
def test_usages_add_up_in_any_order(counts: list[tuple[Any, ...]], random: Any) -> None:
    usages = [Usage(a, b, c, d, min(c, e), e, least) for a, b, c, d, e, least in counts]
    total = sum(usages, start=Usage())
    shuffled = [*usages]
    random.shuffle(shuffled)
    assert sum(shuffled, start=Usage()) == total
    assert not shuffled or sum(shuffled) == total
    assert total.total_input == sum(usage.total_input for usage in usages)
    assert total.at_least == any(usage.at_least for usage in usages)
    parts = [price(usage, "claude-opus-5") for usage in usages]  # one price at any length
    assert total.cost("claude-opus-5") == sum(parts, Decimal())
    assert hash(total) == hash(Usage() + total)


def test_the_price_of_a_model_that_only_we_know() -> None:
    assert Usage(1_000_000, 100_000, 1000, 1000, 500, 2).cost("claude-mythos-5") == pytest.approx(
        Decimal(str(10 + 5 + 0.001 + (500 * 12.5 + 500 * 20) / 1e6 + 0.02))
    )
    assert Usage(1, 1).cost("claude-mythos-preview") is None


# -- what counts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "received"), [("fault=cut; after=30", 5), ("think=0; deltas=50; chars=40; fault=cut; after=40", 399)]
)
def test_a_cut_answer_counts_with_what_was_received(
    claude: Conversation, simulator: Simulator, plan: str, received: int
) -> None:
    simulator.faults.append(plan)
    with pytest.raises(AnswerBroken):
        claude("Explain and compare why this is so, please, at some length.")
    usage = claude.usage
    assert usage.at_least
    assert usage.input_tokens > 10
    assert usage.output_tokens > received
    assert "at least" in usage._repr_markdown_()


def test_one_stopped_before_its_first_block(claude: Conversation, home: Conversations, simulator: Simulator) -> None:
    simulator.faults.append("think=0; think-delay=60; say=Hi")

    def stop_when_it_is_counted() -> None:
        eventually(lambda: any(each.reply.counted.total_input for each in home.client._streams), 60)
        home.client.abort()

    stopping = threading.Thread(target=stop_when_it_is_counted)
    stopping.start()
    with pytest.raises(Interrupted):
        claude("Go.")
    stopping.join(60)
    assert claude.usage.input_tokens > 0
    assert claude.usage.at_least
    assert not claude.turns


def test_what_was_refused_with_an_error_costs_nothing(claude: Conversation, simulator: Simulator) -> None:
    simulator.faults.append("529")
    with pytest.raises(ClaudeError):
        claude("Go.")
    assert claude.usage == Usage()
    assert not claude.home.spendings


# -- the table ---------------------------------------------------------------------------------------


def bill(*spendings: Spending) -> Bill:
    return Bill("main", spendings)


REAL = Spending("main", "claude-opus-5", Usage(1000, 200, 0, 3000), 0.01, simulated=False, label="In [3]")
PLAYED = Spending("main", "claude-opus-5", Usage(7, 7), 9.0, simulated=True)
STRANGE = Spending("main", "<img src=x onerror=alert(1)> $x$ |a|\n`b` http://evil", Usage(1, 1), None, simulated=False)


def test_simulated_amounts_are_never_added_to_real_ones() -> None:
    found = bill(PLAYED, REAL, PLAYED)
    assert Cost.of(found) == 0.01
    assert BilledUsage.of(found) == REAL.usage
    assert BilledUsage.of(bill(PLAYED, PLAYED)) == PLAYED.usage + PLAYED.usage
    assert Cost.of(bill(PLAYED)) == 0.0
    rows = found.rows()
    assert [row[-1] for row in rows] == ["cost", "(9.00 USD)", "1.0 ¢", "(9.00 USD)", "1.0 ¢", "(18.00 USD)"]
    assert [row[2] for row in rows[-2:]] == ["1 answer", "SIMULATED 2 answers"]


def test_the_cached_share_is_in_the_table() -> None:
    text = bill(REAL).text()
    assert "3,000 (75%)" in text
    assert "In [3]" in text
    assert "4,000" in text


def test_what_a_server_calls_its_model_is_inert() -> None:
    found = bill(STRANGE)
    for shown in (found.markdown(), found.text()):
        assert not set("<>$`") & set(shown)
        assert "://" not in shown
        assert "No price is known for" in shown
        assert "unknown" in shown
    assert all(line.count("|") == 8 for line in found.markdown().splitlines() if line.startswith("|"))
    assert Cost.of(found) is None


def test_a_long_bill_is_shortened() -> None:
    found = bill(*[REAL] * 50, *[PLAYED] * 15)
    rows = found.rows()
    assert len(rows) == 1 + 1 + 20 + 2
    assert rows[1][2] == "45 earlier answers"
    assert rows[2][0] == "46"
    assert rows[-2][-1] == "50.0 ¢"


def test_the_kernel_is_named_where_there_are_others(claude: Conversation, home: Conversations) -> None:
    claude("Hi")
    assert "All conversations of this kernel" not in claude.usage._repr_markdown_()
    home.spendings.append(Spending("other", "claude-opus-5", Usage(1), 2.0, simulated=False))
    assert "All conversations of this kernel: 2.00 USD." in claude.usage._repr_markdown_()
    assert home.cost() == 2.0
