"""From a plan to a committed version: the whole of ingest on one page."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from pipeline.config import JobConfig
from pipeline.execute import Execute, Note
from pipeline.ingest.checks import CheckCount, merged_counts, require_shares
from pipeline.ingest.comparison import Comparison
from pipeline.ingest.dedupe.strangers import ReferenceSpec
from pipeline.ingest.label_leaks import read_samples
from pipeline.ingest.label_warnings import label_warnings
from pipeline.ingest.outcome import commit_request, require_records, require_usable, told_operations
from pipeline.ingest.partitions import clean_blocks
from pipeline.ingest.reading.plan import SourcePlan, plan_source
from pipeline.ingest.reading.shape import merged_tallies, require_shape
from pipeline.ingest.reading.source_config import SourceConfig
from pipeline.ingest.settle import Settling
from pipeline.ingest.stage_block import BlockSummary, added_counts
from pipeline.ingest.steps import Steps, label_of, prepare_steps, text_of
from pipeline.ledger import Ledger, merged
from storage.commit import CommitRequest, Version
from storage.errors import DatasetNotFoundError
from storage.scan import DataFile
from storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Rows ready to become a version, and how they came about.

    Attributes
    ----------
    request
        What to commit.
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
    warnings
        What a person should know about the rows, one sentence each.
    comparison
        What was compared with an earlier version, to be kept for later ones; None where nothing was.
    appended
        Whether there are stored rows before these.
    """

    request: CommitRequest
    plan: SourcePlan
    ledger: Ledger
    labels: dict[str, int]
    sources: dict[str, int]
    operations: tuple[tuple[str, int, int], ...]
    counts: tuple[CheckCount, ...]
    schema: pa.Schema
    warnings: tuple[str, ...]
    comparison: Comparison | None
    appended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested(Prepared):
    """A committed version and how it came about.

    Attributes
    ----------
    version
        As the store recorded it.
    """

    version: Version


def commit(store: Store, prepared: Prepared) -> Ingested:
    """The version that prepared rows became; committing the same run again gives the same version."""
    version = store.commit(prepared.request)
    if prepared.comparison is not None:
        prepared.comparison.keep(version.number, appended=prepared.appended)
    facts = {field.name: getattr(prepared, field.name) for field in fields(Prepared)}
    return Ingested(version=version, **facts)


def prepare_planned(
    job: JobConfig, store: Store, run: str, plan: SourcePlan, execute: Execute, *, note: Note, allow_code: bool
) -> Prepared:
    """The rows that a plan makes, staged and checked; see `pipeline.ingest.flow.prepare`."""
    require_records(plan)
    staging = store.staging(run)

    def plan_files(pattern: str) -> SourcePlan:
        others = SourceConfig(files=(pattern,), block=job.source.block, storage_options=job.source.storage_options)
        scratch = staging / "referenced" / sha256(pattern.encode()).hexdigest()[:12]
        return plan_source(others, Path(job.source.root or "."), execute, scratch)

    steps = prepare_steps(job, plan.schema, store, plan_files, allow_code=allow_code)
    roles = (text_of(job), label_of(job))
    comparison = Comparison(job.drift, store, job.dataset.name, roles, run, execute) if job.drift else None
    for spec in steps.passes:
        if isinstance(spec, ReferenceSpec):
            note(f'check "{spec.reason}" looks into {spec.told}')
    staged = clean_blocks(job, plan, steps, staging, execute, note)
    require_shape(plan, merged_tallies(summary.tallies for summary in staged))
    stored = _stored_files(job, store) if job.dataset.mode == "append" else ()
    settling = Settling(staged, stored, staging, execute)
    summaries = settle_blocks(job, steps, settling)
    ledger = merged(summary.ledger for summary in summaries)
    counts = _told_counts(summaries, ledger)
    labels = added_counts([summary.labels for summary in summaries])
    ledger.require_balance()
    require_shares(job.check, counts)
    require_usable(job, ledger, labels, steps.schema)
    sample = read_samples([summary.sample for summary in staged if summary.sample is not None])
    request = commit_request(job, run, steps, summaries, ledger)
    warnings = label_warnings(sample, settling.disagreements)
    for text in warnings:
        note(text)
    if comparison is not None:
        moved = comparison.warnings(request.parts, steps.schema, ledger.kept + sum(file.rows for file in stored))
        for text in moved:
            note(text)
        warnings += moved
    return Prepared(
        request=request,
        plan=plan,
        ledger=ledger,
        labels=labels,
        sources=added_counts([summary.sources for summary in summaries]),
        operations=told_operations(job, steps, summaries, ledger),
        counts=counts,
        schema=steps.schema,
        warnings=warnings,
        comparison=comparison,
        appended=bool(stored),
    )


def settle_blocks(job: JobConfig, steps: Steps, settling: Settling) -> list[BlockSummary]:
    """The summaries after all that needs the whole dataset: checks, equal rows, similar texts, then activity."""
    for spec in steps.passes:
        if isinstance(spec, ReferenceSpec):
            settling.check_references(spec)
        else:
            settling.compare_keys(spec)
    if job.dedupe is not None and job.dedupe.near is not None:
        settling.compare_texts(job.dedupe.near, against_stored=job.dedupe.against_stored)
    if job.activity is not None:
        settling.limit_activity(job.activity)
    return settling.settled(label_of(job))


def _stored_files(job: JobConfig, store: Store) -> Sequence[DataFile]:
    try:
        return store.snapshot(job.dataset.name).files
    except DatasetNotFoundError:
        return ()


def _told_counts(summaries: Sequence[BlockSummary], ledger: Ledger) -> tuple[CheckCount, ...]:
    nothing: tuple[CheckCount, ...] = ()
    counts = reduce(merged_counts, (summary.counts for summary in summaries), nothing)
    # The ledger knows of those too that a pass over the whole dataset rejected.
    return tuple(replace(count, rejected=ledger.rejected.get(count.name, 0)) for count in counts)
