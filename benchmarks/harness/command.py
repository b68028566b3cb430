"""What ``python -m benchmarks.NAME`` does for a module that holds a suite."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness.contender import Setting, Suite
from benchmarks.harness.machine import machine_facts
from benchmarks.harness.rounds import measure
from benchmarks.harness.tables import case_table, verdict_lines
from benchmarks.harness.targets import judge


def run_suite(suite: Suite, arguments: Sequence[str] | None = None) -> int:
    """Exit status: 1 where a target falls short, else 0."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{suite.name}", description=suite.claim)
    parser.add_argument("--megabytes", type=float, default=100.0, help="about how much input is generated")
    parser.add_argument("--repeats", type=int, default=5, help="rounds in which each contender runs once")
    parser.add_argument("--peers", action="store_true", help="run the peers too, in their own environments")
    parser.add_argument("--case", nargs="*", help="only cases whose name contains one of these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all figures here too")
    given = parser.parse_args(arguments)
    short = False
    records = []
    with tempfile.TemporaryDirectory(prefix="textmill-bench-") as scratch:
        setting = Setting(
            size_bytes=int(given.megabytes * 1e6), scratch=Path(scratch), peers=given.peers, seed=given.seed
        )
        for case in suite.cases(setting):
            if given.case and not any(part in case.name for part in given.case):
                continue
            measured = measure(
                case, Path(scratch), repeats=given.repeats, tell=lambda text: print(text, file=sys.stderr)
            )
            verdicts = [judge(target, measured) for target in case.targets]
            short |= any(verdict.holds is False for verdict in verdicts)
            print(f"\n{case.name} (against itself: within {measured.noise:.1%})\n{case_table(measured)}")
            print("\n".join(verdict_lines(verdicts)), flush=True)
            records.append({**asdict(measured), "verdicts": [asdict(verdict) for verdict in verdicts]})
    if given.json:
        given.json.write_text(json.dumps({"suite": suite.name, "machine": machine_facts(), "cases": records}, indent=1))
    return int(short)
