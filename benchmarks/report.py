"""Measurements as a Markdown table and as a picture, and the machine on which they were made."""

from __future__ import annotations

import importlib.metadata
import io
import itertools
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.cases import FLOOR, OURS
from benchmarks.runner import Row

HEADINGS = ("case", "measure", "subject", "median (lowest–highest)", "÷ floor (lowest–highest)", "to reach")
_PACKAGES = (OURS, "httpx2", "ipykernel", "jupyterlab", "matplotlib", "numpy", "pillow")


def environment(peers: Mapping[str, str]) -> str:
    """The machine, its load, Python, and versions of packages, in one line."""
    versions = {name: _version(name) for name in _PACKAGES} | dict(peers)
    machine = f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.system()}"
    return ", ".join(
        [machine, f"Python {platform.python_version()}", *(f"{name} {value}" for name, value in versions.items())]
    )


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown, a table for each benchmark."""
    parts = []
    for name, of in itertools.groupby(rows, lambda row: row.benchmark):
        lines = [HEADINGS, ("---", "---", "---", "---:", "---:", "---:"), *_cells(list(of))]
        parts.append(f"### {name}\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines))
    return "\n\n".join(parts)


def _cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    cells: list[tuple[str, ...]] = []
    case = measure = ""
    for row in rows:
        first = row.case if row.case != case else ""
        second = f"{row.measure.name}, {row.measure.unit}" if first or row.measure.name != measure else ""
        case, measure = row.case, row.measure.name
        ratio = "" if row.subject == FLOOR or not row.ratios else _spread(row.ratios)
        cells.append((first, second, row.subject, _spread(row.values), ratio, _goal(row)))
    return cells


def _goal(row: Row) -> str:
    if row.reached is None:
        return ""
    goal = f"≤ {row.measure.ratio:g} ×" if row.measure.most is None else f"≤ {row.measure.most:g}"
    return goal if row.reached else f"**{goal}**"


def _spread(values: Sequence[float]) -> str:
    middle, low, high = map(_short, (statistics.median(values), min(values), max(values)))
    return middle if low == middle == high else f"{middle} ({low}–{high})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def picture(rows: Sequence[Row], path: Path) -> None:
    """How many times the floor's time or effort each subject takes, by case.

    Parameters
    ----------
    rows : sequence of Row
    path : Path
        Of a PNG.
    """
    import matplotlib as mpl
    from PIL import Image

    mpl.use("agg")
    import matplotlib.pyplot as plt

    shown = _shown(rows)
    labels = [*dict.fromkeys(map(_label, shown))]
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.27 * len(labels)), layout="constrained")
    height = {label: -number for number, label in enumerate(labels)}
    for number in range(0, len(labels), 2):
        axes.axhspan(-number - 0.5, -number + 0.5, color="0.95", linewidth=0)
    for place, subject in enumerate(dict.fromkeys(row.subject for row in shown)):
        of = [row for row in shown if row.subject == subject]
        x = [row.ratio or 0 for row in of]
        spread = [
            [(row.ratio or 0) - min(row.ratios) for row in of],
            [max(row.ratios) - (row.ratio or 0) for row in of],
        ]
        y = [height[_label(row)] for row in of]
        ours = subject == OURS
        style = {"marker": "o" if ours else "sD^vP"[place % 5], "markersize": 7 if ours else 5, "linestyle": "none"}
        axes.errorbar(x, y, xerr=spread, label=subject, elinewidth=1, zorder=3 if ours else 2, **style)
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlabel="times what the floor takes (the least that must be done)")
    axes.set_yticks([*height.values()], labels, fontsize=8)
    axes.set_ylim(0.5 - len(labels), 0.5)
    figure.legend(fontsize=8, loc="outside upper center", ncols=6)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100)
    plt.close(figure)
    Image.open(buffer).convert("RGB").quantize(64).save(path, optimize=True)  # it lies in the repository


def _label(row: Row) -> str:
    return f"{row.benchmark}: {row.case} ({row.measure.name})"


def _shown(rows: Sequence[Row]) -> list[Row]:
    """Of each case the measure that has a figure to reach, else the first; without the floor."""
    shown = []
    for _, of in itertools.groupby(rows, lambda row: (row.benchmark, row.case)):
        every = list(of)
        chosen = next((row.measure.name for row in every if row.measure.ratio is not None), every[0].measure.name)
        shown += [row for row in every if row.measure.name == chosen and row.subject != FLOOR and row.ratios]
    return [row for row in shown if min(row.ratios) > 0]


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
