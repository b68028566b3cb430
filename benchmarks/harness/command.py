"""What ``python -m benchmarks.NAME`` does for a module that holds a suite."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.benching import bench, told
from benchmarks.harness.contender import Setting, Suite


def run_suite(suite: Suite, arguments: Sequence[str] | None = None) -> int:
    """Exit status: 1 where a target falls short, else 0."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{suite.name}", description=suite.claim)
    parser.add_argument("--megabytes", type=float, default=100.0, help="about how much input is generated")
    parser.add_argument("--repeats", type=int, default=5, help="rounds in which each contender runs once")
    parser.add_argument("--peers", action="store_true", help="run the peers too, in their own environments")
    parser.add_argument("--case", nargs="*", default=(), help="only cases whose name contains one of these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all figures here too")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="textmill-bench-") as scratch:
        run = bench(
            [suite],
            Setting(size_bytes=int(given.megabytes * 1e6), scratch=Path(scratch), peers=given.peers, seed=given.seed),
            repeats=given.repeats,
            only=given.case,
            tell=lambda text: print(text, file=sys.stderr, flush=True),
            shown=lambda result: print(f"\n{told(result)}", flush=True),
        )
    if given.json:
        given.json.write_text(json.dumps(run.to_dict(), indent=1))
    return int(any(verdict.holds is False for case in run.cases for verdict in case.verdicts))
