"""From a job to a committed version: the whole of ingest on one page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import dask
import dask.dataframe as dd
import pandas as pd
import pyarrow as pa

from pipeline import frame
from pipeline.config import JobConfig
from pipeline.errors import DataError
from pipeline.execute import Execute
from pipeline.ingest.checks import CheckCount, merged_counts, require_fit, require_shares
from pipeline.ingest.operations import Operation, implied_operations, schema_after
from pipeline.ingest.operations.operation import require_columns, require_text
from pipeline.ingest.plan import SourcePlan, plan_source
from pipeline.ingest.read import read_block
from pipeline.ingest.settle import Settling
from pipeline.ingest.source_plan import Block
from pipeline.ingest.stage_block import BlockSummary, BlockWork, KeySpec, added_counts, stage_partition, total_changed
from pipeline.ledger import DUPLICATE, REJECTED, Ledger, merged
from storage.commit import CommitRequest, Version
from storage.errors import DatasetNotFoundError
from storage.fingerprint import Fingerprint
from storage.scan import DataFile
from storage.store import Store

#: What a person should hear while it runs.
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What happens to every row of a job, checked against the columns there are.

    Attributes
    ----------
    operations
        Those of the job file, then the implied ones.
    schema
        Content columns after them.
    passes
        The keys that are compared over the whole dataset, in order.
    """

    operations: tuple[Operation, ...]
    schema: pa.Schema
    passes: tuple[KeySpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """A committed version and how it came about.

    Attributes
    ----------
    version
        As the store recorded it.
    plan
        The input as it was understood.
    ledger
        What became of every record.
    labels
        Kept rows by label; empty without a label column.
    sources
        Records read by source file.
    operations
        Each operation's name with the rows it changed and the rows it took out.
    counts
        Each check with the rows it looked at and rejected.
    schema
        Content columns.
    """

    version: Version
    plan: SourcePlan
    ledger: Ledger
    labels: dict[str, int]
    sources: dict[str, int]
    operations: tuple[tuple[str, int, int], ...]
    counts: tuple[CheckCount, ...]
    schema: pa.Schema


def ingest(
    job: JobConfig, store: Store, run: str, execute: Execute, *, note: Note, allow_code: bool = False
) -> Ingested:
    """The version that the job's input makes, committed; nothing is committed where anything goes wrong.

    Parameters
    ----------
    job
        What to do.
    store
        Where the version goes; workers write to its staging area for `run`.
    run
        The run's id: committing the same run twice gives the same version.
    execute
        Runs the tasks.
    note
        Hears about decisions taken.
    allow_code
        Whether operations may run functions named in the job file.

    Raises
    ------
    JobFileError, SourceError, DataError
        If the job, its input or the resulting rows cannot be used.
    LedgerError
        If a row would be lost.
    """
    staging = store.staging(run)
    plan = plan_source(job.source, Path.cwd(), execute, staging / "unpacked")
    for text in plan.notes:
        note(text)
    steps = prepare_steps(job, plan.schema, allow_code=allow_code)
    summaries = clean_blocks(job, plan, steps, staging, execute)
    stored = _stored_files(job, store) if job.dataset.mode == "append" else ()
    summaries = settle_blocks(job, steps, summaries, Settling(summaries, stored, staging, execute))
    ledger = merged(summary.ledger for summary in summaries)
    nothing: tuple[CheckCount, ...] = ()
    blocks = reduce(merged_counts, (summary.counts for summary in summaries), nothing)
    # The ledger knows of those too that a pass over the whole dataset rejected.
    counts = tuple(replace(count, rejected=ledger.rejected.get(count.name, 0)) for count in blocks)
    labels = added_counts([summary.labels for summary in summaries])
    ledger.require_balance()
    require_shares(job.check, counts)
    require_usable(job, ledger, labels, steps.schema)
    version = store.commit(_request(job, run, steps, summaries, ledger))
    return Ingested(
        version=version,
        plan=plan,
        ledger=ledger,
        labels=labels,
        sources=added_counts([summary.sources for summary in summaries]),
        operations=_told(steps, summaries, ledger),
        counts=counts,
        schema=steps.schema,
    )


def prepare_steps(job: JobConfig, schema: pa.Schema, *, allow_code: bool = False) -> Steps:
    """The job's steps, made sure to fit `schema` before any row is read.

    Raises
    ------
    JobFileError
        With every problem of a list of steps.
    """
    named = schema_after(schema, job.clean, allow_code=allow_code, origin=job.name)
    roles = {"text": job.train.text, "label": job.train.label} if job.train else {}
    if job.train:
        require_text(named, [job.train.text], "[train] text")
        require_columns(named, [job.train.label], "[train] label")
    implied = implied_operations(named.names, label_required=job.train is not None, **roles)
    require_fit(named, job.check, job.name)
    if job.dedupe is not None:
        job.dedupe.require_fit(named)
    return Steps(operations=(*job.clean, *implied), schema=named, passes=tuple(_passes(job)))


def _passes(job: JobConfig) -> list[KeySpec]:
    passes = [
        KeySpec(columns=(rule.column,), skip_null=True, fate=REJECTED, reason=rule.rule)
        for rule in job.check
        if rule.kind == "unique"
    ]
    if job.dedupe is not None and job.dedupe.exact:
        passes.append(
            KeySpec(
                columns=job.dedupe.exact,
                normalize=job.dedupe.normalize,
                fate=DUPLICATE,
                reason="exact",
                against_stored=job.dedupe.against_stored,
            )
        )
    return passes


def clean_blocks(job: JobConfig, plan: SourcePlan, steps: Steps, staging: Path, execute: Execute) -> list[BlockSummary]:
    """The summaries of all blocks, read, cleaned, checked and staged as partitions of one Dask DataFrame."""
    if not plan.blocks:
        return []
    work = BlockWork(
        schema=plan.schema,
        operations=steps.operations,
        checks=job.check,
        folder=str(staging),
        label=_label(job),
        keys=steps.passes[0] if steps.passes else None,
    )
    meta = frame.to_pandas(frame.frame_schema(plan.schema).empty_table())
    # Dask would turn Arrow columns into strings of its own otherwise.
    with dask.config.set({"dataframe.convert-string": False}):
        rows = dd.from_map(_read_partition, list(plan.blocks), meta=meta, enforce_metadata=False)
        numbers = dd.from_map(_number, range(len(plan.blocks)), meta=_number(0), enforce_metadata=False)
        staged = rows.map_partitions(
            stage_partition,
            numbers,
            work,
            meta=pd.DataFrame({"summary": []}, dtype=object),
            align_dataframes=False,
            enforce_metadata=False,
        )
        tasks = staged.to_delayed()
    summarise = dask.delayed(_summary)
    return execute("clean", [summarise(task) for task in tasks], sizes=[block.size_bytes for block in plan.blocks])


def _read_partition(block: Block) -> pd.DataFrame:
    return frame.to_pandas(read_block(block))


def _number(number: int) -> pd.DataFrame:
    return pd.DataFrame({"number": [number]})


def _summary(partition: pd.DataFrame) -> BlockSummary:
    summary: BlockSummary = partition["summary"].iloc[0]
    return summary


def _label(job: JobConfig) -> str:
    return job.train.label if job.train else "label"


def settle_blocks(
    job: JobConfig, steps: Steps, summaries: list[BlockSummary], settling: Settling
) -> list[BlockSummary]:
    """The summaries after all comparisons over the whole dataset: unique values, equal rows, then similar texts."""
    near = job.dedupe.near if job.dedupe else None
    if not steps.passes and near is None:
        return summaries
    for spec in steps.passes:
        settling.compare_keys(spec)
    if job.dedupe is not None and near is not None:
        settling.compare_texts(near, against_stored=job.dedupe.against_stored)
    return settling.settled(_label(job))


def _stored_files(job: JobConfig, store: Store) -> Sequence[DataFile]:
    try:
        return store.snapshot(job.dataset.name).files
    except DatasetNotFoundError:
        return ()


def require_usable(job: JobConfig, ledger: Ledger, labels: dict[str, int], schema: pa.Schema) -> None:
    """Nothing where the kept rows can be committed and, if the job trains, learned from.

    Raises
    ------
    DataError
        If no row is left, or the label column holds fewer than two classes.
    """
    if ledger.kept == 0 and job.dataset.mode == "replace":
        fates = {**ledger.rejected, **ledger.filtered, **{k: v for k, v in ledger.duplicates.items() if v}}
        listed = ", ".join(f"{reason} {count}" for reason, count in fates.items()) or "the input has no records"
        raise DataError(
            f"no usable rows: {ledger.read} records were read and none was kept ({listed}); nothing was committed",
            "Check [source] columns, encoding and delimiter, and the [[check]] rules against the input",
        )
    if job.train and job.train.label in schema.names and job.dataset.mode == "replace" and len(labels) < 2:
        found = ", ".join(repr(label) for label in labels) or "none"
        raise DataError(
            f'column "{job.train.label}" holds {len(labels)} class after cleaning ({found}), and a classifier needs at '
            "least two; nothing was committed",
            "Check [source] columns and the cleaning of labels, or leave out [train] to build the dataset alone",
        )


def _told(steps: Steps, summaries: Sequence[BlockSummary], ledger: Ledger) -> tuple[tuple[str, int, int], ...]:
    changed = total_changed(summaries, len(steps.operations))
    removed = added_counts([ledger.filtered, ledger.rejected])
    return tuple(
        (step.name or getattr(step, "op", step.rule), rows, removed.get(step.rule, 0))
        for step, rows in zip(steps.operations, changed, strict=True)
    )


def _request(
    job: JobConfig, run: str, steps: Steps, summaries: Sequence[BlockSummary], ledger: Ledger
) -> CommitRequest:
    fingerprint = reduce(Fingerprint.merge, (summary.fingerprint for summary in summaries), Fingerprint.empty())
    row_id = [pa.field(name, kind) for name, kind in zip(frame.ROW_ID, (pa.string(), pa.int64()), strict=True)]
    return CommitRequest(
        dataset=job.dataset.name,
        mode=job.dataset.mode,
        parts=tuple(summary.part for summary in summaries if summary.part is not None),
        schema=pa.schema([*steps.schema, *row_id]),
        fingerprint=fingerprint,
        run=run,
        message=job.dataset.message or f"job {job.name}",
        author="",
        ledger=ledger.to_dict(),
        fates=tuple(fates for summary in summaries for fates in summary.fates),
    )
