"""Where drivers go: a process apart on this machine, or a job of a batch system."""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import yaml

from cluster.errors import ClusterError, ProfileError
from cluster.job import Kind
from cluster.jobs import JobFolder, Jobs
from cluster.kubernetes.manifests import shown
from cluster.kubernetes.placing import hand_over, manifests_of, pod_job
from cluster.placed import SYSTEMS
from cluster.profiles.kept import kept_profile
from cluster.profiles.settings import BatchProfile, KubernetesProfile
from cluster.profiles.sources import Named
from cluster.providers.batch import driver_environment, driver_job, system_of, worker_name
from cluster.submission import Submission
from cluster.surroundings import with_code
from storage.store import Store


def place_driver(jobs: Jobs, job: JobFolder) -> None:
    """Nothing; the job has a driver, or will have one as soon as a batch system has room for it.

    Raises
    ------
    BatchError
        If the batch system takes no job; the journal says so too.
    """
    named = kept_profile(job.path)
    job.logs.mkdir(parents=True, exist_ok=True)
    try:
        placed = _placed(jobs, job, named)
    except ClusterError as error:
        job.journal.append(Kind.FAILED, error=str(error), failure=type(error).__name__)
        raise
    if placed is None:
        start_driver(jobs, job)
    else:
        job.journal.append(Kind.PLACED, system=placed["system"], id=placed["id"])


def _placed(jobs: Jobs, job: JobFolder, named: Named) -> Mapping[str, str] | None:
    """Where the driver has gone; None where it is to be a process here."""
    profile, submission = named.profile, job.submission()
    if isinstance(profile, BatchProfile) and profile.driver == "inside":
        system = system_of(profile)
        wanted = driver_job(job.id, profile, jobs.store.uri, job.logs / "driver.log")
        return {"system": system.name, "id": system.submit(system.script(wanted, profile), driver_environment())}
    if isinstance(profile, KubernetesProfile) and submission is not None:
        return hand_over(pod_job(job.id, submission.job(), named, profile, job.logs), profile)
    return None


def preview(submission: Submission, named: Named) -> str:
    """What `place_driver` would hand over, as text: a batch script, or Kubernetes objects without their secrets.

    Raises
    ------
    ProfileError
        If nothing is handed over, since the driver would be a process here.
    """
    profile, run = named.profile, "ID"
    logs = Store.work_of(submission.store) / "_jobs" / run / "logs"
    if isinstance(profile, BatchProfile) and profile.driver == "inside":
        return system_of(profile).script(driver_job(run, profile, submission.store, logs / "driver.log"), profile)
    if isinstance(profile, KubernetesProfile):
        manifests = manifests_of(pod_job(run, submission.job(), named, profile, logs), profile)
        return str(yaml.safe_dump_all(shown(manifests), sort_keys=False))
    raise ProfileError(named.name, f"the driver of a {profile.kind} profile is a process here: nothing is handed over")


def start_driver(jobs: Jobs, job: JobFolder) -> None:
    """Nothing; the driver is a process in a session of its own, with its log among the job's."""
    job.logs.mkdir(parents=True, exist_ok=True)
    with open(job.logs / "driver.log", "ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "cluster.detached", jobs.store.uri, job.id],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=jobs.store.work,
            env=with_code(os.environ),
        )
    # It goes on without us; nobody will ask how it ended.
    process.returncode = 0


def end_placed(job: JobFolder, placed: Mapping[str, Any]) -> None:
    """Nothing; the batch system has been told to end the job's driver and workers.

    Raises
    ------
    BatchError
        If it does not do that.
    """
    system = SYSTEMS.get(str(placed.get("system", "")))
    if system is None:
        return
    workers = [one for one, state in system.states(worker_name(job.id)).items() if state.pending or state.running]
    driver = system.state(str(placed["id"]))
    if driver is not None and (driver.pending or driver.running):
        workers.insert(0, str(placed["id"]))
    system.cancel(workers)
