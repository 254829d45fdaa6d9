"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks import peers, report
from benchmarks.cases import FLOOR, OURS, benchmark, there
from benchmarks.runner import Missing, Row, Run

_ROUNDS = 5


def main() -> int:
    """Measure, print a table, and write JSON and a picture if asked; 1 if something of ours did not run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=sys.modules["benchmarks"].__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help="of benchmarks; by default all")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and their cases")
    parser.add_argument("--rounds", type=int, help=f"turns of each subject (default {_ROUNDS}; 1 with --small)")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="cases with this in their name")
    parser.add_argument("--small", action="store_true", help="small samples, to see that everything runs")
    parser.add_argument("--peers", type=Path, default=peers.FOLDER, metavar="FOLDER", help="see benchmarks.peers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the ratios, as PNG")
    options = parser.parse_args()

    names = options.names or there()
    if unknown := set(names) - set(there()):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(there())}")
    wanted = [
        (name, case.name)
        for name in names
        for case in benchmark(name).CASES
        if all(word in case.name for word in options.only)
    ]
    if not wanted:
        parser.error(f"no case has {' and '.join(options.only)} in its name")
    if options.list:
        print("\n".join(f"{name}: {case}" for name, case in wanted))
        return 0

    run = Run(options.rounds or (1 if options.small else _ROUNDS), options.peers, options.small)
    rows: list[Row] = []
    missing: list[Missing] = []
    for name in dict.fromkeys(name for name, _ in wanted):
        begun = time.monotonic()
        for found in run.measure(name, lambda case, name=name: (name, case) in wanted):  # type: ignore[misc]
            if isinstance(found, Missing):
                print(found, file=sys.stderr)
                missing.append(found)
            else:
                rows.append(found)
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
        if options.json:  # after each, so that a run that is stopped leaves something
            options.json.write_text(json.dumps([row.to_json() for row in rows], indent=1), "utf-8")
    print(report.environment(peers.versions(options.peers)), report.table(rows), sep="\n\n")
    if options.picture:
        report.picture(rows, options.picture)
    return int(any(one.subject in (FLOOR, OURS, "samples") for one in missing))


if __name__ == "__main__":
    sys.exit(main())
