"""Candidate pairs verified by the exact Jaccard similarity of their shingle sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import frame
from pipeline.ingest.dedupe.candidates import PairFile, pairs_of_block
from pipeline.ingest.dedupe.components import EdgeFile, forest, write_edges
from pipeline.ingest.dedupe.shingles import ShingleSets, shingle_sets
from pipeline.ingest.dedupe_config import NearConfig
from storage.compiled import kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class ShingleFile:
    """The shingle sets of one block's candidate rows, with their row ids.

    Attributes
    ----------
    path
        An Arrow file: row, source, position, shingles.
    rows
        How many rows it holds.
    """

    path: str
    rows: int


def write_shingles(
    table: pa.Table, near: NearConfig, pairs: Sequence[PairFile], block: int, path: Path, memory_bytes: int
) -> ShingleFile:
    """The file of the shingle sets of those rows of one block that are in some pair.

    Parameters
    ----------
    table
        The block's frame, with the same rows as when its bands were written.
    near
        What makes rows near-duplicates.
    pairs
        What `find_candidates` answered, for all buckets.
    block
        Which of the band files this block wrote.
    path
        Where to write.
    memory_bytes
        What the pairs may take.
    """
    nodes = [np.unique(some["node"]).astype(np.uint32) for some in pairs_of_block(pairs, block, memory_bytes)]
    rows = np.unique(np.concatenate([np.empty(0, np.uint32), *nodes]))
    some = table.take(pa.array(rows, pa.uint32()))
    texts = frame.column_or_null(some, near.column)
    sets = shingle_sets(texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts]), near)
    stored = pa.table(
        {
            "row": pa.array(rows, pa.uint32()),
            "source": some[frame.SOURCE].cast(pa.string()),
            "position": some[frame.POSITION],
            "shingles": pa.LargeListArray.from_arrays(pa.array(sets.offsets), pa.array(sets.values)),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{uuid4().hex}")
    with pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_file(sink, stored.schema) as writer:
        writer.write_table(stored, max_chunksize=max(stored.num_rows, 1))
    aside.replace(path)
    return ShingleFile(path=str(path), rows=len(rows))


def read_shingles(file: ShingleFile) -> pa.Table:
    """The file's table in one chunk, mapped into memory rather than read."""
    with pa.memory_map(file.path) as source:
        return pa.ipc.open_file(source).read_all()


@kernel
def _jaccards(lefts: Any, left_at: Any, left_values: Any, rights: Any, right_at: Any, right_values: Any) -> Any:
    out = np.empty(len(lefts), np.float64)
    for pair in range(len(lefts)):
        i, i_end = left_at[lefts[pair]], left_at[lefts[pair] + 1]
        j, j_end = right_at[rights[pair]], right_at[rights[pair] + 1]
        total = (i_end - i) + (j_end - j)
        common = 0
        while i < i_end and j < j_end:
            if left_values[i] == right_values[j]:
                common += 1
                i += 1
                j += 1
            elif left_values[i] < right_values[j]:
                i += 1
            else:
                j += 1
        out[pair] = common / (total - common)
    return out


def jaccards(
    left: ShingleSets, lefts: npt.NDArray[np.int64], right: ShingleSets, rights: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """The similarity of each pair of sets: those of `left` at `lefts` with those of `right` at `rights`."""
    out: npt.NDArray[np.float64] = _jaccards(lefts, left.offsets, left.values, rights, right.offsets, right.values)
    return out


def _sets(table: pa.Table) -> ShingleSets:
    shingles = table["shingles"].combine_chunks()
    return ShingleSets(offsets=np.asarray(shingles.offsets), values=np.asarray(shingles.values))


def _places(table: pa.Table, nodes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    rows = np.asarray(table["row"])
    return np.searchsorted(rows, (nodes & np.uint64(0xFFFFFFFF)).astype(np.uint32))


def verify_block(
    pairs: Sequence[PairFile],
    shingles: Sequence[ShingleFile],
    threshold: float,
    block: int,
    path: Path,
    memory_bytes: int,
) -> tuple[EdgeFile, ...]:
    """Edges that connect the rows of `block` with earlier ones whose similarity is at least `threshold`.

    Of pairs that are connected already no edge is kept: there are fewer edges than rows, however many pairs.

    Parameters
    ----------
    pairs
        What `find_candidates` answered, for all buckets.
    shingles
        What `write_shingles` answered, for all blocks in order.
    threshold
        The least Jaccard similarity of near-duplicates.
    block
        Which block.
    path
        The files are called after it.
    memory_bytes
        What the pairs may take.
    """
    files: list[EdgeFile] = []
    for found in pairs_of_block(pairs, block, memory_bytes):
        similar = _similar(found[found["other"] < found["node"]], shingles, threshold, block)
        if len(similar):
            nodes, roots = forest(similar["node"], similar["other"])
            files.append(write_edges(nodes, roots, path.with_name(f"{path.name}-{len(files)}")))
    return tuple(files)


def _similar(
    found: npt.NDArray[Any], shingles: Sequence[ShingleFile], threshold: float, block: int
) -> npt.NDArray[Any]:
    """The pairs among `found`, with their later rows in `block`, that are similar enough."""
    if not len(found):
        return found
    own = read_shingles(shingles[block])
    found = found.take(np.argsort(found["other"] >> np.uint64(32), kind="stable"))
    others, starts = np.unique(found["other"] >> np.uint64(32), return_index=True)
    kept = []
    for other, some in zip(others.tolist(), np.split(found, starts[1:]), strict=True):
        table = own if other == block else read_shingles(shingles[other])
        similar = jaccards(_sets(own), _places(own, some["node"]), _sets(table), _places(table, some["other"]))
        kept.append(some[similar >= threshold])
    return np.concatenate(kept)
