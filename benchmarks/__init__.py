"""How long things take, beside the least that must be done and beside what others do: ``python -m benchmarks``."""
