"""What happens to every row of a job, decided and checked against the columns there are before any row is read."""

from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa

from pipeline.config import JobConfig
from pipeline.errors import JobFileError
from pipeline.ingest.checks import require_fit
from pipeline.ingest.dedupe.strangers import ReferenceSpec
from pipeline.ingest.operations import Operation, implied_operations, schema_after
from pipeline.ingest.operations.operation import TEXT_COLUMN, require_columns, require_text
from pipeline.ingest.references import PlanFiles, pinned
from pipeline.ingest.stage_block import KeySpec
from pipeline.ledger import DUPLICATE, REJECTED
from storage.errors import DatasetNotFoundError
from storage.schema import stored_schema, union_schema
from storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What happens to every row of a job.

    Attributes
    ----------
    operations
        Those of the job file, then the implied ones.
    schema
        Content columns after them.
    passes
        What is compared over the whole dataset, in order.
    """

    operations: tuple[Operation, ...]
    schema: pa.Schema
    passes: tuple[KeySpec | ReferenceSpec, ...]


def text_of(job: JobConfig) -> str:
    """The column that the job reads texts from."""
    return job.train.text if job.train else TEXT_COLUMN


def label_of(job: JobConfig) -> str:
    """The column that the job takes for labels."""
    return job.train.label if job.train else "label"


def prepare_steps(
    job: JobConfig, schema: pa.Schema, store: Store, plan_files: PlanFiles, *, allow_code: bool = False
) -> Steps:
    """The job's steps, made sure to fit `schema`.

    The versions of `store` that they look into are those of now, and so are the files, which `plan_files` understands.

    Raises
    ------
    JobFileError
        With every problem of a list of steps.
    SchemaMismatchError
        If the store cannot hold the columns that come out, or they do not fit those that they are appended to.
    """
    named = schema_after(schema, job.clean, allow_code=allow_code, origin=job.name)
    if schema.names and not named.names:
        raise JobFileError(("[[clean]] no column is left to commit; leave out fewer",), job.name)
    _require_storable(named, job, store)
    roles = {"text": job.train.text, "label": job.train.label} if job.train else {}
    if job.train:
        require_text(named, [job.train.text], "[train] text")
        require_columns(named, [job.train.label], "[train] label")
    implied = implied_operations(named.names, label_required=job.train is not None, **roles)
    require_fit(named, job.check, job.name)
    if job.dedupe is not None:
        job.dedupe.require_fit(named)
    if job.activity is not None:
        job.activity.require_fit(named)
    return Steps(operations=(*job.clean, *implied), schema=named, passes=tuple(_passes(job, named, store, plan_files)))


def _require_storable(schema: pa.Schema, job: JobConfig, store: Store) -> None:
    stored = stored_schema(schema)
    if job.dataset.mode == "append":
        with suppress(DatasetNotFoundError):
            union_schema(job.dataset.name, store.snapshot(job.dataset.name).schema, stored)


def _passes(job: JobConfig, schema: pa.Schema, store: Store, plan_files: PlanFiles) -> list[KeySpec | ReferenceSpec]:
    passes: list[KeySpec | ReferenceSpec] = []
    problems: list[str] = []
    for number, rule in enumerate(job.check, start=1):
        if rule.kind == "unique":
            passes.append(KeySpec(columns=(rule.column,), skip_null=True, fate=REJECTED, reason=rule.rule))
        if rule.references is not None:
            try:
                passes.append(pinned(rule.references, store, plan_files, rule.column, rule.rule))
            except JobFileError as error:
                problems += [f"[[check]] {number}: {problem}" for problem in error.problems]
    if problems:
        raise JobFileError(tuple(problems), job.name)
    if job.dedupe is not None and job.dedupe.exact:
        label = label_of(job)
        passes.append(
            KeySpec(
                columns=job.dedupe.exact,
                normalize=job.dedupe.normalize,
                fate=DUPLICATE,
                reason="exact",
                against_stored=job.dedupe.against_stored,
                label=label if label in schema.names and label not in job.dedupe.exact else None,
            )
        )
    return passes
