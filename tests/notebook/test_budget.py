"""Budget and bill as a notebook shows them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from claude_magic.engine.bill import Spending
from claude_magic.messages.usage import Usage
from claude_magic.notebook.card import card
from claude_magic.simulator import Simulator
from tests.notebook.conftest import Cells
from tests.notebook.kernels import Kernel

LONG = "All work and no play. " * 3000


def test_a_question_above_the_budget_fails_with_one_line(cells: Cells, simulator: Simulator) -> None:
    cells("%claude Hi")
    cells("claude.budget = 0.01")
    shown = cells.fail(f"%%claude -o reply\n{LONG}")
    assert shown.count("\n") == 0
    assert "Add --yes, use --new, or raise claude.budget." in shown
    assert "$" not in shown
    assert "sent:" not in shown
    assert "reply" not in cells
    assert len(simulator.requests) == 1
    cells(f"%%claude --yes -o reply\n{LONG}")
    assert cells["reply"].complete
    assert len(simulator.requests) == 2


def test_a_request_above_ask_above(cells: Cells, simulator: Simulator) -> None:
    cells("%config ClaudeMagics.ask_above = 0.001")
    assert "more than the 0.1 cents of ask_above" in cells.fail("%claude Hi")
    assert not simulator.requests
    cells("%claude --yes Hi")
    cells("%config ClaudeMagics.ask_above = None")
    cells("%claude Hi")
    assert len(simulator.requests) == 2


def test_the_budget_can_be_set_as_attribute_or_trait(cells: Cells) -> None:
    magics = cells.shell.magics_manager.registry["ClaudeMagics"]
    claude = cells["claude"]
    cells("%config ClaudeMagics.budget = 5")
    assert claude.budget == 5
    cells("claude.budget = 0.25")
    assert magics.budget == 0.25
    cells("%config ClaudeMagics.budget = 5")
    assert claude.budget == 5
    cells("claude['other'].budget_tokens = 1000; claude.ask_above = 2")
    assert (magics.budget_tokens, magics.ask_above) == (1000, 2)
    cells("%config ClaudeMagics.budget = None")
    assert claude.budget == 1.0  # this shell is unattended


@pytest.mark.parametrize("value", ["-1", "float('nan')", "'lots'", "[]"])
def test_an_invalid_budget_is_refused(cells: Cells, value: str, caplog: pytest.LogCaptureFixture) -> None:
    cells("claude.budget = 2")
    cells(f"%config ClaudeMagics.budget = {value}")  # IPython logs what is wrong with it
    assert "budget" in caplog.text
    assert cells["claude"].budget == 2
    assert "BadInput: budget takes a number of US dollars" in cells.fail(f"claude.budget = {value}")
    assert cells["claude"].budget == 2


def test_the_bill_is_a_table(cells: Cells, simulator: Simulator) -> None:
    cells("%claude Hi")
    cells("%claude -m opus Hi again")
    claude = cells["claude"]
    bundle, _ = cells.shell.display_formatter.format(claude.usage)
    for kind in ("text/markdown", "text/plain"):
        assert "SIMULATED claude-opus-5-5" in bundle[kind]
        assert "2 answers" in bundle[kind]
        assert "$" not in bundle[kind]
    assert "| 2 | In [" in bundle["text/markdown"]
    assert cells.shell.display_formatter.format(claude.cost)[0]["text/markdown"] == bundle["text/markdown"]
    assert claude.usage == claude.turns[0].reply.usage + claude.turns[1].reply.usage
    assert type(claude.usage + claude.usage) is Usage
    assert claude.cost + 1 == 1.0
    assert f"{claude.cost:.2f} {claude.cost!r}" == "0.00 0.0"


def test_the_card_shows_the_budget(cells: Cells) -> None:
    claude, conversations = cells["claude"], cells["claude"].home
    assert "the budget is 1.00 USD, the default for unattended runs" in card(claude, conversations)[1]
    claude.budget = 5
    conversations.spendings.append(Spending("main", "claude-opus-5", Usage(10), 1.25, simulated=False))
    for text in card(claude, conversations):
        assert "1.25 USD; the budget is 5.00 USD" in text
    claude.budget = float("inf")
    assert "budget is" not in card(claude, conversations)[1]


def test_the_simulator_of_a_kernel_caches_and_costs_nothing(make_shell: Callable[[], Cells]) -> None:
    cells = make_shell()
    cells("%load_ext claude_magic")
    cells("%config ClaudeMagics.base_url = 'simulator'")
    cells("claude.home.client  # known to be simulated before it is asked")
    assert cells["claude"].home.client.simulated
    cells(f"%claude {LONG}")
    cells("%claude And?")
    claude = cells["claude"]
    assert claude.cost == 0
    assert claude.usage.cache_read_input_tokens > 10_000
    assert claude.home.cost(simulated=True) > 0


def test_a_kernel_with_a_front_end_has_no_budget_and_one_without_has(new_kernel: Kernel, simulator: Simulator) -> None:
    new_kernel.run("%load_ext claude_magic")
    assert new_kernel.run("print(claude.budget)").printed == "1.0\n"
    assert new_kernel.run("print(claude.budget)", cell="a").printed == "None\n"
    asked = new_kernel.run("%config ClaudeMagics.budget = 0.001\n%claude Hi", cell="b")
    assert asked.status == "error"
    assert asked.error == [
        "OverBudget: This would send about 59 tokens (about 1 cent; spent 0.00 of 0.001 USD). "
        "Add --yes, use --new, or raise claude.budget."
    ]
    assert not simulator.requests
    assert new_kernel.run("%claude --yes Hi", cell="b").status == "ok"
    shown = new_kernel.run("claude.usage", cell="c").screen.markdown
    assert "SIMULATED claude-sonnet-5-5" in shown[0]
