"""The ingest benchmark by Polars: a lazy scan of CSV into the streaming Parquet sink."""

import os
from pathlib import Path
from typing import Any

from benchmarks.peers.clean_rows import COLUMNS


def clean(files: list[str], scratch: str, threads: int, **_: Any) -> None:
    """Clean rows in a Parquet file, by the plain regular expression."""
    _sink(files, scratch, threads, r"\s+")


def clean_tuned(files: list[str], scratch: str, threads: int, **_: Any) -> None:
    """The same, by a regular expression that finds only the runs that change."""
    _sink(files, scratch, threads, r"[\s&&[^ ]]\s*| \s+")


def _sink(files: list[str], scratch: str, threads: int, runs: str) -> None:
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    # The import is part of a program's time, and reads the variable.
    import polars as pl

    cleaned = pl.col("text").str.normalize("NFKC").str.replace_all(runs, " ").str.strip_chars()
    (
        pl.scan_csv(files, schema=dict.fromkeys(COLUMNS, pl.String))
        .with_columns(cleaned)
        .drop_nulls()
        .filter(pl.col("text") != "")
        .sink_parquet(Path(scratch) / "rows.parquet", compression="zstd", compression_level=1)
    )
