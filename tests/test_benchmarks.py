"""The benchmarks run, and compare what can be compared; no test depends on how long anything takes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pytest

mpl.use("agg")
import matplotlib.pyplot as plt

from benchmarks import answers, pictures
from benchmarks.cases import FLOOR, OURS, Measure, Scene, benchmark, there
from benchmarks.meter import Meter
from benchmarks.peers import peers
from benchmarks.report import picture, table
from benchmarks.runner import Missing, Row, Run
from benchmarks.server import serving
from claude_magic.messages.client import Client
from claude_magic.messages.exchange import RequestBody
from tests.judges import require_judge

CHECKOUT = Path(__file__).parents[1]
OTHER_BYTES = ("JPEG that fits", "figure", "PIL image, 2000x2000, from afar")
"""Without metadata; the last is shrunk from what is kept, at the size that the closest model sees."""
SAME_BYTES = [name for name in pictures.MAKERS if not name.startswith(OTHER_BYTES)]
IN_TRIAL = {
    "load": "",
    "stream": "",
    "first_token": "",
    "display": "4,000",
    "seen": "1,000",
    "pictures": "",
    "long_conversation": "",
    "tools": "",
}
"""Of those that take long, only some cases are tried."""
FIELDS = ["benchmark", "case", "subject", "measure", "unit", "median", "low", "high", "ratio_to_floor"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    made = Scene(tmp_path_factory.mktemp("scene"), scale=8)
    pictures.make(made)
    return made


@pytest.fixture(autouse=True)
def _no_plot_stays_open() -> Iterator[None]:
    yield
    plt.close("all")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", there())
def test_each_benchmark_runs_small_without_peers(name: str, tmp_path: Path) -> None:
    if name == "seen":
        require_judge("chromium")
    word, file = IN_TRIAL.get(name, ""), tmp_path / "figures.json"
    shown = run(name, "--small", "--only", word, "--peers", str(tmp_path), "--json", str(file))
    assert shown.returncode == 0, shown.stderr
    rows = json.loads(file.read_text("utf-8"))
    cases = [case for case in benchmark(name).CASES if word in case.name]
    for case in cases:
        for subject in set(case.ways) & {FLOOR, OURS}:
            figures = [row["measure"] for row in rows if (row["case"], row["subject"]) == (case.name, subject)]
            assert figures == [measure.name for measure in case.measures]
        for peer in set(case.ways) - {FLOOR, OURS}:
            assert f"{name}, {case.name}: {peer} is left out: it has no environment in {tmp_path}" in shown.stderr
    assert {row["case"] for row in rows} == {case.name for case in cases}
    for row in rows:
        assert [*row] == FIELDS
        assert row["low"] <= row["median"] <= row["high"]
        assert row["subject"] != FLOOR or row["ratio_to_floor"] in (1.0, None)
    assert shown.stdout.count("| floor |") == sum(row["subject"] == FLOOR for row in rows)


@pytest.mark.slow
def test_each_round_is_measured_and_compared_in_turn(tmp_path: Path) -> None:
    found = [*Run(3, tmp_path, small=True).measure("pictures", lambda case: case == pictures.FITS)]
    rows = {(row.subject, row.measure.name): row for row in found if isinstance(row, Row)}
    floor, ours = rows[FLOOR, "time"], rows[OURS, "time"]
    assert len(floor.values) == len(ours.values) == 3
    assert ours.ratios == [mine / its for mine, its in zip(ours.values, floor.values, strict=True)]
    assert [str(one) for one in found if isinstance(one, Missing)] == [
        f"pictures, {pictures.FITS}: chatlas is left out: it has no environment in {tmp_path}"
    ]


@pytest.mark.slow
def test_a_subject_that_cannot_be_measured_is_reported_and_the_others_are_measured(tmp_path: Path) -> None:
    broken = tmp_path / "chatlas" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    found = [*Run(1, tmp_path, small=True).measure("pictures", lambda case: case == pictures.FITS)]
    assert [one.why for one in found if isinstance(one, Missing)] == ["its process ended with status 3"]
    assert {row.subject for row in found if isinstance(row, Row)} == {FLOOR, OURS}


def test_unknown_names_are_reported() -> None:
    shown = run("pictures", "--only", "photograph", "--only", "of nobody")
    assert shown.returncode == 2
    assert shown.stderr.splitlines()[-1].endswith("no case has photograph and of nobody in its name")
    assert "no benchmark is called nothing" in run("nothing").stderr


def test_all_benchmarks_are_listed() -> None:
    listed = run("--list")
    assert listed.stdout.splitlines() == [f"{name}: {case.name}" for name in there() for case in benchmark(name).CASES]
    assert set(IN_TRIAL) <= set(there())


def test_peers_of_the_benchmarks_have_an_environment() -> None:
    subjects = {subject for name in there() for case in benchmark(name).CASES for subject in case.ways}
    assert subjects <= {FLOOR, OURS, *peers()}


def a_row(subject: str, values: list[float], ratios: list[float], measure: Measure) -> Row:
    return Row("stream", "text", subject, measure, values, ratios)


def test_a_missed_target_stands_out(tmp_path: Path) -> None:
    measure = Measure("CPU", "ms", ratio=3.0)
    rows = [
        a_row(FLOOR, [1.0, 2.0, 3.0], [1.0, 1.0, 1.0], measure),
        a_row(OURS, [4.0, 8.0, 12.0], [4.0, 4.0, 4.0], measure),
        a_row("chatlas", [50.0], [10.0], measure),
    ]
    assert [line.count("≤") for line in table(rows).splitlines()[-3:]] == [0, 1, 0]
    assert "| 8 (4–12) | 4 | **≤ 3 ×** |" in table(rows)
    reached = [a_row(OURS, [4.0], [3.0], measure), a_row(OURS, [0.0], [], Measure("long tasks", "ms", most=0))]
    assert [row.reached for row in reached] == [True, True]
    picture(rows, tmp_path / "ratios.png")
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")


def test_the_floor_and_the_client_read_the_same_answer(tmp_path: Path) -> None:
    blocks = [answers.thinking(["Hm", "m."]), answers.text(["One ", "two."]), answers.call(7, "f", ['{"a"', ": 1}"])]
    answers.write(tmp_path, "mixed", blocks)
    with serving(tmp_path) as url:
        floor = answers.Socket(f"{url}/mixed")
        assert floor.ask([answers.question()]) == ["Hmm.", "One two.", {"a": 1}]
        floor.close()
        client = Client(f"{url}/mixed")
        stream = client.stream(RequestBody([answers.question()]))
        assert [change.text for change in stream if change.kind == "text"] == ["One ", "two."]
        client.close()
    assert (stream.reply.thinking, stream.reply.own_text) == ("Hmm.", "One two.")
    assert [call.input for call in stream.reply.tool_uses] == [{"a": 1}]
    assert stream.reply.complete


@pytest.mark.parametrize("case", pictures.MAKERS)
def test_the_floor_makes_a_picture_of_the_same_size_and_format(case: str, scene: Scene) -> None:
    floor, ours = (pictures.describe(pictures.MAKERS[case][subject](scene)()) for subject in (FLOOR, OURS))
    assert (floor["size"], floor["format"]) == (ours["size"], ours["format"])


@pytest.mark.parametrize("case", SAME_BYTES)
def test_the_floor_makes_the_same_bytes(case: str, scene: Scene) -> None:
    assert pictures.MAKERS[case][FLOOR](scene)() == pictures.MAKERS[case][OURS](scene)()


def test_samples_are_the_same_each_time(scene: Scene, tmp_path: Path) -> None:
    pictures.make(Scene(tmp_path, scene.scale))
    for path in scene.folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.slow
def test_peak_memory_is_what_one_turn_needs_beyond_what_there_was() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux can reset the peak")
    for before in (200_000_000, 10_000_000):
        assert len(b"x" * before) == before
        with Meter() as meter:
            made = b"x" * 50_000_000
        del made
        assert 50_000_000 <= meter.peak < 60_000_000
