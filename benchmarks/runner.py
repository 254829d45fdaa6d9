"""Cases, each in processes of its own: the ways of a case take turns, and are compared turn by turn.

This process stays small, because a new process begins with its parent's peak memory.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cases import OURS, Case, Scene
from benchmarks.worker import subject

TRIAL_SCALE = 8
_CHECKOUT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Row:
    """One way of doing one case.

    Attributes
    ----------
    case, way : str
    missing : str or None
        The package without which this way could not be measured; the rest is empty then.
    made : dict
        What came out.
    seconds : list of float
        In the order of the rounds.
    ratios : list of float
        claude_magic's seconds divided by these, round by round.
    peak : int
        Bytes of memory beyond those of the process once everything was imported.
    """

    case: str
    way: str
    missing: str | None = None
    made: dict[str, Any] = dataclasses.field(default_factory=dict)
    seconds: list[float] = dataclasses.field(default_factory=list)
    ratios: list[float] = dataclasses.field(default_factory=list)
    peak: int = 0


def run(name: str, only: Sequence[str], *, rounds: int, quick: bool = False) -> Iterator[Row]:
    """Measure the cases of a subject.

    Parameters
    ----------
    name : str
        Of the subject's module.
    only : sequence of str
        Names of its cases; the others are left out.
    rounds : int
        How often each way has its turn.
    quick : bool
        Whether the samples are small; for trying out, not for figures.

    Yields
    ------
    Row
    """
    with tempfile.TemporaryDirectory() as folder:
        small = _made(name, Scene(Path(folder, "small"), TRIAL_SCALE))
        scene = small if quick else _made(name, Scene(Path(folder, "full")))
        for case in subject(name).CASES:
            if case.name in only:
                yield from _rows(name, case, scene, small, rounds)


def _made(name: str, scene: Scene) -> Scene:
    scene.folder.mkdir()
    _ask("make", name, scene)
    return scene


def _rows(name: str, case: Case, scene: Scene, small: Scene, rounds: int) -> Iterator[Row]:
    found = _ask("times", name, scene, case=case.name, rounds=rounds)
    ours = found[OURS]["seconds"]
    for way, values in found.items():
        if "missing" in values:
            yield Row(case.name, way, values["missing"])
            continue
        ratios = [mine / its for mine, its in zip(ours, values["seconds"], strict=True)]
        aside = {"small": str(small.folder), "small_scale": small.scale}
        peak = _ask("memory", name, scene, case=case.name, way=way, **aside)
        yield Row(case.name, way, None, values["made"], values["seconds"], ratios, peak)


def _ask(do: str, name: str, scene: Scene, **more: Any) -> Any:
    order = {"do": do, "subject": name, "folder": str(scene.folder), "scale": scene.scale, **more}
    command = [sys.executable, "-m", "benchmarks.worker", json.dumps(order)]
    answer = subprocess.run(command, cwd=_CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return json.loads(answer.stdout.splitlines()[-1])
