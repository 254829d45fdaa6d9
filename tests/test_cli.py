"""The command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import nbformat
import pytest

from claude_magic.cli import NOTEBOOKS, main
from tests.conftest import KEY

COMMAND = [sys.executable, "-m", "claude_magic.cli"]
SHIPPED = Path(__file__).parents[1] / "notebooks"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, env=env)


@pytest.mark.kernel
def test_the_demo_runs_to_the_end_and_prints_what_a_reader_would_see(tmp_path: Path) -> None:
    executed = tmp_path / "executed.ipynb"
    shown = run("demo", "--execute", "--dir", str(tmp_path), "--to", str(executed))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "There is no API key: the notebook uses the built-in simulator" in shown.stdout
    assert shown.stdout.count("SIMULATED") == 4
    assert "JPEG, 512 x 600 pixels" in shown.stdout
    notebook = nbformat.read(executed, as_version=4)
    nbformat.validate(notebook)
    answers = [cell.outputs for cell in notebook.cells if cell.source.startswith("%%claude")]
    assert len(answers) == 3
    for outputs in answers:
        assert [set(output.data) for output in outputs] == [{"text/markdown", "text/plain"}]
        assert outputs[0].metadata.claude_magic.simulated


@pytest.mark.kernel
def test_a_failing_notebook_fails_and_the_key_is_nowhere(tmp_path: Path) -> None:
    executed = tmp_path / "executed.ipynb"
    shown = run(
        "demo", "--execute", "--dir", str(tmp_path), "--to", str(executed),
        ANTHROPIC_API_KEY=KEY, ANTHROPIC_BASE_URL="http://127.0.0.1:9",
    )  # fmt: skip
    assert shown.returncode == 1
    assert "Cannot connect to http://127.0.0.1:9" in shown.stdout
    assert KEY[14:] not in shown.stdout + shown.stderr + executed.read_text("utf-8")


@pytest.mark.kernel
def test_all_notebooks_are_copied_one_is_chosen_and_an_existing_one_is_kept(tmp_path: Path) -> None:
    mine = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print('mine')")])
    nbformat.write(mine, tmp_path / "tools.ipynb")
    shown = run("demo", "--execute", "--notebook", "tools", "--dir", str(tmp_path))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.splitlines()[-3:] == [">>> print('mine')", "mine", ""]
    assert {path.stem for path in tmp_path.glob("*.ipynb")} == set(NOTEBOOKS.values())
    assert nbformat.read(tmp_path / "tools.ipynb", as_version=4).cells == mine.cells
    for name in ("quickstart.ipynb", "vision.ipynb"):
        assert (tmp_path / name).read_bytes() == (SHIPPED / name).read_bytes()


def test_every_notebook_of_the_repository_can_be_chosen() -> None:
    assert set(NOTEBOOKS.values()) == {path.stem for path in SHIPPED.glob("*.ipynb")}


def test_the_simulator_serves_until_ctrl_c() -> None:
    command = [*COMMAND, "simulator", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    body = {"model": "claude-haiku-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    assert httpx2.post(f"{url}/v1/messages", json=body, headers=headers).json()["type"] == "message"
    taken = run("simulator", "--port", url.rpartition(":")[2])
    assert taken.returncode == 1
    assert "cannot be used" in taken.stderr
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in out + err


@pytest.mark.parametrize("arguments", [[], ["dance"], ["demo", "--to", "x"], ["demo", "--notebook", "dance"]])
def test_invalid_arguments_are_rejected(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: claude-magic" in capsys.readouterr().err
