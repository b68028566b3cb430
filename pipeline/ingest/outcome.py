"""From the summaries of all blocks to what is committed and told, and whether that is of use."""

from collections.abc import Sequence
from functools import reduce

import pyarrow as pa

from pipeline import frame
from pipeline.config import JobConfig
from pipeline.errors import DataError
from pipeline.ingest.reading.source_plan import SourcePlan
from pipeline.ingest.stage_block import BlockSummary, added_counts, total_changed
from pipeline.ingest.steps import Steps
from pipeline.ledger import Ledger
from storage.commit import CommitRequest
from storage.fingerprint import Fingerprint


def require_records(plan: SourcePlan) -> None:
    """Nothing where the input has at least one record.

    Raises
    ------
    DataError
        If it has none.
    """
    if not plan.blocks:
        raise DataError(
            f"no usable rows: the input has no records ({'; '.join(plan.notes)}); nothing was committed",
            "Check [source] files; where the first record holds values instead of names, set [source] header = false",
        )


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


def told_operations(
    job: JobConfig, steps: Steps, summaries: Sequence[BlockSummary], ledger: Ledger
) -> tuple[tuple[str, int, int], ...]:
    """Each operation's name with the rows it changed and the rows it took out; then the limits on activity."""
    changed = total_changed(summaries, len(steps.operations))
    removed = added_counts([ledger.filtered, ledger.rejected])
    limits = job.activity.reasons if job.activity else ()
    return (
        *(
            (step.name or str(getattr(step, "op", step.rule)), rows, removed.get(step.rule, 0))
            for step, rows in zip(steps.operations, changed, strict=True)
        ),
        *((limit, 0, removed.get(limit, 0)) for limit in limits),
    )


def commit_request(
    job: JobConfig, run: str, steps: Steps, summaries: Sequence[BlockSummary], ledger: Ledger
) -> CommitRequest:
    """What the store is asked to make a version of."""
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
