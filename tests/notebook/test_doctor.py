"""``claude-magic doctor`` reports every problem in one line, with the fix."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from claude_magic.notebook import doctor
from claude_magic.simulator import Simulator
from tests.conftest import KEY
from tests.messages.servers import http, raw


def run(**environment: str) -> tuple[int, dict[str, str], str]:
    """Exit status, the lines by their subject, and everything that was printed."""
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    shown = subprocess.run(
        [sys.executable, "-m", "claude_magic.cli", "doctor"],
        capture_output=True,
        text=True,
        check=False,
        env={**plain, **environment},
        timeout=120,
    )
    assert "Traceback" not in shown.stderr, shown.stderr
    lines = {line.split()[1]: line for line in reversed(shown.stdout.splitlines())}
    return shown.returncode, lines, shown.stdout + shown.stderr


def test_everything_works_on_the_simulator() -> None:
    status, lines, _ = run(ANTHROPIC_BASE_URL="simulator")
    assert status == 0
    assert {line.split()[0] for line in lines.values()} == {"ok"}
    assert lines["key"].endswith("simulator, no key needed")
    assert lines["model"].endswith("claude-sonnet-5-5 is available")
    for name in ("Python 3.", "claude_magic ", "ipython ", "ipykernel ", "jupyterlab ", "anywidget "):
        assert name in lines["versions"]


def test_a_key_is_tried_and_never_shown(simulator: Simulator) -> None:
    simulator.keys = {KEY}
    status, lines, shown = run(ANTHROPIC_BASE_URL=simulator.url, ANTHROPIC_API_KEY=KEY, ANTHROPIC_MODEL="haiku")
    assert status == 0, shown
    assert lines["key"].endswith("key from ANTHROPIC_API_KEY")
    assert "claude-haiku-5-5 is available" in lines["model"]
    wrong = KEY.replace("abc", "xyz")
    status, lines, others = run(ANTHROPIC_BASE_URL=simulator.url, ANTHROPIC_AUTH_TOKEN=wrong, ANTHROPIC_API_KEY=" ")
    assert status == 1
    assert lines["server"].startswith("ok ")
    assert "It was rejected: " in others
    assert "claude.login() to enter another" in others
    assert "key from ANTHROPIC_AUTH_TOKEN" in others
    assert KEY[16:] not in shown + others
    assert wrong[16:] not in shown + others


def test_without_key_and_network_it_reports_both_and_ends() -> None:
    status, lines, shown = run(ANTHROPIC_BASE_URL="https://example.invalid", SSL_CERT_FILE="/nowhere/at/all.pem")
    assert status == 1
    assert lines["key"].startswith("fail")
    assert "claude.login() to enter one" in lines["key"]
    assert "SSL_CERT_FILE is /nowhere/at/all.pem, which does not exist" in lines["certificates"]
    assert lines["server"].startswith("fail")
    status, lines, shown = run(ANTHROPIC_BASE_URL="http://127.0.0.1:9")
    assert status == 1
    assert "Cannot connect to http://127.0.0.1:9" in shown


def test_without_a_key_the_connection_to_the_server_is_still_checked() -> None:
    refused = http(
        b'{"type":"error","error":{"type":"authentication_error","message":"no"}}', "application/json", "401 No"
    )
    with raw(refused) as server:
        _, lines, shown = run(ANTHROPIC_BASE_URL=server.url.replace("127.0.0.1", "localhost"))
        assert "answers" in lines["server"], shown
    status, lines, shown = run(ANTHROPIC_BASE_URL="rubbish $(here)")
    assert status == 1
    assert shown.count("base_url must begin with http") == 1


def test_an_unknown_model_is_reported_with_similar_names(simulator: Simulator) -> None:
    status, lines, _ = run(ANTHROPIC_BASE_URL=simulator.url, ANTHROPIC_MODEL="claude-haiku-45")
    assert status == 1
    assert "claude-haiku-45 is not known there. Try claude-haiku-4-5" in lines["model"]


def test_a_server_that_lists_no_models_is_no_failure() -> None:
    with raw(http(b"{}", "application/json", "404 Not Found")) as server:
        status, lines, _ = run(ANTHROPIC_BASE_URL=server.url)
    assert status == 0
    assert lines["server"].startswith("note")
    assert "it may not know claude-sonnet-5-5" in lines["server"]


def test_the_proxy_is_named_without_its_password(simulator: Simulator) -> None:
    with raw(http(b"{}", "application/json", "407 Proxy Authentication Required")) as proxy:
        address = proxy.url.replace("//", "//me:secret-word@")
        status, lines, shown = run(ANTHROPIC_BASE_URL="http://example.invalid", HTTP_PROXY=address, http_proxy=address)
    assert status == 1
    assert f"{proxy.url} is used for http://example.invalid" in lines["proxy"]
    assert "secret-word" not in shown


def test_a_server_that_never_answers_is_abandoned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "_SECONDS", 0.5)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))

    def silent(connection: object) -> None:
        server.over.wait(60)

    with raw(silent) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        findings = {finding.subject: finding for finding in doctor.examine_shell()}
        server.over.set()
    assert findings["server"].state == "fail"
    assert "silent for" in findings["server"].message or "No answer within" in findings["server"].message


@pytest.mark.parametrize("present", [True, False])
def test_widgets_are_looked_for_where_jupyterlab_looks(
    present: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyter_core import paths

    def folders(*parts: str) -> list[str]:
        return [str(tmp_path.joinpath(*parts))]

    monkeypatch.setattr(paths, "jupyter_path", folders)
    for extension in doctor._EXTENSIONS if present else ():
        folder = tmp_path / "labextensions" / extension
        folder.mkdir(parents=True)
        (folder / "package.json").write_text("{}")
    found = doctor._widgets()
    assert found.state == ("ok" if present else "note")
    assert present or "pip install anywidget ipywidgets where JupyterLab is installed" in found.message
