"""`python -m benchmarks.scanner --sdists DIR [--fetch] [--set tuning|unseen|all] [--misses]`."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.scanner.labels import Project, fetch, projects, unpack
from headgate.scanner import CONFIDENCES, KINDS, Finding, at_least, scan

LINES_APART_MAX = 2  # between a label and the finding that meets it
PRECISION_MIN, RECALL_MIN = 0.90, 0.85
SECONDS_MAX = 30.0
LINES = 100_000
Place = tuple[str, int, str]


def matched(project: Project, findings: list[Finding]) -> tuple[list[Place], list[Place], list[Finding]]:
    """Labels met, labels missed, findings without a label. One finding meets one label, the nearest first."""
    pairs = sorted(
        (abs(found.line - line), index, number)
        for index, (path, line, kind) in enumerate(project.places)
        for number, found in enumerate(findings)
        if found.path == path and found.kind == kind and abs(found.line - line) <= LINES_APART_MAX
    )
    labels: set[int] = set()
    taken: set[int] = set()
    for _, index, number in pairs:
        if index not in labels and number not in taken:
            labels.add(index)
            taken.add(number)
    met = [project.places[index] for index in sorted(labels)]
    missed = [place for index, place in enumerate(project.places) if index not in labels]
    false = [f for n, f in enumerate(findings) if n not in taken and project.covers(f.path, f.kind)]
    return met, missed, false


def main() -> int:
    """Prints the table; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scanner", description=__doc__)
    parser.add_argument("--sdists", type=Path, required=True, help="folder of the sdists")
    parser.add_argument("--fetch", action="store_true", help="download the sdists with pip first")
    parser.add_argument("--set", dest="group", choices=("tuning", "unseen", "all"), default="all")
    parser.add_argument("--min-confidence", choices=CONFIDENCES, default="low", help="count only surer findings")
    parser.add_argument("--misses", action="store_true", help="name every missed label and false finding")
    options = parser.parse_args()
    chosen = projects(options.group)
    if options.fetch:
        options.sdists.mkdir(parents=True, exist_ok=True)
        for project in chosen:
            fetch(project, options.sdists)
    counts: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
    lines, seconds = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for project in chosen:
            root = unpack(project, options.sdists, Path(folder))
            began = time.process_time()
            result = scan(root)
            seconds += time.process_time() - began
            lines += result.lines
            met, missed, false = matched(project, at_least(result.findings, options.min_confidence))
            for index, places in enumerate((met, missed, [(f.path, f.line, f.kind) for f in false])):
                for _, _, kind in places:
                    counts[project.group][kind][index] += 1
            if options.misses:
                _tell(project, missed, false)
    failed = [_table(group, kinds) for group, kinds in counts.items()]
    per = seconds / lines * LINES
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"\n{lines:,} lines in {seconds:.1f} CPU seconds: {per:.1f} s per {LINES:,} (bar {SECONDS_MAX:.0f})")
    print(f"most memory: {memory} MB")
    return int(any(failed) or per > SECONDS_MAX)


def _tell(project: Project, missed: list[Place], false: list[Finding]) -> None:
    for path, line, kind in missed:
        print(f"missed {kind:<14} {project.name} {path}:{line}")
    for f in false:
        print(f"false  {f.kind:<14} {project.name} {f.path}:{f.line} {f.confidence} {f.excerpt[:60]}")


def _table(group: str, kinds: dict[str, list[int]]) -> bool:
    print(f"\n{group:<14} labels  found  false  precision  recall")
    failed = False
    for kind in KINDS:
        met, missed, false = kinds.get(kind, [0, 0, 0])
        if not met + missed + false:
            continue
        precision = met / (met + false) if met + false else None
        recall = met / (met + missed) if met + missed else None
        low = (precision is not None and precision < PRECISION_MIN) or (recall is not None and recall < RECALL_MIN)
        failed = failed or low
        shown = [f"{value:.2f}" if value is not None else "-" for value in (precision, recall)]
        print(
            f"{kind:<14} {met + missed:>6} {met:>6} {false:>6} {shown[0]:>10} {shown[1]:>7}{'  below' if low else ''}"
        )
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
