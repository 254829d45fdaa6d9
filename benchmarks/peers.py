"""Environments of peers: ``python -m benchmarks.peers`` makes them in ``.peers``, or in a folder of one's choice."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".peers"
_LIST = Path(__file__).with_suffix(".txt")


def peers() -> dict[str, list[str]]:
    """What is installed for each peer."""
    lines = (line.partition(":") for line in _LIST.read_text("utf-8").splitlines() if not line.startswith("#"))
    return {name: packages.split() for name, _, packages in lines if name}


def python_of(name: str, folder: Path) -> str | None:
    """The Python of a peer's environment; None if it has none."""
    python = folder.absolute() / name / ("Scripts" if os.name == "nt" else "bin") / "python"
    return str(python) if python.exists() else None


def versions(folder: Path) -> dict[str, str]:
    """Which version of each peer is there."""
    found = {}
    for name in peers():
        if python := python_of(name, folder):
            program = f"import importlib.metadata as m; print(m.version({name!r}))"
            asked = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
            found[name] = asked.stdout.strip() or "not installed"
    return found


def main() -> int:
    """Make the environments; one that cannot be made does not keep the others from it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder: Path = parser.parse_args().folder
    failed = []
    for name, packages in peers().items():
        print(f"{name}: {' '.join(packages)}", flush=True)
        venv.create(folder / name, with_pip=True)
        command = [str(python_of(name, folder)), "-m", "pip", "install", "--quiet", *packages]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"Not installed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
