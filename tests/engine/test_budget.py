"""The budget stops before the request, whatever kind of request it is; the server counts them."""

from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import BaseModel

from claude_magic.content.convert import to_parts
from claude_magic.conversation.conversation import Conversation, Conversations
from claude_magic.engine.bill import Spending
from claude_magic.engine.budget import estimate_tokens
from claude_magic.engine.message import Message, build
from claude_magic.engine.settings import Settings
from claude_magic.messages import limits
from claude_magic.messages.errors import AnswerBroken, BadInput, NotFound, OverBudget
from claude_magic.messages.retry import Wait
from claude_magic.messages.usage import Usage, cost_in_words
from claude_magic.simulator import Simulator
from tests.conversation.conftest import Notebook
from tests.conversation.wire import body, questions

LONG = "All work and no play makes Jack a dull boy. " * 2500  # 110,000 characters


class Town(BaseModel):
    name: str


def long(number: int) -> str:
    """Return a long text."""
    return "x" * number


def asked(simulator: Simulator) -> int:
    """How many questions reached the server."""
    return len(simulator.requests)


def test_a_question_over_the_budget_is_not_sent(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    claude("Hi")
    of_the_first = notebook.recorder
    claude.budget = 0.05
    with pytest.raises(OverBudget) as caught:
        claude(LONG)
    for words in ("40,800 tokens", "9.2 cents", "0.00037 of 0.05 USD", "simulated", "--yes", "--new", "claude.budget"):
        assert words in str(caught.value)
    assert "$" not in str(caught.value)
    assert asked(simulator) == 1
    assert len(claude.turns) == 1
    assert notebook.recorder is of_the_first  # nothing is shown of it
    assert claude.last is claude.turns[0].reply
    claude.budget = 1
    assert claude(LONG).complete
    assert asked(simulator) == 2


def test_the_history_counts(claude: Conversation, simulator: Simulator) -> None:
    claude(LONG)
    claude.budget = 0.12  # one such question is 9 cents
    with pytest.raises(OverBudget, match="27,[0-9]00 tokens"):
        claude("And now?")
    assert asked(simulator) == 1
    assert claude("And now?", new=True).complete


def test_yes_sends_one_question(claude: Conversation, simulator: Simulator) -> None:
    claude("Hi")
    claude.budget = 0.0
    with pytest.raises(OverBudget):
        claude("again")
    assert claude("again", yes=True).complete
    assert asked(simulator) == 2
    simulator.faults.append('tool=long {"number": 1}')
    with pytest.raises(AnswerBroken, match=r"Reason: This would send"):
        claude("Call it.", tools=[long], yes=True)  # what comes after its first answer keeps to the budget
    assert asked(simulator) == 3


@pytest.mark.slow
def test_a_large_request_wants_a_yes(claude: Conversation, simulator: Simulator) -> None:
    with pytest.raises(OverBudget, match=r"66 cents.* 50 cents.*claude.ask_above"):
        claude(LONG * 8)
    assert asked(simulator) == 0
    assert claude(LONG * 8, yes=True).complete
    claude.reset()
    claude.ask_above = None
    assert claude(LONG * 8).complete
    claude.reset()
    claude.ask_above = 0.001
    with pytest.raises(OverBudget, match=r"0.1 cents of ask_above, all simulated"):
        claude("Hi")


def test_a_tool_step(claude: Conversation, simulator: Simulator) -> None:
    claude("Hi")
    claude.budget = 0.02
    simulator.faults.append('tool=long {"number": 18000}; say=Let me see.')
    with pytest.raises(AnswerBroken, match=r"3 words and 1 tool call; kept, .* Reason: This would send"):
        claude("Read it.", tools=[long])
    assert asked(simulator) == 2
    claude.budget = None
    claude("And now?")
    assert "x" * 18_000 in str(body(simulator)["messages"])  # the result of the call that was paid for stays


def test_a_tool_loop_concludes_at_its_budget(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    claude("Hi")
    simulator.faults.extend(['tool=long {"number": 2000}'] * 50)
    claude.tools.steps = 100
    claude.budget = 0.1
    reply = claude("Read on for ever.", tools=[long])
    assert reply.complete
    assert 2 < len(reply.messages) < 30
    assert body(simulator)["tool_choice"] == {"type": "none"}
    assert "Conclude now" in questions(simulator)[-1]
    assert "Claude was asked to conclude: the budget of 0.10 USD." in notebook.recorder.ending.notices
    assert 0 < (notebook.recorder.ending.spent or 0) <= 0.1
    assert asked(simulator) == len(reply.messages) + 1


def test_a_pause_is_no_way_around(claude: Conversation, simulator: Simulator) -> None:
    claude("Hi")
    claude.budget = 0.012
    simulator.faults.extend(["stop=pause_turn"] * 10)
    with pytest.raises(AnswerBroken, match="Reason: This would send"):
        claude("Search.")
    assert 2 <= asked(simulator) < 9


def test_a_retry(claude: Conversation, home: Conversations, notebook: Notebook, simulator: Simulator) -> None:
    claude("Hi")
    home.settings.max_retries = 5
    simulator.faults.append("529; times=5; retry-after-ms=1")

    def lower(change: object) -> None:
        if isinstance(change, Wait):
            claude.budget = 0.0

    notebook.on_change = lower
    with pytest.raises(OverBudget):
        claude("again")
    assert asked(simulator) == 3  # the first, and its one retry that was allowed


def test_a_repaired_request(claude: Conversation, home: Conversations, simulator: Simulator) -> None:
    claude("Hi")
    claude("Hi again, please think about it: why and how?")
    simulator.faults.append("400; message=thinking: Extra inputs are not permitted")
    sent = home.budget.limit

    def tightening(*, simulated: bool) -> float | None:
        return 0.0 if asked(simulator) == 3 else sent(simulated=simulated)

    home.budget.limit = tightening  # type: ignore[method-assign]
    with pytest.raises(OverBudget):
        claude("What now?")
    assert asked(simulator) == 3


def test_the_second_try_of_a_typed_answer(claude: Conversation, simulator: Simulator) -> None:
    claude("Hi")
    claude.budget = 0.045  # for one request, with the thousand tokens that an answer is expected to have
    simulator.faults.append("say=no town")
    with pytest.raises(AnswerBroken, match="Reason: This would send"):
        claude("Which town? " + "x" * 9000, schema=Town, model="claude-opus-4-5")
    assert asked(simulator) == 2


def test_a_question_inside_a_tool_counts_with_the_one_around_it(claude: Conversation, simulator: Simulator) -> None:
    refused: list[str] = []

    def helper() -> str:
        """Ask another."""
        try:
            return claude["helper"](LONG).text
        except OverBudget as error:
            refused.append(str(error))
            return "too expensive"

    claude("Hi")
    claude.budget = 0.1
    simulator.faults.append("tool=helper")
    reply = claude("Help.", tools=[helper])
    assert refused
    assert reply.complete
    assert asked(simulator) == 3


def test_parallel_conversations_share_a_budget(claude: Conversation, notebook: Notebook, simulator: Simulator) -> None:
    """A request on its way is reserved: two that fit only one by one are not sent both."""
    claude("Hi")
    claude.budget = 0.15
    begun, goes_on = threading.Event(), threading.Event()

    def hold(change: object) -> None:
        begun.set()
        assert goes_on.wait(60)

    notebook.on_change = hold
    first = threading.Thread(target=claude, args=(LONG,))
    first.start()
    try:
        assert begun.wait(60)
        with pytest.raises(OverBudget, match=r"spent 0.09 of 0.15 USD"):
            claude["other"](LONG)
    finally:
        goes_on.set()
        first.join(60)
    assert asked(simulator) == 2
    assert len(claude.turns) == 2
    claude.budget = 0.2
    assert claude["other"](LONG).complete


def test_all_conversations_of_a_kernel_share_it(claude: Conversation, simulator: Simulator) -> None:
    claude(LONG)
    claude["other"].budget = 0.1
    assert claude.budget == 0.1
    with pytest.raises(OverBudget):
        claude["third"](LONG)
    assert asked(simulator) == 1


def test_simulated_amounts_are_budgeted_apart(claude: Conversation, home: Conversations, simulator: Simulator) -> None:
    claude("Hi")
    home.spendings.append(Spending("main", "claude-opus-5", Usage(10), 4.99, simulated=False))
    claude.budget = 5.0
    assert claude("Hi").complete
    home.client.simulated = False  # as if the coming answer were paid for
    with pytest.raises(OverBudget, match=r"spent 4.99 of 5.00 USD\)"):
        claude("Hi")
    assert asked(simulator) == 2


def test_an_unattended_run_may_spend_a_dollar(claude: Conversation, home: Conversations, simulator: Simulator) -> None:
    assert claude.budget == 1.0
    home.spendings.append(Spending("main", "claude-opus-5", Usage(10), 0.999, simulated=False))
    with pytest.raises(OverBudget, match=r"1.00 of 1.00 USD.*unattended"):
        claude("Hi")
    assert asked(simulator) == 0
    claude.budget = math.inf
    assert claude("Hi").complete
    claude.budget = None
    assert claude("Hi").complete  # the answers were simulated, and no money is spent for that


def test_attended_kernels_have_no_default_budget(claude: Conversation, home: Conversations, notebook: Notebook) -> None:
    home.spendings.append(Spending("main", "claude-opus-5", Usage(10), 99.0, simulated=False))
    notebook.__class__ = type("Attended", (Notebook,), {"is_interactive": True})
    assert claude.budget is None
    assert claude("Hi").complete


def test_tokens_are_the_budget_where_no_price_is_known(simulator: Simulator) -> None:
    home = Conversations(Settings(base_url=simulator.url))
    local = Conversation(model="llama-9", home=home)
    local.budget_tokens = 3000
    with pytest.raises(OverBudget, match=r"0 of 3,000;.*llama-9.*claude.budget_tokens"):
        local("x" * 9000)
    assert asked(simulator) == 0
    home.spendings.append(Spending("main", "llama-9", Usage(1000, 1500), None, simulated=False))
    with pytest.raises(OverBudget, match="spent 2,500 of 3,000"):
        local("Hi")
    local.budget_tokens = None
    local.budget = 0.0
    with pytest.raises(NotFound, match="llama-9"):
        local("Hi")  # there is no such model, which the server says: dollars do not hold here
    home.close()


@pytest.mark.parametrize("name", ["budget", "budget_tokens", "ask_above"])
@pytest.mark.parametrize("value", ["lots", "5", -1, math.nan, True, [], {}, object(), -math.inf, b"1", 1j])
def test_a_budget_of_nonsense(claude: Conversation, name: str, value: object) -> None:
    before = getattr(claude, name)
    with pytest.raises(BadInput, match=f"{name} takes .* from 0, or None, not "):
        setattr(claude, name, value)
    assert getattr(claude, name) == before


def test_an_unknown_price_is_reported(claude: Conversation, home: Conversations) -> None:
    claude("Hi")
    home.spendings.append(Spending("main", "llama-9", Usage(1000, 1500), None, simulated=False))
    assert claude.cost is None
    assert "No price is known for llama-9: tokens only." in claude.usage._repr_markdown_()


# -- the estimate ------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [model for model in limits.models() if model.price], ids=lambda model: model.id)
@pytest.mark.parametrize("tokens", [0, 1000, 99_999, 150_000])
def test_the_table_of_prices_is_that_of_genai_prices(model: limits.Model, tokens: int) -> None:
    half, quarter, eighth = tokens // 2, tokens // 4, tokens // 8
    usage = Usage(half, 1000, quarter, quarter, eighth)
    assert model.price is not None
    quick = model.price.dollars(half, 1000, read=quarter, written=quarter - eighth, written_1h=eighth)
    assert quick == pytest.approx(float(usage.cost(model.id) or -1))


SIZES = st.tuples(st.integers(1, 2800), st.integers(1, 2800))


@settings(max_examples=40)
@given(SIZES, st.sampled_from([model.id for model in limits.models()]))
def test_pictures_cost_what_the_rule_says(size: tuple[int, int], name: str) -> None:
    model = limits.lookup(name)
    within = limits.image_limits(model, 1)
    (part,) = to_parts(Image.new("RGB", size), "picture")
    message = Message("user", (part,))
    wire = {"model": name, "max_tokens": 100}
    found = estimate_tokens(build(wire, [message], within), [message], within, model)
    exact = limits.image_tokens(*limits.fit_size(*size, within))
    assert exact <= found <= exact + 100  # the rest is the frame of the request


def test_an_estimate_is_near_what_the_server_counts(claude: Conversation) -> None:
    """The simulator counts a token for four characters, and pictures exactly; the estimate is on the safe side."""
    picture = Image.new("RGB", (1200, 800))
    claude.ask_above = 0.0
    with pytest.raises(OverBudget, match=r"about ([\d,]+) tokens") as caught:
        claude("What is this?", picture, picture)
    about = int(str(caught.value).split("about ")[1].split(" tokens")[0].replace(",", ""))
    claude.ask_above = None
    counted = claude("What is this?", picture, picture).usage.total_input
    assert counted <= about <= counted + 150


def test_cached_content_is_assumed_to_be_cheap(claude: Conversation, home: Conversations, simulator: Simulator) -> None:
    home.client.is_anthropic = True
    claude(LONG)
    claude.ask_above = 0.02
    assert claude("And now?").usage.cache_read_input_tokens > 27_000  # else it would be 8 cents
    with pytest.raises(OverBudget, match="about 11 cents"):
        claude("And now?", system="Another one.")
    assert asked(simulator) == 2


@pytest.mark.parametrize(
    ("dollars", "said"),
    [(0.82, "82 cents"), (0.01, "1 cent"), (0.0042, "0.42 cents"), (1, "1.00 dollars"), (0, "0 cents")],
)
def test_amounts_in_words(dollars: float, said: str) -> None:
    assert cost_in_words(dollars) == said
