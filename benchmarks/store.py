"""What the store's operations take as files and versions grow, beside Delta Lake's own functions on the same table.

    python -m benchmarks.store --peers [--megabytes 100] [--repeats 5] [--json FILE]

Claim: opening, listing, comparing, tagging, committing and rolling back stay below a second at 10,000 files and at
1,000 versions, and a commit takes no longer on top of 1,000 versions than on top of 10, give or take a quarter. Files
hold one row each, so that what is measured is the store's own work: a file stands for 10 kB of the size asked for, a
version for 100 kB, so that 100 MB give the claim's numbers. Each run works on a copy of the store. The seconds of a
contender are those of the four operations that Delta Lake has too: listing versions, listing files, committing a file,
going back. Pages are of 100 rows; a row stands for 100 bytes, and a page far on is claimed to take under a tenth of a
second.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks import store_pages
from benchmarks.harness.command import run_suite
from benchmarks.harness.contender import OURS, Case, Contender, Setting, Suite
from benchmarks.harness.environments import Environment
from benchmarks.harness.targets import Target, at_most
from benchmarks.peers.store_delta import ROUNDS, Operations, rows_of
from benchmarks.stock import DELTA_LAKE
from storage.fingerprint import fingerprint_of
from storage.parquet import write_part
from storage.store import Store
from storage.versions import APPEND, REPLACE, CommitRequest

CLAIM = (
    "Every operation of the store stays below a second at 10,000 files and at 1,000 versions, and a commit takes no "
    "longer on 1,000 versions than on 10."
)
PEER = "Delta Lake alone"
FEW = f"{OURS} on few versions"
_FILE_BYTES, _VERSION_BYTES, _FEW = 10_000, 100_000, 10
_MOST_S, _MOST_TIMES = 1.0, 1.25
#: What a run measures, in seconds each.
OPERATIONS = (
    "open s",
    "list datasets s",
    "list versions s",
    "list files s",
    "tag s",
    "commit s",
    "diff s",
    "rollback s",
)


def commit_rows(store: Store, numbers: Sequence[int], mode: str = APPEND, file_rows: int = 1) -> None:
    """Nothing; the dataset has a version with these numbers more, or with no others, so many rows a file."""
    run = f"run-{numbers[0]}"
    folder = store.staging(run)
    table = pa.Table.from_pylist(rows_of(numbers))
    store.commit(
        CommitRequest(
            dataset="rows",
            mode=mode,
            parts=tuple(
                write_part(table.slice(at, file_rows), folder / f"{at}.parquet")
                for at in range(0, len(numbers), file_rows)
            ),
            schema=table.schema,
            fingerprint=fingerprint_of(table, table.column_names),
            run=run,
        )
    )
    store.drop_staging(run)


def laid_out(folder: Path, commits: Iterable[Sequence[int]], mode: str) -> str:
    """A store with those commits."""
    store = Store.open(folder, create=True)
    for numbers in commits:
        commit_rows(store, numbers, mode)
    return str(folder)


def in_one_file(folder: Path, rows: int) -> str:
    """A store with so many rows in one file."""
    commit_rows(Store.open(folder, create=True), range(rows), file_rows=rows)
    return str(folder)


def operate(store: str, scratch: str, **_: Any) -> dict[str, Any]:
    """Seconds by operation; what became of the rows is kept for `benchmarks.peers.store_delta.outputs`."""
    opened, found = Store.open(store), Operations()
    first = opened.version("rows")
    found.time("open s", lambda: Store.open(store))
    found.time("list datasets s", opened.datasets)
    found.time("list versions s", lambda: opened.versions("rows"), shared=True)
    found.time("list files s", lambda: opened.snapshot("rows").files, shared=True)
    names = iter(f"t{turn}" for turn in range(ROUNDS))
    found.time("tag s", lambda: opened.tag("rows", first.number, next(names)))
    numbers = iter(range(1_000_000, 1_000_000 + ROUNDS))
    found.time("commit s", lambda: commit_rows(opened, [next(numbers)]), shared=True)
    last = opened.version("rows")
    found.time("diff s", lambda: opened.differ("rows", last.number - 1).summary(""))
    turns = iter([first.number, last.number] * ROUNDS)
    found.time("rollback s", lambda: opened.rollback("rows", next(turns)), shared=True)
    return found.told(scratch, first.rows, last.rows, opened.version("rows").rows)


def cases(setting: Setting) -> list[Case]:
    """Many files in one version, many versions of one file, and pages of queries."""
    files = max(_FEW, setting.size_bytes // _FILE_BYTES)
    versions = max(_FEW + 1, setting.size_bytes // _VERSION_BYTES)
    many_files = laid_out(setting.scratch / "files", [[0], range(1, files)], APPEND)
    many, few = (
        laid_out(setting.scratch / f"versions-{count}", ([number] for number in range(count)), REPLACE)
        for count in (versions, _FEW)
    )
    below = tuple(at_most(operation, _MOST_S, issue=4) for operation in OPERATIONS)
    longer = Target(
        claim=f"a commit's time on {versions:,} versions over that on {_FEW}",
        figure=lambda measured: measured.ratio(OURS, FEW, "commit s").median,
        needs=(FEW,),
        at_most=_MOST_TIMES,
        issue=4,
    )
    return [
        _case(f"{files:,} files", many_files, [], {"files": files}, below, peers=setting.peers),
        _case(
            f"{versions:,} versions",
            many,
            [_contender(FEW, "benchmarks.store:operate", few)],
            {"versions": versions},
            (*below, longer),
            peers=setting.peers,
        ),
        *store_pages.cases(setting, in_one_file),
    ]


def _case(
    name: str,
    store: str,
    others: list[Contender],
    work: dict[str, float],
    targets: tuple[Target, ...],
    *,
    peers: bool,
) -> Case:
    alone = [_contender(PEER, "benchmarks.peers.store_delta:operate", store, DELTA_LAKE)] if peers else []
    contenders = [_contender(OURS, "benchmarks.store:operate", store), *others, *alone]
    return Case(name=name, contenders=contenders, equal=("committed", "left"), work=work, targets=targets)


def _contender(name: str, run: str, store: str, environment: Environment | None = None) -> Contender:
    return Contender(
        name=name,
        run=run,
        check="benchmarks.peers.store_delta:outputs",
        prepare="benchmarks.peers.store_delta:copied",
        arguments={"store": store},
        environment=environment,
    )


SUITE = Suite(name="store", claim=CLAIM, cases=cases)


if __name__ == "__main__":
    sys.exit(run_suite(SUITE))
