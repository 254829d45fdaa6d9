"""A simulated Messages API server: deterministic answers, strict checks, faults on demand."""

from .plan import Plan
from .request_log import Recorded
from .server import Simulator, start
from .simulator_state import Faults

__all__ = ["Faults", "Plan", "Recorded", "Simulator", "start"]
