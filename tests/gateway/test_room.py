"""A real Jupyter server, real kernels, and a key that none of them sees."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from claude_magic.gateway import privacy
from claude_magic.gateway.core import TAKEN
from claude_magic.gateway.provisioner import ClaudeProvisioner
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.gateway.room import Room, room, until_ready
from tests.notebook.kernels import PATIENCE, Kernel
from tests.processes import eventually

pytestmark = pytest.mark.slow

QUESTION = "%%claude\nWhy is the sky blue?"
WIRE = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(scope="module")
def shared(api: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
    with room(tmp_path_factory.mktemp("room"), environment) as running:
        yield running


def environ(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


def loaded(kernel: Kernel) -> str:
    ran = kernel.run("%load_ext claude_magic")
    assert ran.status == "ok", ran.error
    return ran.printed


def rows(running: Room) -> list[dict[str, Any]]:
    connection = sqlite3.connect(running.folder / "data" / "claude_magic" / "ledger.db")
    connection.row_factory = sqlite3.Row
    found = [dict(row) for row in connection.execute("SELECT * FROM answers ORDER BY id")]
    connection.close()
    return found


def test_two_kernels_ask_with_a_key_that_is_nowhere(shared: Room, api: Simulator) -> None:
    people = {who: shared.start_kernel(who)[1] for who in ("ada", "bob")}
    for kernel in people.values():
        assert "key from this Jupyter server. %claude" in loaded(kernel)
        asked = kernel.start(QUESTION, cell="one")
        asked.until(lambda screen: screen.letters > 5)
        assert asked.finish().status == "ok", asked.error
        assert "SIMULATED" in asked.answer.footer
    tokens = {kernel.value("__import__('os').environ['ANTHROPIC_AUTH_TOKEN']") for kernel in people.values()}
    assert len(tokens) == 2
    assert [row["user"] for row in rows(shared)][-2:] == ["ada", "bob"]
    assert {row["state"] for row in rows(shared)} == {"whole"}

    # the key is known to one process, and no other can see it in any way that leaves a trace
    for kernel in people.values():
        process = kernel.value("__import__('os').getpid()")
        block = environ(process)
        assert b"ANTHROPIC_AUTH_TOKEN" in block
        assert KEY.encode() not in block
        assert kernel.value(f"any({KEY!r}[:20] in value for value in __import__('os').environ.values())") is False
    for file in shared.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert KEY.encode() not in content, file
            assert not any(token.encode() in content for token in tokens), file


def test_a_saved_notebook_holds_no_key(shared: Room) -> None:
    _, kernel = shared.start_kernel()
    loaded(kernel)
    outputs = json.dumps([kernel.run(cell).screen.outputs for cell in (QUESTION, "%claude", "claude")])
    assert "why is the sky" in outputs.lower() or len(outputs) > 500
    assert KEY not in outputs
    assert kernel.value("__import__('os').environ['ANTHROPIC_AUTH_TOKEN']") not in outputs


def test_a_restarted_kernel_goes_on_and_one_that_is_gone_asks_no_more(shared: Room) -> None:
    id, kernel = shared.start_kernel()
    token = kernel.value("__import__('os').environ['ANTHROPIC_AUTH_TOKEN']")
    shared.call("POST", f"/api/kernels/{id}/restart", "token-of-bob")
    until_ready(kernel.client)
    assert kernel.value("__import__('os').environ['ANTHROPIC_AUTH_TOKEN']") == token
    loaded(kernel)
    assert kernel.run(QUESTION).status == "ok"
    assert rows(shared)[-1]["user"] == "ada"
    assert shared.call("POST", "/claude/v1/messages", token, WIRE)["type"] == "message"
    shared.kernels.pop(id).stop_channels()
    shared.call("DELETE", f"/api/kernels/{id}")
    status, body = shared.refused("POST", "/claude/v1/messages", token, WIRE)
    assert (status, body["error"]["type"]) == (401, "authentication_error")
    assert "restart the kernel" in body["error"]["message"]


def test_kernels_that_are_started_at_once_belong_to_those_who_started_them(shared: Room) -> None:
    everybody = ["ada", "bob", "ada", "bob"]
    together = threading.Barrier(len(everybody), timeout=PATIENCE)

    def start(who: str) -> str:
        together.wait()
        id: str = shared.call("POST", "/api/kernels", f"token-of-{who}", {"name": "python3"})["id"]
        return id

    with ThreadPoolExecutor() as pool:
        ids = list(pool.map(start, everybody))
    running = [*psutil.process_iter(["cmdline"])]
    for id, who in zip(ids, everybody, strict=True):
        (kernel,) = [process for process in running if f"kernel-{id}" in " ".join(process.info["cmdline"] or [])]
        shared.call("POST", "/claude/v1/messages", kernel.environ()["ANTHROPIC_AUTH_TOKEN"], WIRE)
        assert (rows(shared)[-1]["user"], rows(shared)[-1]["kernel"]) == (who, id)
        shared.call("DELETE", f"/api/kernels/{id}")


def test_users_are_those_that_jupyter_knows_and_allows(shared: Room) -> None:
    assert shared.call("POST", "/claude/v1/messages", "token-of-bob", WIRE)["type"] == "message"
    assert (rows(shared)[-1]["user"], rows(shared)[-1]["kernel"]) == ("bob", "")
    for token, status, kind in (
        ("token-of-nobody", 401, "authentication_error"),
        ("", 401, "authentication_error"),
        (KEY, 401, "authentication_error"),
        ("token-of-eve", 403, "permission_error"),
    ):
        answered, body = shared.refused("POST", "/claude/v1/messages", token, WIRE)
        assert (answered, body["type"], body["error"]["type"]) == (status, "error", kind)
    _, kernel = shared.start_kernel("eve")
    loaded(kernel)
    ran = kernel.run(QUESTION)
    assert ran.error == [
        "PermissionDenied: This Jupyter server does not allow you to use Claude (403 permission_error)."
    ]


def test_another_site_cannot_ask_with_a_users_cookie(api: Simulator, tmp_path: Path) -> None:
    environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
    with room(tmp_path, environment, "c.ServerApp.allow_unauthenticated_access = False", people=False) as running:
        assert "claude" not in running.log.partition("JupyterServerAuthWarning")[2].partition("[")[0]
        with httpx2.Client() as browser:
            browser.get(running.url + "/login")
            browser.get(running.url + "/api/status?token=token-of-ada")  # a cookie from here on
            address, xsrf = running.url + "/claude/v1/messages", browser.cookies["_xsrf"]
            for headers in ({}, {"x-xsrftoken": "guessed"}, {"origin": "http://evil.example", "x-xsrftoken": xsrf}):
                answer = browser.post(address, json=WIRE, headers=headers)
                assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error"), headers
            assert browser.post(address, json=WIRE, headers={"x-xsrftoken": xsrf}).status_code == 200
        assert running.refused("GET", "/claude/v1/models", "token-of-nobody")[0] == 401
        _, kernel = running.start_kernel()
        loaded(kernel)
        assert kernel.run(QUESTION).status == "ok"


def test_a_key_of_ones_own_goes_to_the_api_and_not_to_the_server(shared: Room, api: Simulator) -> None:
    _, kernel = shared.start_kernel()
    loaded(kernel)
    own = "sk-ant-api03-own-own-own-own-own-own"
    before = len(api.requests)
    kernel.run(f"_ = claude._home.credentials.set_key({own!r})")
    assert kernel.value("claude._home.client.base_url") == "https://api.anthropic.com"
    assert kernel.value("claude._home.client.gateway") is None
    kernel.run("claude._home.credentials.forget()")
    assert kernel.value("claude._home.client.base_url") == f"{shared.url}/claude"
    kernel.run(f"import os; os.environ['ANTHROPIC_API_KEY'] = {own!r}")
    assert kernel.value("claude._home.client.base_url") == "https://api.anthropic.com"
    assert r"key from ANTHROPIC\_API\_KEY" in kernel.run("%claude").screen.markdown[0]
    assert len(api.requests) == before


def test_a_budget_stops_the_third_turn_and_says_so(api: Simulator, tmp_path: Path) -> None:
    environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
    with room(tmp_path, environment, "c.ClaudeGateway.tokens_per_day = 1000") as running:
        _, kernel = running.start_kernel()
        loaded(kernel)
        question = "%%claude\nsimulate: deltas=400; chars=5"
        before = len(api.requests)
        assert [kernel.run(question, cell=cell).status for cell in ("a", "b")] == ["ok", "ok"]
        spent = sum(row[name] for row in rows(running) for name in row if name.endswith("put_tokens"))
        assert spent >= 1000
        third = kernel.run(question, cell="c")
        assert third.error == [
            f"RateLimited: Your budget of 1,000 tokens a day on this server is spent ({spent:,} so far); "
            "a new one begins at midnight (429 rate_limit_error)."
        ]
        assert len(api.requests) == before + 2
        assert len(rows(running)) == 2


def test_a_server_that_is_killed_in_the_middle_leaves_a_ledger_that_adds_up(api: Simulator, tmp_path: Path) -> None:
    environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
    with room(tmp_path, environment) as running:
        _, kernel = running.start_kernel()
        loaded(kernel)
        assert kernel.run(QUESTION, cell="one").status == "ok"
        kernel.start("%%claude\nsimulate: fault=stall; after=10; deltas=100", cell="two")
        eventually(lambda: [row["output_tokens"] > 0 for row in rows(running)] == [True, True])
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
    first, second = rows(running)
    assert (first["state"], second["state"]) == ("whole", "open")
    assert second["promised_tokens"] > 1000
    with room(tmp_path, environment) as running:
        assert "1 answers were on their way" in running.log
        assert rows(running)[0] == first
        lost = rows(running)[1]
        assert lost == {**second, "state": "lost", "promised_tokens": 0, "promised_cost": 0}
        assert lost["at_least"] == 1
        assert lost["input_tokens"] > 0
        assert lost["cost"] > 0


def test_a_terminal_holds_neither_key_nor_token(shared: Room) -> None:
    before = {process.pid for process in psutil.Process(shared.process.pid).children()}
    name = shared.call("POST", "/api/terminals", body={})["name"]
    [shell] = [one for one in psutil.Process(shared.process.pid).children() if one.pid not in before]
    assert b"TERM=" in environ(shell.pid)
    assert not any(name.encode() in environ(shell.pid) for name in (*TAKEN, "CLAUDE_MAGIC_GATEWAY", KEY))
    shared.call("DELETE", f"/api/terminals/{name}")


def test_practice_needs_no_key(tmp_path: Path) -> None:
    with room(tmp_path, {}, "c.ClaudeGateway.practice = True; c.ClaudeGateway.models = ['haiku']") as running:
        _, kernel = running.start_kernel()
        said = loaded(kernel)
        assert "practice on this Jupyter server: simulated answers" in said
        assert "claude-haiku" in said  # and not the usual one, which may not be asked here
        assert kernel.run(QUESTION).status == "ok"
        assert [row["simulated"] for row in rows(running)] == [1]


def test_a_key_may_come_from_a_file(api: Simulator, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    with room(
        tmp_path, {"ANTHROPIC_BASE_URL": api.url}, f"c.ClaudeGateway.key_file = {str(tmp_path / 'key')!r}"
    ) as running:
        assert running.call("POST", "/claude/v1/messages", body=WIRE)["type"] == "message"
        (tmp_path / "key").unlink()
    with room(tmp_path, {}, f"c.ClaudeGateway.key_file = {str(tmp_path / 'key')!r}") as running:
        assert "Claude: the gateway is off: [Errno 2] No such file" in running.log


def test_without_a_key_everything_is_as_without_the_extension(tmp_path: Path) -> None:
    with room(tmp_path, {}) as running:
        _, kernel = running.start_kernel()
        names = set(kernel.value("list(__import__('os').environ)"))
        assert not names & {*TAKEN, "CLAUDE_MAGIC_GATEWAY", "CLAUDE_MAGIC_UPSTREAM"}
        assert "no API key yet" in loaded(kernel)


def test_one_line_switches_it_off(api: Simulator, tmp_path: Path) -> None:
    environment = {"ANTHROPIC_API_KEY": "any-key", "ANTHROPIC_BASE_URL": api.url}
    off = 'c.ServerApp.jpserver_extensions = {"claude_magic.gateway": False}'
    with room(tmp_path, environment, off) as running:
        _, kernel = running.start_kernel()
        assert "key from ANTHROPIC_API_KEY" in loaded(kernel)


def test_one_token_for_everybody_means_one_budget(api: Simulator, tmp_path: Path) -> None:
    environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
    with room(tmp_path, environment, people=False) as running:
        for _ in range(2):  # each time as a browser without a cookie
            assert running.call("POST", "/claude/v1/messages", body=WIRE)["type"] == "message"
        _, kernel = running.start_kernel()
        loaded(kernel)
        kernel.run(QUESTION)
        assert len({row["user"] for row in rows(running)}) == 1
        assert len(rows(running)) == 3


def test_a_provisioner_that_somebody_chose_stays(api: Simulator, tmp_path: Path) -> None:
    environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
    chosen = 'c.KernelProvisionerFactory.default_provisioner_name = "local-provisioner"'
    with room(tmp_path, environment, chosen) as running:
        assert "kernels are started by local-provisioner" in running.log
        _, kernel = running.start_kernel()
        assert "no API key yet" in loaded(kernel)


def test_the_installation_switches_it_on() -> None:
    files = {str(file) for file in metadata.files("claude_magic") or ()}
    (name,) = [name for name in files if name.endswith("etc/jupyter/jupyter_server_config.d/claude_magic.json")]
    content = json.loads(Path(str(metadata.distribution("claude_magic").locate_file(name))).read_text("utf-8"))
    assert content == {"ServerApp": {"jpserver_extensions": {"claude_magic.gateway": True}}}
    (entry,) = metadata.entry_points(group="jupyter_client.kernel_provisioners", name="claude-magic")
    assert entry.load().__name__ == "ClaudeProvisioner"


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or not Path("/usr/bin/python3").exists(),
    reason="needs Linux, its own Python, and the right to become another user",
)
def test_the_first_environment_of_the_server_is_closed_to_its_own_user() -> None:
    program = """
