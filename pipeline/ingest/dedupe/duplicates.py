"""Which rows repeat an earlier one: found bucket by bucket, read back block by block."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import uint64

from pipeline.ingest.dedupe.key_files import RECORD, KeyFile, read_bucket, read_sources
from storage.compiled import kernel

#: One duplicate: where it is, and which row survives for it.
DUPLICATE_RECORD = np.dtype(
    [
        ("block", "<u4"),
        ("row", "<u4"),
        ("survivor_block", "<u4"),
        ("survivor_source", "<u4"),
        ("survivor_position", "<i8"),
    ]
)
#: In the place of `survivor_block`: no row survives for this one.
NO_SURVIVOR = 0xFFFFFFFF
#: Rows named as examples.
EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateFile:
    """The duplicates of one bucket: what a task that looked for them answers with.

    Attributes
    ----------
    path
        The file of `DUPLICATE_RECORD`, sorted by block and row.
    duplicates
        How many it names.
    conflicts
        How many of them have another label than the row that survives.
    examples
        The first few of those, as values of `DUPLICATE_RECORD` in its order.
    """

    path: str
    duplicates: int
    conflicts: int = 0
    examples: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """The duplicates within one block.

    Attributes
    ----------
    rows
        Their places in the block's frame, ascending, uint32.
    sources
        For each, the source file of the row that survives (text array); null where none does.
    positions
        For each, that row's position in its source, int64; 0 where no row survives.
    """

    rows: npt.NDArray[np.uint32]
    sources: pa.Array
    positions: npt.NDArray[np.int64]

    def mask(self, rows: int) -> npt.NDArray[np.bool_]:
        """Which of a block's `rows` rows are duplicates."""
        mask = np.zeros(rows, np.bool_)
        mask[self.rows] = True
        return mask


@kernel
def _first_equal(hi: Any, lo: Any) -> Any:
    """For each key the index of the first equal key, by an open hash table."""
    size = uint64(16)
    while size < uint64(2 * len(hi)):
        size *= uint64(2)
    slots = np.full(size, -1, np.int64)
    first = np.empty(len(hi), np.int64)
    for i in range(len(hi)):
        slot = lo[i] & (size - uint64(1))
        while True:
            j = slots[slot]
            if j < 0:
                slots[slot] = i
                first[i] = i
                break
            if hi[j] == hi[i] and lo[j] == lo[i]:
                first[i] = j
                break
            slot = (slot + uint64(1)) & (size - uint64(1))
    return first


def find_duplicates(
    files: Sequence[KeyFile], bucket: int, buckets: int, path: Path, first_new: int = 0
) -> DuplicateFile:
    """The duplicates among the keys of one bucket, written to `path`.

    Of rows with one key the first survives: the one in the earliest file, and in it the earliest row. So the result
    does not depend on how many buckets there are or in which order they are worked on.

    Parameters
    ----------
    files
        All key files, in row order: those of stored versions first, then those of the new blocks.
    bucket, buckets
        Which share of the key space, of how many (a power of two, see `bucket_count`).
    path
        Where to write.
    first_new
        How many of `files`, from the front, belong to stored versions: their rows survive, and are never named as
        duplicates. Blocks are counted from the first file after them.
    """
    parts = [read_bucket(file.path, bucket, buckets) for file in files]
    block = np.repeat(np.arange(len(parts), dtype=np.int64), [len(part) for part in parts])
    records = np.concatenate(parts) if parts else np.empty(0, RECORD)
    del parts
    first = _first_equal(np.ascontiguousarray(records["hi"]), np.ascontiguousarray(records["lo"]))
    repeats = np.flatnonzero((first != np.arange(len(first))) & (block >= first_new))
    survivors = first[repeats]
    found = np.empty(len(repeats), DUPLICATE_RECORD)
    found["block"], found["row"] = block[repeats] - first_new, records["row"][repeats]
    # Counted over all files, stored ones too: it leads to the file that knows the survivor's source.
    found["survivor_block"] = block[survivors]
    found["survivor_source"] = records["source"][survivors]
    found["survivor_position"] = records["position"][survivors]
    write_duplicates(found, path)
    mine, theirs = records["label"][repeats], records["label"][survivors]
    at_odds = found[(mine != theirs) & (mine != 0) & (theirs != 0)]
    first_few = at_odds[np.lexsort((at_odds["row"], at_odds["block"]))[:EXAMPLES]]
    return DuplicateFile(
        path=str(path), duplicates=len(found), conflicts=len(at_odds), examples=tuple(map(tuple, first_few.tolist()))
    )


def without_survivor(rows: npt.NDArray[np.uint32], block: int | npt.NDArray[np.uint32]) -> npt.NDArray[Any]:
    """Rows that go without repeating another, as values of `DUPLICATE_RECORD`."""
    found = np.zeros(len(rows), DUPLICATE_RECORD)
    found["block"], found["row"], found["survivor_block"] = block, rows, NO_SURVIVOR
    return found


def write_duplicates(found: npt.NDArray[Any], path: Path) -> None:
    """Write `found` sorted by block and row, whole or not at all."""
    found = found[np.lexsort((found["row"], found["block"]))]
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{uuid4().hex}")
    found.tofile(aside)
    aside.replace(path)


def read_duplicates(buckets: Sequence[DuplicateFile], files: Sequence[KeyFile], block: int) -> Duplicates:
    """All duplicates within one new block.

    Parameters
    ----------
    buckets
        What `find_duplicates` answered, for all buckets.
    files
        The same key files, in the same order.
    block
        Which new block, counted from 0.
    """
    found = np.concatenate(
        [_of_block(bucket.path, block) for bucket in buckets if bucket.duplicates] or [np.empty(0, DUPLICATE_RECORD)]
    )
    found = found[np.argsort(found["row"], kind="stable")]
    return Duplicates(
        rows=found["row"].copy(), sources=_survivor_sources(found, files), positions=found["survivor_position"].copy()
    )


def _of_block(path: str, block: int) -> npt.NDArray[Any]:
    records = np.memmap(path, DUPLICATE_RECORD, mode="r")
    first, last = np.searchsorted(records["block"], [block, block + 1])
    return np.array(records[first:last])


def _survivor_sources(found: npt.NDArray[Any], files: Sequence[KeyFile]) -> pa.Array:
    blocks, inverse = np.unique(found["survivor_block"], return_inverse=True)
    names: list[str | None] = []
    starts = np.empty(len(blocks), np.int64)
    for at, block in enumerate(blocks):
        starts[at] = len(names)
        names += [None] if block == NO_SURVIVOR else read_sources(files[block].path)
    return pa.array(names, pa.string()).take(pa.array(starts[inverse] + found["survivor_source"]))
