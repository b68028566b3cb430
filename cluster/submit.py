"""Jobs that are handed in, stopped and taken up again, from any process that sees their store."""

import time
from contextlib import suppress
from dataclasses import replace

import psutil

from cluster.code import require_allowed
from cluster.control import CANCEL
from cluster.driver import ask_cancel, driving, new_run_id
from cluster.errors import JobBusyError, JobError
from cluster.job import Kind, State
from cluster.jobs import JobFolder, Jobs, JobStatus
from cluster.lease import holder_of
from cluster.packages import require_packages
from cluster.placed import placed_state
from cluster.placing import end_placed, place_driver
from cluster.processes import kill_family
from cluster.profiles.kept import keep_profile, profile_for, refreshed
from cluster.submission import Submission
from storage.store import Store

_LOOK_S = 0.1
#: How long a driver that was asked to stop may take before it is killed.
_STOPS_S = 12.0


def submit(submission: Submission) -> JobFolder:
    """The job, handed to a driver of its own that outlives this process.

    Raises
    ------
    JobFileError
        If the job is wrong, or names code that is not allowed; nothing is submitted then.
    JobNotFoundError
        If it is to run after a job that does not exist.
    """
    wanted = submission.job()
    require_allowed(wanted, allow_code=submission.allow_code)
    require_packages(wanted)
    submission.require_no_passwords()
    named = profile_for(submission.job(), submission)
    # What is wrong with the job is known by now: a store is made for none that will not run.
    jobs = Jobs(Store.open(submission.store, create=True))
    for run in submission.after:
        jobs.find(run)
    job = jobs.folder(new_run_id(submission.name))
    submission.save(job.path)
    keep_profile(job.path, named)
    job.journal.append(Kind.SUBMITTED, name=submission.name)
    place_driver(jobs, job)
    return job


def resume(jobs: Jobs, job: JobFolder) -> None:
    """Nothing; a new driver goes on where the last one left off.

    Raises
    ------
    JobBusyError
        If a driver is at work on it.
    JobError
        If there is nothing to resume.
    """
    status = job.status()
    if status.state == State.SUCCEEDED:
        raise JobError(job.id, "it has succeeded; submit it again for a new version")
    if job.alive():
        raise JobBusyError(job.id, f"it is {status.state}, with a driver at work (process {status.pid}).")
    placed = placed_state(status.placed)
    if placed is not None and (placed.pending or placed.running):
        raise JobBusyError(job.id, f"{status.placed['system']} has it as job {status.placed['id']}: {placed.word}.")
    submission = job.submission()
    if submission is None:
        raise JobError(job.id, "it was started from Python without a job file; run it again from there")
    refreshed(job.path, submission)
    (job.path / CANCEL).unlink(missing_ok=True)
    job.journal.append(Kind.RESUMED)
    place_driver(jobs, job)


def cancel(job: JobFolder) -> JobStatus:
    """The job's status once nothing works on it any more; one that has ended stays as it is."""
    before = job.status()
    if before.ended:
        return before
    ask_cancel(job)
    placed = before.placed
    if not job.alive():
        end_placed(job, placed)
    deadline = time.monotonic() + _STOPS_S
    while job.alive() and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    _end_driver(job)
    end_placed(job, placed)
    if not job.path.exists():
        # A run without a driver of its own leaves nothing where it did not come to its end.
        return replace(before, state=State.CANCELLED, cancelling=False, progress={}, pid=0)
    if not job.status().ended:
        # Nobody is there to say so. A session that does not stop loses the job by this, and writes nothing any more.
        with driving(job) as control:
            control.tell(Kind.STOPPED)
    return job.status()


def _end_driver(job: JobFolder) -> None:
    """Nothing; a driver that still holds the job is gone, with all it started; somebody's session stays."""
    holder = holder_of(job.path)
    driver = holder.process() if holder and holder.alone else None
    if driver is not None:
        kill_family(driver.pid)
        with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            driver.wait(_STOPS_S)


def wait(job: JobFolder, timeout_s: float | None = None) -> JobStatus:
    """The job's status once it has ended, is lost, or the time is over."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        status = job.status()
        if status.ended or status.state == "lost" or (deadline is not None and time.monotonic() > deadline):
            return status
        time.sleep(_LOOK_S)
