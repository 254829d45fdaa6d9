"""What runs in a process of its own: making samples, or the turns of one subject of one case.

It is told on standard input, a line each time, and answers on standard output, a line of JSON each
time; what the work itself prints goes nowhere. It runs with the Python of the subject's
environment, where claude_magic and what it needs may not be installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from benchmarks.cases import Case, Scene, benchmark


def turns(case: Case, subject: str, scene: Scene, orders: IO[str], answers: IO[str]) -> None:
    """Take a turn for each line.

    Parameters
    ----------
    case : Case
    subject : str
    scene : Scene
    orders, answers : text file
    """

    def answer(**said: Any) -> None:
        print(json.dumps(said), file=answers, flush=True)

    try:
        turn = case.ways[subject](scene)
        if case.warm_up:
            turn()
    except ModuleNotFoundError as error:
        answer(missing=f"{error.name} is not installed")
        return
    except Exception as error:  # noqa: BLE001  (whatever goes wrong costs this subject only, and is said)
        answer(missing=_line(error))
        return
    answer(ready=True)
    for _ in orders:
        try:
            answer(figures=dict(turn()))
        except Exception as error:  # noqa: BLE001
            answer(missing=_line(error))
            return


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def main(order: dict[str, Any]) -> None:
    """Do what the runner asks for."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what it has started ends with it
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    of = benchmark(order["benchmark"])
    with contextlib.ExitStack() as keep, tempfile.TemporaryDirectory() as home:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled
        os.environ |= dict.fromkeys(("HOME", "IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_CONFIG_DIR"), home)
        scene = Scene(Path(order["folder"]), order["scale"], keep)
        if "subject" in order:
            case = next(case for case in of.CASES if case.name == order["case"])
            turns(case, order["subject"], scene, sys.stdin, answers)
        else:
            of.make(scene)
            print(json.dumps({"ready": True}), file=answers, flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
