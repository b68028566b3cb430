"""From a job to a committed version: first the plan, which needs little, then the rows.

What the rows need is loaded when there is a plan: a driver that works on a plan while workers look at the input has
`ROWS` loaded beside.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import JobConfig
from pipeline.execute import Execute, Note
from pipeline.ingest.reading.plan import plan_source
from storage.loading import loading
from storage.store import Store

if TYPE_CHECKING:
    from pipeline.ingest.prepared import Ingested, Prepared

#: The module that makes rows of a plan.
ROWS = "pipeline.ingest.prepared"


def ingest(
    job: JobConfig, store: Store, run: str, execute: Execute, *, note: Note, allow_code: bool = False
) -> "Ingested":
    """The version that the job's input makes, committed: `prepare` and `commit` in one."""
    prepared = prepare(job, store, run, execute, note=note, allow_code=allow_code)
    from pipeline.ingest.prepared import commit

    return commit(store, prepared)


def prepare(
    job: JobConfig, store: Store, run: str, execute: Execute, *, note: Note, allow_code: bool = False
) -> "Prepared":
    """The rows that the job's input makes, staged and checked; no version has changed yet.

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
    plan = plan_source(job.source, Path(job.source.root or "."), execute, store.staging(run) / "unpacked")
    for text in plan.notes:
        note(text)
    with loading():
        from pipeline.ingest.prepared import prepare_planned

    return prepare_planned(job, store, run, plan, execute, note=note, allow_code=allow_code)
