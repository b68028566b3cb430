"""From files of keys or from blocks to the duplicates of each block: the tasks in their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.execute import Execute
from pipeline.ingest.dedupe.candidates import BAND_BYTES, find_candidates, write_bands
from pipeline.ingest.dedupe.components import EdgeFile, connect, roots_of
from pipeline.ingest.dedupe.duplicates import (
    DUPLICATE_RECORD,
    EXAMPLES,
    DuplicateFile,
    Duplicates,
    find_duplicates,
    read_duplicates,
    write_duplicates,
)
from pipeline.ingest.dedupe.key_files import KeyFile, bucket_count, read_sources, total_rows
from pipeline.ingest.dedupe.verify import ShingleFile, read_shingles, verify_block, write_shingles
from pipeline.ingest.dedupe_config import NearConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All duplicates of one kind, in files, to be read back block by block.

    Attributes
    ----------
    kind
        "exact" or "near".
    buckets
        The files of duplicates.
    keys
        The files of keys they came from, in row order.
    """

    kind: str
    buckets: tuple[DuplicateFile, ...]
    keys: tuple[KeyFile, ...]

    @property
    def duplicates(self) -> int:
        """How many rows are duplicates."""
        return sum(bucket.duplicates for bucket in self.buckets)

    @property
    def conflicts(self) -> int:
        """How many of them have another label than the row that survives; 0 where labels were not written."""
        return sum(bucket.conflicts for bucket in self.buckets)

    @property
    def examples(self) -> tuple[tuple[int, ...], ...]:
        """The first few of those rows, in row order, as `DuplicateFile.examples` has them."""
        return tuple(sorted(example for bucket in self.buckets for example in bucket.examples)[:EXAMPLES])

    def source(self, file: int, code: int) -> str:
        """The source file that `code` stands for in the keys of one file."""
        return read_sources(self.keys[file].path)[code]

    def of_block(self, block: int) -> Duplicates:
        """The duplicates within one new block, counted from 0."""
        return read_duplicates(self.buckets, self.keys, block)


def resolve_exact(
    keys: Sequence[KeyFile],
    folder: Path,
    execute: Execute,
    memory_bytes: int,
    first_new: int = 0,
    stage: str = "dedupe",
) -> Found:
    """All exact duplicates.

    Parameters
    ----------
    keys
        What `write_keys` answered, in row order: for the parts of stored versions first, then for the new blocks.
    folder
        Scratch for files that all workers see.
    execute
        Runs the tasks.
    memory_bytes
        What one task may take.
    first_new
        How many of `keys` belong to stored versions.
    stage
        What a person reads while it runs.
    """
    buckets = bucket_count(total_rows(keys), memory_bytes)
    files = dask.delayed(tuple(keys), traverse=False)
    tasks = [
        dask.delayed(find_duplicates)(files, bucket, buckets, folder / f"found-{bucket}", first_new)
        for bucket in range(buckets)
    ]
    return Found(kind="exact", buckets=tuple(execute(stage, tasks)), keys=tuple(keys))


def resolve_near(
    tables: Sequence[Any],
    near: NearConfig,
    folder: Path,
    execute: Execute,
    memory_bytes: int,
    first_new: int = 0,
    stage: str = "near-duplicates",
) -> Found:
    """All near-duplicates.

    Parameters
    ----------
    tables
        A `dask.delayed` a block, in row order, stored parts first: each gives the block's frame, in which rows that
        take no part (exact duplicates too) have a fate. Each is asked twice and must give the same rows.
    near
        What makes rows near-duplicates.
    folder, execute, memory_bytes, first_new, stage
        As for `resolve_exact`.
    """
    blocks = range(len(tables))
    bands = execute(stage, [dask.delayed(write_bands)(tables[b], near, folder / f"bands-{b}") for b in blocks])
    buckets = bucket_count(total_rows(bands), memory_bytes, BAND_BYTES)
    files = dask.delayed(tuple(bands), traverse=False)
    pairs = execute(
        stage,
        [dask.delayed(find_candidates)(files, b, buckets, folder / f"pairs-{b}") for b in range(buckets)],
    )
    files = dask.delayed(tuple(pairs), traverse=False)
    shingles = execute(
        stage,
        [dask.delayed(write_shingles)(tables[b], near, files, b, folder / f"shingles-{b}") for b in blocks],
    )
    sets = dask.delayed(tuple(shingles), traverse=False)
    edges = execute(
        stage,
        [dask.delayed(verify_block)(files, sets, near.threshold, b, folder / f"edges-{b}") for b in blocks],
    )
    roots = connect(edges, folder / "components", execute, memory_bytes)
    tasks = [
        dask.delayed(name_near_duplicates)(
            roots, part, len(roots), tuple(bands), tuple(shingles), folder / f"near-{part}", first_new
        )
        for part in range(len(roots))
    ]
    return Found(kind="near", buckets=tuple(execute(stage, tasks)), keys=tuple(bands))


def name_near_duplicates(
    roots: Sequence[EdgeFile],
    part: int,
    parts: int,
    bands: Sequence[KeyFile],
    shingles: Sequence[ShingleFile],
    path: Path,
    first_new: int = 0,
) -> DuplicateFile:
    """The near-duplicates of one part of the nodes, each with the smallest row of its component, written to `path`."""
    nodes, survivors = roots_of(roots, part, parts)
    new = nodes >= np.uint64(first_new) << np.uint64(32)
    nodes, survivors = nodes[new], survivors[new]
    found = np.empty(len(nodes), DUPLICATE_RECORD)
    found["block"] = (nodes >> np.uint64(32)).astype(np.uint32) - np.uint32(first_new)
    found["row"] = nodes & np.uint64(0xFFFFFFFF)
    found["survivor_block"] = survivors >> np.uint64(32)
    rows = (survivors & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    for block in np.unique(found["survivor_block"]):
        here = found["survivor_block"] == block
        table, names = read_shingles(shingles[block]), read_sources(bands[block].path)
        places = np.searchsorted(np.asarray(table["row"]), rows[here])
        found["survivor_position"][here] = np.asarray(table["position"])[places]
        sources = table["source"].take(places)
        found["survivor_source"][here] = np.asarray(pc.index_in(sources, value_set=pa.array(names, pa.string())))
    write_duplicates(found, path)
    return DuplicateFile(path=str(path), duplicates=len(found))
