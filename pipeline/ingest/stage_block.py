"""One block from frame to files: cleaned, checked, its kept rows and its fates written aside, and a summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import frame
from pipeline.errors import LedgerError
from pipeline.ingest.checks import CheckCount, CheckRule, check
from pipeline.ingest.crashes import without_crashes
from pipeline.ingest.dedupe.key_files import KeyFile, write_keys
from pipeline.ingest.label_leaks import sample_labels, write_sample
from pipeline.ingest.operations import Operation, clean
from pipeline.ingest.operations.operation import TEXT_COLUMN
from pipeline.ingest.reading.shape import FileTally, tally_files
from pipeline.ingest.row_records import records_of
from pipeline.ingest.rows_aside import RowsAside, set_aside
from pipeline.ledger import Ledger
from storage.cell_hash import column_hashes
from storage.fates import FATE_SCHEMA
from storage.fingerprint import Fingerprint, fingerprint_of
from storage.parquet import StagedPart, write_part


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpec:
    """What makes rows repeat each other in one pass over the whole dataset.

    Attributes
    ----------
    columns, normalize, skip_null
        As `write_keys` takes them.
    fate, reason
        What becomes of all rows but the first.
    against_stored
        Whether rows of the version already stored count, and win.
    label
        A column in which rows that repeat each other should agree; None for none.
    """

    columns: tuple[str, ...]
    normalize: tuple[str, ...] = ()
    skip_null: bool = False
    fate: str
    reason: str
    against_stored: bool = True
    label: str | None = None

    @property
    def read_columns(self) -> tuple[str, ...]:
        """The columns that the pass needs."""
        return (*self.columns, *([self.label] if self.label else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockWork:
    """All that a block's task needs besides its rows; the same for every block.

    Attributes
    ----------
    schema
        Content columns as they are read.
    operations, checks
        Steps in order.
    folder
        The staging folder.
    text
        The column whose texts are sampled with their labels.
    label
        The column to count values of; None for none.
    keys
        The first pass over the whole dataset; its keys are written while the rows are at hand.
    waits
        Whether passes over the whole dataset come, which may take more rows out: the rows are set aside for them.
    """

    schema: pa.Schema
    operations: tuple[Operation, ...]
    checks: tuple[CheckRule, ...]
    folder: str
    label: str | None
    keys: KeySpec | None
    waits: bool
    text: str = TEXT_COLUMN


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSummary:
    """What is known of a block once its files are written.

    Attributes
    ----------
    number
        Which block of the plan.
    ledger
        Fates so far; rows that repeat others are still among the kept.
    aside
        The kept rows as long as passes over the whole dataset have to look at them; None where there are none.
    part
        The kept rows, for good; None where there are none, or not yet.
    fates
        The rows with a fate; None where there are none.
    fingerprint
        Of the kept rows.
    labels
        Kept rows by label, once these are for good.
    sources
        Records read by source file.
    tallies
        What reading made of them, by source file.
    changed
        Rows changed by each operation in turn.
    counts
        Rows checked and rejected by each check in turn.
    keys
        The keys of the first pass, where there is one.
    sample
        The file of labelled texts drawn from the kept rows; None where no row has both.
    """

    number: int
    ledger: Ledger
    aside: RowsAside | None
    part: StagedPart | None
    fates: tuple[StagedPart, ...]
    fingerprint: Fingerprint
    labels: Mapping[str, int]
    sources: Mapping[str, int]
    tallies: Mapping[str, FileTally]
    changed: tuple[int, ...]
    counts: tuple[CheckCount, ...]
    keys: KeyFile | None
    sample: str | None = None

    @property
    def progress_rows(self) -> int:
        """Records this block read."""
        return self.ledger.read


def stage_partition(partition: pd.DataFrame, numbers: pd.DataFrame, work: BlockWork) -> pd.DataFrame:
    """One row with the `BlockSummary` of a partition of the Dask DataFrame.

    Parameters
    ----------
    partition
        A frame with the content columns of ``work.schema``.
    numbers
        One row with the block's number.
    work
        What to do.
    """
    table = frame.to_arrow(partition, frame.frame_schema(work.schema))
    summary = stage_block(table, int(numbers["number"].iloc[0]), work)
    return pd.DataFrame({"summary": [summary]}, dtype=object)


def stage_block(table: pa.Table, number: int, work: BlockWork) -> BlockSummary:
    """The summary of a block after its kept rows, fates and keys have been written to ``work.folder``.

    Raises
    ------
    LedgerError
        If an operation added or dropped rows.
    """
    read = table.num_rows
    tallies = tally_files(table)
    cleaned = clean(without_crashes(table, Path(work.folder)), work.operations)
    checked = check(cleaned.table, work.checks)
    table = checked.table
    if table.num_rows != read:
        raise LedgerError(f"block {number}: {read} rows went into the operations and {table.num_rows} came out")
    alive = frame.alive(table)
    folder = Path(work.folder)
    content = frame.content_names(table)
    kept, dead = frame.selected(table, alive, [*content, *frame.ROW_ID]), table.filter(pa.array(~alive))
    fates = write_fates(fates_of(dead), folder / f"fates-{number:06d}.parquet")
    aside = set_aside(kept, folder / f"rows-{number:06d}.arrow") if work.waits and kept.num_rows else None
    # The texts are most of the bytes: hashed once, for the fingerprint and the sample.
    known = {work.text: column_hashes(kept[work.text], work.text)} if work.text in content else {}
    summary = BlockSummary(
        number=number,
        ledger=Ledger(read=read, kept=kept.num_rows, **_dead_counts(dead)),
        aside=aside,
        part=None,
        fates=(fates,) if fates else (),
        fingerprint=fingerprint_of(kept, content, known),
        labels={},
        sources={name: tallies[name].records for name in sorted(tallies)},
        tallies=tallies,
        changed=cleaned.changed,
        counts=checked.counts,
        keys=write_block_keys(kept, number, work.keys, folder / "pass-0") if work.keys else None,
        sample=_write_sample(kept, number, work, known.get(work.text)),
    )
    return summary if work.waits else with_part(summary, kept, folder, work.label)


def with_part(summary: BlockSummary, kept: pa.Table, folder: Path, label: str | None) -> BlockSummary:
    """The summary of a block whose kept rows are for good these, written to `folder`.

    Parameters
    ----------
    summary
        All else about it.
    kept
        The rows, with the columns that are stored.
    folder
        The staging folder.
    label
        The column to count values of; None for none.
    """
    return replace(
        summary,
        aside=None,
        part=write_part(kept, folder / f"part-{summary.number:06d}.parquet") if kept.num_rows else None,
        labels=counted(kept[label]) if label in frame.content_names(kept) else {},
    )


def _write_sample(kept: pa.Table, number: int, work: BlockWork, known: npt.NDArray[np.uint64] | None) -> str | None:
    if work.label is None:
        return None
    sample = sample_labels(kept, work.text, work.label, known)
    path = Path(work.folder) / f"labels-{number:06d}.arrow"
    return write_sample(sample, path) if sample.rows.num_rows else None


def write_block_keys(table: pa.Table, number: int, spec: KeySpec, folder: Path) -> KeyFile:
    """The key file of a block's rows for one pass."""
    path = folder / f"{number:06d}.keys"
    return write_keys(table, spec.columns, path, spec.normalize, skip_null=spec.skip_null, label=spec.label)


