"""Measurements as a Markdown table, and the machine on which they were made."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.cases import FLOOR, OURS
from benchmarks.runner import Row

HEADINGS = ("case", "way", "made", "ms", f"{OURS} ÷ this", "peak MB")


def environment(packages: Iterable[str]) -> dict[str, str]:
    """The machine's kind, Python, and versions of packages."""
    versions = {name: _version(name) for name in (OURS, *packages)}
    machine = f"{_processor()}, {os.cpu_count()} cores, {platform.system()}"
    return {"machine": machine, "Python": platform.python_version(), **versions}


def heading(environment: Mapping[str, str]) -> str:
    """The environment in one line."""
    versions = (f"{name} {value}" for name, value in environment.items() if name != "machine")
    return ", ".join([environment["machine"], *versions])


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown: medians, with the lowest and the highest in brackets."""
    lines = [HEADINGS, ("---", "---", "---", "---:", "---:", "---:"), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(row: Row) -> tuple[str, ...]:
    case = row.case if row.way == FLOOR else ""
    if row.missing:
        return case, row.way, f"{row.missing} is not installed", "", "", ""
    ratio = "" if row.way == OURS else _spread(row.ratios, ".2f")
    made = ", ".join(map(str, row.made.values()))
    milliseconds = _spread([1000 * seconds for seconds in row.seconds], ".3g")
    return case, row.way, made, milliseconds, ratio, f"{row.peak / 1e6:.1f}"


def _spread(values: Sequence[float], form: str) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({low:{form}}–{high:{form}})"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
