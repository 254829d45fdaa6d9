"""A simulated Messages API server: deterministic answers, strict checks, faults on demand."""

from .plan import Plan
from .recorded import Recorded
from .server import Faults, Simulator, start

__all__ = ["Faults", "Plan", "Recorded", "Simulator", "start"]
