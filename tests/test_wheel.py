"""The files that the wheel installs outside the package."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import claude_magic

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DATA = "data/share/jupyter/labextensions/claude_magic"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("claude_magic-*.whl")
    return zipfile.ZipFile(path)


def test_the_editor_extension_is_where_jupyterlab_looks(wheel: zipfile.ZipFile) -> None:
    (package,) = [name for name in wheel.namelist() if name.endswith("labextensions/claude_magic/package.json")]
    folder = package.removesuffix("/package.json")
    assert folder.endswith(f".data/{DATA}")
    described = json.loads(wheel.read(package))
    build = described["jupyterlab"]["_build"]
    assert build["load"].startswith("static/remoteEntry")
    assert f'"{described["name"]}"'.encode() in wheel.read(f"{folder}/{build['load']}")
    assert f"{folder}/install.json" in wheel.namelist()
    assert not [name for name in wheel.namelist() if name.startswith("claude_magic/notebook/editor")]
    assert described["version"] == claude_magic.__version__


def test_the_page_of_the_live_answer_is_there(wheel: zipfile.ZipFile) -> None:
    assert {f"claude_magic/notebook/display/live.{kind}" for kind in ("js", "css")} <= set(wheel.namelist())
