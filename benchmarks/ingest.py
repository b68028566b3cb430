"""From CSV to clean Parquet: textmill side by side with DuckDB, Polars, Dask and pandas on the same rows.

    python -m benchmarks.ingest --peers [--megabytes 1000] [--repeats 5] [--json FILE]

Texts (English and Chinese, quoted line breaks, blanks, full-width characters) are brought into the normal form KC,
white space is collapsed and trimmed, rows without a value or with an empty text are dropped, and the rest is written
as Parquet with zstd level 1. Imports and the start of workers are part of each contender's time. "Tuned" peers look
first which rows, or which runs of white space, need work at all. textmill runs its ordinary command: with ledger,
fingerprint, row ids and a committed version, which no peer has.
"""

import sys
from pathlib import Path
from typing import Any

from benchmarks.generate import write_csv
from benchmarks.harness.command import run_suite
from benchmarks.harness.contender import OURS, Case, Contender, Setting, Suite
from benchmarks.harness.environments import Environment
from benchmarks.harness.targets import faster_than
from benchmarks.job_command import CLEANING, run_command
from benchmarks.peers.clean_rows import rows_and_digest
from benchmarks.placing import place_of
from benchmarks.stock import DASK, DUCKDB, PANDAS
from storage.store import Store

CLAIM = (
    "On two cores, from CSV to clean Parquet, textmill takes at most 1/2.5 of DuckDB's time, 1/2 of Polars', 1/5 of "
    "Dask's and 1/5 of pandas'."
)
CORES = 2
POLARS = Environment(name="polars", requirements=("polars==2.1.0", "numpy==2.4.6", "pyarrow==26.0.1"))
#: Name, function, how many times faster textmill is claimed to be, environment.
PEERS = (
    ("DuckDB", "clean_duckdb:clean", 2.5, DUCKDB),
    ("DuckDB, tuned", "clean_duckdb:clean_tuned", 2.5, DUCKDB),
    ("Polars", "clean_polars:clean", 2.0, POLARS),
    ("Polars, tuned", "clean_polars:clean_tuned", 2.0, POLARS),
    ("Dask", "clean_pandas:clean_with_dask", 5.0, DASK),
    ("pandas", "clean_pandas:clean", 5.0, PANDAS),
)
_FILES = 8
_JOB = """
name = "ingest"
store = "store"
[source]
files = {files}
{cleaning}[dataset]
name = "rows"
"""


def clean(files: list[str], scratch: str, place: dict[str, Any], **_: Any) -> dict[str, float]:
    """A store with the clean rows, made by the command ``textmill run``; answers its processes' CPU seconds."""
    _result, cpu_s = run_command(_JOB.format(files=files, cleaning=CLEANING), scratch, place)
    return {"cpu_s": cpu_s}


def stored(scratch: str, **_: Any) -> dict[str, Any]:
    """How many rows the version has, and a digest of them whatever their order."""
    snapshot = Store.open(Path(scratch) / "store").snapshot("rows")
    return rows_and_digest([file.path for file in snapshot.files])


def cases(setting: Setting) -> list[Case]:
    """The one case, its input generated."""
    paths = write_csv(setting.scratch / "in", setting.size_bytes, _FILES, setting.seed)
    arguments = {"files": [str(path) for path in paths], "threads": CORES}
    contenders = [
        Contender(
            name=OURS,
            run="benchmarks.ingest:clean",
            check="benchmarks.ingest:stored",
            arguments={**arguments, **place_of(setting, CORES)},
        )
    ]
    for name, function, _, environment in PEERS if setting.peers else ():
        contenders.append(
            Contender(
                name=name,
                run=f"benchmarks.peers.{function}",
                check="benchmarks.peers.clean_rows:written",
                arguments=arguments,
                environment=environment,
            )
        )
    return [
        Case(
            name="CSV to clean Parquet",
            contenders=contenders,
            equal=("rows", "digest"),
            work={"bytes": sum(path.stat().st_size for path in paths)},
            targets=tuple(faster_than(name, times, issue=3) for name, _, times, _ in PEERS),
            cores=CORES,
        )
    ]


SUITE = Suite(name="ingest", claim=CLAIM, cases=cases, runs_jobs=True)


if __name__ == "__main__":
    sys.exit(run_suite(SUITE))
