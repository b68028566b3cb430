"""Passes over the whole dataset: which rows repeat others, and the parts without them.

Each pass hashes the rows that are still there to keys, finds equal keys bucket by bucket, and leaves the answer in
files; the rows themselves are rewritten once, at the end, and only where something was taken out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from dask import delayed

from pipeline import frame
from pipeline.execute import Execute
from pipeline.ingest.dedupe.duplicates import DuplicateFile, Duplicates, find_duplicates, read_duplicates
from pipeline.ingest.dedupe.key_files import KeyFile, bucket_count, total_rows, write_keys
from pipeline.ingest.stage_block import (
    BlockSummary,
    KeySpec,
    counted,
    repeats_of,
    write_block_keys,
    write_fates,
)
from pipeline.ledger import DUPLICATE, Ledger
from storage.fingerprint import fingerprint_of
from storage.parquet import write_part
from storage.scan import DataFile, read_span

#: Memory that finding the repeats of one bucket may take.
BUCKET_BYTES = 256_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A finished pass: which rows of which block repeat an earlier row.

    Attributes
    ----------
    spec
        What was compared.
    files
        All key files in row order, those of stored rows first.
    buckets
        The repeats that were found.
    blocks
        The numbers of the blocks, in the order of their key files.
    """

    spec: KeySpec
    files: tuple[KeyFile, ...]
    buckets: tuple[DuplicateFile, ...]
    blocks: tuple[int, ...]

    def repeats(self, number: int) -> Duplicates:
        """The repeats within one block."""
        return read_duplicates(self.buckets, self.files, self.blocks.index(number))


def settle(
    summaries: Sequence[BlockSummary],
    passes: Sequence[KeySpec],
    stored: Sequence[DataFile],
    folder: Path,
    label: str | None,
    execute: Execute,
) -> list[BlockSummary]:
    """The summaries after all passes: parts rewritten without the repeats, fates and counts with them.

    Parameters
    ----------
    summaries
        All blocks, in row order; their first key files belong to the first pass.
    passes
        What to compare, in order; rows taken out by one pass take no part in the next.
    stored
        Files of the version that rows are appended to; none in mode ``replace``.
    folder
        The staging folder.
    label
        The column to count values of.
    execute
        Runs the tasks.
    """
    blocks = [summary for summary in summaries if summary.part is not None]
    done: list[Pass] = []
    for number, spec in enumerate(passes):
        done.append(_one_pass(blocks, number, spec, stored if spec.against_stored else (), done, folder, execute))
    if not any(bucket.duplicates for finished in done for bucket in finished.buckets):
        return list(summaries)
    tasks = [delayed(_without_repeats)(block, tuple(done), str(folder), label) for block in blocks]
    rewritten = execute("settle", tasks, sizes=[block.part.bytes for block in blocks if block.part])
    settled = {summary.number: summary for summary in rewritten}
    return [settled.get(summary.number, summary) for summary in summaries]


def _one_pass(
    blocks: Sequence[BlockSummary],
    number: int,
    spec: KeySpec,
    stored: Sequence[DataFile],
    done: Sequence[Pass],
    folder: Path,
    execute: Execute,
) -> Pass:
    keys = folder / f"keys-{number}"
    old = execute("keys", [delayed(_stored_keys)(file, at, spec, str(keys)) for at, file in enumerate(stored)])
    if number == 0:
        new = [block.keys for block in blocks]
    else:
        new = execute("keys", [delayed(_keys_left)(block, tuple(done), spec, str(keys)) for block in blocks])
    files = (*old, *new)
    buckets = bucket_count(total_rows(files), BUCKET_BYTES)
    tasks = [
        delayed(find_duplicates)(files, bucket, buckets, folder / f"repeats-{number}" / f"{bucket:04d}", len(old))
        for bucket in range(buckets)
    ]
    found = execute("dedupe", tasks)
    return Pass(spec=spec, files=files, buckets=tuple(found), blocks=tuple(block.number for block in blocks))


def _stored_keys(file: DataFile, at: int, spec: KeySpec, folder: str) -> KeyFile:
    columns = [*dict.fromkeys([*spec.columns, *frame.ROW_ID])]
    table = read_span(file, 0, file.rows, columns)
    path = Path(folder) / f"stored-{at:06d}.keys"
    return write_keys(table, spec.columns, path, spec.normalize, skip_null=spec.skip_null)


def _keys_left(block: BlockSummary, done: Sequence[Pass], spec: KeySpec, folder: str) -> KeyFile:
    table = _read_part(block)
    return write_block_keys(_condemned(table, block.number, done), block.number, spec, Path(folder))


def _read_part(block: BlockSummary) -> pa.Table:
    """A block's kept rows as a frame in which all are alive."""
    if block.part is None:
        raise ValueError(f"block {block.number} has no part")
    table = pq.read_table(block.part.path)
    nothing = pa.nulls(table.num_rows, pa.string())
    return table.append_column(frame.FATE, nothing).append_column(frame.REASON, nothing)


def _condemned(table: pa.Table, number: int, done: Sequence[Pass]) -> pa.Table:
    for finished in done:
        mask = finished.repeats(number).mask(table.num_rows)
        table = frame.condemn(table, mask, finished.spec.fate, finished.spec.reason)
    return table


def _without_repeats(block: BlockSummary, done: Sequence[Pass], folder: str, label: str | None) -> BlockSummary:
    """The block's summary after its repeats moved from its part to its fates."""
    table = _read_part(block)
    ledger, gone = block.ledger, []
    for finished in done:
        repeats = finished.repeats(block.number)
        if not len(repeats.rows):
            continue
        spec = finished.spec
        rows = table.take(pa.array(repeats.rows)).drop_columns([frame.FATE, frame.REASON])
        gone.append(repeats_of(rows, spec.fate, spec.reason, repeats.sources, repeats.positions))
        table = frame.condemn(table, repeats.mask(table.num_rows), spec.fate, spec.reason)
        ledger = ledger.merge(_moved(spec, len(repeats.rows)))
    if not gone:
        return block
    kept = table.filter(pa.array(frame.alive(table))).drop_columns([frame.FATE, frame.REASON])
    content = frame.content_names(kept)
    fates = write_fates(pa.concat_tables(gone), Path(folder) / f"fates-{block.number:06d}-repeats.parquet")
    path = Path(folder) / f"settled-{block.number:06d}.parquet"
    return replace(
        block,
        ledger=ledger,
        part=write_part(kept, path) if kept.num_rows else None,
        fates=(*block.fates, *([fates] if fates else [])),
        fingerprint=fingerprint_of(kept, content),
        labels=counted(kept[label]) if label in content else {},
    )


def _moved(spec: KeySpec, rows: int) -> Ledger:
    """What changes in a ledger when `rows` kept rows turn out to repeat others."""
    if spec.fate == DUPLICATE:
        return Ledger(kept=-rows, duplicates={spec.reason: rows})
    return Ledger(kept=-rows, rejected={spec.reason: rows})
