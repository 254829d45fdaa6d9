"""What runs in a process of its own: making samples, timing a case, the peak memory of one way."""

from __future__ import annotations

import gc
import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, cast

from benchmarks.cases import Case, Scene, Subject, Way


def subject(name: str) -> Subject:
    """The module of that name."""
    return cast("Subject", importlib.import_module(f"benchmarks.{name}"))


def times(case: Case, scene: Scene, rounds: int, of: Subject) -> dict[str, dict[str, Any]]:
    """Seconds of each way, which take turns; the first turn of each is not counted.

    Parameters
    ----------
    case : Case
    scene : Scene
    rounds : int
    of : Subject

    Returns
    -------
    dict
        For each way ``seconds`` and what it ``made``, or the package that is ``missing``.
    """
    found: dict[str, dict[str, Any]] = {}
    ready = {}
    for name, way in case.ways.items():
        try:
            ready[name] = way(scene)
        except ModuleNotFoundError as error:
            found[name] = {"missing": error.name}
        else:
            found[name] = {"made": of.describe(ready[name]()), "seconds": []}
    for _ in range(rounds):
        for name, call in ready.items():
            gc.collect()
            begin = time.perf_counter()
            made = call()
            found[name]["seconds"].append(time.perf_counter() - begin)
            del made
    return found


def memory(way: Way, scene: Scene, small: Scene) -> int:
    """Bytes by which the process grows beyond what it has ever had, once everything is imported."""
    way(small)()
    call = way(scene)
    before = peak()
    made = call()
    grown = peak() - before
    del made
    return grown


def peak() -> int:
    """The most memory that this process has ever had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main(order: dict[str, Any]) -> Any:
    """Do what the runner asks for."""
    of = subject(order["subject"])
    scene = Scene(Path(order["folder"]), order["scale"])
    if order["do"] == "make":
        return of.make(scene)
    case = next(case for case in of.CASES if case.name == order["case"])
    if order["do"] == "times":
        return times(case, scene, order["rounds"], of)
    return memory(case.ways[order["way"]], scene, Scene(Path(order["small"]), order["small_scale"]))


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
