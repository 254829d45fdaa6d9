"""Budgets, models, requests per minute and concurrent answers, and the messages when a limit is reached."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from claude_magic.gateway.gateway_settings import GatewaySettings
from claude_magic.gateway.quotas import DailyUsage, Quota
from claude_magic.gateway.rate_limiter import RateLimiter
from claude_magic.gateway.rejection import Rejection
from claude_magic.messages import limits
from claude_magic.messages.errors import BadInput, PermissionDenied, RateLimited
from claude_magic.simulator import Simulator
from tests.gateway.serving import PATIENCE, serving
from tests.messages.servers import START, STOP, TAIL, TEXT, ask, endless, raw


def test_a_budget_in_tokens_is_each_users_own_and_is_not_tried_again(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Quota(tokens_per_day=100)) as served:
        claude = served.conversation(retries=5)
        claude("simulate: deltas=100")
        with pytest.raises(
            RateLimited, match=r"^Your budget of 100 tokens a day on this server is spent \(\d+ so far\);"
        ) as caught:
            claude("Once more?")
        assert (caught.value.should_retry, caught.value.retry_after) == (False, None)
        assert len(simulator.requests) == 1
        assert served.conversation(served.bob)("Hi").text
        assert len(claude.turns) == 1


def test_a_budget_in_dollars(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Quota(dollars_per_day=0.0002)) as served:
        claude = served.conversation()
        cost = claude("simulate: deltas=100").usage.cost("claude-haiku-4-5")
        (row,) = served.rows()
        assert cost is not None
        assert row["cost"] == round(cost * 10**9)
        with pytest.raises(
            RateLimited, match=r"^Your budget of 0\.02 ¢ a day on this server is spent \(0\.05\d* ¢ so far\)"
        ):
            claude("Once more?")
        for model, speed in (("gpt-7", None), ("claude-haiku-4-5", "fast")):
            body = {"model": model, "max_tokens": 5, "messages": [], **({"speed": speed} if speed else {})}
            answer = served.post(body, authorization=f"Bearer {served.bob}")
            assert answer.status_code == 403
            assert "the price of" in answer.json()["error"]["message"]
        assert len(simulator.requests) == 1


def test_answers_in_progress_count_with_the_most_they_may_cost(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Quota(tokens_per_day=5000)) as served:
        simulator.faults.append("fault=stall; after=2; deltas=10")
        streams = [served.client(max_retries=0).stream(ask(max_tokens=6000)) for _ in range(2)]
        reading = iter(streams[0])
        next(reading)
        with pytest.raises(RateLimited, match="answers in progress") as caught:
            list(streams[1])
        assert caught.value.retry_after == 5
        streams[0].abort()


def test_a_hundred_at_once_do_not_overshoot(simulator: Simulator, tmp_path: Path) -> None:
    budget, most = 3000, 500
    with serving(simulator.url, tmp_path, Quota(tokens_per_day=budget)) as served:
        together = threading.Barrier(100, timeout=PATIENCE)
        refused = []

        def one(number: int) -> None:
            stream = served.client(max_retries=0).stream(ask(max_tokens=most, stop_sequences=["zzz"]))
            together.wait()
            try:
                list(stream)
            except RateLimited:
                refused.append(stream)

        with ThreadPoolExecutor(100) as pool:
            list(pool.map(one, range(100)))
        spent = served.do(lambda gateway: gateway.ledger.used_today("ada"))
        assert spent.tokens < budget + most + 100
        assert spent.reserved_tokens == 0
        assert len(served.rows()) == 100 - len(refused)


def test_a_kernel_asks_a_model_that_it_may() -> None:
    assert Quota().default_model == ""
    assert Quota(models=("haiku", limits.DEFAULT_MODEL)).default_model == ""
    assert Quota(models=("haiku", "opus")).default_model == "haiku"


def test_only_some_models(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Quota(models=("haiku", "claude-sonnet-5-5"))) as served:
        claude = served.conversation()
        claude.model = "claude-opus-5-5"
        with pytest.raises(
            PermissionDenied,
            match=r"^This server does not allow claude-opus-5-5\. Choose haiku or claude-sonnet-5-5 \(403 \w+\)\.$",
        ):
            claude("Hi")
        client = served.client()
        assert {model["id"] for model in client.call("GET", "/v1/models?limit=100")["data"]} == {
            limits.resolve("haiku"),
            "claude-sonnet-5-5",
        }
        assert client.call("GET", "/v1/models/claude-sonnet-5-5")["type"] == "model"
        with pytest.raises(PermissionDenied):
            client.call("GET", "/v1/models/claude-opus-5-5")
        for model in ("haiku", "sonnet"):
            claude.model = model
            assert claude("Hi").complete
        body = {"model": "claude-opus-5-5", "messages": []}
        assert served.post(body, "/v1/messages/count_tokens").status_code == 403


def test_requests_a_minute_say_when_to_come_back(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Quota(requests_per_minute=2)) as served:
        client = served.client(max_retries=0)
        client.models()
        client.models()
        with pytest.raises(RateLimited, match="2 requests a minute") as caught:
            client.models()
        assert 50 < (caught.value.retry_after or 0) <= 60
        assert caught.value.should_retry is True
        assert served.client(served.bob).models()


def test_concurrent_answers(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Quota(streams=1)) as served:
        simulator.faults.append("fault=stall; after=2; deltas=10")
        first = served.client(max_retries=0).stream(ask())
        reading = iter(first)
        next(reading)
        with pytest.raises(RateLimited, match="1 answer at a time"):
            list(served.client(max_retries=0).stream(ask()))
        assert len(list(served.client(served.bob).stream(ask()))) > 1
        first.abort()
        again = served.conversation(retries=9)
        for _ in range(20):  # one after the other, each as soon as the end of the last has been read
            again("Hi")


def test_whoever_has_read_the_end_may_ask_again_at_once(tmp_path: Path) -> None:
    def linger(connection: socket.socket) -> None:
        connection.sendall(endless(START, TEXT, TAIL, STOP))
        api.over.wait(PATIENCE)

    with raw(linger) as api, serving(api.url, tmp_path, Quota(streams=1, tokens_per_day=100)) as served:
        headers = {"authorization": f"Bearer {served.ada}"}
        for number in (1, 2, 3):
            with httpx2.stream("POST", served.url + "/v1/messages", content=bytes(ask()), headers=headers) as answer:
                read, chunks = b"", answer.iter_bytes()
                while b"message_stop" not in read:
                    read += next(chunks)
                assert [row["state"] for row in served.rows()] == ["whole"] * number


def test_the_rate_limiter_forgets_after_a_minute() -> None:
    now = [0.0]
    limiter = RateLimiter(lambda: now[0])
    quota = Quota(requests_per_minute=2)
    limiter.count_request("ada", quota)
    now[0] = 30.5
    limiter.count_request("ada", quota)
    with pytest.raises(Rejection) as caught:
        limiter.count_request("ada", quota)
    assert caught.value.retry_after == 30
    now[0] = 60.0
    limiter.count_request("ada", quota)
    with pytest.raises(Rejection):
        limiter.count_request("ada", quota)


def test_no_limits_reject_nothing() -> None:
    Quota().check_budget(DailyUsage(10**12, 10**6, 10**12, 10**6))
    Quota().check_model("anything")


def test_users_may_have_limits_of_their_own() -> None:
    settings = GatewaySettings(tokens_per_day=5, users={"ada": {"tokens_per_day": 7, "models": ["haiku"]}})
    settings.check_users()
    assert settings.quota_of("ada") == Quota(tokens_per_day=7, models=["haiku"])
    assert settings.quota_of("bob") == Quota(tokens_per_day=5, models=[])
    with pytest.raises(BadInput, match="limits of ada"):
        GatewaySettings(users={"ada": {"tokens": 7}}).check_users()
