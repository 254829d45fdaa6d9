"""Cases, each subject in a process of its own; they take turns, and are compared turn by turn.

This process stays small, because a new process begins with its parent's peak memory.
"""

from __future__ import annotations

import dataclasses
import json
import selectors
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.cases import FLOOR, OURS, Case, Measure, Scene, benchmark
from benchmarks.peers import python_of

TRIAL_SCALE = 8
_CHECKOUT = Path(__file__).parents[1]
_PATIENCE = 300.0
"""Seconds until a turn is given up."""
_LAST_PATIENCE = 30.0
"""Seconds until a process that does not end by itself is ended."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One measure of one subject in one case.

    Attributes
    ----------
    benchmark, case, subject : str
    measure : Measure
    values : list of float
        In the order of the rounds.
    ratios : list of float
        Divided by the floor's value of the same round, where that is not 0.
    """

    benchmark: str
    case: str
    subject: str
    measure: Measure
    values: list[float]
    ratios: list[float]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def ratio(self) -> float | None:
        """The middle ratio."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def reached(self) -> bool | None:
        """Whether the figure to reach is reached; None if there is none, or it is for others."""
        most, ratio = self.measure.most, self.measure.ratio
        if self.subject != OURS or (most is None and (ratio is None or self.ratio is None)):
            return None
        return self.median <= most if most is not None else (self.ratio or 0.0) <= (ratio or 0.0)

    def to_json(self) -> dict[str, Any]:
        """The figures alone."""
        return {
            "benchmark": self.benchmark,
            "case": self.case,
            "subject": self.subject,
            "measure": self.measure.name,
            "unit": self.measure.unit,
            "median": self.median,
            "low": min(self.values),
            "high": max(self.values),
            "ratio_to_floor": self.ratio,
        }


@dataclasses.dataclass(frozen=True)
class Missing:
    """A subject that could not be measured, and why."""

    benchmark: str
    case: str
    subject: str
    why: str

    def __str__(self) -> str:
        return f"{self.benchmark}, {self.case}: {self.subject} is left out: {self.why}"


@dataclasses.dataclass(frozen=True)
class Run:
    """How to measure.

    Attributes
    ----------
    rounds : int
        How often each subject has its turn.
    peers : Path
        The folder of the peers' environments.
    small : bool
        Whether the samples are small; for trying out, not for figures.
    """

    rounds: int
    peers: Path
    small: bool = False

    def measure(self, name: str, wanted: Callable[[str], bool] = lambda case: True) -> Iterator[Row | Missing]:
        """Measure the cases of a benchmark.

        Parameters
        ----------
        name : str
        wanted : callable
            Whether a case of this name is.

        Yields
        ------
        Row or Missing
        """
        with tempfile.TemporaryDirectory() as folder:
            scene = Scene(Path(folder), TRIAL_SCALE if self.small else 1)
            with ExitStack() as stack:
                maker = stack.enter_context(_Worker(sys.executable, benchmark=name, scene=scene))
                if "ready" not in (answer := maker.answer()):
                    yield Missing(name, "all", "samples", answer["missing"])
                    return
            for case in benchmark(name).CASES:
                if wanted(case.name):
                    yield from self._case(name, case, scene)

    def _case(self, name: str, case: Case, scene: Scene) -> Iterator[Row | Missing]:
        lanes = min(case.at_once, self.rounds) or 1
        found: dict[str, list[dict[str, float]]] = {}
        with ExitStack() as stack:
            workers: dict[str, list[_Worker]] = {}
            for subject in case.ways:
                python = sys.executable if subject in (FLOOR, OURS) else python_of(subject, self.peers)
                if python is None:
                    yield Missing(name, case.name, subject, f"it has no environment in {self.peers}")
                    continue
                order: dict[str, Any] = {"benchmark": name, "scene": scene, "case": case.name, "subject": subject}
                opened = [stack.enter_context(_Worker(python, **order)) for _ in range(lanes)]
                said = [worker.answer() for worker in opened]
                if why := next((answer["missing"] for answer in said if "missing" in answer), None):
                    yield Missing(name, case.name, subject, why)
                else:
                    workers[subject], found[subject] = opened, []
            for begin in range(0, self.rounds, lanes):
                busy = min(lanes, self.rounds - begin)
                turns = [(subject, opened[lane]) for lane in range(busy) for subject, opened in workers.items()]
                for subject, answer in _answers(turns, at_once=bool(case.at_once)):
                    if "figures" in answer:
                        found[subject].append(answer["figures"])
                    elif workers.pop(subject, None):
                        yield Missing(name, case.name, subject, answer["missing"])
        found = {subject: figures for subject, figures in found.items() if subject in workers}
        for measure in case.measures:
            floor = _values(found.get(FLOOR, []), measure)
            for subject, figures in found.items():
                if values := _values(figures, measure):
                    ratios = [mine / its for mine, its in zip(values, floor, strict=False) if its]
                    yield Row(name, case.name, subject, measure, values, ratios)


def _values(turns: Sequence[dict[str, float]], measure: Measure) -> list[float]:
    return [turn[measure.name] for turn in turns if measure.name in turn]


def _answers(turns: Sequence[tuple[str, _Worker]], *, at_once: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """What comes of a turn of each."""
    if at_once:
        for _, worker in turns:
            worker.go()
    for subject, worker in turns:
        if not at_once:
            worker.go()
        yield subject, worker.answer()


class _Worker:
    """A process that takes turns."""

    def __init__(self, python: str, *, benchmark: str, scene: Scene, **more: Any) -> None:
        order = {"benchmark": benchmark, "folder": str(scene.folder), "scale": scene.scale, **more}
        self._command = [python, "-m", "benchmarks.worker", json.dumps(order)]

    def __enter__(self) -> _Worker:
        # What a peer complains of is its own; why it could not be measured comes as an answer.
        errors = None if self._command[0] == sys.executable else subprocess.DEVNULL
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        self._process = subprocess.Popen(self._command, cwd=_CHECKOUT, text=True, **pipes)
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        for end in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(_LAST_PATIENCE)
                return
            except subprocess.TimeoutExpired:
                end()
        self._process.wait()

    def go(self) -> None:
        """Let it take a turn."""
        assert self._process.stdin is not None
        try:
            print("turn", file=self._process.stdin, flush=True)
        except BrokenPipeError:
            pass  # its answer says what there is to say

    def answer(self) -> dict[str, Any]:
        """What it says next; that it says nothing, if so."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(_PATIENCE):
                self._process.terminate()
                return {"missing": f"nothing came of it in {_PATIENCE:.0f} s"}
        line = self._process.stdout.readline()
        if not line:
            return {"missing": f"its process ended with status {self._process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer
