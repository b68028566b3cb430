"""The ingest benchmark by DuckDB: `COPY` from CSV to Parquet with `regexp_replace`."""

from pathlib import Path
from typing import Any

from benchmarks.peers.clean_rows import COLUMNS

_WORK = r"trim(regexp_replace(nfkc(text), '\s+', ' ', 'g'))"
#: A text in which this finds nothing stays as it is.
_NEEDS_WORK = r"[^\x21-\x7E\x{4E00}-\x{9FFF} ]|  |^ | $"


def clean(files: list[str], scratch: str, threads: int, **_: Any) -> None:
    """Clean rows in a Parquet file; DuckDB has no NFKC of its own, so that Arrow's comes as a vectorised function."""
    _copy(files, scratch, threads, _WORK)


def clean_tuned(files: list[str], scratch: str, threads: int, **_: Any) -> None:
    """The same, but only rows in which a regular expression finds something to do are worked on."""
    _copy(files, scratch, threads, f"CASE WHEN regexp_matches(text, '{_NEEDS_WORK}') THEN {_WORK} ELSE text END")


def _copy(files: list[str], scratch: str, threads: int, text: str) -> None:
    # The imports are part of a program's time.
    import duckdb
    import pyarrow.compute as pc
    from duckdb.func import PythonUDFType

    connection = duckdb.connect()
    # Keeping the rows' order costs DuckDB time, and nobody looks at it here.
    connection.execute(f"SET threads = {threads}; SET preserve_insertion_order = false")
    connection.create_function(
        "nfkc", lambda texts: pc.utf8_normalize(texts, "NFKC"), ["VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW
    )
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in COLUMNS)
    source = (
        f"read_csv({files!r}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
        f"columns = {{{columns}}})"
    )
    connection.execute(
        f"COPY (SELECT * FROM (SELECT id, {text} AS text, label FROM {source}) "
        "WHERE id IS NOT NULL AND label IS NOT NULL AND text <> '') "
        f"TO '{Path(scratch) / 'rows.parquet'}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )
