"""From files of keys or from blocks to the duplicates of each block: the tasks in their order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import dask
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.execute import Execute
from pipeline.ingest.dedupe.candidates import BAND_BYTES, find_candidates, write_bands
from pipeline.ingest.dedupe.components import Roots, connect, roots_of
from pipeline.ingest.dedupe.duplicate_files import (
    DUPLICATE_RECORD,
    EXAMPLES,
    DuplicateFile,
    DuplicateRuns,
    Duplicates,
    read_duplicates,
)
from pipeline.ingest.dedupe.duplicates import find_duplicates
from pipeline.ingest.dedupe.key_files import KeyFile, bucket_count, read_sources, total_rows
from pipeline.ingest.dedupe.verify import ShingleFile, read_shingles, verify_block, write_shingles
from pipeline.ingest.dedupe_config import NearConfig

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All duplicates of one kind, in files, to be read back block by block.

    Attributes
    ----------
    kind
        "exact" or "near".
    files
        The files of duplicates.
    keys
        The files of keys they came from, in row order.
    """

    kind: str
    files: tuple[DuplicateFile, ...]
    keys: tuple[KeyFile, ...]

    @property
    def duplicates(self) -> int:
        """How many rows are duplicates."""
        return sum(file.duplicates for file in self.files)

    @property
    def conflicts(self) -> int:
        """How many of them have another label than the row that survives; 0 where labels were not written."""
        return sum(file.conflicts for file in self.files)

    @property
    def examples(self) -> tuple[tuple[int, ...], ...]:
        """The first few of those rows, in row order, as `DuplicateFile.examples` has them."""
        return tuple(sorted(example for file in self.files for example in file.examples)[:EXAMPLES])

    def source(self, file: int, code: int) -> str:
        """The source file that `code` stands for in the keys of one file."""
        return read_sources(self.keys[file].path)[code]

    def of_block(self, block: int) -> Duplicates:
        """The duplicates within one new block, counted from 0."""
        return read_duplicates(self.files, self.keys, block)


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
    return Found(kind="exact", files=joined(execute(stage, tasks)), keys=tuple(keys))


def joined(answers: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    """All files that several tasks answered with, in the order of the tasks."""
    return tuple(file for answer in answers for file in answer)


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
    bands = execute(stage, [dask.delayed(write_bands)(tables[b], near, b, folder / f"bands-{b}") for b in blocks])
    buckets = bucket_count(total_rows(joined(bands)), memory_bytes, BAND_BYTES)
    files = dask.delayed(joined(bands), traverse=False)
    tasks = [
        dask.delayed(find_candidates)(files, b, buckets, folder / f"pairs-{b}", memory_bytes) for b in range(buckets)
    ]
    pairs = dask.delayed(joined(execute(stage, tasks)), traverse=False)
    tasks = [
        dask.delayed(write_shingles)(tables[b], near, pairs, b, folder / f"shingles-{b}", memory_bytes) for b in blocks
    ]
    shingles = tuple(execute(stage, tasks))
    sets = dask.delayed(shingles, traverse=False)
    tasks = [
        dask.delayed(verify_block)(pairs, sets, near.threshold, b, folder / f"edges-{b}", memory_bytes) for b in blocks
    ]
    roots = connect(joined(execute(stage, tasks)), folder / "components", execute, memory_bytes)
    # Each block's first file of bands names its sources.
    named = tuple(block[0] for block in bands)
    tasks = [
        dask.delayed(name_near_duplicates)(roots, part, named, shingles, folder / f"near-{part}", first_new)
        for part in range(roots.parts)
    ]
    return Found(kind="near", files=joined(execute(stage, tasks)), keys=named)


def name_near_duplicates(
    roots: Roots,
    part: int,
    bands: Sequence[KeyFile],
    shingles: Sequence[ShingleFile],
    path: Path,
    first_new: int = 0,
) -> tuple[DuplicateFile, ...]:
    """The near-duplicates of one part of the nodes, each with the smallest row of its component, in files."""
    nodes, survivors = roots_of(roots, part)
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
    runs = DuplicateRuns(path)
    runs.add(found)
    return runs.finish()
