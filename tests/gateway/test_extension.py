"""A real Jupyter server, real kernels, and a key that none of them can see."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import httpx2
import pytest

from claude_magic.gateway import hardening
from claude_magic.gateway.kernel_env import CREDENTIALS
from claude_magic.gateway.provisioner import ClaudeProvisioner
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.gateway.jupyter import ADA, BOB, EVE, JupyterServer, jupyter_server
from tests.gateway.real_server import QUESTION, WIRE, command_lines, environ_of, load, until_ready
from tests.notebook.kernels import PATIENCE
from tests.processes import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(api: Simulator) -> dict[str, str]:
    return {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}


@pytest.fixture(scope="module")
def shared(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    with jupyter_server(tmp_path_factory.mktemp("server"), environment) as running:
        yield running


def test_two_kernels_ask_with_a_key_that_neither_can_see(shared: JupyterServer, api: Simulator) -> None:
    kernels = [shared.start_kernel(token)[1] for token in (ADA, BOB)]
    for kernel in kernels:
        assert "key from this Jupyter server. %claude" in load(kernel)
        asked = kernel.start(QUESTION, cell="one")
        asked.until(lambda screen: screen.letters > 5)
        assert asked.finish().status == "ok", asked.error
        assert "SIMULATED" in asked.answer.footer
    tokens = {kernel.value("__import__('os').environ['ANTHROPIC_AUTH_TOKEN']") for kernel in kernels}
    assert len(tokens) == 2
    assert [row["user"] for row in shared.rows()][-2:] == ["ada", "bob"]
    assert {row["state"] for row in shared.rows()} == {"whole"}

    # the key is neither in the environment of a kernel nor in any file
    for kernel in kernels:
        process = kernel.value("__import__('os').getpid()")
        block = environ_of(process)
        assert b"ANTHROPIC_AUTH_TOKEN" in block
        assert KEY.encode() not in block
        assert kernel.value(f"any({KEY!r}[:20] in value for value in __import__('os').environ.values())") is False
    for file in shared.folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert KEY.encode() not in content, file
            assert not any(token.encode() in content for token in tokens), file


def test_a_saved_notebook_holds_no_key(shared: JupyterServer) -> None:
    _, kernel = shared.start_kernel()
    load(kernel)
    outputs = json.dumps([kernel.run(cell).screen.outputs for cell in (QUESTION, "%claude", "claude")])
    assert "why is the sky" in outputs.lower() or len(outputs) > 500
    assert KEY not in outputs
    assert kernel.value("__import__('os').environ['ANTHROPIC_AUTH_TOKEN']") not in outputs


def test_a_restarted_kernel_goes_on_and_the_token_of_an_ended_one_is_revoked(shared: JupyterServer) -> None:
    id, kernel = shared.start_kernel()
    token = kernel.value("__import__('os').environ['ANTHROPIC_AUTH_TOKEN']")
    shared.call("POST", f"/api/kernels/{id}/restart", BOB)
    until_ready(kernel.client)
    assert kernel.value("__import__('os').environ['ANTHROPIC_AUTH_TOKEN']") == token
    load(kernel)
    assert kernel.run(QUESTION).status == "ok"
    assert shared.rows()[-1]["user"] == "ada"
    assert shared.call("POST", "/claude/v1/messages", token, WIRE)["type"] == "message"
    shared.kernels.pop(id).stop_channels()
    shared.call("DELETE", f"/api/kernels/{id}")
    status, body = shared.rejection("POST", "/claude/v1/messages", token, WIRE)
    assert (status, body["error"]["type"]) == (401, "authentication_error")
    assert "restart the kernel" in body["error"]["message"]


def test_kernels_that_are_started_at_once_belong_to_those_who_started_them(shared: JupyterServer) -> None:
    tokens = {"ada": ADA, "bob": BOB}
    everybody = [*tokens, *tokens]
    together = threading.Barrier(len(everybody), timeout=PATIENCE)

    def start(who: str) -> str:
        together.wait()
        id: str = shared.call("POST", "/api/kernels", tokens[who], {"name": "python3"})["id"]
        return id

    with ThreadPoolExecutor() as pool:
        ids = list(pool.map(start, everybody))
    running = command_lines()
    for id, who in zip(ids, everybody, strict=True):
        (kernel,) = [process for process, line in running.items() if f"kernel-{id}".encode() in line]
        variables = dict(variable.partition(b"=")[::2] for variable in environ_of(kernel).split(b"\0"))
        shared.call("POST", "/claude/v1/messages", variables[b"ANTHROPIC_AUTH_TOKEN"].decode(), WIRE)
        assert (shared.rows()[-1]["user"], shared.rows()[-1]["kernel"]) == (who, id)
        shared.call("DELETE", f"/api/kernels/{id}")


def test_users_are_those_that_jupyter_knows_and_allows(shared: JupyterServer) -> None:
    assert shared.call("POST", "/claude/v1/messages", BOB, WIRE)["type"] == "message"
    assert (shared.rows()[-1]["user"], shared.rows()[-1]["kernel"]) == ("bob", "")
    for token, status, kind in (
        ("token-of-nobody", 401, "authentication_error"),
        ("", 401, "authentication_error"),
        (KEY, 401, "authentication_error"),
        (EVE, 403, "permission_error"),
    ):
        answered, body = shared.rejection("POST", "/claude/v1/messages", token, WIRE)
        assert (answered, body["type"], body["error"]["type"]) == (status, "error", kind)
    _, kernel = shared.start_kernel(EVE)
    load(kernel)
    ran = kernel.run(QUESTION)
    assert ran.error == [
        "PermissionDenied: This Jupyter server does not allow you to use Claude (403 permission_error)."
    ]


def test_another_site_cannot_use_a_users_cookie(environment: dict[str, str], tmp_path: Path) -> None:
    with jupyter_server(
        tmp_path, environment, "c.ServerApp.allow_unauthenticated_access = False", people=False
    ) as running:
        assert "claude" not in running.log.partition("JupyterServerAuthWarning")[2].partition("[")[0]
        with httpx2.Client() as browser:
            browser.get(running.url + "/login")
            browser.get(f"{running.url}/api/status?token={ADA}")  # a cookie from here on
            address, xsrf = running.url + "/claude/v1/messages", browser.cookies["_xsrf"]
            for headers in ({}, {"x-xsrftoken": "guessed"}, {"origin": "http://evil.example", "x-xsrftoken": xsrf}):
                answer = browser.post(address, json=WIRE, headers=headers)
                assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error"), headers
            assert browser.post(address, json=WIRE, headers={"x-xsrftoken": xsrf}).status_code == 200
        assert running.rejection("GET", "/claude/v1/models", "token-of-nobody")[0] == 401
        _, kernel = running.start_kernel()
        load(kernel)
        assert kernel.run(QUESTION).status == "ok"


def test_a_users_own_key_goes_to_the_api_and_not_to_the_server(shared: JupyterServer, api: Simulator) -> None:
    _, kernel = shared.start_kernel()
    load(kernel)
    own = "sk-ant-api03-own-own-own-own-own-own"
    before = len(api.requests)
    kernel.run(f"_ = claude.home.credentials.set_key({own!r})")
    assert kernel.value("claude.home.client.base_url") == "https://api.anthropic.com"
    assert kernel.value("claude.home.client.platform.gateway") is None
    kernel.run("claude.home.credentials.forget()")
    assert kernel.value("claude.home.client.base_url") == f"{shared.url}/claude"
    kernel.run(f"import os; os.environ['ANTHROPIC_API_KEY'] = {own!r}")
    assert kernel.value("claude.home.client.base_url") == "https://api.anthropic.com"
    assert r"key from ANTHROPIC\_API\_KEY" in kernel.run("%claude").screen.markdown[0]
    assert len(api.requests) == before


def test_a_budget_stops_the_third_turn_and_says_so(api: Simulator, environment: dict[str, str], tmp_path: Path) -> None:
    with jupyter_server(tmp_path, environment, "c.ClaudeGateway.tokens_per_day = 1000") as running:
        _, kernel = running.start_kernel()
        load(kernel)
        question = "%%claude\nsimulate: deltas=400; chars=5"
        before = len(api.requests)
        assert [kernel.run(question, cell=cell).status for cell in ("a", "b")] == ["ok", "ok"]
        spent = sum(row[name] for row in running.rows() for name in row if name.endswith("put_tokens"))
        assert spent >= 1000
        third = kernel.run(question, cell="c")
        assert third.error == [
            f"RateLimited: Your budget of 1,000 tokens a day on this server is spent ({spent:,} so far); "
            "a new one begins at midnight (429 rate_limit_error)."
        ]
        assert len(api.requests) == before + 2
        assert len(running.rows()) == 2


def test_a_server_that_is_killed_in_the_middle_leaves_a_ledger_that_adds_up(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with jupyter_server(tmp_path, environment) as running:
        _, kernel = running.start_kernel()
        load(kernel)
        assert kernel.run(QUESTION, cell="one").status == "ok"
        kernel.start("%%claude\nsimulate: fault=stall; after=10; deltas=100", cell="two")
        eventually(lambda: [row["output_tokens"] > 0 for row in running.rows()] == [True, True])
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
    first, second = running.rows()
    assert (first["state"], second["state"]) == ("whole", "open")
    assert second["promised_tokens"] > 1000
    with jupyter_server(tmp_path, environment) as running:
        assert "answers in progress when the server last stopped: 1." in running.log
        assert running.rows()[0] == first
        lost = running.rows()[1]
        assert lost == {**second, "state": "lost", "promised_tokens": 0, "promised_cost": 0}
        assert lost["at_least"] == 1
        assert lost["input_tokens"] > 0
        assert lost["cost"] > 0


def test_a_terminal_holds_neither_key_nor_token(shared: JupyterServer) -> None:
    children = Path(f"/proc/{shared.process.pid}/task/{shared.process.pid}/children")
    before = {*children.read_text().split()}
    name = shared.call("POST", "/api/terminals", body={})["name"]
    [shell] = {*children.read_text().split()} - before
    assert b"TERM=" in environ_of(int(shell))
    assert not any(name.encode() in environ_of(int(shell)) for name in (*CREDENTIALS, "CLAUDE_MAGIC_GATEWAY", KEY))
    shared.call("DELETE", f"/api/terminals/{name}")


def test_practice_needs_no_key(tmp_path: Path) -> None:
    with jupyter_server(tmp_path, {}, "c.ClaudeGateway.practice = True; c.ClaudeGateway.models = ['haiku']") as running:
        _, kernel = running.start_kernel()
        said = load(kernel)
        assert "practice on this Jupyter server: simulated answers" in said
        assert "claude-haiku" in said  # the usual default is not allowed here
        assert kernel.run(QUESTION).status == "ok"
        assert [row["simulated"] for row in running.rows()] == [1]


def test_a_key_may_come_from_a_file(api: Simulator, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    with jupyter_server(
        tmp_path, {"ANTHROPIC_BASE_URL": api.url}, f"c.ClaudeGateway.key_file = {str(tmp_path / 'key')!r}"
    ) as running:
        assert running.call("POST", "/claude/v1/messages", body=WIRE)["type"] == "message"
        (tmp_path / "key").unlink()
    with jupyter_server(tmp_path, {}, f"c.ClaudeGateway.key_file = {str(tmp_path / 'key')!r}") as running:
        assert "Claude: the gateway is off: [Errno 2] No such file" in running.log


def test_without_a_key_everything_is_as_without_the_extension(tmp_path: Path) -> None:
    with jupyter_server(tmp_path, {}) as running:
        _, kernel = running.start_kernel()
        names = set(kernel.value("list(__import__('os').environ)"))
        assert not names & {*CREDENTIALS, "CLAUDE_MAGIC_GATEWAY", "CLAUDE_MAGIC_UPSTREAM"}
        assert "no API key yet" in load(kernel)


@pytest.mark.parametrize(
    ("config", "logged", "printed"),
    [
        ('c.ServerApp.jpserver_extensions = {"claude_magic.gateway": False}', "", "key from ANTHROPIC_API_KEY"),
        (
            'c.KernelProvisionerFactory.default_provisioner_name = "local-provisioner"',
            "kernels are started by local-provisioner",
            "no API key yet",
        ),
        (
            "c.ClaudeGateway.ledger = 'letter'",
            "Claude: the gateway is off: file is not a database",
            "no API key yet",  # and not the server's
        ),
    ],
    ids=["turned off", "another provisioner", "no ledger"],
)
def test_without_the_gateway_kernels_start_as_usual(
    environment: dict[str, str], tmp_path: Path, config: str, logged: str, printed: str
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "letter").write_text("no database at all, but a letter to a friend. " * 100)
    with jupyter_server(tmp_path, environment, config) as running:
        assert logged in running.log
        assert printed in load(running.start_kernel()[1])


def test_one_token_for_everybody_means_one_budget(environment: dict[str, str], tmp_path: Path) -> None:
    with jupyter_server(tmp_path, environment, people=False) as running:
        for _ in range(2):  # each time as a browser without a cookie
            assert running.call("POST", "/claude/v1/messages", body=WIRE)["type"] == "message"
        _, kernel = running.start_kernel()
        load(kernel)
        kernel.run(QUESTION)
        assert len({row["user"] for row in running.rows()}) == 1
        assert len(running.rows()) == 3


def test_the_installation_turns_it_on() -> None:
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
assert b"sk-ant-" in subprocess.run(look, capture_output=True).stdout  # deleting it is not enough
assert hide_process()
shown = subprocess.run(look, capture_output=True)
assert (shown.stdout, shown.returncode) == (b"", 1), shown
child = subprocess.run([sys.executable, "-c", "print(open('/proc/self/environ').read())"], capture_output=True)
assert (child.returncode, b"sk-ant-" in child.stdout) == (0, False), child
"""
    source = Path(hardening.__file__).read_text("utf-8")
    command = ["/usr/bin/python3", "-c", source + program]
    ran = subprocess.run(command, user=65534, env={"SECRET": KEY}, cwd="/", capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_kernels_of_other_programs_are_started_as_usual() -> None:
    assert ClaudeProvisioner()._tracker() is None