def counted(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value that is not null comes, as texts, in the order of the texts."""
    pairs = pc.value_counts(column.combine_chunks()).to_pylist()
    return dict(sorted((str(pair["values"]), pair["counts"]) for pair in pairs if pair["values"] is not None))


def _dead_counts(dead: pa.Table) -> dict[str, dict[str, int]]:
    return {
        fate: counted(dead.filter(pc.equal(dead[frame.FATE], fate))[frame.REASON]) for fate in ("rejected", "filtered")
    }


def fates_of(dead: pa.Table) -> pa.Table:
    """The fates of rows that were rejected or filtered, with `FATE_SCHEMA`."""
    nothing = pa.nulls(dead.num_rows)
    columns = [
        dead[frame.SOURCE],
        dead[frame.POSITION],
        dead[frame.FATE],
        dead[frame.REASON],
        nothing,
        nothing,
        records_of(dead),
    ]
    return pa.table([column.cast(field.type) for column, field in zip(columns, FATE_SCHEMA, strict=True)], FATE_SCHEMA)


def repeats_of(rows: pa.Table, fate: str, reason: str, sources: pa.Array, positions: npt.NDArray[np.int64]) -> pa.Table:
    """The fates of rows that a pass over the whole dataset took out, with the rows that survive for them.

    Where `sources` is null, no row does.
    """
    count = rows.num_rows
    columns = [
        rows[frame.SOURCE],
        rows[frame.POSITION],
        pa.array([fate] * count, pa.string()),
        pa.array([reason] * count, pa.string()),
        sources,
        pa.array(positions, mask=np.asarray(sources.is_null())),
        records_of(rows),
    ]
    return pa.table([column.cast(field.type) for column, field in zip(columns, FATE_SCHEMA, strict=True)], FATE_SCHEMA)


def write_fates(fates: pa.Table, path: Path) -> StagedPart | None:
    """The staged file of these fates; None where there are none."""
    return write_part(fates, path) if fates.num_rows else None


def total_changed(summaries: Sequence[BlockSummary], steps: int) -> list[int]:
    """Rows changed by each of `steps` operations over all blocks."""
    return [sum(summary.changed[step] for summary in summaries) for step in range(steps)]


def added_counts(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The sum of several counts, key by key, in the order of the keys."""
    total: dict[str, int] = {}
    for count in counts:
        for key, value in count.items():
            total[key] = total.get(key, 0) + value
    return dict(sorted(total.items()))
