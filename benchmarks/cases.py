"""What a benchmark offers to the runner."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

FLOOR = "floor"
"""The subject that does only what must be done."""
OURS = "claude_magic"
NAMES = (
    "load",
    "stream",
    "first_token",
    "display",
    "seen",
    "pictures",
    "long_conversation",
    "tools",
    "gateway",
)
"""The modules of this folder that are benchmarks; one that is not there is none."""


@dataclasses.dataclass(frozen=True)
class Scene:
    """Where the samples of a run are, and how large.

    Attributes
    ----------
    folder : Path
    scale : int
        By how much everything is smaller than it should be: 1, or more for a trial.
    keep : contextlib.ExitStack
        What a subject opened, closed at its end.
    """

    folder: Path
    scale: int = 1
    keep: contextlib.ExitStack = dataclasses.field(default_factory=contextlib.ExitStack, compare=False)

    def few(self, count: int) -> int:
        """So many, or fewer in a trial."""
        return max(count // self.scale, 1)


@dataclasses.dataclass(frozen=True)
class Measure:
    """A figure that each turn gives.

    Attributes
    ----------
    name, unit : str
    ratio : float or None
        To reach: at most so many times the floor's.
    most : float or None
        To reach: at most this, whatever the floor's is.
    """

    name: str
    unit: str
    ratio: float | None = None
    most: float | None = None


TIME, CPU, PEAK = "time", "CPU", "peak memory"
"""What :class:`benchmarks.meter.Meter` measures: milliseconds, twice, and megabytes."""

Turn = Callable[[], Mapping[str, float]]
"""Does the work once; gives a figure for each measure. One that it cannot give is left out."""
Way = Callable[[Scene], Turn]
"""Gets ready (imports, opens). ModuleNotFoundError: the subject is missing here."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing that several subjects do.

    Attributes
    ----------
    name : str
    ways : mapping of str to Way
        By subject, in the order in which they take turns.
    measures : sequence of Measure
    at_once : int
        How many rounds, with all their subjects, run at the same time, because they mostly wait;
        0 lets one subject run after the other.
    warm_up : bool
        Whether there is a first turn that is not counted.
    """

    name: str
    ways: Mapping[str, Way]
    measures: Sequence[Measure]
    at_once: int = 0
    warm_up: bool = True


class Benchmark(Protocol):
    """A module of this folder with these names.

    At its top nothing is imported that a peer's environment may lack.
    """

    CASES: Sequence[Case]

    def make(self, scene: Scene) -> None:
        """Write the samples into the scene's folder, the same ones each time."""


def there() -> list[str]:
    """The names of the benchmarks that there are."""
    return [name for name in NAMES if importlib.util.find_spec(f"benchmarks.{name}") is not None]


def benchmark(name: str) -> Benchmark:
    """The module of that name."""
    return cast("Benchmark", importlib.import_module(f"benchmarks.{name}"))
