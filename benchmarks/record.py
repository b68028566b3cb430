"""All that ``docs/benchmarks.md`` shows, measured anew on a quiet machine, one after the other; takes hours.

    python -m benchmarks.record [--only NAME ...] [--list]

Each measurement is a process of its own and leaves a file in ``docs/benchmarks/runs``; one that fails leaves the file
of before and is told at the end. Sizes and repeats stand here, chosen before anything was measured.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.page import DOCS, write
from benchmarks.suites import MODULES

RUNS = DOCS / "benchmarks" / "runs"
_REPEATS = 5
#: Suite -> its size where it is not that of the others.
_SIZES: Mapping[str, str] = {
    "ingest": "1GB",
    "features": "20MB",
    "store": "100MB",
    "query": "500MB",
    "jobs": "50MB",
    "scaling": "500MB",
    "end-to-end": "1GB",
}
_SIZE = "200MB"


def commands() -> dict[str, list[str]]:
    """Name -> the words after ``python -m`` that print or write its record."""
    found = {name: _suite(name) for name in MODULES}
    found["scaling-plan"] = ["benchmarks.scaling.suite", "--megabytes", "400", "--repeats", "5"]
    found["graph"] = ["benchmarks.scaling.graph", "--blocks", "1000", "10000", "100000"]
    found["soak"] = ["benchmarks.soak", "--minutes", "60", "--rows", "20000"]
    return found


def _suite(name: str) -> list[str]:
    size = _SIZES.get(name, _SIZE)
    return ["textmill", "bench", name, "--size", size, "--repeats", str(_REPEATS), "--peers", "--json"]


def record(name: str, words: list[str], store: Path) -> bool:
    """Whether the measurement gave a record, which then lies with the others."""
    aside = RUNS / f"{name}.json.new"
    print(f"{name}: python -m {' '.join(words)}", file=sys.stderr, flush=True)
    if words[-1] == "--json":
        with aside.open("wb") as out:
            subprocess.run([sys.executable, "-m", *words, "--store", str(store)], stdout=out, check=False)
    else:
        # These end with 1 where a claim does not hold, which belongs on the page too.
        subprocess.run([sys.executable, "-m", *words, "--json", str(aside)], check=False)
    if not aside.exists() or aside.stat().st_size == 0:
        aside.unlink(missing_ok=True)
        return False
    aside.replace(RUNS / f"{name}.json")
    return True


def main() -> int:
    """1 where a measurement gave no record."""
    known = commands()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=known, default=list(known))
    parser.add_argument("--list", action="store_true", help="print the commands and measure nothing")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where results are kept too")
    given = parser.parse_args()
    if given.list:
        print("\n".join(f"{name}: python -m {' '.join(known[name])}" for name in given.only))
        return 0
    RUNS.mkdir(parents=True, exist_ok=True)
    failed = [name for name in given.only if not record(name, known[name], given.store)]
    for path in write():
        print(path)
    if failed:
        print(f"no record of: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
