"""Which rows of a version an earlier version of the dataset does not have, as far as training looks at them.

A file that both versions have cannot make a difference. Rows of the others are compared by a hash of the columns that
training reads: batches leave sorted files of hashes, and tasks over ranges of hashes pair equal rows. Memory is that of
one batch or one range, however many rows there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from dask import delayed

from pipeline.execute import Execute
from pipeline.text.hashing import hash_contents
from pipeline.train.columns import as_text
from pipeline.train.order import mixed
from storage.scan import Span, read_spans
from storage.versions import DataFile, Snapshot

#: Rows of one batch, and about so many of one range of hashes.
_BATCH_ROWS, _RANGE_ROWS = 262_144, 2_000_000
_HASHED = np.dtype([("hash", "<u8"), ("row", "<i8")])
_ABSENT = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedRows:
    """Rows of a version, by their numbers in it.

    Attributes
    ----------
    stretches
        First row and the one after the last of each stretch of rows that may be new, ascending.
    known
        Files with the sorted numbers of rows in these stretches that the earlier version has too.
    removed
        Rows of the earlier version that this one does not have.
    """

    stretches: tuple[tuple[int, int], ...]
    known: tuple[str, ...] = ()
    removed: int = 0

    def among(self, first: int, count: int) -> npt.NDArray[np.bool_]:
        """Which of `count` rows from row number `first` on are added ones, shape (count,)."""
        added = np.zeros(count, np.bool_)
        for start, stop in self.stretches:
            added[max(start - first, 0) : max(stop - first, 0)] = True
        for file in self.known:
            numbers = np.load(file, mmap_mode="r")
            low, high = np.searchsorted(numbers, [first, first + count])
            added[np.asarray(numbers[low:high]) - first] = False
        return added


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Hashes of one batch's rows in a file, sorted; `earlier`: of the earlier version."""

    file: str
    earlier: bool
    rows: int

    @property
    def progress_rows(self) -> int:
        """Rows done with it, for whoever shows progress."""
        return self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paired:
    """One range of hashes: a file with the numbers of the rows that both versions have; rows that are gone."""

    known: str
    removed: int


def added_rows(
    earlier: Snapshot, snapshot: Snapshot, columns: Sequence[str], folder: Path, execute: Execute
) -> AddedRows:
    """The rows of `snapshot` that `earlier` does not have; of equal rows, those beyond as many as it has.

    Parameters
    ----------
    earlier, snapshot
        Two versions of a dataset.
    columns
        What rows are compared by; a column that one of them lacks is null there.
    folder
        A folder that all workers see.
    execute
        Runs the tasks.
    """
    shared = {file.path for file in earlier.files} & {file.path for file in snapshot.files}
    new = [(file, first) for file, first in _numbered(snapshot) if file.path not in shared and file.rows]
    gone = [file for file in earlier.files if file.path not in shared and file.rows]
    stretches = tuple((first, first + file.rows) for file, first in new)
    if not new or not gone:
        return AddedRows(stretches=stretches, removed=sum(file.rows for file in gone))
    folder.mkdir(parents=True, exist_ok=True)
    batches = [(span, first, snapshot.schema, False) for file, first in new for span in _spans(file)]
    batches += [(span, 0, earlier.schema, True) for file in gone for span in _spans(file)]
    tasks = [
        delayed(hash_rows, pure=False)(*batch, tuple(columns), folder / f"rows-{number:06d}.npy")
        for number, batch in enumerate(batches)
    ]
    hashed: list[_Batch] = execute("compare", tasks)
    ranges = max(1, sum(batch.rows for batch in hashed) // _RANGE_ROWS)
    edges = [(1 << 64) * number // ranges for number in range(ranges + 1)]
    tasks = [
        delayed(pair_rows, pure=False)(hashed, first, last - 1, folder / f"known-{number:06d}.npy")
        for number, (first, last) in enumerate(pairwise(edges))
    ]
    paired: list[_Paired] = execute("compare", tasks)
    return AddedRows(
        stretches=stretches,
        known=tuple(part.known for part in paired),
        removed=sum(part.removed for part in paired),
    )


def hash_rows(span: Span, first: int, schema: pa.Schema, earlier: bool, columns: Sequence[str], file: Path) -> _Batch:
    """A file with one batch's rows by hash; `first` is the number of the first row of the span's file."""
    table = read_spans([span], [name for name in columns if name in schema.names], schema=schema)
    hashes = np.zeros(table.num_rows, np.uint64)
    for name in columns:
        hashes = mixed(hashes + _ABSENT)
        if name in table.column_names:
            texts = as_text(table[name])
            hashes ^= np.where(np.asarray(pc.is_valid(texts)), hash_contents(texts, 0), np.uint64(0))
    rows = np.empty(table.num_rows, _HASHED)
    rows["hash"], rows["row"] = hashes, np.arange(span.start, span.stop) + first
    rows.sort(order=["hash", "row"])
    np.save(file, rows)
    return _Batch(file=str(file), earlier=earlier, rows=len(rows))


def pair_rows(batches: Sequence[_Batch], first: int, last: int, file: Path) -> _Paired:
    """The rows with hashes from `first` to `last` that both versions have."""
    sides: dict[bool, list[npt.NDArray[np.void]]] = {False: [], True: []}
    for batch in batches:
        rows = np.load(batch.file, mmap_mode="r")
        low = np.searchsorted(rows["hash"], np.uint64(first))
        high = np.searchsorted(rows["hash"], np.uint64(last), side="right")
        sides[batch.earlier].append(np.array(rows[low:high]))
    now, before = (np.sort(np.concatenate(sides[side]), order=["hash", "row"]) for side in (False, True))
    before_hashes = before["hash"]
    # A row is known if fewer equal ones are before it here than there are in the earlier version.
    rank = np.arange(len(now)) - np.searchsorted(now["hash"], now["hash"])
    there = np.searchsorted(before_hashes, now["hash"], side="right") - np.searchsorted(before_hashes, now["hash"])
    known = now["row"][rank < there]
    np.save(file, np.sort(known))
    return _Paired(known=str(file), removed=len(before) - len(known))


def _numbered(snapshot: Snapshot) -> Iterator[tuple[DataFile, int]]:
    """Each file with the number of its first row."""
    first = 0
    for file in snapshot.files:
        yield file, first
        first += file.rows


def _spans(file: DataFile) -> Iterator[Span]:
    for start in range(0, file.rows, _BATCH_ROWS):
        yield Span(file=file, start=start, stop=min(start + _BATCH_ROWS, file.rows))
