"""The usage page, from a ledger of three months, as users see it."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from claude_magic.gateway.ledger import DOLLAR, Ledger, Reservation
from claude_magic.messages.usage import Usage
from tests.gateway.jupyter import JupyterServer, jupyter_server
from tests.notebook.kernels import PATIENCE

NOON = datetime.datetime.combine(datetime.date.today(), datetime.time(12)).timestamp()
FORMULA = "=HYPERLINK(1)"
SCRIPT = "<script>document.title = 'mine'</script>"
CONFIG = """
c.ClaudeGateway.practice = True
c.ClaudeGateway.admins = ["ada"]
c.ClaudeGateway.dollars_per_day = 2
"""
Open = Callable[..., Page]


def fill(path: Path) -> None:
    """Three months of ada's usage, a week of bob's, and two malicious names."""
    now = [NOON]
    ledger = Ledger(path, lambda: now[0])

    def answer(user: str, cents: int, state: str = "whole", model: str = "claude-haiku-4-5") -> None:
        number = ledger.reserve(Reservation(user, "k", model, False, Usage(), 0, 50, 5000), lambda today: None)
        usage = Usage(input_tokens=1000 * cents, output_tokens=500, at_least=state == "broken")
        ledger.settle(number, state, usage, cents * DOLLAR // 100)

    for ago in range(90, -1, -1):
        now[0] = NOON - ago * 86400
        if ago % 3 == 0:
            answer("ada", 5 + ago % 7)
        if ago < 7:
            answer("bob", 20 + ago, model="claude-opus-4-8")
    answer("bob", 3, state="broken")
    answer(SCRIPT, 1)
    answer(FORMULA, 1)
    ledger.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    folder = tmp_path_factory.mktemp("usage")
    fill(folder / "data" / "claude_magic" / "ledger.db")
    with jupyter_server(folder, {}, CONFIG) as running:
        yield running


@pytest.fixture
def opened(browser: Browser, shared: JupyterServer) -> Iterator[Open]:
    """Opens the page as somebody; what it complains of, or fetches from elsewhere, fails the test."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def go(who: str, query: str = "", **options: Any) -> Page:
        headers = {"Authorization": f"Bearer token-of-{who}"}
        context = browser.new_context(extra_http_headers=headers, viewport={"width": 1000, "height": 1000}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda one: complaints.append(one.url) if not ours(one.url) else None)
        page.goto(f"{shared.url}/claude/usage{query}")
        return page

    def ours(url: str) -> bool:
        path = urlsplit(url).path
        return url.startswith(shared.url + "/claude/usage") or path == "/favicon.ico"

    yield go
    for context in contexts:
        context.close()
    assert [complaint for complaint in complaints if "favicon" not in complaint] == []


@contextmanager
def asking(who: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(headers={"Authorization": f"Bearer token-of-{who}"}, timeout=PATIENCE) as client:
        yield client


def rows(shared: JupyterServer, who: str, query: str = "?days=0") -> list[dict[str, str]]:
    with asking(who) as client:
        answer = client.get(f"{shared.url}/claude/usage.csv{query}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_an_admin_sees_all_users_and_the_numbers_add_up(opened: Open, shared: JupyterServer, screenshots: Path) -> None:
    page = opened("ada")
    expect(page.get_by_role("heading", level=1)).to_have_text("Claude on this server")
    today = page.locator("#today tbody tr")
    assert [row.split("\t") for row in sorted(today.all_inner_texts())] == [
        [SCRIPT, "1", "1,500", "0.01 USD", "2.00 USD"],
        [FORMULA, "1", "1,500", "0.01 USD", "2.00 USD"],
        ["ada", "1", "5,500", "0.05 USD", "2.00 USD"],
        ["bob", "2", "≥ 24,000", "≥ 0.23 USD", "2.00 USD"],
    ]
    assert page.title() == "Claude on this server"  # and not what the name of a user says
    days = page.locator("#days tbody tr")
    assert days.count() == 10 + 8 + 2
    expect(page.get_by_role("row", name="claude-opus-4-8").first).to_contain_text("bob")
    bars = page.locator("svg rect")
    assert bars.count() == len({row["day"] for row in rows(shared, "ada", "?days=30")}) == 14
    heights = [bar.bounding_box() for bar in bars.all()]
    assert all(box and box["height"] > 0 for box in heights)
    plot = page.get_by_role("img", name="Cost by day")
    total = sum(float(row["usd"]) for row in rows(shared, "ada", "?days=30"))
    assert f"{total:,.2f} USD from " in (plot.locator("desc").text_content() or "")
    page.screenshot(path=screenshots / "usage.png")


def test_the_days_can_be_chosen_and_the_table_downloaded(opened: Open, shared: JupyterServer) -> None:
    page = opened("ada")
    page.get_by_role("link", name="everything").click()
    expect(page.get_by_role("heading", name="Since the beginning")).to_be_visible()
    assert page.locator("#days tbody tr").count() == 31 + 8 + 2
    expect(page.locator("nav [aria-current=page]")).to_have_text("everything")
    with page.expect_download() as coming:
        page.get_by_role("link", name="CSV").click()
    assert coming.value.suggested_filename == "claude-usage.csv"
    saved = list(csv.DictReader(Path(coming.value.path()).read_text("utf-8").splitlines()))
    assert saved == rows(shared, "ada")
    assert len(saved) == 31 + 8 + 2
    assert {row["user"] for row in saved} == {"ada", "bob", SCRIPT, "'" + FORMULA}  # no formula


def test_other_users_see_their_own_usage(opened: Open, shared: JupyterServer, screenshots: Path) -> None:
    page = opened("bob", color_scheme="dark")
    expect(page.get_by_text("bob, ")).to_be_visible()
    assert {row.split("\t")[1] for row in page.locator("#days tbody tr").all_inner_texts()} == {"bob"}
    assert {row["user"] for row in rows(shared, "bob")} == {"bob"}
    assert "ada" not in page.content()
    page.screenshot(path=screenshots / "usage_dark.png")


def test_a_user_without_questions_is_told_so(opened: Open) -> None:
    page = opened("eve")
    expect(page.get_by_text("No questions today.")).to_be_visible()
    expect(page.locator("table, svg")).to_have_count(0)


def test_anonymous_and_malformed_requests_are_refused(shared: JupyterServer) -> None:
    with httpx2.Client(timeout=PATIENCE) as client:
        for ending in ("", ".csv"):
            assert client.get(f"{shared.url}/claude/usage{ending}").status_code in (302, 403)
    with asking("bob") as client:
        for days in ("x", "-1", "99999", "1%20OR%201", "٣"):
            assert client.get(f"{shared.url}/claude/usage?days={days}").status_code == 400
        assert client.get(f"{shared.url}/claude/usage?days=9999").status_code == 200
        assert client.get(f"{shared.url}/claude/usage.csv/../usage.db").status_code == 404
        page = client.get(f"{shared.url}/claude/usage")
    assert "script" not in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"
