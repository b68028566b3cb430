"""What the store's operations take as files and versions grow: a table of seconds.

Claim: opening, listing, comparing, tagging and rolling back stay below a second at 10,000 files and at 1,000 versions,
and a commit takes no longer on top of 1,000 versions than on top of 10. Files hold one row each, so that what is
measured is the store's own work.

    python -m benchmarks.store                       10, 1,000 and 10,000 files; 10 and 1,000 versions
    python -m benchmarks.store --files 10 --versions 10
    python -m benchmarks.store --files --versions --rows 1000000          pages of queries over so many rows
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import pyarrow as pa

from storage.fingerprint import fingerprint_of
from storage.parquet import write_part
from storage.store import Store
from storage.versions import APPEND, CommitRequest

_ROUNDS = 5
_PAGE_ROWS = 100
PAGED = (
    "SELECT * FROM rows",
    "SELECT * FROM rows ORDER BY n % 97",
    "SELECT n, count(*) FROM rows GROUP BY n",
)


def commit_rows(store: Store, numbers: Sequence[int], file_rows: int = 1) -> float:
    """Seconds of one commit of these numbers, so many rows a file; writing the files is not counted."""
    run = f"run-{numbers[0]}"
    folder = store.staging(run)
    table = pa.table({"n": pa.array(numbers, pa.int64()), "label": ["x"] * len(numbers)})
    starts = range(0, len(numbers), file_rows)
    parts = [write_part(table.slice(at, file_rows), folder / f"{at}.parquet") for at in starts]
    request = CommitRequest(
        dataset="rows",
        mode=APPEND,
        parts=tuple(parts),
        schema=table.schema,
        fingerprint=fingerprint_of(table, table.column_names),
        run=run,
    )
    started = time.perf_counter()
    store.commit(request)
    elapsed = time.perf_counter() - started
    store.drop_staging(run)
    return elapsed


def timed(action: Callable[[], object]) -> float:
    """The median of a few rounds, in seconds."""
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def operations(store: Store, first: int) -> dict[str, float]:
    """Seconds by operation; `first` is a number that no row has yet."""
    newest = store.version("rows").number
    seconds = {
        "open": timed(lambda: Store.open(store.uri)),
        "list datasets": timed(store.datasets),
        "list versions": timed(lambda: store.versions("rows")),
        "snapshot": timed(lambda: store.snapshot("rows")),
        "tag": timed(lambda: store.tag("rows", newest, "t", move=True)),
        "commit one file": median(commit_rows(store, [first + at]) for at in range(_ROUNDS)),
    }
    base = store.version("rows").number
    seconds["diff of the last two"] = timed(lambda: store.differ("rows", base - 1).summary(""))
    seconds["rollback"] = timed(
        lambda: store.rollback("rows", base - 1 if store.version("rows").number != base else base - 2)
    )
    return seconds


def pages(store: Store, query: str, rows: int) -> list[float]:
    """Seconds of a page: the first, the second, and after a tenth, a half and nine tenths of the rows."""
    seconds = []
    cursor = _cursor_after(store, query, _PAGE_ROWS)
    seconds.append(timed(lambda: _page(store, query, None)))
    started = time.perf_counter()
    _page(store, query, cursor)
    seconds.append(time.perf_counter() - started)
    for share in (0.1, 0.5, 0.9):
        far = _cursor_after(store, query, int(rows * share))
        seconds.append(timed(partial(_page, store, query, far)))
    return seconds


def _cursor_after(store: Store, query: str, rows: int) -> str | None:
    with store.sql(query, limit=rows) as before:
        for _ in before.batches():
            pass
        return before.cursor


def _page(store: Store, query: str, cursor: str | None) -> None:
    with store.sql(query, limit=_PAGE_ROWS, cursor=cursor) as found:
        assert found.read_all().num_rows == _PAGE_ROWS


def print_pages(rows: int) -> None:
    """Nothing; a table of seconds a page is on stdout."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "store", create=True)
        commit_rows(store, range(rows), rows)
        print(f"| pages of {_PAGE_ROWS} of {rows:,} rows | first | second | 10 % on | half on | 90 % on |")
        print("|---" * 6 + "|")
        for query in PAGED:
            told = " | ".join(f"{each:.3f}" for each in pages(store, query, rows))
            print(f"| `{query}` | {told} |")


def main() -> None:
    """Nothing; the table is on stdout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, nargs="*", default=[10, 1_000, 10_000])
    parser.add_argument("--versions", type=int, nargs="*", default=[10, 1_000])
    parser.add_argument("--rows", type=int, nargs="*", default=[])
    given = parser.parse_args()
    columns: dict[str, dict[str, float]] = {}
    for kind, sizes in (("files", given.files), ("versions", given.versions)):
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                store = Store.open(Path(folder) / "store", create=True)
                if kind == "files":
                    commit_rows(store, [0])
                    commit_rows(store, range(1, size + 1))
                else:
                    for number in range(size):
                        commit_rows(store, [number])
                columns[f"{size:,} {kind}"] = operations(store, size + 1)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{machine}; seconds, median of {_ROUNDS}\n")
    if columns:
        print("| operation | " + " | ".join(columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
    for operation in next(iter(columns.values()), {}):
        print(f"| {operation} | " + " | ".join(f"{column[operation]:.3f}" for column in columns.values()) + " |")
    for rows in given.rows:
        print()
        print_pages(rows)


if __name__ == "__main__":
    main()