import os, subprocess, sys
look = ["cat", f"/proc/{os.getpid()}/environ"]
assert b"sk-ant-" in subprocess.run(look, capture_output=True).stdout
del os.environ["SECRET"]
assert b"sk-ant-" in subprocess.run(look, capture_output=True).stdout  # taking it out is not enough
assert hide_process()
shown = subprocess.run(look, capture_output=True)
assert (shown.stdout, shown.returncode) == (b"", 1), shown
child = subprocess.run([sys.executable, "-c", "print(open('/proc/self/environ').read())"], capture_output=True)
assert (child.returncode, b"sk-ant-" in child.stdout) == (0, False), child
"""
    source = Path(privacy.__file__).read_text("utf-8")
    command = ["/usr/bin/python3", "-c", source + program]
    ran = subprocess.run(command, user=65534, env={"SECRET": KEY}, cwd="/", capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_kernels_of_other_tools_are_started_as_ever() -> None:
    assert ClaudeProvisioner()._extension() is None


def test_a_ledger_that_cannot_be_opened_switches_the_gateway_off(api: Simulator, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("no database at all, but a letter to a friend. " * 100)
    environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
    with room(tmp_path, environment, f"c.ClaudeGateway.ledger = {str(tmp_path / 'ledger.db')!r}") as running:
        assert "Claude: the gateway is off: file is not a database" in running.log
        _, kernel = running.start_kernel()
        assert "no API key yet" in loaded(kernel)  # and not the server's
