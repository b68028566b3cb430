"""One run of a job from its file to its result, and what becomes of it when that is not reached."""

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

from cluster.code import importable, require_allowed
from cluster.control import CANCEL, Control, JobListener
from cluster.errors import JobCancelledError, JobStateError, LeaseLostError
from cluster.job import Kind
from cluster.jobs import JobFolder, Jobs
from cluster.lease import claim
from cluster.memory import PeakMemory
from cluster.packages import require_packages
from cluster.profiles.kept import keep_profile, kept_profile, profile_for, sized
from cluster.progress import ProgressListener, Silence
from cluster.providers.open import provider_of
from cluster.providers.provider import Places, Provider
from cluster.result import RunResult
from cluster.secrets import redacted_facts
from cluster.submission import Submission
from cluster.told import library_versions
from pipeline.config import JobConfig
from storage.files import room_explained
from storage.loading import loading
from storage.store import Store

__all__ = ["driving", "finish", "library_versions", "new_run_id", "run_job"]


def new_run_id(name: str) -> str:
    """An id for a run of the job `name`: readable, sortable by time, and unique."""
    return f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def run_job(
    job: JobConfig,
    *,
    workers: int | None = None,
    listener: ProgressListener | None = None,
    allow_code: bool = False,
    submission: Submission | None = None,
) -> RunResult:
    """The result of running `job` to its end, which the store remembers too.

    Parameters
    ----------
    job
        As `pipeline.config.load_job` gives it.
    workers
        Instead of the job file's number.
    listener
        Hears how the run gets on.
    allow_code
        Whether operations may run functions named in the job file.
    submission
        The job's file, so that the run can be resumed where this process is killed.

    Raises
    ------
    PipelineError, ClusterError, storage.errors.StoreError
        Where the run cannot be finished; the store's versions are as they were.
    """
    if workers is not None:
        job = job.model_copy(update={"cluster": job.cluster.model_copy(update={"workers": workers})})
    require_allowed(job, allow_code=allow_code)
    require_packages(job)
    if submission is not None:
        submission.require_no_passwords()
    named = profile_for(job, submission)
    with _store_of(job) as store:
        folder = Jobs(store).folder(new_run_id(job.name))
        folder.journal.append(Kind.SUBMITTED, name=job.name)
        keep_profile(folder.path, named)
        if submission is not None:
            submission.save(folder.path)
        try:
            with driving(folder) as control:
                return finish(job, store, control, listener or Silence(), allow_code=allow_code)
        except BaseException:
            # Whoever waited for it has heard why, and the store is as it was. One that is killed leaves its journal.
            # That goes first: a folder without one is no job, so that half of a job is never seen.
            folder.journal.path.unlink(missing_ok=True)
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        finally:
            store.drop_staging(folder.id)


@contextmanager
def _store_of(job: JobConfig) -> Iterator[Store]:
    """The job's store; one made for this run is taken away again where the run leaves nothing in it."""
    fresh = not Store.exists(job.store)
    store = Store.open(job.store, create=True)
    try:
        with room_explained(store.uri):
            yield store
    except BaseException:
        if fresh:
            store.discard_if_empty()
        raise


@contextmanager
def driving(job: JobFolder, *, own_process: bool = False) -> Iterator[Control]:
    """A block in which this process drives `job`, whose driver before, if any, is known to be gone.

    Parameters
    ----------
    job
        The job.
    own_process
        Whether this process does nothing else, so that a cancelled job may be stopped by force.

    Raises
    ------
    LeaseLostError
        If another driver claims it at the same moment.
    """
    lease = claim(job.path, alone=own_process)
    holder = lease.holder
    try:
        job.journal.append(Kind.CLAIMED, lease.token, host=holder.host.partition("/")[0], pid=holder.pid)
        with PeakMemory() as memory, Control(job, lease, memory, interrupt=own_process) as control:
            yield control
    finally:
        lease.let_go()


def finish(
    job: JobConfig, store: Store, control: Control, listener: ProgressListener, *, allow_code: bool
) -> RunResult:
    """The result of the run that `control` drives; its journal tells how it ended, whatever happens.

    Parameters
    ----------
    job
        What to do.
    store
        The job's store.
    control
        The hold on the job.
    listener
        Hears how it gets on.
    allow_code
        Whether operations may run functions named in the job file.

    Raises
    ------
    JobCancelledError
        If someone cancelled the job meanwhile.
    LeaseLostError
        If another driver has taken it over; nothing was written then.
    Exception
        Whatever went wrong.
    """
    started, began = datetime.now(UTC), time.perf_counter()
    try:
        require_allowed(job, allow_code=allow_code)
        with importable(job, allow_code=allow_code), _begun(job, store, control) as (placed, provider):
            # What the work needs is loaded while workers come up.
            with loading():
                from cluster.attempt import Attempt

            told = JobListener(control, listener)
            result = Attempt(placed, store, control, told, provider, allow_code=allow_code).result()
        result = replace(
            result,
            started_at=started.isoformat(timespec="seconds"),
            seconds={**result.seconds, "total": time.perf_counter() - began},
            peak_memory_bytes=control.peak_memory_bytes,
        )
        store.record_run(control.job.id, redacted_facts(result.to_dict()))
        control.tell(Kind.SUCCEEDED, seconds=round(result.seconds["total"], 3))
    except LeaseLostError:
        raise
    except BaseException as error:
        _tell_end(control, error)
        # Compiled code that is interrupted may raise anything.
        if control.cancelled and not isinstance(error, JobCancelledError):
            raise JobCancelledError(control.job.id, "cancelled; the store is as the last commit left it") from error
        raise
    return result


@contextmanager
def _begun(job: JobConfig, store: Store, control: Control) -> Iterator[tuple[JobConfig, Provider]]:
    """The job, its cluster as its profile says, and that cluster, on its way up; it ends with the context."""
    named = kept_profile(control.job.path)
    job = job.model_copy(update={"cluster": sized(job.cluster, named.profile)})
    places = Places(scratch=store.staging(control.job.id) / "workers", logs=control.job.logs)
    provider = provider_of(job.cluster, places, named, control.job.id)
    try:
        provider.begin()
        yield job, provider
    finally:
        provider.close()


def _tell_end(control: Control, error: BaseException) -> None:
    """Nothing; the journal says how the attempt ended, as far as it still takes anything."""
    with suppress(LeaseLostError, JobStateError, OSError):
        if control.cancelled or isinstance(error, JobCancelledError):
            control.tell(Kind.STOPPED)
        elif isinstance(error, Exception):
            control.tell(Kind.FAILED, error=str(error) or type(error).__name__, failure=type(error).__name__)
        elif control.own_process:
            control.tell(Kind.INTERRUPTED, text="the driver was told to end from outside; resume the job to go on")
        else:
            control.tell(Kind.STOPPED)


def ask_cancel(job: JobFolder) -> None:
    """Nothing; the job's driver will stop it."""
    (job.path / CANCEL).touch()
    job.journal.append(Kind.CANCEL_ASKED)
