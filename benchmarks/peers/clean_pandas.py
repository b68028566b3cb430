"""The ingest benchmark by pandas, alone and with Dask around it."""

from pathlib import Path
from typing import Any


def clean(files: list[str], scratch: str, **_: Any) -> None:
    """Clean rows, file by file; the Arrow engine of `read_csv` refuses line breaks inside quotes."""
    # The import is part of a program's time.
    import pandas as pd

    for number, file in enumerate(files):
        path = Path(scratch) / f"{number}.parquet"
        _cleaned(pd.read_csv(file, dtype="str")).to_parquet(path, index=False, compression="zstd", compression_level=1)


def clean_with_dask(files: list[str], scratch: str, threads: int, **_: Any) -> None:
    """Clean rows by `read_csv`, `map_partitions`, `to_parquet` on the threads of the default scheduler.

    ``blocksize=None`` because Dask cuts blocks at any line break, also inside quotes: a partition is a file. Workers
    as processes took longer where this was measured.
    """
    # The imports are part of a program's time.
    import dask
    import dask.dataframe as dd

    with dask.config.set(scheduler="threads", num_workers=threads):
        rows = dd.read_csv(files, dtype="str", blocksize=None)
        rows.map_partitions(_cleaned).to_parquet(scratch, write_index=False, compression="zstd", compression_level=1)


def _cleaned(rows: Any) -> Any:
    text = rows["text"].str.normalize("NFKC").str.replace(r"\s+", " ", regex=True).str.strip()
    rows = rows.assign(text=text).dropna()
    return rows[rows["text"] != ""]
