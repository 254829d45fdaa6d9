"""The benchmark runs, and both ways read the same; how long it takes is no test's business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import gateway

CHECKOUT = Path(__file__).parents[2]


def test_both_ways_read_the_same(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "gateway", "--quick", "--rounds", "1", "--only", "pieces of 20"]
    shown = subprocess.run([*command, "--json", str(file)], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    rows = json.loads(file.read_text("utf-8"))["rows"]
    assert [(row["way"], row["made"]) for row in rows] == [
        ("floor", {"text": "5,000 characters"}),
        ("claude_magic", {"text": "5,000 characters"}),
    ]
    assert len(gateway.CASES) == 4
