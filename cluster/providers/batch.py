"""Workers as jobs of a batch system, and the driver as another one."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cluster.batch.pbs import Pbs
from cluster.batch.slurm import Slurm
from cluster.batch.system import BatchJob, BatchState, BatchSystem, outside
from cluster.errors import BatchError
from cluster.profiles.settings import BatchProfile
from cluster.providers.commands import (
    WorkerTerms,
    launch_scheduler,
    serve_words,
    serving_environment,
    worker_plan,
)
from cluster.providers.handles import Command, last_words
from cluster.providers.provider import Places
from cluster.surroundings import SERVER_DEFAULTS, with_code
from cluster.tls import TlsFolder

#: What nanny and interpreter take beside a worker's own memory.
_BESIDE_BYTES = 300 * 2**20
_ASK_S = 2.0
_END_S = 30.0
_SYSTEMS: dict[str, BatchSystem] = {"slurm": Slurm(), "pbs": Pbs()}


def worker_name(run: str) -> str:
    """What all worker jobs of a run are called."""
    return f"textmill-{run}-worker"


class BatchLauncher:
    """See the module.

    Parameters
    ----------
    name
        The profile's name.
    profile
        Its settings.
    run
        The run's id.
    host
        The address of this machine that the workers can reach.
    tls
        The keys; None for plain TCP.
    environment
        Variables for the workers.
    """

    all_at_once = False
    elsewhere: bool = True
    waiting = False
    most: int | None = None

    def __init__(
        self,
        name: str,
        profile: BatchProfile,
        run: str,
        host: str,
        tls: TlsFolder | None,
        environment: dict[str, str],
    ) -> None:
        self.profile = name
        self.host = host
        self.tls = tls
        self.start_s, self.pending_s = profile.start_timeout_s, profile.queue_timeout_s
        self.system = system_of(profile)
        self.name = worker_name(run)
        self._settings = profile
        self._environment = environment
        self._states: dict[str, BatchState] = {}
        self._asked_at = 0.0

    def scheduler(self, places: Places) -> tuple[Command, Path]:
        """A scheduler on its way up, and the file that will tell its address."""
        return launch_scheduler(self.host, self.tls, places)

    def start(self, numbers: Sequence[int], scheduler: str, terms: WorkerTerms, logs: Path) -> dict[int, "BatchHandle"]:
        """Workers in the queue."""
        return {number: self._queued(number, scheduler, terms, logs) for number in numbers}

    def _queued(self, number: int, scheduler: str, terms: WorkerTerms, logs: Path) -> "BatchHandle":
        plan = worker_plan(number, scheduler, terms, host=None, watch=None)
        log = logs / f"worker-{number}.log"
        logs.mkdir(parents=True, exist_ok=True)
        job = BatchJob(
            name=self.name,
            words=tuple(serve_words(self._settings.python or sys.executable, plan)),
            log=log,
            cores=terms.threads,
            memory_bytes=terms.memory_bytes + _BESIDE_BYTES,
        )
        variables = with_code({**SERVER_DEFAULTS, **outside(), **serving_environment(self.tls, self._environment)})
        return BatchHandle(self, self.system.submit(self.system.script(job, self._settings), variables), log)

    def state(self, job: str) -> BatchState | None:
        """What the system said of `job` a moment ago; all jobs are asked for at once, and not too often."""
        now = time.monotonic()
        if now - self._asked_at > _ASK_S or job not in self._states:
            self._asked_at = now
            try:
                self._states = self.system.states(self.name)
            except BatchError:
                # A busy batch system is no dead worker: Dask tells of those.
                return self._states.get(job, BatchState(pending=True, running=False, word="unknown"))
        return self._states.get(job)

    def clear(self) -> None:
        """Nothing; no worker job of this run is left, whoever asked for it."""
        deadline = time.monotonic() + _END_S
        try:
            while left := [
                job for job, state in self.system.states(self.name).items() if state.pending or state.running
            ]:
                self.system.cancel(left)
                if time.monotonic() > deadline:
                    return
                time.sleep(0.2)
        except BatchError:
            # They end by themselves when their scheduler is gone.
            return


class BatchHandle:
    """A worker's job.

    Parameters
    ----------
    launcher
        Asked for it.
    job
        Its id.
    log
        What it says.
    """

    def __init__(self, launcher: BatchLauncher, job: str, log: Path) -> None:
        self.job = job
        self._launcher = launcher
        self._log = log

    @property
    def pending(self) -> bool:
        """Whether it waits in the queue."""
        state = self._launcher.state(self.job)
        return state is not None and state.pending

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        state = self._launcher.state(self.job)
        return state is None or not (state.pending or state.running)

    def last_words(self) -> str:
        """What became of it and the end of its log."""
        state = self._launcher.state(self.job)
        return f"job {self.job} is {state.word if state else 'gone'}\n{last_words(self._log)}"

    def end(self) -> None:
        """Nothing; it is asked to end. The launcher's `clear` waits for it."""
        try:
            self._launcher.system.cancel([self.job])
        except BatchError:
            return


def system_of(profile: BatchProfile) -> BatchSystem:
    """The batch system of a profile's kind."""
    return _SYSTEMS[str(getattr(profile, "kind", ""))]


def driver_job(run: str, profile: BatchProfile, store: str, log: Path) -> BatchJob:
    """The job that a run's driver is, inside the batch system."""
    return BatchJob(
        name=f"textmill-{run}",
        words=(profile.python or sys.executable, "-m", "cluster.detached", store, run),
        log=log,
        cores=profile.driver_cores,
        memory_bytes=profile.driver_memory,
        again=True,
    )


def driver_environment() -> dict[str, str]:
    """Variables for a driver inside the batch system."""
    return with_code(outside(os.environ))
