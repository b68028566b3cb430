"""A driver apart from any terminal: ``python -m cluster.detached STORE RUN``.

It waits for its turn and for the jobs that come before, drives the job, and tells whoever wants to know how it ended.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import FrameType
from typing import Any

from cluster.control import Control
from cluster.driver import driving, finish
from cluster.errors import ClusterError, JobCancelledError, JobError, JobFailedError, LeaseLostError
from cluster.job import Kind, State
from cluster.jobs import JobFolder, Jobs
from cluster.profiles.kept import kept_profile
from cluster.profiles.settings import LocalProfile
from cluster.progress import ProgressListener, Silence
from cluster.structured import log_as_json
from cluster.submission import Submission
from cluster.turns import turn
from storage.files import room_explained
from storage.store import Store

LOG = logging.getLogger("textmill.job")
_LOOK_S = 0.5
_HOOK_S = 60
FAILED, CANCELLED = 1, 3


class LogListener(Silence):
    """A listener that writes the log."""

    def stage_started(self, stage: str, tasks: int, total_bytes: int | None) -> None:
        """A line."""
        facts = {"stage": stage, "tasks": tasks, "total_bytes": total_bytes}
        LOG.info("%s: %d tasks", stage, tasks, extra={"facts": facts})

    def stage_finished(self, stage: str, seconds: float) -> None:
        """A line."""
        LOG.info("%s: done in %.1f s", stage, seconds, extra={"facts": {"stage": stage, "seconds": seconds}})

    def note(self, message: str) -> None:
        """A line."""
        LOG.info("%s", message)


def drive(store: Store, job: JobFolder, listener: ProgressListener) -> int:
    """The exit status of a driver that has done all it could for `job`.

    Raises
    ------
    JobError
        If the job was started without a file.
    """
    submission = job.submission()
    if submission is None:
        raise JobError(job.id, "it was started from Python without a job file; run it again from there")
    try:
        with driving(job, own_process=True) as control:
            status = _driven(store, job, submission, control, listener)
    except LeaseLostError as error:
        LOG.error("%s", error)  # noqa: TRY400 - its words say all
        return FAILED
    notify(store, job, submission)
    return status


def _driven(store: Store, job: JobFolder, submission: Submission, control: Control, listener: ProgressListener) -> int:
    try:
        with ExitStack() as stack:
            control.show(stage="waiting")
            _await_others(Jobs(store), submission, control)
            if _runs_here(job):
                stack.enter_context(turn(job.id, job.status().submitted_at, control.check))
            stack.enter_context(room_explained(store.uri))
            LOG.info("attempt %d starts", control.lease.token)
            finish(submission.job(), store, control, listener, allow_code=submission.allow_code)
        store.drop_staging(job.id)
        LOG.info("succeeded")
    except LeaseLostError:
        raise
    except JobCancelledError:
        _end(control, Kind.STOPPED)
        LOG.info("cancelled")
        return CANCELLED
    except KeyboardInterrupt:
        _end(control, Kind.STOPPED if control.cancelled else Kind.INTERRUPTED)
        LOG.warning("told to end from outside")
        return CANCELLED
    except Exception as error:
        _end(control, Kind.FAILED, error=str(error) or type(error).__name__, failure=type(error).__name__)
        LOG.exception("failed")
        return FAILED
    return 0


def _runs_here(job: JobFolder) -> bool:
    """Whether its workers take this machine's cores."""
    return isinstance(kept_profile(job.path).profile, LocalProfile)


def _end(control: Control, kind: Kind, **facts: Any) -> None:
    """Nothing; the journal has the end, where it has none yet."""
    if not control.job.journal.life().ended and control.lease.held:
        control.tell(kind, **facts)


def _await_others(jobs: Jobs, submission: Submission, control: Control) -> None:
    """Nothing; the jobs that come before have succeeded.

    Raises
    ------
    JobFailedError
        If one of them has not.
    """
    for run in submission.after:
        before = jobs.find(run)
        while (status := before.status()).state != State.SUCCEEDED:
            if status.ended:
                raise JobFailedError(control.job.id, f"it was to run after {before.id}, which is {status.state}")
            control.check()
            time.sleep(_LOOK_S)


def notify(store: Store, job: JobFolder, submission: Submission) -> None:
    """Nothing; the command that the job names has been told how it ended, on its standard input and in variables."""
    status = job.status()
    if not submission.notify or not status.ended:
        return
    told = json.dumps({**status.to_dict(), "store": store.uri})
    variables = {"TEXTMILL_JOB": job.id, "TEXTMILL_STATE": status.state, "TEXTMILL_STORE": store.uri}
    try:
        subprocess.run(  # noqa: S602 - the person's own command, given on the command line
            submission.notify,
            shell=True,
            input=told,
            text=True,
            timeout=_HOOK_S,
            check=True,
            env={**os.environ, **variables},
        )
    except (subprocess.SubprocessError, OSError) as error:
        LOG.warning("the notification command failed: %s", error)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of signal handlers
    raise KeyboardInterrupt


def main(words: list[str], environment: Mapping[str, str] = os.environ) -> int:
    """The exit status, once the job has ended; `words` are the store and the job's id."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    log_as_json()
    uri, run = words
    try:
        store = Store.open(uri)
        if "SLURM_JOB_ID" in environment:
            LOG.info("inside SLURM job %s", environment["SLURM_JOB_ID"])
        return drive(store, Jobs(store).find(run), LogListener())
    except ClusterError as error:
        LOG.error("%s", error)  # noqa: TRY400 - its words say all
        return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
