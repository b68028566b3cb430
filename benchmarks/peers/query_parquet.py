"""The queries of `benchmarks.query` by DuckDB (SQL over `read_parquet`) and by Polars (lazy scans, collected)."""

import time
from typing import Any

_LAST: dict[str, Any] = {}


def duckdb_query(files: list[str], query: str, **_: Any) -> dict[str, Any]:
    """The time of one query in a new connection."""
    import duckdb

    began = time.perf_counter()
    connection = duckdb.connect()
    connection.read_parquet(files).create_view("rows")
    rows = connection.sql(query).fetchall()
    return _answered(time.perf_counter() - began, rows)


def polars_query(files: list[str], name: str, **_: Any) -> dict[str, Any]:
    """The time of one query over a lazy scan."""
    import polars as pl

    began = time.perf_counter()
    rows = pl.scan_parquet(files)
    length = pl.col("text").str.len_chars()
    found = {
        "count": lambda: rows.select(pl.len()),
        "group": lambda: rows.group_by("label").agg(pl.len(), length.mean()).sort("label"),
        "one row": lambda: rows.filter(pl.col("id") == 100).select("id", "label").sort("id"),
        "search": lambda: rows.filter(pl.col("text").str.contains("gebaba lova", literal=True)).select(pl.len()),
        "top": lambda: (
            rows.with_columns(length=length)
            .sort(["length", "id"], descending=[True, False])
            .head(20)
            .select("id", "label")
        ),
    }[name]()
    answered = found.collect().rows()
    return _answered(time.perf_counter() - began, answered)


def answer(**_: Any) -> dict[str, Any]:
    """What the last query of this process answered."""
    return {"answer": _LAST["rows"]}


def _answered(seconds: float, rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    _LAST["rows"] = [[round(value, 6) if isinstance(value, float) else value for value in row] for row in rows]
    return {"seconds": seconds}
