"""The command line: ``python -m benchmarks pictures``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from benchmarks import report, runner
from benchmarks.worker import subject

SUBJECTS = ("pictures", "gateway")


def main() -> None:
    """Measure a subject, print a table, and write JSON if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=sys.modules["benchmarks"].__doc__)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--rounds", type=int, help="how often each way has its turn (default 9; 1 with --quick)")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="cases with this in their name")
    parser.add_argument("--quick", action="store_true", help="small samples, to see that everything runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measurement")
    options = parser.parse_args()

    of = subject(options.subject)
    only = [case.name for case in of.CASES if all(word in case.name for word in options.only)]
    if not only:
        parser.error(f"no case has {' and '.join(options.only)} in its name")
    rows = []
    rounds = options.rounds or (1 if options.quick else 9)
    for row in runner.run(options.subject, only, rounds=rounds, quick=options.quick):
        print(f"{row.case}: {row.way}", file=sys.stderr)
        rows.append(row)
    environment = report.environment(of.PACKAGES)
    print(report.heading(environment), report.table(rows), sep="\n\n")
    if options.json:
        document = {
            "subject": options.subject,
            "quick": options.quick,
            "environment": environment,
            "rows": [dataclasses.asdict(row) for row in rows],
        }
        options.json.write_text(json.dumps(document, indent=1), "utf-8")


if __name__ == "__main__":
    main()
