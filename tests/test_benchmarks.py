"""The benchmarks run, and compare what can be compared; how long anything takes is no test's business."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

mpl.use("agg")
import matplotlib.pyplot as plt

from benchmarks import pictures
from benchmarks.cases import Case, Scene

CHECKOUT = Path(__file__).parents[1]
WAYS = ["floor", "claude_magic", "chatlas"]
THERE = [way for way in WAYS if way != "chatlas" or importlib.util.find_spec("chatlas") is not None]
OTHER_BYTES = ("JPEG that fits", "figure", "PIL image, 2000x2000, from afar")
"""Without metadata; the last is shrunk from what is kept, at the size that the closest model sees."""
SAME_BYTES = [case for case in pictures.CASES if not case.name.startswith(OTHER_BYTES)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    made = Scene(tmp_path_factory.mktemp("scene"), scale=8)
    pictures.make(made)
    return made


@pytest.fixture(autouse=True)
def _no_plot_stays_open() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, Any]]:
    """The lines of a quick run, and the JSON that it wrote."""
    file = tmp_path_factory.mktemp("trial") / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "pictures", "--quick", "--rounds", "2", "--json", str(file)]
    shown = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.splitlines(), json.loads(file.read_text("utf-8"))


def test_every_way_of_every_case_is_a_row_of_the_table(trial: tuple[list[str], dict[str, Any]]) -> None:
    lines, document = trial
    assert [(row["case"], row["way"]) for row in document["rows"]] == [
        (case.name, way) for case in pictures.CASES for way in WAYS
    ]
    table = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")][2:]
    assert [cells[0] for cells in table if cells[1] == "floor"] == [case.name for case in pictures.CASES]
    assert len(table) == len(document["rows"])


def test_a_name_that_no_case_has_is_said() -> None:
    command = [sys.executable, "-m", "benchmarks", "pictures", "--only", "photograph", "--only", "of nobody"]
    shown = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert shown.returncode == 2
    assert shown.stderr.splitlines()[-1].endswith("no case has photograph and of nobody in its name")


def test_each_round_is_measured_and_compared(trial: tuple[list[str], dict[str, Any]]) -> None:
    _, document = trial
    rows = {(row["case"], row["way"]): row for row in document["rows"] if row["way"] in THERE}
    assert len(rows) == len(pictures.CASES) * len(THERE)
    for (case, _), row in rows.items():
        ours = rows[case, "claude_magic"]["seconds"]
        assert row["ratios"] == [mine / its for mine, its in zip(ours, row["seconds"], strict=True)]
        assert len(ours) == 2
        assert row["peak"] >= 0


def test_a_counterpart_that_is_not_installed_is_named(trial: tuple[list[str], dict[str, Any]]) -> None:
    lines, document = trial
    missing = [row["missing"] for row in document["rows"] if row["way"] not in THERE]
    assert missing == ["chatlas"] * len(pictures.CASES) * (len(WAYS) - len(THERE))
    assert sum("chatlas is not installed" in line for line in lines) == len(missing)
    assert (document["environment"]["chatlas"] == "not installed") == bool(missing)


@pytest.mark.parametrize("case", pictures.CASES, ids=lambda case: case.name)
def test_the_floor_makes_a_picture_of_the_same_size_and_format(case: Case, scene: Scene) -> None:
    floor, ours = (pictures.describe(case.ways[way](scene)()) for way in ("floor", "claude_magic"))
    assert (floor["size"], floor["format"]) == (ours["size"], ours["format"])


@pytest.mark.parametrize("case", SAME_BYTES, ids=lambda case: case.name)
def test_the_floor_makes_the_same_bytes(case: Case, scene: Scene) -> None:
    assert case.ways["floor"](scene)() == case.ways["claude_magic"](scene)()


def test_samples_are_the_same_each_time(scene: Scene, tmp_path: Path) -> None:
    pictures.make(Scene(tmp_path, scene.scale))
    for path in scene.folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_peak_memory_is_what_the_large_scene_needs_beyond_the_small_one() -> None:
    program = (
        "from benchmarks.worker import memory; "
        "grown = memory(lambda size: lambda: b'x' * size, 50_000_000, 1); "
        "assert 50_000_000 <= grown < 60_000_000, grown"
    )
    # A process begins with the peak of the one that started it: pytest's would hide what is measured.
    between = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', sys.argv[1]]))"
    subprocess.run([sys.executable, "-c", between, program], cwd=CHECKOUT, check=True)
