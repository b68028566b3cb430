"""All that ``docs/benchmarks.md`` shows, measured anew on a quiet machine, one after the other; takes hours.

    python -m benchmarks.record [--only NAME ...] [--list]
    python -m benchmarks.record --only train -- --size 60MB --repeats 3

Each measurement is a process of its own and leaves a file in ``docs/benchmarks/runs``; one that fails leaves the file
of before and is told at the end. Sizes and repeats stand here, chosen before anything was measured; words after ``--``
go to the command, where they take the place of those. ``python -m benchmarks.page`` makes the page alone.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.page import DOCS, write
from benchmarks.suites import MODULES

_REPEATS = 5
#: Suite -> its size where it is not that of the others.
_SIZES: Mapping[str, str] = {
    "ingest": "1GB",
    "features": "20MB",
    "store": "100MB",
    "query": "500MB",
    "jobs": "50MB",
    "scaling": "500MB",
    # A pass of `lbfgs` has some 20 ms that no worker shortens, beside 0.5 ms for each MB.
    "scaling-train": "800MB",
    "end-to-end": "1GB",
}
_SIZE = "200MB"


def commands() -> dict[str, list[str]]:
    """Name -> the words after ``python -m`` that print or write its record."""
    found = {name: _suite(name) for name in MODULES}
    found["scaling-plan"] = ["benchmarks.scaling.suite", "--megabytes", "400", "--repeats", "5"]
    found["graph"] = ["benchmarks.scaling.graph", "--blocks", "1000", "10000", "100000"]
    found["learning-plan"] = ["benchmarks.scaling.learning_plan"]
    for stage in ("ingest", "train"):
        found[f"memory-{stage}"] = ["benchmarks.memory", "--stage", stage, "--sizes", "1GB", "10GB"]
    found["recovery"] = ["benchmarks.recovery", "--rounds", "1", "--rows", "20000"]
    found["kills"] = ["benchmarks.kills", "--rounds", "200"]
    found["soak"] = ["benchmarks.soak", "--minutes", "60", "--rows", "20000"]
    return found


def _suite(name: str) -> list[str]:
    size = _SIZES.get(name, _SIZE)
    return ["textmill", "bench", name, "--size", size, "--repeats", str(_REPEATS), "--peers"]


def with_options(words: Sequence[str], more: Sequence[str]) -> list[str]:
    """The words of a command, where `more` takes the place of options that it names."""
    named, kept = {word for word in more if word.startswith("--")}, []
    dropped = False
    for word in words:
        dropped = word in named or (dropped and not word.startswith("--"))
        if not dropped:
            kept.append(word)
    return [*kept, *more]


def record(name: str, words: Sequence[str], runs: Path, store: Path) -> bool:
    """Whether the measurement gave a record, which then lies with the others."""
    aside = runs / f"{name}.json.new"
    print(f"{name}: python -m {' '.join(words)}", file=sys.stderr, flush=True)
    if words[0] == "textmill":
        with aside.open("wb") as out:
            subprocess.run([sys.executable, "-m", *words, "--json", "--store", str(store)], stdout=out, check=False)
    else:
        # These end with 1 where a claim does not hold, which belongs on the page too.
        subprocess.run([sys.executable, "-m", *words, "--json", str(aside)], check=False)
    if not aside.exists() or aside.stat().st_size == 0:
        aside.unlink(missing_ok=True)
        return False
    aside.replace(runs / f"{name}.json")
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """1 where a measurement gave no record."""
    known = commands()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=known, default=list(known))
    parser.add_argument("--list", action="store_true", help="print the commands and measure nothing")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where results are kept too")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the page lies, and below it the records")
    words = sys.argv[1:] if arguments is None else arguments
    own = words[: words.index("--")] if "--" in words else words
    given, more = parser.parse_args(own), words[len(own) + 1 :]
    if given.list:
        print("\n".join(f"{name}: python -m {' '.join(with_options(known[name], more))}" for name in given.only))
        return 0
    runs = given.docs / "benchmarks" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    failed = [name for name in given.only if not record(name, with_options(known[name], more), runs, given.store)]
    for path in write(given.docs):
        print(path)
    if failed:
        print(f"no record of: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
