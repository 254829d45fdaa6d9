"""What a subject module offers to the runner."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

FLOOR = "floor"
"""The way that does only what must be done."""
OURS = "claude_magic"


@dataclasses.dataclass(frozen=True)
class Scene:
    """Where the samples of a run are, and how large.

    Attributes
    ----------
    folder : Path
    scale : int
        By how much every side is shorter than it should be: 1, or more for a trial.
    """

    folder: Path
    scale: int = 1


Way = Callable[[Scene], Callable[[], Any]]
"""Gets ready (imports, opens) and returns what is measured. ModuleNotFoundError: this way is missing here."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing that is done in several ways.

    Attributes
    ----------
    name : str
    ways : mapping of str to Way
        In the order in which they take turns.
    """

    name: str
    ways: Mapping[str, Way]


class Subject(Protocol):
    """A module of this folder with these names; nothing heavy is imported at its top."""

    CASES: Sequence[Case]
    PACKAGES: Sequence[str]
    """Those whose versions matter."""

    def make(self, scene: Scene) -> None:
        """Write the samples into the scene's folder, the same ones each time."""

    def describe(self, made: Any) -> dict[str, Any]:
        """What a way made, in numbers and short words."""
