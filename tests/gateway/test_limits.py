"""Budgets, models, requests a minute, answers at once; and what the asker reads when there is no more."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import httpx2
import pytest

from claude_magic.gateway.limits import Door, Limits, Spent
from claude_magic.gateway.refusal import Refusal
from claude_magic.gateway.settings import Settings
from claude_magic.messages import limits
from claude_magic.messages.errors import BadInput, PermissionDenied, RateLimited
from claude_magic.simulator import Simulator
from tests.gateway.serving import PATIENCE, serving
from tests.messages.servers import START, STOP, TAIL, TEXT, ask, endless, raw


def test_a_budget_in_tokens_is_each_users_own_and_is_not_tried_again(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Limits(tokens_per_day=100)) as served:
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
    with serving(simulator.url, tmp_path, Limits(dollars_per_day=0.0002)) as served:
        claude = served.conversation()
        cost = claude("simulate: deltas=100").usage.cost("claude-haiku-4-5")
        (row,) = served.rows()
        assert row["cost"] == round(cost * 10**9)
        with pytest.raises(
            RateLimited, match=r"^Your budget of 0\.02 ¢ a day on this server is spent \(0\.05\d* ¢ so far\)"
        ):
            claude("Once more?")
        for model, speed in (("gpt-7", None), ("claude-haiku-4-5", "fast")):
            body = {"model": model, "max_tokens": 5, "messages": [], **({"speed": speed} if speed else {})}
            headers = {"authorization": f"Bearer {served.bob}"}
            answer = httpx2.post(served.url + "/v1/messages", json=body, headers=headers)
            assert answer.status_code == 403
            assert "the price of" in answer.json()["error"]["message"]
        assert len(simulator.requests) == 1


def test_answers_on_their_way_count_with_what_they_may_come_to(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Limits(tokens_per_day=5000)) as served:
        simulator.faults.append("fault=stall; after=2; deltas=10")
        streams = [served.client(max_retries=0).stream(ask(max_tokens=6000)) for _ in range(2)]
        reading = iter(streams[0])
        next(reading)
        with pytest.raises(RateLimited, match="answers that are on their way") as caught:
            list(streams[1])
        assert caught.value.retry_after == 5
        streams[0].abort()


def test_a_hundred_at_once_do_not_overshoot(simulator: Simulator, tmp_path: Path) -> None:
    budget, most = 3000, 500
    with serving(simulator.url, tmp_path, Limits(tokens_per_day=budget)) as served:
        together = threading.Barrier(100, timeout=PATIENCE)
        refused = []

        def one() -> None:
            stream = served.client(max_retries=0).stream(ask(max_tokens=most, stop_sequences=["zzz"]))
            together.wait()
            try:
                list(stream)
            except RateLimited:
                refused.append(stream)

        threads = [threading.Thread(target=one) for _ in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent = served.do(lambda gateway: gateway.ledger.spent("ada"))
        assert spent.tokens < budget + most + 100
        assert spent.promised_tokens == 0
        assert len(served.rows()) == 100 - len(refused)


def test_a_kernel_asks_a_model_that_it_may() -> None:
    assert Limits().default_model == ""
    assert Limits(models=("haiku", limits.DEFAULT_MODEL)).default_model == ""
    assert Limits(models=("haiku", "opus")).default_model == "haiku"


def test_only_some_models(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Limits(models=("haiku", "claude-sonnet-5-5"))) as served:
        claude = served.conversation()
        claude.model = "claude-opus-5-5"
        with pytest.raises(
            PermissionDenied,
            match=r"^This server does not pass on to claude-opus-5-5\. Choose haiku, claude-sonnet-5-5 \(403 \w+\)\.$",
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
        body = json.dumps({"model": "claude-opus-5-5", "messages": []})
        headers = {"authorization": f"Bearer {served.ada}"}
        assert httpx2.post(served.url + "/v1/messages/count_tokens", content=body, headers=headers).status_code == 403


def test_requests_a_minute_say_when_to_come_back(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Limits(requests_per_minute=2)) as served:
        client = served.client(max_retries=0)
        client.models()
        client.models()
        with pytest.raises(RateLimited, match="2 requests a minute") as caught:
            client.models()
        assert 50 < (caught.value.retry_after or 0) <= 60
        assert caught.value.should_retry is True
        assert served.client(served.bob).models()


def test_answers_at_once(simulator: Simulator, tmp_path: Path) -> None:
    with serving(simulator.url, tmp_path, Limits(streams=1)) as served:
        simulator.faults.append("fault=stall; after=2; deltas=10")
        first = served.client(max_retries=0).stream(ask())
        reading = iter(first)
        next(reading)
        with pytest.raises(RateLimited, match="passes on 1 answers at once"):
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

    with raw(linger) as api, serving(api.url, tmp_path, Limits(streams=1, tokens_per_day=100)) as served:
        headers = {"authorization": f"Bearer {served.ada}"}
        for number in (1, 2, 3):
            with httpx2.stream("POST", served.url + "/v1/messages", content=bytes(ask()), headers=headers) as answer:
                read, chunks = b"", answer.iter_bytes()
                while b"message_stop" not in read:
                    read += next(chunks)
                assert [row["state"] for row in served.rows()] == ["whole"] * number


def test_the_door_forgets_after_a_minute() -> None:
    now = [0.0]
    door = Door(lambda: now[0])
    limits = Limits(requests_per_minute=2)
    door.knock("ada", limits)
    now[0] = 30.5
    door.knock("ada", limits)
    with pytest.raises(Refusal) as caught:
        door.knock("ada", limits)
    assert caught.value.retry_after == 30
    now[0] = 60.0
    door.knock("ada", limits)
    with pytest.raises(Refusal):
        door.knock("ada", limits)


def test_no_limits_refuse_nothing() -> None:
    Limits().check_spent(Spent(10**12, 10**6, 10**12, 10**6))
    Limits().check_model("anything")


def test_users_may_have_limits_of_their_own() -> None:
    settings = Settings(tokens_per_day=5, users={"ada": {"tokens_per_day": 7, "models": ["haiku"]}})
    settings.check()
    assert settings.limits_of("ada") == Limits(tokens_per_day=7, models=["haiku"])
    assert settings.limits_of("bob") == Limits(tokens_per_day=5, models=[])
    with pytest.raises(BadInput, match="The limits of ada are not of"):
        Settings(users={"ada": {"tokens": 7}}).check()
