"""The gateway as a service of a real JupyterHub: two users, two servers, and a key that neither can see."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.gateway.hub import PATIENCE, TESTER, Hub, hub
from tests.gateway.real_server import QUESTION, WIRE, command_lines, environ_of, load
from tests.notebook.kernels import harmless_environment
from tests.processes import eventually, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BUDGET = 1500
MAY = ["access:services!service=claude"]


@pytest.fixture(scope="module")
def shared(api: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    options = (f"--tokens_per_day={BUDGET}", "--remember=36000")
    with hub(tmp_path_factory.mktemp("hub"), api.url, KEY, *options) as running:
        yield running


def ask(url: str, token: str, **headers: str) -> tuple[int, Any]:
    sent = {"Authorization": f"Bearer {token}", **headers}.items()
    raw = {name.encode(): value.encode() for name, value in sent}
    answer = httpx2.post(f"{url}/v1/messages", json=WIRE, headers=raw, timeout=PATIENCE)
    return answer.status_code, answer.json()


def rejected(url: str, token: str) -> tuple[int, str]:
    status, body = ask(url, token)
    return status, body["error"]["type"]


def test_two_users_ask_and_each_has_a_budget(shared: Hub, api: Simulator) -> None:
    people = {who: shared.start_kernel(who) for who in ("ada", "bob")}
    for who, (_, kernel) in people.items():
        assert "key from this Jupyter server. %claude" in load(kernel)
        asked = kernel.start(QUESTION, cell="one")
        asked.until(lambda screen: screen.letters > 5)  # it streams
        assert asked.finish().status == "ok", asked.error
        assert "SIMULATED" in asked.answer.footer
        assert (shared.rows()[-1]["user"], shared.rows()[-1]["state"]) == (who, "whole")

    # only the service has the key
    tokens = set()
    for who, (_, kernel) in people.items():
        process = kernel.value("__import__('os').getpid()")
        block = environ_of(process)
        assert KEY.encode() not in block
        assert f"ANTHROPIC_BASE_URL={shared.claude}\0".encode() in block  # and no gateway of the user's server between
        assert f"JUPYTERHUB_USER={who}".encode() in block
        tokens.add(kernel.value("__import__('os').environ['ANTHROPIC_AUTH_TOKEN']"))
    assert len(tokens) == 2
    for file in shared.folder.rglob("*"):
        if file.is_file() and file.name != "claude.key":
            assert KEY.encode() not in file.read_bytes(), file
            if not file.name.startswith("jpserver-"):  # where a server keeps its own token, for its user
                assert not any(token.encode() in file.read_bytes() for token in tokens), file
    assert not any(KEY.encode() in line for line in command_lines().values())

    # ada uses up her budget, which leaves bob his
    kernel = people["ada"][1]
    question = "%%claude\nsimulate: deltas=400; chars=5"
    while (ran := kernel.run(question, cell="more")).status == "ok":
        assert len(shared.rows()) < 10
    assert ran.error is not None
    assert f"Your budget of {BUDGET:,} tokens a day on this server is spent" in ran.error[0]
    assert people["bob"][1].run(QUESTION, cell="two").status == "ok"
    assert [row["user"] for row in shared.rows()].count("bob") == 2

    # Stop reaches the API through the Hub's proxy
    before = len(shared.rows())
    stalled = people["bob"][1].start("%%claude\nsimulate: fault=stall; after=10; deltas=100", cell="three")
    eventually(lambda: [row["output_tokens"] > 0 for row in shared.rows()[before:]] == [True], PATIENCE)
    shared.call("POST", f"/user/bob/api/kernels/{people['bob'][0]}/interrupt")
    stalled.finish()
    eventually(lambda: shared.rows()[-1]["state"] == "broken", PATIENCE)


def test_a_token_stands_for_its_user_and_the_hub_decides_what_it_may(shared: Hub) -> None:
    bob = shared.token("bob", scopes=MAY)["token"]
    before = shared.log.count("GET /hub/api/user ")
    for headers in ({}, {"x-forwarded-user": "ada"}, {"x-jupyterhub-user": "ada"}, {"cookie": "user=ada"}):
        status, body = ask(shared.claude, bob, **headers)
        assert (status, body["type"]) == (200, "message"), body
        assert shared.rows()[-1]["user"] == "bob"
    assert shared.log.count("GET /hub/api/user ") == before + 1  # the Hub is asked once
    assert rejected(shared.claude, shared.token("bob", scopes=["read:users!user"])["token"]) == (
        403,
        "permission_error",
    )
    assert rejected(shared.claude, TESTER) == (403, "permission_error")
    for token in ("nobody", KEY, bob[:-1], bob + "x", "\u00e4"):
        assert rejected(shared.claude, token) == (401, "authentication_error")
    models = httpx2.get(f"{shared.claude}/v1/models", headers={"x-api-key": bob}, timeout=PATIENCE)
    assert models.status_code == 200
    outside = httpx2.get(f"{shared.claude}/v1/..%2f..%2fusage", headers={"x-api-key": bob}, timeout=PATIENCE)
    assert outside.status_code == 404


@contextmanager
def service(shared: Hub, api: Simulator, folder: Path, hub_api: str, *options: str) -> Iterator[str]:
    """A gateway that the Hub knows and does not manage."""
    port = free_port()
    environment = {
        "JUPYTERHUB_API_TOKEN": TESTER,
        "JUPYTERHUB_API_URL": hub_api,
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:services!service=claude"]',
        "JUPYTERHUB_CLIENT_ID": "service-claude",
        "JUPYTERHUB_SERVICE_PREFIX": "/services/claude/",
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
        "ANTHROPIC_BASE_URL": api.url,
        "ANTHROPIC_API_KEY": KEY,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "claude_magic.gateway", f"--ledger={folder / 'own.db'}", *options],
        env={**os.environ, **environment},
    )
    url = f"http://127.0.0.1:{port}/services/claude"

    def answers() -> bool:
        assert process.poll() is None
        try:
            return httpx2.get(f"{url}/v1/models", timeout=PATIENCE).status_code == 401
        except httpx2.ConnectError:
            return False

    try:
        eventually(answers, PATIENCE)
        yield url
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


def ends(url: str, token: str) -> bool:
    return ask(url, token)[0] == 401


def test_revoked_and_expired_tokens_end(shared: Hub, api: Simulator, tmp_path: Path) -> None:
    with service(shared, api, tmp_path, shared.api, "--remember=1") as url:
        revoked, short = shared.token("ada", scopes=MAY), shared.token("ada", scopes=MAY, expires_in=5)["token"]
        assert ask(url, revoked["token"])[0] == 200
        shared.call("DELETE", f"/hub/api/users/ada/tokens/{revoked['id']}")
        for token in (revoked["token"], short):
            eventually(functools.partial(ends, url, token), PATIENCE)
            assert rejected(url, token) == (401, "authentication_error")


def test_an_unreachable_hub_is_reported(shared: Hub, api: Simulator, tmp_path: Path) -> None:
    with service(shared, api, tmp_path, "http://127.0.0.1:9/hub/api") as url:
        status, body = ask(url, "any-token")
        assert "cannot reach JupyterHub" in body["error"]["message"]
        assert (status, body["error"]["type"]) == (503, "api_error")


def test_the_usage_page_needs_a_login_and_shows_what_its_viewer_may_see(shared: Hub) -> None:
    for who in ("ada", "bob"):
        assert ask(shared.claude, shared.token(who, scopes=MAY)["token"])[0] in (200, 429)
    for who, seen in (("ada", {"ada", "bob"}), ("bob", {"bob"})):
        with httpx2.Client(follow_redirects=True, timeout=PATIENCE) as browser:
            login = browser.get(f"{shared.claude}/")
            assert login.url.path == "/hub/login"
            form = {"username": who, "password": "a-password-for-everybody", "_xsrf": browser.cookies["_xsrf"]}
            page = browser.post(login.url, data=form)
            assert (page.status_code, page.url.path) == (200, "/services/claude/usage")
            assert "Claude on this server" in page.text
            assert page.headers["content-security-policy"].startswith("default-src 'none'")
            rows = browser.get(f"{shared.claude}/usage.csv").text.splitlines()[1:]
            assert {row.split(",")[1] for row in rows} == seen


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "JUPYTERHUB_API_TOKEN is not set: "),
        ({"JUPYTERHUB": "all"}, "no key: set ANTHROPIC_API_KEY, --key_file or --practice=True."),
        ({"JUPYTERHUB": "all", "ANTHROPIC_API_KEY": f"{KEY}\u00e4"}, "ANTHROPIC_API_KEY contains characters"),
    ],
)
def test_what_is_missing_is_reported_in_one_line(environment: dict[str, str], said: str, tmp_path: Path) -> None:
    if environment.pop("JUPYTERHUB", ""):
        names = ("API_TOKEN", "API_URL", "OAUTH_ACCESS_SCOPES", "SERVICE_PREFIX", "SERVICE_URL")
        environment |= {f"JUPYTERHUB_{name}": "x" for name in names}
    run = subprocess.run(
        [sys.executable, "-m", "claude_magic.gateway", f"--ledger={tmp_path / 'ledger.db'}"],
        env={**harmless_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert run.returncode == 1
    assert run.stderr.startswith(f"claude_magic.gateway: {said}"), run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert KEY not in run.stderr
