"""Pairs of rows that may be near-duplicates: rows that meet in a band.

A row is known across blocks by its node number, block * 2**32 + row, so that the order of nodes is the order of rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import frame
from pipeline.ingest.dedupe.duplicate_files import write_whole
from pipeline.ingest.dedupe.key_files import KeyFile, bucket_run, source_names, write_records
from pipeline.ingest.dedupe.minhash import band_keys
from pipeline.ingest.dedupe.sorted_runs import Run, once_each, places_of, stretches
from pipeline.ingest.dedupe_config import NearConfig
from storage.compiled import kernel

#: One band of one row; `whole` is a hash of the row's whole signature.
BAND_RECORD = np.dtype([("hi", "<u8"), ("node", "<u8"), ("whole", "<u4")])
#: One pair, filed under its later row. A row that others are paired with is also paired with itself.
PAIR_RECORD = np.dtype([("node", "<u8"), ("other", "<u8")])
#: What a band takes in memory while candidates are found, and what a pair does: records, their order, and copies.
_BAND_STEP_BYTES = 5 * BAND_RECORD.itemsize
_PAIR_STEP_BYTES = 6 * PAIR_RECORD.itemsize
#: What a band asks for in a bucket, so that most buckets are one stretch.
BAND_BYTES = 2 * _BAND_STEP_BYTES
#: Rows whose bands are worked out together.
_SLICE_ROWS = 1 << 17
#: Up to so many rows with different signatures meet each other in one band; later ones meet the first few and the one
#: before.
_MOST = 32
_LEADERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFile:
    """Some of the pairs of one bucket.

    Attributes
    ----------
    path
        The file of `PAIR_RECORD`, sorted by node and other, each pair once.
    pairs
        How many it names.
    first_block, last_block
        The blocks of their later rows.
    """

    path: str
    pairs: int
    first_block: int
    last_block: int


def node_of(block: int, rows: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """The node numbers of rows of one block."""
    return (np.uint64(block) << np.uint64(32)) | rows.astype(np.uint64)


def write_bands(table: pa.Table, near: NearConfig, block: int, path: Path) -> tuple[KeyFile, ...]:
    """The files of one block's band keys, each written whole or not at all; they count bands, not rows.

    Parameters
    ----------
    table
        A frame, or rows of a stored version (which have no fates: all are alive). Only live rows take part.
    near
        What makes rows near-duplicates.
    block
        Which block it is.
    path
        The files are called after it.
    """
    names = source_names(table)
    texts = frame.column_or_null(table, near.column)
    texts = texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts])
    alive = frame.alive(table) if frame.FATE in table.column_names else np.ones(table.num_rows, np.bool_)
    files: list[KeyFile] = []
    for start in range(0, max(table.num_rows, 1), _SLICE_ROWS):
        keys, whole, taking = band_keys(texts.slice(start, _SLICE_ROWS), near)
        rows = np.flatnonzero(taking & alive[start : start + _SLICE_ROWS])
        records = np.empty(len(rows) * keys.shape[1], BAND_RECORD)
        records["hi"] = keys[rows].ravel()
        records["node"] = np.repeat(node_of(block, rows + start), keys.shape[1])
        records["whole"] = np.repeat(whole[rows], keys.shape[1])
        name = path.with_name(f"{path.name}-{len(files)}")
        write_records(records, name, names)
        files.append(KeyFile(path=str(name), rows=len(records)))
    return tuple(files)


@kernel
def _meet(
    records: Any, start: Any, state: Any, met: Any, wholes: Any, later: Any, earlier: Any, most: Any, leaders: Any
) -> Any:
    """Pairs up the records from `start` on, until all are through or the room for pairs is used up.

    A row with the signature of one of the first rows of its band has the company of that one in every band: it meets
    that one alone. `met` and `wholes` (the first rows of the band and their signatures) and `state` (whether a band is
    open, its key, how many it has met, the row before, whether the first is paired with itself) carry an unfinished
    band over to the next call.
    """
    used = 0
    i = start
    while i < len(records) and used + most + 1 <= len(later):
        key, node, whole = records[i]["hi"], records[i]["node"], records[i]["whole"]
        if state[0] == 0 or key != state[1]:
            state[0], state[1], state[2], state[3], state[4] = 1, key, 0, 0, 0
        count = np.int64(state[2])
        same = -1
        for j in range(count):
            if wholes[j] == whole:
                same = j
                break
        first = used
        if same >= 0:
            later[used], earlier[used] = node, met[same]
            used += 1
        else:
            for j in range(count if count < most else leaders):
                later[used], earlier[used] = node, met[j]
                used += 1
            if count < most:
                met[count], wholes[count] = node, whole
                state[2] = count + 1
            else:
                later[used], earlier[used] = node, state[3]
                used += 1
            state[3] = node
        if used > first and state[4] == 0:
            later[used], earlier[used] = met[0], met[0]
            used += 1
            state[4] = 1
        i += 1
    return i, used


def find_candidates(
    files: Sequence[KeyFile], bucket: int, buckets: int, path: Path, memory_bytes: int
) -> tuple[PairFile, ...]:
    """The pairs that meet in one bucket of bands, in files called after `path`.

    Which pairs these are does not depend on memory, buckets or blocks.

    Parameters
    ----------
    files
        All band files, in row order.
    bucket, buckets
        Which share of the bands, of how many.
    path
        Where to write.
    memory_bytes
        What may be taken.
    """
    runs = [bucket_run(file.path, bucket, buckets) for file in files]
    room = max(2 * _MOST, memory_bytes // 2 // _PAIR_STEP_BYTES)
    later, earlier = np.empty(room, np.uint64), np.empty(room, np.uint64)
    state, met, wholes = np.zeros(5, np.uint64), np.empty(_MOST, np.uint64), np.empty(_MOST, np.uint32)
    found: list[PairFile] = []
    for records in stretches(runs, BAND_RECORD, ["hi"], max(1, memory_bytes // 2 // _BAND_STEP_BYTES)):
        start = 0
        while start < len(records):
            start, used = _meet(records, start, state, met, wholes, later, earlier, _MOST, _LEADERS)
            if used:
                found.append(_write_pairs(later[:used], earlier[:used], path.with_name(f"{path.name}-{len(found)}")))
    return tuple(found)


def _write_pairs(later: npt.NDArray[Any], earlier: npt.NDArray[Any], path: Path) -> PairFile:
    pairs = np.empty(len(later), PAIR_RECORD)
    pairs["node"], pairs["other"] = later, earlier
    pairs = once_each(pairs.take(np.lexsort((pairs["other"], pairs["node"]))))
    write_whole(pairs, path)
    first, last = (int(pairs["node"][at]) >> 32 for at in (0, -1))
    return PairFile(path=str(path), pairs=len(pairs), first_block=first, last_block=last)


def pairs_of_block(files: Sequence[PairFile], block: int, memory_bytes: int) -> Iterator[npt.NDArray[Any]]:
    """All pairs whose later row is in one block, sorted by node and other, each once, in stretches."""
    ends = (block << 32, (block + 1) << 32)
    runs = []
    for file in files:
        if file.first_block <= block <= file.last_block:
            first, last = places_of(Run(path=file.path, last=file.pairs), PAIR_RECORD, "node", ends)
            runs.append(Run(path=file.path, first=first, last=last))
    for pairs in stretches(runs, PAIR_RECORD, ["node", "other"], max(1, memory_bytes // _PAIR_STEP_BYTES)):
        yield once_each(pairs)
