"""Pairs of rows that may be near-duplicates: rows that meet in a band.

A row is known across blocks by its node number, block * 2**32 + row, so that the order of nodes is the order of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import frame
from pipeline.ingest.dedupe.key_files import KeyFile, read_bucket, source_names, write_records
from pipeline.ingest.dedupe.minhash import band_keys
from pipeline.ingest.dedupe_config import NearConfig
from storage.compiled import kernel

#: One band of one row.
BAND_RECORD = np.dtype([("hi", "<u8"), ("row", "<u4")])
#: One pair, written under both of its nodes.
PAIR_RECORD = np.dtype([("node", "<u8"), ("other", "<u8")])
#: What a band takes in memory while candidates are found: its record, its node, the sort, and its pairs.
BAND_BYTES = 3 * BAND_RECORD.itemsize + 8 * PAIR_RECORD.itemsize
#: Up to so many rows in a band, every pair is looked at; of more, each row with the first few and the one before.
_ALL_PAIRS = 32
_LEADERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFile:
    """Pairs of one bucket: what a task that looked for candidates answers with.

    Attributes
    ----------
    path
        The file of `PAIR_RECORD`, each pair once under either node, sorted.
    pairs
        How many pairs it names.
    """

    path: str
    pairs: int


def node_of(block: int, rows: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """The node numbers of rows of one block."""
    return (np.uint64(block) << np.uint64(32)) | rows.astype(np.uint64)


def write_bands(table: pa.Table, near: NearConfig, path: Path) -> KeyFile:
    """The file of one block's band keys, written whole or not at all; it counts bands, not rows.

    Parameters
    ----------
    table
        A frame, or rows of a stored version (which have no fates: all are alive). Only live rows take part.
    near
        What makes rows near-duplicates.
    path
        Where to write.
    """
    texts = frame.column_or_null(table, near.column)
    keys, taking = band_keys(texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts]), near)
    if frame.FATE in table.column_names:
        taking &= frame.alive(table)
    rows = np.flatnonzero(taking)
    records = np.empty(len(rows) * keys.shape[1], BAND_RECORD)
    records["hi"] = keys[rows].ravel()
    records["row"] = np.repeat(rows, keys.shape[1])
    write_records(records, path, source_names(table))
    return KeyFile(path=str(path), rows=len(records))


@kernel
def _count_pairs(starts: Any) -> Any:
    count = 0
    for group in range(len(starts) - 1):
        size = starts[group + 1] - starts[group]
        for i in range(1, size):
            count += i if size <= _ALL_PAIRS or i <= _LEADERS else _LEADERS + 1
    return count


@kernel
def _fill_pairs(nodes: Any, starts: Any, low: Any, high: Any) -> None:
    at = 0
    for group in range(len(starts) - 1):
        start = starts[group]
        size = starts[group + 1] - start
        for i in range(1, size):
            few = size > _ALL_PAIRS and i > _LEADERS
            for j in range(_LEADERS if few else i):
                low[at], high[at] = nodes[start + j], nodes[start + i]
                at += 1
            if few:
                low[at], high[at] = nodes[start + i - 1], nodes[start + i]
                at += 1


def find_candidates(files: Sequence[KeyFile], bucket: int, buckets: int, path: Path) -> PairFile:
    """The pairs that meet in one bucket of bands, written to `path`.

    Parameters
    ----------
    files
        All band files, in row order.
    bucket, buckets
        Which share of the bands, of how many (a power of two).
    path
        Where to write.
    """
    parts = [read_bucket(file.path, bucket, buckets, BAND_RECORD) for file in files]
    keys = np.concatenate([part["hi"] for part in parts] or [np.empty(0, np.uint64)])
    nodes = np.concatenate([node_of(b, part["row"]) for b, part in enumerate(parts)] or [np.empty(0, np.uint64)])
    del parts
    # Within one band the nodes stay in row order, for each file holds them so and files come in row order.
    order = np.argsort(keys, kind="stable")
    keys, nodes = keys[order], nodes[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1], [True]])) if len(keys) else np.zeros(1, int)
    count = _count_pairs(starts)
    low, high = np.empty(count, np.uint64), np.empty(count, np.uint64)
    _fill_pairs(nodes, starts, low, high)
    pairs = np.empty(2 * count, PAIR_RECORD)
    pairs["node"], pairs["other"] = np.concatenate([low, high]), np.concatenate([high, low])
    pairs = unique_pairs(pairs)
    write_whole(pairs, path)
    return PairFile(path=str(path), pairs=len(pairs) // 2)


def unique_pairs(pairs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The pairs sorted by node and other, each once."""
    pairs = pairs[np.lexsort((pairs["other"], pairs["node"]))]
    if len(pairs) == 0:
        return pairs
    new = (pairs["node"][1:] != pairs["node"][:-1]) | (pairs["other"][1:] != pairs["other"][:-1])
    unique: npt.NDArray[Any] = pairs[np.concatenate([[True], new])]
    return unique


def write_whole(records: npt.NDArray[Any], path: Path) -> None:
    """Write the records' bytes, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{uuid4().hex}")
    records.tofile(aside)
    aside.replace(path)


def pairs_of_block(files: Sequence[PairFile], block: int) -> npt.NDArray[Any]:
    """All pairs under a node of one block, sorted by node and other, each once."""
    found = [np.empty(0, PAIR_RECORD)]
    for file in files:
        if file.pairs:
            records = np.memmap(file.path, PAIR_RECORD, mode="r")
            ends = np.array([block, block + 1], np.uint64) << np.uint64(32)
            first, last = np.searchsorted(records["node"], ends)
            found.append(np.array(records[first:last]))
    return unique_pairs(np.concatenate(found))
