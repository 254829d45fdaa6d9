"""The server itself: starting, stopping, recording, and clients that disconnect."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from claude_magic.simulator import Simulator, start
from tests.processes import eventually

from .conftest import Api

BODY = {"model": "claude-sonnet-5-5", "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]}


def test_start_and_stop() -> None:
    with start() as simulator:
        assert simulator.url == f"http://127.0.0.1:{simulator.port}"
        assert httpx2.get(simulator.url).json()["simulator"] == "claude_magic"
        assert httpx2.head(simulator.url).status_code == 200
        assert simulator.url in repr(simulator)
    simulator.stop()
    assert "stopped" in repr(simulator)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(simulator.url)


def test_a_port_that_is_taken() -> None:
    with start() as simulator, pytest.raises(OSError, match="in use"):
        start(port=simulator.port)


def test_several_side_by_side() -> None:
    with start() as one, start() as other, Api(one) as first, Api(other) as second:
        assert first.ask()["id"] == second.ask()["id"] == "msg_sim00000001"


@pytest.mark.parametrize("plan", ["fault=stall; after=2", "deltas=1000; pace=5", "delay=60"])
def test_stopping_ends_open_streams_at_once(plan: str) -> None:
    simulator = start()
    ended = threading.Event()

    def read() -> None:
        with Api(simulator) as api:
            with contextlib.suppress(httpx2.TransportError):
                api.read(plan)
            ended.set()

    thread = threading.Thread(target=read)
    thread.start()
    eventually(lambda: simulator.working)
    began = time.monotonic()
    simulator.stop()
    assert ended.wait(2)
    assert time.monotonic() - began < 1
    thread.join()


@pytest.mark.parametrize("plan", ["fault=stall; after=2", "deltas=1000; pace=50", "deltas=100000; chars=50"])
def test_a_client_that_disconnects(api: Api, plan: str, caplog: pytest.LogCaptureFixture) -> None:
    headers = api.headers | {"x-simulator": plan}
    with caplog.at_level(logging.DEBUG):
        with api.http.stream("POST", "/v1/messages", json=BODY | {"stream": True}, headers=headers) as response:
            next(response.iter_bytes())
        eventually(lambda: not api.simulator.working, 3)
        assert api.post().status_code == 200
    assert not [record for record in caplog.records if record.name.startswith(("tornado", "asyncio"))]


def test_faults_leave_no_trace_in_the_log(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for plan in ("cut", "hangup", "cut; after=2", "truncate; after=1", "529"):
            with contextlib.suppress(httpx2.TransportError):
                api.post(stream=True, plan=plan)
        api.http.get("/v1/nowhere")
        eventually(lambda: not api.simulator.working, 3)
    assert not [record for record in caplog.records if record.name.startswith(("tornado", "asyncio"))]


def test_serve_forever_ends_with_stop() -> None:
    simulator = start()
    thread = threading.Thread(target=simulator.serve_forever)
    thread.start()
    simulator.stop()
    thread.join(2)
    assert not thread.is_alive()


def test_serve_forever_ends_with_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = start()

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(simulator._stopping, "wait", interrupted)
    simulator.serve_forever()
    assert "stopped" in repr(simulator)


def test_pace_of_the_server() -> None:
    with start(pace=100) as simulator, Api(simulator) as api:
        began = time.perf_counter()
        api.events(plan="deltas=31")
        assert time.perf_counter() - began > 0.29
        began = time.perf_counter()
        api.events(plan="deltas=31; pace=10000")
        assert time.perf_counter() - began < 0.2


def test_requests_are_recorded(api: Api) -> None:
    api.post("One", headers={"x-odd": "yes"})
    api.http.get("/v1/models?limit=3", headers={"authorization": "Bearer some-token"})
    api.http.post("/v1/messages", content=b"no json")
    first, second, third = api.simulator.requests
    assert (first.method, first.path, first.credential) == ("POST", "/v1/messages", "x-api-key")
    assert first.body is not None
    assert first.body["messages"][0]["content"] == "One"
    assert first.headers["x-odd"] == "yes"
    assert (second.path, second.query, second.credential, second.body) == ("/v1/models", "limit=3", "bearer", None)
    assert (third.raw, third.body, third.credential) == (b"no json", None, None)


def test_keys_are_never_kept_or_sent_back(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    key = "sk-ant-api03-secret"
    with caplog.at_level(logging.DEBUG, logger="tornado"):
        for headers in ({"x-api-key": key}, {"x-api-key": None, "authorization": f"Bearer {key}"}):
            api.simulator.keys = None
            responses = [api.post(headers=headers)]
            api.simulator.keys = set()
            responses.append(api.post(headers=headers))
            for response in responses:
                assert key not in response.text + repr(response.headers)
    assert key not in repr(api.simulator.requests)
    assert key not in caplog.text
    assert {name: value for name, value in api.simulator.requests[0].headers.items() if value == "***"} == {
        "x-api-key": "***"
    }


def test_every_answer_says_that_it_is_simulated(api: Api) -> None:
    for method, path in (("GET", "/"), ("GET", "/v1/models"), ("PUT", "/v1/messages"), ("GET", "/nowhere")):
        response = api.http.request(method, path)
        assert response.headers["x-simulator"] == "claude_magic"
        assert response.headers["request-id"].startswith("req_sim")
    streamed = api.post(stream=True)
    assert streamed.headers["x-simulator"] == "claude_magic"
    assert int(streamed.headers["anthropic-ratelimit-requests-limit"]) > 0
    assert streamed.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert streamed.headers["anthropic-ratelimit-tokens-reset"].endswith("Z")


def test_addresses(api: Api) -> None:
    assert api.http.get("/v1/messages").status_code == 405
    nowhere = api.http.post("/v1/complete")
    assert (nowhere.status_code, nowhere.json()["error"]["type"]) == (404, "not_found_error")


def test_many_clients_at_once(simulator: Simulator) -> None:
    def ask(name: str) -> str:
        with Api(simulator) as api:
            return api.text(plan=f"pace=50; say={name}")

    names = [f"answer {i}" for i in range(12)]
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, names)) == names
