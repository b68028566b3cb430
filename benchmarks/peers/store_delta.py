"""The operations of `benchmarks.store` by the package deltalake alone, and how both are timed."""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

#: How often each operation is done; its median counts. Odd, so that going back and forth ends at the beginning.
ROUNDS = 5
_KEPT: dict[str, dict[str, int]] = {}


def rows_of(numbers: Sequence[int]) -> list[dict[str, Any]]:
    """A row a number."""
    return [{"n": number, "label": "x"} for number in numbers]


class Operations:
    """Seconds by operation, as "commit s", and as "commit cpu s" those of the processor; those that all have add up."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._shared = {"seconds": 0.0, "cpu_s": 0.0}

    def time(self, operation: str, action: Callable[[], object], *, shared: bool = False, rounds: int = ROUNDS) -> None:
        """Nothing; the operation was done so many times, and its median is noted."""
        walls, cpus = [], []
        for _ in range(rounds):
            began, cpu = time.perf_counter(), time.process_time()
            action()
            walls.append(time.perf_counter() - began)
            cpus.append(time.process_time() - cpu)
        self._seconds[operation] = median(walls)
        self._seconds[f"{operation.removesuffix(' s')} cpu s"] = median(cpus)
        if shared:
            self._shared["seconds"] += median(walls)
            self._shared["cpu_s"] += median(cpus)

    def told(self, scratch: str, first: int, last: int, left: int) -> dict[str, float]:
        """What was measured; how the number of rows rose and fell is kept for `outputs`."""
        _KEPT[scratch] = {"committed": last - first, "left": left - first}
        return {**self._shared, **self._seconds}


def copied(store: str, scratch: str, **_: Any) -> dict[str, str]:
    """The store again, in a place that a run may change."""
    return {"store": shutil.copytree(store, str(Path(scratch) / "store"))}


def operate(store: str, scratch: str, **_: Any) -> dict[str, float]:
    """Seconds by operation."""
    # The peer is imported where it is used, as by every contender.
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    path = _table(Path(store))
    found, first = Operations(), DeltaTable(path)
    found.time("open s", lambda: DeltaTable(path))
    found.time("list versions s", lambda: DeltaTable(path).history(), shared=True)
    found.time("list files s", lambda: DeltaTable(path).file_uris(), shared=True)
    numbers = iter(range(1_000_000, 1_000_000 + ROUNDS))
    found.time(
        "commit s",
        lambda: write_deltalake(path, pa.Table.from_pylist(rows_of([next(numbers)])), mode="append"),
        shared=True,
    )
    last = DeltaTable(path)
    turns = iter([first.version(), last.version()] * ROUNDS)
    found.time("rollback s", lambda: DeltaTable(path).restore(next(turns)), shared=True)
    return found.told(scratch, *(_rows(table) for table in (first, last, DeltaTable(path))))


def _table(store: Path) -> str:
    """The Delta table of the dataset ``rows``."""
    [log] = [log for log in store.rglob("_delta_log") if log.parent.name == "rows"]
    return str(log.parent)


def _rows(table: Any) -> int:
    return int(table.to_pyarrow_dataset().count_rows())


def outputs(scratch: str, **_: Any) -> dict[str, int]:
    """How many rows more there were after the commits, and after going back."""
    return _KEPT[scratch]
